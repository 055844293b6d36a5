//! The simulator's dialect in the words of `proxy.toml`: what somebody would write who knew the deployment.

use std::fmt::Write;

use portal_sim::{Dialect, MethodForm, SealedAnswers};

/// The `[portal]` and `[dialect]` sections, without the access code.
pub(in crate::cli) fn sections(dialect: &Dialect, portal: &str) -> String {
    let preset = if dialect.channel { "guide" } else { "plain" };
    let mut text = format!(
        "[portal]\nname = \"{portal}\"\ndialect = \"{preset}\"\naccess_code = {{ file = \"access-code\" }}\n\n[dialect]\n"
    );
    let method = match dialect.method_form {
        MethodForm::Name => "name",
        MethodForm::AsReceived => "as-received",
        MethodForm::Integer | MethodForm::Any => "integer",
    };
    let mut lines = vec![
        ("auth_base", quoted(&dialect.auth_base)),
        ("login_base", quoted(&dialect.login_base)),
        ("refresh_path", quoted(&dialect.refresh_path)),
        ("method", quoted(method)),
        ("request_id_required", dialect.require_request_id.to_string()),
    ];
    if dialect.channel {
        let sealed: Vec<_> =
            dialect.sealed_paths.iter().map(|name| quoted(&path_of(name, dialect))).collect();
        lines.extend([
            ("channel_base", quoted(&dialect.channel_base)),
            ("session_header", quoted(&dialect.session_header)),
            ("sc_version", dialect.sc_version.to_string()),
            ("content_type", quoted(&dialect.sealed_content_type)),
            ("envelope", quoted(dialect.envelope.name())),
            ("key_exchange", quoted(if dialect.session_call { "session" } else { "first-message" })),
            ("oaep_hash", quoted(dialect.oaep_hash.name())),
            ("mgf1_hash", quoted(dialect.mgf1_hash.name())),
            ("aad", quoted(dialect.aad.name())),
            ("base64", quoted(dialect.base64.name())),
            ("empty_body", quoted(dialect.empty_body.name())),
            ("sealed_paths", format!("[{}]", sealed.join(", "))),
            ("accept_plain_success", (dialect.sealed_answers == SealedAnswers::Never).to_string()),
        ]);
    }
    for (key, value) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{key} = {value}");
    }
    text
}

/// Where the simulator has the call that it knows by this name.
fn path_of(name: &str, dialect: &Dialect) -> String {
    match name {
        "login/initiate" | "login/complete" => format!("{{login}}/{}", name.trim_start_matches("login/")),
        "mfa/send" => "{login}/mfa/send".to_owned(),
        "token/refresh" => dialect.refresh_path.clone(),
        _ if name.starts_with("register/") || name.starts_with("password/") || name == "logout" => {
            format!("{{auth}}/{name}")
        }
        _ => format!("/web/v1/{{portal}}/{name}"),
    }
}

/// A TOML string. What the simulator's dialects hold needs no escapes.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use portal_sim::Settings;

    use super::*;
    use crate::config::{Config, Environment, Inputs};

    #[test]
    fn two_hundred_random_dialects_are_valid_configurations() {
        for seed in 0..200 {
            let settings = Settings::random(seed);
            let written = sections(&settings.dialect, &settings.portal);
            let text =
                format!("[upstream]\nurl = \"http://127.0.0.1:1\"\n[state]\ndir = \"/tmp\"\n{written}");
            let environment = Environment::default();
            let inputs = Inputs { file: None, environment: &environment, flags: &[], unsafe_listen: false };
            let config =
                Config::from_text(&text, &inputs).unwrap_or_else(|e| panic!("seed {seed}: {e}\n{text}"));
            let ours = config.dialect();
            assert_eq!(ours.channel.is_some(), settings.dialect.channel, "seed {seed}");
            for sealed in ["login/initiate", "password/change", "token/refresh"] {
                let is_sealed = settings.dialect.sealed_paths.iter().any(|name| name == sealed);
                let path = path_of(sealed, &settings.dialect)
                    .replace("{login}", &settings.dialect.login_base)
                    .replace("{auth}", &settings.dialect.auth_base)
                    .replace("{portal}", &settings.portal);
                assert_eq!(ours.seals(&path), is_sealed, "seed {seed}: {path}");
            }
        }
    }
}
