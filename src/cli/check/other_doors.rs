//! What leads to other places than the portal: a Redis, a forward proxy, the keys of certificates. None of them can be
//! stood in for, so each leads nowhere here; what is shown of it, and said of each failure, is searched.

use std::error::Error;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use data_encoding::BASE64;

use super::leaks::{Canaries, Shown};
use crate::app::{self, Secrets, Visit};
use crate::clock::SystemClock;
use crate::config::{Config, Inputs};

/// Nobody is there.
const NOWHERE: &str = "127.0.0.1:1";

/// Prepares each door with a made-up secret, and tries it.
pub(super) async fn knock(
    canaries: &mut Canaries,
    directory: &Path,
    shown: &mut Shown,
) -> Result<(), String> {
    let key_file = directory.join("made-up-key.pem");
    let key = canaries.make("a private key's file");
    write(
        &key_file,
        &format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            BASE64.encode(key.as_bytes())
        ),
    )
    .map_err(|error| format!("no file can be written: {error}"))?;
    for (setting, variable) in [
        ("state.redis_password", "REDIS_PASSWORD"),
        ("state.key", "OTHER_STATE_KEY"),
        ("upstream.proxy_credentials", "PROXY_CREDENTIALS"),
        ("[[identity]] password", "IDENTITY_PASSWORD"),
    ] {
        let secret = canaries.make(setting);
        let text = if variable == "PROXY_CREDENTIALS" { format!("user:{secret}") } else { secret };
        canaries.put(setting, variable, &text);
    }
    let environment = canaries.environment();
    let inputs = Inputs { file: None, environment: &environment, flags: &[], unsafe_listen: false };
    let text = format!(
        "[listen]\naddresses = [\"127.0.0.1:0\"]\ntls_cert_file = {key_file:?}\ntls_key_file = {key_file:?}\n\
         [upstream]\nurl = \"https://{NOWHERE}\"\nproxy = \"http://{NOWHERE}\"\n\
         proxy_credentials = {{ env = \"PROXY_CREDENTIALS\" }}\n\
         client_cert_file = {key_file:?}\nclient_key_file = {key_file:?}\n\
         [state]\ndir = {:?}\nstore = \"redis://{NOWHERE}\"\nredis_timeout = \"100ms\"\n\
         redis_password = {{ env = \"REDIS_PASSWORD\" }}\nkey = {{ env = \"OTHER_STATE_KEY\" }}\n\
         [[identity]]\nname = \"canary\"\nemail = \"canary@example.com\"\n\
         password = {{ env = \"IDENTITY_PASSWORD\" }}\n\
         [session]\nwait_through = \"0ms\"\n[limits]\nwait_timeout = \"1s\"\n",
        directory.join("other-state"),
    );
    let config = Config::from_text(&text, &inputs).map_err(|problems| problems.to_string())?;
    let config = config.each().remove(0);
    shown.push(("Debug", format!("{config:?} {config:#?}").into_bytes()));
    let secrets = Secrets::fetch(&config, &config.surroundings(&environment, None)).await;
    let secrets = secrets.map_err(|error| said(&error))?;
    shown.push(("Debug", format!("{secrets:?} {secrets:#?} {:?}", secrets.via(&config)).into_bytes()));

    // There is neither a key nor a certificate in the file: each of these says so.
    let own = app::try_addresses(&config, &environment).map(drop);
    let theirs = Visit::prepare(&config, &secrets, SystemClock::shared()).map(drop);
    let store = app::try_store(&config, &secrets).await.map(drop);
    // And where the key is not in the way, nobody is there.
    let mut keyless = config.clone();
    (keyless.upstream.client_cert_file, keyless.upstream.client_key_file) = (None, None);
    let forward = match Visit::prepare(&keyless, &secrets, SystemClock::shared()) {
        Err(error) => Err(error),
        Ok(visit) => {
            shown.push(("Debug", format!("{visit:?}").into_bytes()));
            let refused =
                visit.session.lease().await.err().map(|error| format!("{} {error:?}", said(&error)));
            shown.push(("problems", refused.unwrap_or_default().into_bytes()));
            visit.session.close().await;
            Ok(())
        }
    };
    for failed in [own, theirs, store, forward] {
        if let Err(error) = failed {
            let text = format!("{} {error:?} {}", said(&error), error.hint().unwrap_or_default());
            shown.push(("problems", text.into_bytes()));
        }
    }
    // It is no secret that is kept in it: the file is the secret.
    std::fs::remove_file(&key_file).map_err(|error| format!("a file cannot be removed: {error}"))
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?
        .write_all(text.as_bytes())
}

/// An error with all that caused it.
fn said(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_other_door_is_tried_and_none_says_its_secret() {
        let directory = tempfile::tempdir().unwrap();
        let (mut canaries, mut shown) = (Canaries::default(), Shown::new());
        knock(&mut canaries, directory.path(), &mut shown).await.unwrap();
        assert_eq!(canaries.hunt.len(), 5);
        let said = |place: &str| {
            let all = shown.iter().filter(|(of, _)| *of == place);
            all.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned()).collect::<Vec<_>>()
        };
        let problems = said("problems").join("\n");
        for part in ["made-up-key.pem", "redis://127.0.0.1:1"] {
            assert!(problems.contains(part), "{part}: {problems}");
        }
        assert!(said("problems").len() >= 4, "{problems}");
        let debug = said("Debug").join("\n");
        for part in ["RedisPassword(***)", "ProxyCredentials(***)", "SealingPassphrase(***)", "Password(***)"]
        {
            assert!(debug.contains(part), "{part}: {debug}");
        }
        for (place, bytes) in &shown {
            assert_eq!(canaries.hunt.hits(bytes), [], "{place}");
        }
    }
}
