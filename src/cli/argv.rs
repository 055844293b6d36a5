//! Secrets in the arguments are refused before anything else reads them: every user of a machine can read
//! every process's arguments, and the shell keeps them in its history.

use std::ffi::OsString;

use super::failure::Failure;

/// Flags that people reach for. None of them exists; each gets an answer that says what does.
const SECRET_FLAGS: [&str; 10] = [
    "--password",
    "--pass",
    "--passwd",
    "--otp-secret",
    "--otp",
    "--totp",
    "--code",
    "--token",
    "--access-code",
    "--local-key",
];

/// Fails if a flag would carry a secret. The value is not repeated.
pub(super) fn refuse_secrets(arguments: &[OsString]) -> Result<(), Failure> {
    let own = arguments.iter().skip(1).take_while(|argument| *argument != "--");
    for argument in own.filter_map(|argument| argument.to_str()) {
        let name = argument.split_once('=').map_or(argument, |(name, _)| name);
        if let Some(flag) = SECRET_FLAGS.iter().find(|flag| **flag == name) {
            let what = format!(
                "{flag} is not accepted: every user of this machine can read the arguments of a process"
            );
            return Err(Failure::usage(what).hint(instead_of(flag)));
        }
    }
    Ok(())
}

fn instead_of(flag: &str) -> String {
    let (ask, setting) = match flag {
        "--password" | "--pass" | "--passwd" => {
            ("let `portunus login` ask for it, or pipe it: `portunus login --password-stdin`; ", "password")
        }
        "--code" => {
            return "let `portunus login` ask for it, or pipe it: `portunus login --code-stdin`".into();
        }
        "--otp-secret" | "--otp" | "--totp" => ("", "otp_secret"),
        "--local-key" => ("", "local_key"),
        "--access-code" => ("", "access_code"),
        _ => return "the proxy signs in by itself and keeps its tokens; run `portunus login`".into(),
    };
    format!(
        "{ask}name its place in proxy.toml: {setting} = {{ env = \"NAME\" }}, {{ file = \"path\" }}, \
         {{ command = [\"…\"] }} or {{ prompt = true }}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Exit;

    fn refused(line: &str) -> Option<Failure> {
        refuse_secrets(&line.split(' ').map(OsString::from).collect::<Vec<_>>()).err()
    }

    #[test]
    fn a_secret_in_the_arguments_is_refused_and_never_repeated() {
        for flag in SECRET_FLAGS {
            for line in [format!("portunus login {flag} CNRY-1"), format!("portunus {flag}=CNRY-1 run")] {
                let failure = refused(&line).unwrap_or_else(|| panic!("{line}"));
                assert_eq!(failure.exit, Exit::Usage);
                assert!(failure.what.starts_with(flag), "{}", failure.what);
                assert!(!format!("{failure:?}").contains("CNRY"), "{failure:?}");
                assert!(failure.hint.is_some());
            }
        }
    }

    #[test]
    fn flags_that_read_secrets_from_elsewhere_are_let_through() {
        for line in
            ["portunus login --password-stdin", "portunus login --code-stdin --email a@b", "portunus run"]
        {
            assert_eq!(refused(line), None, "{line}");
        }
    }

    #[test]
    fn the_refusal_names_the_ways_that_exist() {
        let hint = refused("portunus login --password x").unwrap().hint.unwrap();
        for way in ["`portunus login`", "--password-stdin", "env =", "file =", "prompt = true"] {
            assert!(hint.contains(way), "{way}: {hint}");
        }
    }
}
