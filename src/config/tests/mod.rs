//! Tests of the whole: texts in, a [`Config`] or the exact list of problems out.

use std::path::Path;
use std::time::Duration;

mod arbitrary;
mod dialect;
mod files;
mod identity;
mod layers;
mod problems;
mod root_file;
mod store;

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
    assert_eq!(first.path.as_str(), "/a/b");
    assert_eq!(first.methods, [http::Method::GET, http::Method::PUT]);
    assert_eq!((first.protect, first.bearer, first.replay), (Protect::Sealed, Bearer::Never, Replay::Never));
    assert_eq!(first.allow_origin[0].header(), "http://localhost:5173");
    assert_eq!((second.path.as_str(), second.protect), ("/a/*", Protect::Auto));
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
    assert!(!pair("path = \"/a/*\"", "path = \"/a\""));
    assert!(!pair("path = \"/a*\"", "path = \"/a/{id}\""));
    assert!(!pair("path = \"/a/{id}\"", "path = \"/a/{id}\""));
    assert!(pair("path = \"/a/{id}\"", "path = \"/a/b\""));
    assert!(!pair("path = \"/a\"\nmethods = [\"GET\"]", "path = \"/a\"\nmethods = [\"HEAD\"]"));
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
            with(amount).is_err_and(|problems| {
                problems.to_string().contains(&format!("'{}' is {amount}{unit}; it must be ", setting.key))
            })
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
            if setting.repeated() {
                let first = if setting.section == "route" { "path = \"/a\"" } else { "name = \"a\"" };
                good(&format!("[[{}]]\n{first}\n{} = \"{word}\"\n", setting.section, setting.key));
            } else {
                let name = format!("{}.{}", setting.section, setting.key);
                read_with(MINIMAL, &[], &[("--it", &name, word)])
                    .unwrap_or_else(|problems| panic!("{problems}"));
            }
        }
    }
}
