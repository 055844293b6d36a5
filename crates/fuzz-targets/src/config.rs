//! The configuration.

use std::path::Path;

use portunus::config::{Config, Environment, Inputs};

/// A secret that has gone astray, for instance into a key or a wrong section.
const CANARY: &str = "CNRY-7f3a90";

/// No text makes the reader panic. It either gives a configuration or says what is wrong, the same each time, and
/// without the value of a setting that holds secrets.
pub fn config(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let environment = Environment::default();
    let inputs = Inputs {
        file: Some(Path::new("/etc/portunus/fuzz.toml")),
        environment: &environment,
        flags: &[],
        unsafe_listen: false,
    };
    let first = Config::from_text(text, &inputs);
    match (&first, Config::from_text(text, &inputs)) {
        (Ok(one), Ok(other)) => {
            assert_eq!(*one, other);
            // What loads is spelled out without a panic, too.
            let _ = (one.dialect(), format!("{one:?}"));
        }
        (Err(one), Err(other)) => {
            assert!(!one.to_string().is_empty(), "what is wrong is said");
            assert_eq!(one.to_string(), other.to_string());
        }
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => panic!("read twice, understood once"),
    }
    for setting in ["password", "otp_secret"] {
        let astray = format!("{text}\n[login]\n{setting} = \"{CANARY}\"\n");
        if let Err(problems) = Config::from_text(&astray, &inputs) {
            let said = problems.to_string();
            assert!(text.contains(CANARY) || !said.contains(CANARY), "{said}");
        }
    }
}
