//! Tests of the whole: texts in, a [`Config`] or the exact list of problems out.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::portal::Preset;
use crate::session::MfaChoice;

const MINIMAL: &str = "[upstream]\nurl = \"https://portal.test\"\n";

const HOME: (&str, &str) = ("HOME", "/home/you");

fn read_with(
    text: &str,
    variables: &[(&str, &str)],
    flags: &[(&str, &str, &str)],
) -> Result<Config, Problems> {
    let environment: Environment = variables.iter().copied().chain([HOME]).collect();
    let flag = |&(name, setting, value): &(&str, &str, &str)| Flag {
        name: name.to_owned(),
        setting: setting.to_owned(),
        value: value.to_owned(),
    };
    let flags: Vec<Flag> = flags.iter().map(flag).collect();
    let file = Some(Path::new("proxy.toml"));
    Config::from_text(text, &Inputs { file, environment: &environment, flags: &flags, unsafe_listen: false })
}

fn read(text: &str) -> Result<Config, Problems> {
    read_with(text, &[], &[])
}

/// The problems of the text, as they are shown, below a good [upstream] of two lines.
#[track_caller]
fn assert_problems(below: &str, shown: &[&str]) {
    let problems = read(&format!("{MINIMAL}{below}")).expect_err("it has problems").to_string();
    assert_eq!(problems, shown.join("\n"), "{below}");
}

