//! What is wrong is said in exactly these words.

use super::*;

/// The problems of the text, as they are shown, below a good [upstream] of two lines.
#[track_caller]
fn assert_problems(below: &str, shown: &[&str]) {
    let problems = read(&format!("{MINIMAL}{below}")).expect_err("it has problems").to_string();
    assert_eq!(problems, shown.join("\n"), "{below}");
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
        "listen on 127.0.0.1 or [::1]; or add the flag --unsafe-listen and set guard.local_key or client_ca_file",
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
    hinted(
        "cookies = \"jar\"\nextra_headers = { Cookie = { env = \"C\" } }\n",
        "3:11: 'jar' sends cookies, and 'extra_headers' does too",
        "leave one of them out: a request has one Cookie header",
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
    one(&path("/{a}*"), "4:8: 'path': \"/{a}*\" has a brace that is not a whole segment {name}");
    one(&path("/{}"), "4:8: 'path': \"/{}\" has a brace that is not a whole segment {name}");
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
    // [session]
    one("[session]\nbackoff_first = \"2m\"\n", "4:17: 'backoff_first' is more than 'backoff_most'");
    one(
        "[session]\nchannel_backoff_most = \"100ms\"\n",
        "3:2: 'channel_backoff_first' is more than 'channel_backoff_most'",
    );
    one(
        "[session]\nrefuse_after_messages = 9\nrenew_after_messages = 10\n",
        "5:24: 'renew_after_messages' is more than 'refuse_after_messages'",
    );
    one(
        "[session]\nrefuse_after_messages = 4293918721\nrenew_after_messages = 1\n",
        "4:25: 'refuse_after_messages' is 4293918721; it must be 1 to 4293918720",
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
        "4:14: 'login_base': \"/{tenant}\" has a placeholder that is not known here",
    );
    one(
        "[dialect]\nsession_header = \"a b\"\n",
        "4:18: 'session_header' must be a header name, or \"auto\", in quotes, not \"a b\"",
    );
    hinted(
        "[dialect]\nkey_exchange = \"first-message\"\nmgf1_hash = \"auto\"\n",
        "5:13: 'mgf1_hash' cannot be \"auto\" with key_exchange = \"first-message\"",
        "no harmless call shows it there: `portunus detect` finds it out with a few that count",
    );
    hinted(
        "[portal]\ndialect = \"plain\"\n[dialect]\naad = \"none\"\n",
        "6:7: 'aad' has no use: the dialect \"plain\" has no secure channel",
        "remove it, or choose another dialect in [portal]",
    );
    hinted(
        "[dialect.requests.pasword_reset]\nbody = '{}'\n",
        "3:19: unknown request 'pasword_reset'; did you mean 'password_reset'?",
        "requests are register_verify, register_complete, password_init, password_reset",
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
fn a_secret_behind_a_list_that_is_not_closed_is_in_no_message() {
    let text = "[upstream]\nurl = \"https://a\"\n[listen]\naddresses = [\"127.0.0.1:1\"\n[login]\npassword = \"CNRY-7\"\n";
    let said = read(text).unwrap_err().to_string();
    assert!(said.contains("proxy.toml:5:1") && !said.contains("CNRY"), "{said}");
}
