//! Flags, environment and file.

use super::*;

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let file = "[upstream]\nurl = \"https://file.test\"\nhead_timeout = \"1s\"\nmax_idle = 1\n";
    let variables =
        [("PORTUNUS_UPSTREAM_URL", "https://variable.test"), ("PORTUNUS_UPSTREAM_HEAD_TIMEOUT", "2s")];
    let flags = [("--upstream", "upstream.url", "https://flag.test")];
    let config = read_with(file, &variables, &flags).unwrap();
    assert_eq!(config.upstream.url.host_str(), Some("flag.test"));
    assert_eq!(config.upstream.head_timeout, Duration::from_secs(2));
    assert_eq!(config.upstream.max_idle, 1);
}

#[test]
fn every_kind_of_setting_can_be_given_by_a_variable() {
    let variables = [
        ("PORTUNUS_UPSTREAM_URL", "https://portal.test"),
        ("PORTUNUS_UPSTREAM_HTTP2", "false"),
        ("PORTUNUS_UPSTREAM_MAX_IDLE", "7"),
        ("PORTUNUS_UPSTREAM_CA_FILE", "ca.pem"),
        ("PORTUNUS_UPSTREAM_EXTRA_HEADERS", "{ a = \"b\", c = { env = \"PORTUNUS_MINE\" } }"),
        ("PORTUNUS_MINE", "x"),
        ("PORTUNUS_LISTEN_ADDRESSES", "127.0.0.1:0, [::1]:0"),
        ("PORTUNUS_LISTEN_WORKERS", "2"),
        ("PORTUNUS_LIMITS_URI", "4KiB"),
        ("PORTUNUS_LIMITS_REPLAY_BODY", "1000"),
        ("PORTUNUS_PORTAL_DIALECT", "scv2"),
        ("PORTUNUS_PORTAL_CLIENT_HASH", "abc"),
        ("PORTUNUS_LOGIN_EMAIL", "you@example.com"),
        ("PORTUNUS_LOGIN_PASSWORD", "hunter2"),
        ("PORTUNUS_LOGIN_OTP_SECRET_FILE", "/run/secrets/otp"),
        ("PORTUNUS_LOG_LEVEL", ""),
        ("PORTUNUS_CONFIG", "proxy.toml"),
        ("PORTUNUS_SERVICE_HOST", "10.0.0.1"),
        ("PORTUNUS_PORT_8787_TCP_ADDR", "10.0.0.1"),
    ];
    let config = read_with("", &variables, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(!config.upstream.http2);
    assert_eq!(config.upstream.max_idle, 7);
    assert_eq!(config.upstream.ca_file.as_deref(), Some(Path::new("ca.pem")));
    assert_eq!(config.upstream.extra_headers.len(), 2);
    assert_eq!(config.listen.addresses.len(), 2);
    assert!(!config.listen.has_default_addresses());
    assert_eq!(config.limits.uri, 4096);
    assert_eq!(config.limits.replay_body, 1000);
    assert_eq!(config.portal.dialect, Preset::Scv2);
    assert!(matches!(config.portal.client_hash, ClientHashSource::Literal(_)));
    assert_eq!(config.login.password, Some(SecretSource::Env("PORTUNUS_LOGIN_PASSWORD".into())));
    assert_eq!(config.login.otp_secret, Some(SecretSource::File("/run/secrets/otp".into())));
}

#[test]
fn problems_of_the_environment_and_of_flags_are_reported_by_name() {
    let variables = [
        ("PORTUNUS_UPSTREAM_CONECT_TIMEOUT", "1s"),
        ("PORTUNUS_LIMITS_DRAIN", "soon"),
        ("PORTUNUS_LIMITS_HEADERS", "many"),
        ("PORTUNUS_LISTEN_ADDRESSES", "127.0.0.1:0,8787"),
        ("PORTUNUS_LOGIN_PASSWORD", "a"),
        ("PORTUNUS_LOGIN_PASSWORD_FILE", "b"),
        ("PORTUNUS_ROUTE_PATH", "/a"),
        ("PORTUNUS_UPSTREAM_EXTRA_HEADERS", "a: b"),
    ];
    let flags = [
        ("--set", "log.levle", "info"),
        ("--password", "login.password", "CNRY"),
        ("--timeout", "limits.wait_timeout", "1"),
    ];
    let shown = "\
PORTUNUS_LIMITS_DRAIN: 'drain' must be a duration such as \"250ms\", \"5s\", \"2m\" or \"1h\", not \"soon\"
PORTUNUS_LIMITS_HEADERS: 'headers' must be a whole number, not a string
PORTUNUS_LISTEN_ADDRESSES: \"8787\" is no IP address with a port
  hint: write \"127.0.0.1:8787\" or \"[::1]:8787\"
PORTUNUS_ROUTE_PATH: unknown setting
PORTUNUS_UPSTREAM_CONECT_TIMEOUT: unknown setting; did you mean PORTUNUS_UPSTREAM_CONNECT_TIMEOUT?
PORTUNUS_UPSTREAM_EXTRA_HEADERS: must be a table of names and values: { \"X-Forwarded-Proto\" = \"https\" }: \
         string values must be quoted, expected literal string
--password: 'password' is a secret, and a command line can be read by every user
  hint: set PORTUNUS_LOGIN_PASSWORD or PORTUNUS_LOGIN_PASSWORD_FILE
--set: unknown setting 'log.levle'; did you mean 'log.level'?
--timeout: 'wait_timeout' must be a duration such as \"250ms\", \"5s\", \"2m\" or \"1h\", not \"1\"";
    assert_eq!(read_with(MINIMAL, &variables, &flags).unwrap_err().to_string(), shown);

    let both = &variables[4..6];
    let shown =
        "PORTUNUS_LOGIN_PASSWORD: PORTUNUS_LOGIN_PASSWORD_FILE is set as well, and only one of them can hold";
    assert_eq!(read_with(MINIMAL, both, &[]).unwrap_err().to_string(), shown);
}

#[test]
fn a_variable_that_is_not_utf8_is_reported() {
    use std::os::unix::ffi::OsStringExt;
    let value = std::ffi::OsString::from_vec(vec![0xff]);
    let environment: Environment =
        [("PORTUNUS_LOG_LEVEL", value), ("HOME", "/h".into())].into_iter().collect();
    let inputs = Inputs { file: None, environment: &environment, flags: &[], unsafe_listen: false };
    let problems = Config::from_text(MINIMAL, &inputs).unwrap_err();
    assert_eq!(problems.to_string(), "PORTUNUS_LOG_LEVEL: is not UTF-8");
}

#[test]
fn a_list_takes_all_of_its_flags_and_anything_else_the_last() {
    let flags = [
        ("--listen", "listen.addresses", "127.0.0.1:1"),
        ("--listen", "listen.addresses", "[::1]:2"),
        ("--log", "log.level", "debug"),
        ("--log", "log.level", "warn"),
    ];
    let config = read_with(MINIMAL, &[], &flags).unwrap();
    assert_eq!(config.listen.addresses, ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]);
    assert_eq!(config.log.level.to_string(), "warn");
}