#[track_caller]
fn good(below: &str) -> Config {
    read(&format!("{MINIMAL}{below}")).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn an_url_is_all_it_takes() {
    let config = read(MINIMAL).unwrap();
    assert_eq!(config.name, "proxy");
    assert_eq!(config.upstream.url.as_str(), "https://portal.test/");
    assert_eq!(config.upstream.connect_timeout, Duration::from_secs(5));
    assert_eq!(config.listen.addresses, ["127.0.0.1:8787".parse().unwrap(), "[::1]:8787".parse().unwrap()]);
    assert!(config.listen.has_default_addresses());
    assert_eq!(config.listen.workers, Auto::Auto);
    assert_eq!(config.portal.name.as_str(), "tenant");
    assert_eq!(config.portal.dialect, Preset::Guide);
    assert_eq!(config.portal.client_hash, ClientHashSource::Auto);
    assert_eq!(config.login.mfa, MfaChoice::Auto);
    assert_eq!(config.limits.sealed_body, 8 * 1024 * 1024);
    assert_eq!(config.limits.in_flight, 256);
    assert_eq!(config.state_dir, Path::new("/home/you/.local/state/portunus"));
    assert_eq!(config.admin_socket.as_deref(), Some(Path::new("/home/you/.local/state/portunus/proxy.sock")));
    assert_eq!(config.log.format, crate::telemetry::LogFormat::Text);
    assert!(config.routes.is_empty());
}

#[test]
fn a_missing_url_says_where_it_goes() {
    let hint = "hint: write url = \"https://portal.example.com\" there, or set PORTUNUS_UPSTREAM_URL";
    assert_eq!(
        read("").unwrap_err().to_string(),
        format!("proxy.toml: missing key 'url' in [upstream]\n  {hint}")
    );
    assert_eq!(
        read("[log]\n[upstream]\n").unwrap_err().to_string(),
        format!("proxy.toml:2:2: missing key 'url' in [upstream]\n  {hint}")
    );
}

#[test]
fn every_problem_is_listed_at_once_in_the_order_of_the_file() {
    let text = r#"
[upstream]
url = "ftp://portal.test"
    conect_timeout = "1s"
head_timeout = 30

[login]
email = "you@example.com"
password = "hunter2"
mfa = "opt"

[limits]
sealed_body = "8MB"
headers = 4

[lgo]
"#;
    let shown = r#"proxy.toml:3:7: 'url' must begin with http:// or https://
proxy.toml:4:5: unknown key 'conect_timeout' in [upstream]; did you mean 'connect_timeout'?
proxy.toml:5:16: 'head_timeout' needs a unit: "30s" or "30ms"
proxy.toml:9:12: 'password' is a secret, and no secret is written here
  hint: write { env = "NAME" }, { file = "path" }, { command = ["program", "argument"] } or { prompt = true }
proxy.toml:10:7: 'mfa' must be one of "auto", "otp", "email" or "backup-code", not "opt"; did you mean "otp"?
proxy.toml:13:15: 'sealed_body' must be a size such as "64KiB" or "8MiB", or a number of bytes, not "8MB"
proxy.toml:14:11: 'headers' is 4; it must be 16 to 1000
proxy.toml:16:2: unknown section [lgo]; did you mean [log]?"#;
    let problems = read(text).unwrap_err();
    assert_eq!(problems.to_string(), shown);
    assert_eq!(problems.len(), 8);
}

#[test]
fn each_kind_of_problem_has_its_text() {
    let forms =
        r#"{ env = "NAME" }, { file = "path" }, { command = ["program", "argument"] } or { prompt = true }"#;
    let one = |below: &str, shown: &str| assert_problems(below, &[&format!("proxy.toml:{shown}")]);
    let hinted = |below: &str, shown: &str, hint: &str| one(below, &format!("{shown}\n  hint: {hint}"));

    // TOML itself.
    one("[log\n", "3:5: unclosed table, expected `]`");
    one("[log]\n[log]\n", "4:2: duplicate key");
    // Sections and keys.
    one("[nothing]\n", "3:2: unknown section [nothing]");
    one("[[log]]\n", "3:3: [log] is a section, not a list");
    one("[route]\n", "3:2: each of these starts with [[route]]");
    one("[log]\nurl = 1\n", "4:1: unknown key 'url' in [log]; it belongs in [upstream]");
    one("[log]\nmethods = 1\n", "4:1: unknown key 'methods' in [log]; it belongs in [[route]]");
    one("[log]\n\"a\\nb\" = 1\n", "4:1: unknown key 'a\\nb' in [log]");
    one(
        "[[route]]\npath = \"/a\"\nmethod = []\n",
        "5:1: unknown key 'method' in [[route]]; did you mean 'methods'?",
    );
    // Kinds of values.
    one("[log]\nlevel = 3\n", "4:9: 'level' must be a level, in quotes, not a number");
    one("[log]\nformat = []\n", "4:10: 'format' must be one of \"text\" or \"json\", not a list");
    one("[state]\ndir = true\n", "4:7: 'dir' must be a path, in quotes, not true or false");
    one("[state]\ndir = \"\"\n", "4:7: 'dir' is no path");
    one("[login]\nadopt = \"yes\"\n", "4:9: 'adopt' must be true or false, not a string");
    one(
        "[limits]\ndrain = \"5\"\n",
        "4:9: 'drain' must be a duration such as \"250ms\", \"5s\", \"2m\" or \"1h\", not \"5\"",
    );
    one(
        "[limits]\ndrain = 1.5\n",
        "4:9: 'drain' must be a duration such as \"250ms\", \"5s\", \"2m\" or \"1h\", not a number with a fraction",
    );
    one("[limits]\nheaders = \"100\"\n", "4:11: 'headers' must be a whole number, not a string");
    one("[limits]\nheaders = -1\n", "4:11: 'headers' is -1; it must be 16 to 1000");
    one(
        "[limits]\nheaders = 99999999999999999999\n",
        "4:11: 'headers' must be a whole number, not a number of more than 63 bits",
    );
    one("[listen]\nworkers = \"some\"\n", "4:11: 'workers' must be a whole number, not a string");
    one("[listen]\nworkers = 0\n", "4:11: 'workers' is 0; it must be 1 to 1024");
    // [listen]
    hinted(
        "[listen]\naddresses = [\"127.0.0.1:1\", \"localhost:80\"]\n",
        "4:29: \"localhost:80\" is no IP address with a port",
        "write \"127.0.0.1:80\" or \"[::1]:80\"",
    );
    one("[listen]\naddresses = []\n", "4:13: there is no address and no unix socket to listen on");
    hinted(
        "[listen]\naddresses = [\"0.0.0.0:80\"]\n",
        "4:13: 0.0.0.0:80 is not a loopback address: whoever reaches it acts as you",
        "listen on 127.0.0.1 or [::1]; or add the flag --unsafe-listen and set guard.local_key",
    );
    // [upstream], here on its own lines.
    one("plain_http = 1\n", "3:14: 'plain_http' must be true or false, not a number");
    hinted("client_cert_file = \"c\"\n", "3:20: a certificate without its key", "set client_key_file");
    hinted("client_key_file = \"c\"\n", "3:19: a key without its certificate", "set client_cert_file");
    one("spki_pin = \"abcd\"\n", "3:12: 'spki_pin' must be a SHA-256: 64 hex digits, not \"abcd\"");
    one("extra_headers = { \"a b\" = \"x\" }\n", "3:19: \"a b\" is no header name (RFC 9110 section 5.1)");
    one("extra_headers = { Host = \"x\" }\n", "3:19: 'host' is written by the proxy itself");
    one("extra_headers = { X-SC-Version = \"2\" }\n", "3:19: 'x-sc-version' is written by the proxy itself");
    one(
        "extra_headers = { a = \"x\\n\" }\n",
        "3:19: the value of 'a' is no header value (RFC 9110 section 5.5)",
    );
    one("extra_headers = { a = 1 }\n", "3:19: 'a' must be text or a secret's source, not a number");
    one("extra_headers = { a = \"x\", A = \"y\" }\n", "3:28: 'a' stands there twice (case does not count)");
    hinted(
        "extra_headers = { Cookie = \"x\" }\n",
        "3:19: 'cookie' is a secret, and no secret is written here",
        &format!("write {forms}"),
    );
    // [portal]
    one("[portal]\nname = \"a/b\"\n", "4:8: 'name' must be 1 to 64 of a-z, 0-9 and -, not \"a/b\"");
    one("[portal]\nname = \"\"\n", "4:8: 'name' is empty");
    one(
        "[portal]\ndialect = \"guid\"\n",
        "4:11: 'dialect' must be one of \"guide\", \"scv2\", \"sdk\", \"wiki\" or \"plain\", not \"guid\"; did you mean \"guide\"?",
    );
    hinted(
        "[portal]\naccess_code = \"CNRY\"\n",
        "4:15: 'access_code' is a secret, and no secret is written here",
        &format!("write {forms}"),
    );
    one("[portal]\nclient_hash = \"a b\"\n", "4:15: 'client_hash' must be 1 to 256 visible ASCII characters");
    one("[portal]\nkey_pin = \"xyz\"\n", "4:11: 'key_pin' must be a SHA-256: 64 hex digits, not \"xyz\"");
    // Secret sources.
    let source = |source: &str| format!("[guard]\nlocal_key = {source}\n");
    hinted(&source("{}"), "4:13: 'local_key' must name one source of the secret", &format!("write {forms}"));
    hinted(
        &source("{ env = \"A\", file = \"b\" }"),
        "4:13: 'local_key' must name one source of the secret",
        &format!("write {forms}"),
    );
    hinted(
        &source("{ fil = \"b\" }"),
        "4:15: 'local_key': unknown source 'fil'; did you mean 'file'?",
        &format!("write {forms}"),
    );
    one(&source("{ env = 1 }"), "4:21: 'local_key': env must be the name of a variable, in quotes");
    one(&source("{ env = \"A=b\" }"), "4:21: 'local_key': env must be the name of a variable, in quotes");
    one(&source("{ file = 1 }"), "4:22: 'local_key': file must be a path, in quotes");
    one(
        &source("{ command = \"pass portal\" }"),
        "4:25: 'local_key': command must be a list: the program, then its arguments, such as [\"pass\", \"portal\"]",
    );
    one(
        &source("{ command = [] }"),
        "4:25: 'local_key': command must be a list: the program, then its arguments, such as [\"pass\", \"portal\"]",
    );
    one(&source("{ prompt = false }"), "4:24: 'local_key': prompt must be true");
    // [login]
    one("[login]\nemail = \"you\"\n", "4:9: 'email' is no e-mail address");
    one("[login]\npassword = { prompt = true }\n", "4:12: 'password' is set, but 'email' is not");
    // [[route]]
    hinted("[[route]]\n", "3:1: missing key 'path' in [[route]]", "write path = \"/web/v1/tenant/orders/*\"");
    let path = |path: &str| format!("[[route]]\npath = \"{path}\"\n");
    one(&path("a"), "4:8: 'path': \"a\" does not begin with /");
    one(&path("/a*"), "4:8: 'path': \"/a*\" has a * that does not follow a /");
    one(&path("/*/a"), "4:8: 'path': \"/*/a\" has a * that is not at its end");
    one(&path("/a?b"), "4:8: 'path': \"/a?b\" has a ? or #, which a path does not");
    one(
        &path("/a/../b"),
        "4:8: 'path': \"/a/../b\" has an empty or dot segment, and no request with one is let in",
    );
    one(&path("//a"), "4:8: 'path': \"//a\" has an empty or dot segment, and no request with one is let in");
    one(&path("/ä"), "4:8: 'path': \"/ä\" has a character that has to be percent-encoded");
    let methods = |methods: &str| format!("[[route]]\npath = \"/a\"\nmethods = {methods}\n");
    one(&methods("[\"get\"]"), "5:12: \"get\" is no method; did you mean \"GET\"?");
    one(&methods("[\"GET\", \"TRACE\"]"), "5:19: TRACE is never let in");
    one(&methods("[\"A B\"]"), "5:12: \"A B\" is no method");
    one(&methods("\"GET\""), "5:11: 'methods' must be a list of methods: \"GET\", \"POST\", not a string");
    hinted(
        "[[route]]\npath = \"/a/*\"\n[[route]]\npath = \"/a/b\"\n",
        "6:8: the route for /a/* before it already takes all of /a/b",
        "put it before the one in line 3",
    );
    // [guard]
    hinted("[guard]\nallowed_hosts = [\"a b\"]\n", "4:18: \"a b\" is no host", "write \"name:port\"");
    one("[guard]\nallowed_hosts = [\"*.test:1\"]\n", "4:18: \"*.test:1\": each host is named in full");
    one(
        "[guard]\nallowed_hosts = [\"0.0.0.0:1\"]\n",
        "4:18: \"0.0.0.0:1\" names no host, and is never allowed",
    );
    let bare = "write \"http://localhost:5173\": scheme, host and port alone";
    hinted("[guard]\nallowed_origins = [\"*\"]\n", "4:20: the origin \"*\" stands for every page", bare);
    hinted(
        "[guard]\nallowed_origins = [\"null\"]\n",
        "4:20: the origin \"null\" stands for every page",
        bare,
    );
    hinted("[guard]\nallowed_origins = [\"http://a/b\"]\n", "4:20: \"http://a/b\" is no origin", bare);
    hinted("[guard]\nallowed_origins = [\"http://a/\"]\n", "4:20: \"http://a/\" is no origin", bare);
    hinted("[guard]\nallowed_origins = [\"data:x\"]\n", "4:20: \"data:x\" is no origin", bare);
    // [limits]
    one(
        "[limits]\nuri = \"64KiB\"\nheader_bytes = \"8KiB\"\n",
        "4:7: 'uri' is more than 'header_bytes', which includes it",
    );
    // [dialect]
    one("[dialect]\nauth_base = \"{auth}/x\"\n", "4:13: 'auth_base': \"{auth}/x\" does not begin with /");
    one("[dialect]\nlogin_base = \"{auth}/\"\n", "4:14: 'login_base': \"{auth}/\" ends with /");
    one(
        "[dialect]\nlogin_base = \"/a/*\"\n",
        "4:14: 'login_base': \"/a/*\" has a *, which only sealed_paths understands",
    );
    one(
        "[dialect]\nlogin_base = \"/{tenant}\"\n",
        "4:14: 'login_base': \"/{tenant}\" has a character that has to be percent-encoded",
    );
    one(
        "[dialect]\nsession_header = \"a b\"\n",
        "4:18: 'session_header' must be a header name, in quotes, not \"a b\"",
    );
    hinted(
        "[portal]\ndialect = \"plain\"\n[dialect]\naad = \"none\"\n",
        "6:7: 'aad' has no use: the dialect \"plain\" has no secure channel",
        "remove it, or choose another dialect in [portal]",
    );
    hinted(
        "[dialect.requests.pasword_reset]\nbody = '{}'\n",
        "3:19: unknown request 'pasword_reset'; did you mean 'password_reset'?",
        "requests are register_initiate, register_verify, register_complete, password_init, password_reset",
    );
    let body = |body: &str| format!("[dialect.requests.password_reset]\nbody = '{body}'\n");
    one(
        &body("{\"t\":\"{tokn}\"}"),
        "4:8: the body of 'password_reset' has no use for {tokn}; it knows {token} and {new_password}",
    );
    one(&body("[\"{token}\"]"), "4:8: the body of 'password_reset' is JSON, but no object");
    one(&body("{\"t\":}"), "4:8: the body of 'password_reset' is no JSON: expected value at line 1 column 6");
    one(
        "[dialect.requests]\npassword_reset = 'x'\n",
        "4:18: 'password_reset' must be a table with a body: { body = '…' }",
    );
    one(
        "[dialect.requests.password_reset]\nbdy = 'x'\n",
        "4:1: unknown key 'bdy' in the request 'password_reset'; did you mean 'body'?",
    );
    // [log]
    hinted(
        "[log]\nlevel = \"inof\"\n",
        "4:9: 'level': \"inof\" is no level; did you mean \"info\"?",
        "levels are off, error, warn, info, debug, trace",
    );
    hinted(
        "[log]\nlevel = \"info,portunus=loud\"\n",
        "4:9: 'level': \"loud\" is no level",
        "levels are off, error, warn, info, debug, trace",
    );
    // [admin]
    let long = "x".repeat(104);
    hinted(
        &format!("[admin]\nsocket = \"/{long}\"\n"),
        &format!("4:10: the socket's path has more than 103 bytes: /{long}"),
        "set a shorter one in [admin] socket",
    );
}

#[test]
fn a_url_is_refused_without_being_repeated() {
    for (url, wrong) in [
        ("portal.test", "must be a http:// or https:// URL, in quotes: relative URL without a base"),
        ("https://", "must be a http:// or https:// URL, in quotes: empty host"),
        ("https://you:CNRY@portal.test", "must not hold a user name or a password"),
        ("https://CNRY@portal.test", "must not hold a user name or a password"),
        ("https://portal.test/?key=CNRY", "must end with its path, without ? and #"),
        ("https://portal.test/#CNRY", "must end with its path, without ? and #"),
        ("https://portal.test:0", "has port 0, which nobody listens on"),
        ("unix:/CNRY", "must begin with http:// or https://"),
    ] {
        let problems = read(&format!("[upstream]\nurl = \"{url}\"\n")).unwrap_err();
        assert_eq!(problems.to_string(), format!("proxy.toml:2:7: 'url' {wrong}"), "{url}");
        assert!(!format!("{problems:?}").contains("CNRY"));
    }
}

#[test]
fn plain_http_leads_to_this_machine_only_unless_it_is_allowed() {
    let with = |url: &str, more: &str| read(&format!("[upstream]\nurl = \"{url}\"\n{more}"));
    for local in
        ["http://127.0.0.1:18020/prometheus", "http://localhost:1", "http://a.localhost", "http://[::1]:1"]
    {
        assert!(with(local, "").is_ok(), "{local}");
    }
    for remote in ["http://portal.test", "http://10.0.0.1", "http://localhost.test", "http://0.0.0.0"] {
        let problems = with(remote, "").unwrap_err().to_string();
        assert!(problems.contains("would show the bearer to everybody on the way"), "{remote}: {problems}");
        assert!(with(remote, "plain_http = true\n").is_ok(), "{remote}");
    }
}

#[test]
fn a_secret_gone_astray_is_in_no_message() {
    for below in [
        "[login]\npassword = \"CNRY\"\n",
        "[login]\npassword = [\"CNRY\"]\n",
        "[login]\npassword = { value = \"CNRY\" }\n",
        "[login]\npassword = { command = \"echo CNRY\" }\n",
        "[login]\npassword = CNRY\n",
        "[login]\npassword = \"CNRY\n",
        "[login]\npasswd = \"CNRY\"\n",
        "[upstream.extra_headers]\ncookie = \"CNRY\"\n",
        "[upstream.extra_headers]\na = \"CNRY\\n\"\n",
        "[portal]\nclient_hash = \"CNRY CNRY\"\n",
    ] {
        let problems = read(&format!("{MINIMAL}{below}")).unwrap_err();
        assert!(!format!("{problems} {problems:?}").contains("CNRY"), "{below}: {problems}");
    }
    let environment = [("PORTUNUS_LOGIN_PASSWORD", "CNRY"), ("PORTUNUS_LOGIN_PASWORD", "CNRY")];
    let problems = read_with(MINIMAL, &environment, &[]).unwrap_err();
    assert!(!format!("{problems} {problems:?}").contains("CNRY"), "{problems}");
    let config = good("[portal]\nclient_hash = \"CNRY\"\n");
    assert!(!format!("{config:?}").contains("CNRY"));
}

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

#[test]
fn an_open_address_takes_the_flag_and_a_local_key() {
    let environment: Environment = [HOME].into_iter().collect();
    let read = |below: &str, unsafe_listen| {
        let inputs = Inputs { file: None, environment: &environment, flags: &[], unsafe_listen };
        Config::from_text(&format!("{MINIMAL}[listen]\naddresses = [\"192.0.2.1:80\"]\n{below}"), &inputs)
    };
    let key = "[guard]\nlocal_key = { env = \"KEY\" }\n";
    assert!(read("", false).is_err());
    assert!(read(key, false).is_err());
    assert!(read("", true).unwrap_err().to_string().contains("and guard.local_key is not set"));
    assert!(read(key, true).is_ok());
    // A key that is wrong is reported as wrong, and not as missing besides.
    assert_eq!(read("[guard]\nlocal_key = 1\n", true).unwrap_err().len(), 1);
}

#[test]
fn paths_start_where_they_are_written() {
    let environment: Environment = [HOME].into_iter().collect();
    let flags =
        [Flag { name: "--x".into(), setting: "listen.unix_socket".into(), value: "flag.sock".into() }];
    let file = Some(Path::new("/etc/portunus/work.toml"));
    let text = format!(
        "{MINIMAL}ca_file = \"ca.pem\"\n[login]\nemail = \"a@b\"\npassword = {{ file = \"~/pw\" }}\n[state]\ndir = \"/s\"\n"
    );
    let inputs = Inputs { file, environment: &environment, flags: &flags, unsafe_listen: false };
    let config = Config::from_text(&text, &inputs).unwrap();
    assert_eq!(config.upstream.ca_file.as_deref(), Some(Path::new("/etc/portunus/ca.pem")));
    assert_eq!(config.login.password, Some(SecretSource::File("/home/you/pw".into())));
    assert_eq!(config.listen.unix_socket.as_deref(), Some(Path::new("flag.sock")));
    assert_eq!(config.state_dir, Path::new("/s"));
    assert_eq!(config.admin_socket.as_deref(), Some(Path::new("/s/work.sock")));
    assert_eq!(config.name, "work");
}

#[test]
fn the_directories_are_found_as_systemd_and_xdg_have_them() {
    let read = |variables: &[(&str, &str)]| {
        let environment: Environment = variables.iter().copied().collect();
        let inputs = Inputs { file: None, environment: &environment, flags: &[], unsafe_listen: false };
        Config::from_text(MINIMAL, &inputs).map(|config| (config.state_dir, config.admin_socket.unwrap()))
    };
    let pair = |state: &str, socket: &str| (PathBuf::from(state), PathBuf::from(socket));
    for (variables, found) in [
        (
            vec![HOME],
            pair("/home/you/.local/state/portunus", "/home/you/.local/state/portunus/portunus.sock"),
        ),
        (
            vec![HOME, ("XDG_STATE_HOME", "/xs"), ("XDG_RUNTIME_DIR", "/xr")],
            pair("/xs/portunus", "/xr/portunus/portunus.sock"),
        ),
        (
            vec![HOME, ("XDG_STATE_HOME", "relative"), ("XDG_RUNTIME_DIR", "")],
            pair("/home/you/.local/state/portunus", "/home/you/.local/state/portunus/portunus.sock"),
        ),
        (
            vec![
                ("XDG_STATE_HOME", "/xs"),
                ("STATE_DIRECTORY", "/var/lib/p:/b"),
                ("RUNTIME_DIRECTORY", "/run/p"),
            ],
            pair("/var/lib/p", "/run/p/portunus.sock"),
        ),
    ] {
        assert_eq!(read(&variables).unwrap(), found, "{variables:?}");
    }
    let shown = "no state directory: neither HOME nor XDG_STATE_HOME is set\n  hint: write dir = \"/path\" in [state]";
    assert_eq!(read(&[]).unwrap_err().to_string(), shown);
}

#[test]
fn routes_keep_their_order_and_their_settings() {
    let config = good(
        "[[route]]\npath = \"/a/b\"\nmethods = [\"GET\", \"PUT\"]\nprotect = \"sealed\"\nbearer = \"never\"\nreplay = \"never\"\n\
         allow_origin = [\"http://localhost:5173\"]\n[[route]]\npath = \"/a/*\"\n",
    );
    let [first, second] = config.routes.as_slice() else { panic!() };
    assert_eq!((first.path.as_str(), first.path.prefix()), ("/a/b", None));
    assert_eq!(first.methods, [http::Method::GET, http::Method::PUT]);
    assert_eq!((first.protect, first.bearer, first.replay), (Protect::Sealed, Bearer::Never, Replay::Never));
    assert_eq!(first.allow_origin[0].header(), "http://localhost:5173");
    assert_eq!((second.path.prefix(), second.protect), (Some("/a/"), Protect::Auto));
}

#[test]
fn a_route_is_hidden_only_by_one_that_takes_all_of_it() {
    let pair = |first: &str, second: &str| {
        read(&format!("{MINIMAL}[[route]]\n{first}\n[[route]]\n{second}\n")).is_ok()
    };
    assert!(!pair("path = \"/a\"", "path = \"/a\""));
    assert!(!pair("path = \"/a/*\"", "path = \"/a/b/*\"\nmethods = [\"GET\"]"));
    assert!(!pair("path = \"/a\"\nmethods = [\"GET\", \"PUT\"]", "path = \"/a\"\nmethods = [\"PUT\"]"));
    assert!(pair("path = \"/a\"\nmethods = [\"GET\"]", "path = \"/a\"\nmethods = [\"PUT\"]"));
    assert!(pair("path = \"/a\"\nmethods = [\"GET\"]", "path = \"/a\""));
    assert!(pair("path = \"/a/b\"", "path = \"/a/*\""));
    assert!(pair("path = \"/a/*\"", "path = \"/ab\""));
}

#[test]
fn origins_and_hosts_are_spelled_as_browsers_spell_them() {
    let config = good(
        "[guard]\nallowed_hosts = [\"Portal.TEST:8787\", \"[::1]:1\", \"name\"]\n\
         allowed_origins = [\"HTTP://LocalHost:80\", \"https://a.test:8443\"]\n",
    );
    let hosts: Vec<&str> = config.guard.allowed_hosts.iter().map(|host| host.authority().as_str()).collect();
    assert_eq!(hosts, ["portal.test:8787", "[::1]:1", "name"]);
    let origins: Vec<_> = config.guard.allowed_origins.iter().map(Origin::header).collect();
    assert_eq!(origins, ["http://localhost", "https://a.test:8443"]);
}

#[test]
fn a_pin_is_read_in_every_usual_spelling() {
    let hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let upper = hex.to_uppercase();
    let colons = upper
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap())
        .collect::<Vec<_>>()
        .join(":");
    for spelling in [hex.to_owned(), upper, colons, format!("sha256:{hex}")] {
        let config = good(&format!("[portal]\nkey_pin = \"{spelling}\"\n"));
        assert_eq!(config.portal.key_pin.unwrap().hex(), hex, "{spelling}");
    }
}

