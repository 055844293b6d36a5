//! The file itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn load(content: &[u8], mode: u32) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my.toml");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let environment: Environment = [HOME].into_iter().collect();
    let inputs = Inputs { file: Some(&path), environment: &environment, flags: &[], unsafe_listen: false };
    let shown = |problems: Problems| problems.to_string().replace(&path.display().to_string(), "my.toml");
    Config::load(&inputs).map_err(shown)
}

#[test]
fn a_file_is_read_unless_everybody_can_write_it() {
    assert_eq!(load(MINIMAL.as_bytes(), 0o664).unwrap().name, "my");
    let shown = "my.toml: can be written by everybody (its mode is 0666)\n  hint: chmod o-w my.toml";
    assert_eq!(load(MINIMAL.as_bytes(), 0o666).unwrap_err(), shown);
}

#[test]
fn bytes_that_are_no_text_are_found() {
    assert_eq!(
        load(b"# \xc3\xa4\n# \xff", 0o600).unwrap_err(),
        "my.toml:2:3: is not UTF-8 text from here on"
    );
}

#[test]
fn a_mebibyte_is_read_and_one_byte_more_is_not() {
    let padded = |length: usize| {
        let mut text = MINIMAL.to_owned();
        text.push_str(&"#".repeat(length - text.len()));
        load(text.as_bytes(), 0o600)
    };
    assert!(padded(1 << 20).is_ok());
    assert_eq!(padded((1 << 20) + 1).unwrap_err(), "my.toml: is longer than any configuration (1MiB)");
}

#[test]
fn a_missing_file_says_how_to_name_another() {
    let environment = Environment::default();
    let file = Some(Path::new("/nowhere/proxy.toml"));
    let inputs = Inputs { file, environment: &environment, flags: &[], unsafe_listen: false };
    let shown = Config::load(&inputs).unwrap_err().to_string();
    assert!(shown.starts_with("/nowhere/proxy.toml: cannot be read: No such file or directory"), "{shown}");
    assert!(shown.ends_with("hint: name another with --config or PORTUNUS_CONFIG"), "{shown}");
}
