//! The configuration.

use std::path::Path;

use portunus::config::{Config, Environment, Inputs, Problems};

/// A secret that has gone astray, for instance into a key or a wrong section.
const CANARY: &str = "CNRY-7f3a90";

/// No text makes the reader panic. It either gives a configuration or says what is wrong, the same each time, and
/// without the value of a setting that holds secrets. A reading is dear: beside the first, each text gets one more, by
/// its length the same again or one with a secret astray.
pub fn config(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let environment = Environment::default();
    let inputs = Inputs {
        file: Some(Path::new("/etc/portunus/fuzz.toml")),
        environment: &environment,
        flags: &[],
        unsafe_listen: false,
    };
    let read = Config::from_text(text, &inputs);
    match &read {
        // What loads is spelled out without a panic, too.
        Ok(config) => drop((config.dialect(), format!("{config:?}"))),
        Err(problems) => assert!(!problems.to_string().is_empty(), "what is wrong is said"),
    }
    let astray = match text.len() % 3 {
        0 => return assert_same(read, Config::from_text(text, &inputs)),
        1 => "password",
        _ => "otp_secret",
    };
    let astray = format!("{text}\n[login]\n{astray} = \"{CANARY}\"\n");
    if let Err(problems) = Config::from_text(&astray, &inputs) {
        let said = problems.to_string();
        assert!(text.contains(CANARY) || !said.contains(CANARY), "{said}");
    }
}

fn assert_same(one: Result<Config, Problems>, other: Result<Config, Problems>) {
    match (one, other) {
        (Ok(one), Ok(other)) => assert_eq!(one, other),
        (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => panic!("read twice, understood once"),
    }
}