#[test]
fn limits_hold_at_their_ends_and_not_beyond() {
    for setting in settings().filter(|setting| !setting.repeated()) {
        let (least, most) = match setting.kind {
            Kind::Count { least, most } | Kind::Size { least, most } => (least, most),
            Kind::Duration { least, most } => (least.as_millis() as u64, most.as_millis() as u64),
            _ => continue,
        };
        let unit = if matches!(setting.kind, Kind::Duration { .. }) { "ms" } else { "" };
        let with = |amount: u64| {
            let value = format!("{amount}{unit}");
            let url = ("--url", "upstream.url", "https://portal.test");
            let name = format!("{}.{}", setting.section, setting.key);
            read_with("", &[], &[url, ("--it", &name, &value)])
        };
        let out_of_range = |amount: u64| {
            with(amount)
                .is_err_and(|problems| problems.to_string().contains(&format!("'{}' is ", setting.key)))
        };
        assert!(!out_of_range(least) && !out_of_range(most), "{setting:?}");
        assert!(out_of_range(most + 1), "{setting:?}");
        assert!(least == 0 || out_of_range(least - 1), "{setting:?}");
    }
}

#[test]
fn every_word_that_is_offered_is_understood() {
    for setting in settings() {
        let Kind::Choice(words) = setting.kind else { continue };
        for word in words {
            let heading = if setting.repeated() {
                "[[route]]\npath = \"/a\"".into()
            } else {
                format!("[{}]", setting.section)
            };
            good(&format!("{heading}\n{} = \"{word}\"\n", setting.key));
        }
    }
}

mod dialect {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::channel::{Aad, Base64, EnvelopeForm, KeyExchange, OaepHash, Spelling};
    use crate::portal::{EmptyBody, MethodForm};

    fn preset() -> Dialect {
        let auth = "/web/v1/tenant/auth";
        Dialect {
            auth_base: auth.into(),
            channel_base: "/web/v1/secure-channel".into(),
            profile_path: "/web/v1/tenant/profile".into(),
            refresh_path: format!("{auth}/token/refresh"),
            logout_path: format!("{auth}/logout"),
            login_base: format!("{auth}/login"),
            channel: Some(Spelling {
                envelope: EnvelopeForm::Json,
                oaep_hash: OaepHash::Sha256,
                mgf1_hash: OaepHash::Sha256,
                aad: Aad::None,
                base64: Base64::Standard,
                key_exchange: KeyExchange::Session,
            }),
            session_header: HeaderName::from_static("x-secure-channel-session-id"),
            sc_version: false,
            sealed_content_type: HeaderValue::from_static("application/json"),
            empty_body: EmptyBody::Object,
            method_form: MethodForm::Integer,
            sealed_paths: vec![
                format!("{auth}/login/initiate"),
                format!("{auth}/token/refresh"),
                "/other".into(),
            ],
            request_id_required: false,
        }
    }

    fn applied(below: &str) -> Dialect {
        let mut dialect = preset();
        good(&format!("[dialect]\n{below}")).dialect.apply("tenant", &mut dialect);
        dialect
    }

    #[test]
    fn nothing_written_changes_nothing() {
        assert_eq!(format!("{:?}", applied("")), format!("{:?}", preset()));
    }

    #[test]
    fn every_cell_can_be_overridden_by_itself() {
        let seen = |below: &str, get: fn(&Dialect) -> String| get(&applied(below));
        let channel = |get: fn(&Spelling) -> String, below: &str| get(&applied(below).channel.unwrap());
        assert_eq!(seen("profile_path = \"/{portal}/me\"", |d| d.profile_path.clone()), "/tenant/me");
        assert_eq!(seen("channel_base = \"/sc\"", |d| d.channel_base.clone()), "/sc");
        assert_eq!(
            seen("logout_path = \"{auth}/bye\"", |d| d.logout_path.clone()),
            "/web/v1/tenant/auth/bye"
        );
        assert_eq!(
            seen("session_header = \"X-SC-Session-Id\"", |d| d.session_header.to_string()),
            "x-sc-session-id"
        );
        assert_eq!(seen("sc_version = true", |d| d.sc_version.to_string()), "true");
        assert_eq!(seen("content_type = \"a/b\"", |d| format!("{:?}", d.sealed_content_type)), "\"a/b\"");
        assert_eq!(seen("empty_body = \"header\"", |d| format!("{:?}", d.empty_body)), "Header");
        assert_eq!(seen("method = \"as-received\"", |d| format!("{:?}", d.method_form)), "AsReceived");
        assert_eq!(seen("request_id_required = true", |d| d.request_id_required.to_string()), "true");
        assert_eq!(channel(|c| format!("{:?}", c.envelope), "envelope = \"binary\""), "Binary");
        assert_eq!(
            channel(|c| format!("{:?}", c.key_exchange), "key_exchange = \"first-message\""),
            "FirstMessage"
        );
        assert_eq!(channel(|c| format!("{:?}", c.aad), "aad = \"session-id\""), "SessionId");
        assert_eq!(channel(|c| format!("{:?}", c.base64), "base64 = \"url\""), "Url");
        let hashes = |c: &Spelling| format!("{:?} {:?}", c.oaep_hash, c.mgf1_hash);
        assert_eq!(channel(hashes, "oaep_hash = \"sha1\""), "Sha1 Sha256");
        assert_eq!(channel(hashes, "mgf1_hash = \"sha1\""), "Sha256 Sha1");
    }

    #[test]
    fn calls_below_the_auth_base_move_along() {
        let dialect = applied("auth_base = \"/users/{portal}/auth\"");
        assert_eq!(dialect.auth_base, "/users/tenant/auth");
        assert_eq!(dialect.login_base, "/users/tenant/auth/login");
        assert_eq!(dialect.refresh_path, "/users/tenant/auth/token/refresh");
        assert_eq!(dialect.logout_path, "/users/tenant/auth/logout");
        assert_eq!(
            dialect.sealed_paths,
            ["/users/tenant/auth/login/initiate", "/users/tenant/auth/token/refresh", "/other"]
        );
    }

    #[test]
    fn a_sealed_call_stays_sealed_when_its_path_moves() {
        let dialect = applied("login_base = \"/login\"\nrefresh_path = \"{auth}/refresh\"");
        assert_eq!(dialect.refresh_path, "/web/v1/tenant/auth/refresh");
        assert_eq!(dialect.sealed_paths, ["/login/initiate", "/web/v1/tenant/auth/refresh", "/other"]);
    }

    #[test]
    fn sealed_paths_take_the_place_of_the_presets() {
        let dialect = applied("auth_base = \"/a\"\nsealed_paths = [\"{auth}/login/*\", \"/x\"]");
        assert_eq!(dialect.sealed_paths, ["/a/login/*", "/x"]);
    }

    #[test]
    fn a_template_is_json_with_placeholders_in_its_strings() {
        let body = r#"{"token":"{token}","newPassword":"{new_password}","nested":{"a":{}}}"#;
        let config = good(&format!("[dialect.requests.password_reset]\nbody = '{body}'\n"));
        assert_eq!(
            config.dialect.requests,
            [RequestTemplate { request: "password_reset", body: body.into() }]
        );
    }
}

mod files {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn load(content: &[u8], mode: u32) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("my.toml");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let environment: Environment = [HOME].into_iter().collect();
        let inputs =
            Inputs { file: Some(&path), environment: &environment, flags: &[], unsafe_listen: false };
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
        assert!(
            shown.starts_with("/nowhere/proxy.toml: cannot be read: No such file or directory"),
            "{shown}"
        );
        assert!(shown.ends_with("hint: name another with --config or PORTUNUS_CONFIG"), "{shown}");
    }
}

mod root_file {
    use super::*;

    const FILE: &str = include_str!("../../proxy.toml");

    /// The file with its commented lines of one sort taken out of their comments.
    fn uncommented(start: &str) -> String {
        let line = |line: &str| match line.strip_prefix(start) {
            Some(rest) if rest.starts_with('[') || rest.split(' ').nth(1) == Some("=") => rest.to_owned(),
            _ => line.to_owned(),
        };
        FILE.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn it_is_what_the_table_of_settings_says() {
        assert!(FILE == reference(), "run: cargo test --lib config::tests::root_file -- --ignored");
    }

    #[test]
    #[ignore = "writes proxy.toml anew, after a change of the table"]
    fn write_it_anew() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/proxy.toml"), reference()).unwrap();
    }

    #[test]
    fn its_commented_defaults_are_the_defaults() {
        let bare = read(FILE).unwrap_or_else(|problems| panic!("{problems}"));
        let spelled_out = read(&uncommented("# ")).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(bare, spelled_out);
        assert_eq!(bare, read("[upstream]\nurl = \"https://portal.example.com\"\n").unwrap());
    }

    #[test]
    fn its_examples_are_good_ones() {
        let config = read(&uncommented("# e.g. ")).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(config.routes.len(), 1);
        assert!(config.upstream.ca_file.is_some() && config.login.password.is_some());
    }

    #[test]
    fn it_has_every_setting_once_in_its_section_and_nothing_else() {
        let mut section = String::new();
        let mut found = Vec::new();
        for line in FILE.lines() {
            let line = line.strip_prefix("# e.g. ").or_else(|| line.strip_prefix("# ")).unwrap_or(line);
            if line.starts_with('[') && line.ends_with(']') {
                section = line.trim_matches(['[', ']']).to_owned();
            } else if !section.is_empty()
                && let Some((key, _)) = line.split_once(" = ")
                && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            {
                found.push((section.clone(), key.to_owned()));
            }
        }
        let all: Vec<_> = settings().map(|s| (s.section.to_owned(), s.key.to_owned())).collect();
        assert_eq!(found, all);
    }

    #[test]
    fn no_line_is_longer_than_a_screen_is_wide() {
        let longest = FILE.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(110), "{longest:?}");
    }

    #[test]
    fn no_two_settings_share_a_variable() {
        let mut names: Vec<String> =
            settings().flat_map(|s| [Some(s.variable()), s.file_variable()]).flatten().collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}

/// Text made of the very words of the table, so that it gets past the first check now and then.
fn plausible() -> impl Strategy<Value = String> {
    let words: Vec<String> = settings()
        .flat_map(|s| [format!("[{}]\n", s.section), format!("[[{}]]\n", s.section), format!("{} = ", s.key)])
        .chain(
            [
                "\n",
                "\"",
                "'",
                "{ env = \"A\" }",
                "{ file = \"~/a\" }",
                "{",
                "}",
                "[",
                "]",
                ",",
                "=",
                "\"5s\"\n",
            ]
            .map(str::to_owned),
        )
        .chain(
            [
                "\"8KiB\"\n",
                "true\n",
                "1\n",
                "-1\n",
                "1.5\n",
                "\"/a/*\"\n",
                "\"auto\"\n",
                "ä",
                "\r\n",
                "#",
                "\u{feff}",
            ]
            .map(str::to_owned),
        )
        .collect();
    proptest::collection::vec(proptest::sample::select(words), 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        let _ = read(&text);
    }

    #[test]
    fn no_plausible_text_makes_the_reader_panic_and_every_problem_is_inside_of_it(text in plausible()) {
        if let Err(problems) = read(&text) {
            let lines = text.split('\n').count();
            for problem in &problems {
                if let Place::Spot { line, column, .. } = problem.place() {
                    prop_assert!((1..=lines).contains(line), "{problem}");
                    let width = text.split('\n').nth(line - 1).unwrap_or_default().chars().count();
                    prop_assert!((1..=width + 1).contains(column), "{problem} in {text:?}");
                }
            }
        }
    }

    #[test]
    fn no_value_of_any_setting_makes_the_reader_panic(
        nth in any::<proptest::sample::Index>(),
        value in prop_oneof![any::<String>().prop_map(|text| format!("{text:?}")), plausible()],
    ) {
        let settings: Vec<_> = settings().collect();
        let setting = settings[nth.index(settings.len())];
        let _ = read(&format!("[{}]\n{} = {value}", setting.section, setting.key));
        let _ = read_with("", &[(&setting.variable(), &value.replace('\0', ""))], &[]);
        let name = format!("{}.{}", setting.section, setting.key);
        let _ = read_with("", &[], &[("--it", &name, &value)]);
    }
}
