//! `portunus check` by the built program on set-ups that are broken in one way each: the output has to name the
//! cause, whose it is, and a remedy, and the exit code has to say which kind of end it was.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use portal_sim::{Certificate, DEFAULT_PASSWORD, DEFAULT_TOTP_SECRET, Settings, Sim, Tls};
use redis_fixture::Server;

/// A simulator over TLS, and a directory with a configuration that works with it.
struct SetUp {
    sim: Sim,
    dir: tempfile::TempDir,
    config: String,
}

/// What a check said.
struct Said {
    exit: i32,
    text: String,
}

impl SetUp {
    async fn new() -> Self {
        Self::with(Certificate::Good).await
    }

    async fn with(certificate: Certificate) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tls = Tls { ca_file: Some(dir.path().join("ca.pem")), certificate };
        let settings = Settings { tls: Some(tls), share_rsa_keys: true, ..Settings::default() };
        let sim = Sim::start(settings).await.unwrap();
        let config = format!(
            r#"
            [listen]
            addresses = ["127.0.0.1:0"]
            [upstream]
            url = "{}"
            ca_file = "ca.pem"
            [portal]
            access_code = {{ file = "access-code" }}
            [login]
            email = "admin@example.com"
            password = {{ file = "password" }}
            otp_secret = {{ file = "otp-secret" }}
            [state]
            dir = "state"
            "#,
            sim.url()
        );
        let set_up = Self { sim, dir, config };
        set_up.secret("access-code", "TENANT-DEMO");
        set_up.secret("password", DEFAULT_PASSWORD);
        set_up.secret("otp-secret", DEFAULT_TOTP_SECRET);
        set_up
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn secret(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The same with one thing written otherwise.
    fn but(mut self, written: &str, instead: &str) -> Self {
        assert!(self.config.contains(written), "{written}");
        self.config = self.config.replace(written, instead);
        self
    }

    async fn check(&self, flags: &[&str]) -> Said {
        let file = self.path("my.toml");
        fs::write(&file, &self.config).unwrap();
        let output = portunus(&file, self.dir.path(), flags).await;
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        Said { exit: output.status.code().unwrap(), text }
    }
}

/// The built program, with an environment of its own.
async fn portunus(config: &Path, dir: &Path, flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portunus"));
    command.env_clear().env("XDG_RUNTIME_DIR", dir).env("HOME", dir);
    command.args(["check", "--no-input", "-c"]).arg(config).args(flags);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

impl Said {
    /// The stage that failed, what it says, and what it advises.
    #[track_caller]
    fn fails(&self, exit: i32, stage: &str, parts: &[&str]) {
        assert_eq!(self.exit, exit, "{}", self.text);
        let failed: Vec<_> = self.text.lines().filter(|line| line.starts_with('✗')).collect();
        let [line] = failed.as_slice() else { panic!("{failed:?} in\n{}", self.text) };
        assert!(line.trim_start_matches("✗ ").starts_with(stage), "{line}");
        for part in ["whose: ", "hint: "].iter().chain(parts) {
            assert!(self.text.contains(part), "no {part:?} in\n{}", self.text);
        }
        for secret in [DEFAULT_PASSWORD, DEFAULT_TOTP_SECRET] {
            assert!(!self.text.contains(secret), "{}", self.text);
        }
    }
}

#[tokio::test]
async fn what_is_auto_is_found_and_shown_before_the_channel_is_opened() {
    let open = "[state]\ndir = \"state\"\n[dialect]\nsession_header = \"auto\"\noaep_hash = \"auto\"\n";
    let set_up = SetUp::new().await.but("[state]\n            dir = \"state\"", open);
    let said = set_up.check(&[]).await;
    assert_eq!(said.exit, 0, "{}", said.text);
    let line = said
        .text
        .lines()
        .find(|line| line.starts_with("✓ dialect"))
        .unwrap_or_else(|| panic!("{}", said.text));
    for part in [
        "dialect.session_header = \"X-Secure-Channel-Session-Id\" (seen)",
        "dialect.oaep_hash = \"sha256\" (seen)",
    ] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(set_up.sim.open_channels(), 0);
}

#[tokio::test]
async fn everything_in_order_is_said_stage_by_stage_and_leaves_nothing_signed_in() {
    let set_up = SetUp::new().await;
    let said = set_up.check(&["--login"]).await;
    assert_eq!(said.exit, 0, "{}", said.text);
    let name = |line: &str| line.chars().skip(2).take(14).collect::<String>().trim_end().to_owned();
    let stages: Vec<_> = said.text.lines().map(name).collect();
    assert_eq!(
        stages,
        [
            "configuration",
            "secrets",
            "listen",
            "dns",
            "tcp",
            "tls",
            "access code",
            "public key",
            "secure channel",
            "login",
            "profile",
            "logout"
        ]
    );
    let counters = set_up.sim.counters();
    assert_eq!((counters.logins, counters.logout, set_up.sim.open_channels()), (1, 1, 0));
}

#[tokio::test]
async fn of_several_identities_the_one_that_is_named_is_checked() {
    let alice = "[[identity]]\nname = \"alice\"\nemail = \"both@example.com\"\npassword = { file = \"password\" }\n\
                 [[identity]]\nname = \"bob\"\n[state]";
    let set_up = SetUp::new().await.but("[state]", alice);
    set_up.check(&[]).await.fails(2, "configuration", &["alice, bob", "check --identity NAME"]);
    set_up.check(&["--identity", "eve"]).await.fails(2, "configuration", &["no identity eve", "alice, bob"]);
    let said = set_up.check(&["--identity", "bob", "--login"]).await;
    assert_eq!(said.exit, 0, "{}", said.text);
    for part in [", for bob", "admin@example.com is signed in"] {
        assert!(said.text.contains(part), "{}", said.text);
    }
    assert_eq!(set_up.sim.counters().logins, 1);
}

#[tokio::test]
async fn without_login_no_credential_leaves() {
    let set_up = SetUp::new().await;
    let said = set_up.check(&[]).await;
    assert_eq!(said.exit, 0, "{}", said.text);
    assert!(said.text.ends_with("- login, profile, logout: not asked for (--login)\n"), "{}", said.text);
    assert_eq!(set_up.sim.counters().initiate, 0);
}

#[tokio::test]
async fn as_json_each_stage_has_its_outcome_and_its_time() {
    let said = SetUp::new().await.but("\"ca.pem\"", "\"nowhere.pem\"").check(&["--json"]).await;
    let document: serde_json::Value = serde_json::from_str(&said.text).unwrap();
    assert_eq!((said.exit, &document["ok"]), (2, &false.into()));
    let failed: Vec<_> =
        document["stages"].as_array().unwrap().iter().filter(|stage| stage["outcome"] == "failed").collect();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    assert!(failed["what"].as_str().unwrap().contains("nowhere.pem"), "{failed}");
    assert!(failed["took_ms"].is_number() && failed["who"] == "person", "{failed}");
}

#[tokio::test]
async fn a_taken_port_names_the_process_that_has_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = SetUp::new().await.but("127.0.0.1:0", &address).check(&[]).await;
    let by = format!("{address} is taken by ");
    let pid = format!("(pid {})", std::process::id());
    said.fails(1, "listen", &[&by, &pid, "stop it, or choose another address in listen.addresses"]);
    assert!(said.text.contains("✓ secure channel"), "the rest is checked all the same:\n{}", said.text);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_named() {
    let said = SetUp::new().await.but("//localhost", "//portal.invalid").check(&[]).await;
    said.fails(4, "dns", &["portal.invalid does not resolve", "check the host in upstream.url"]);
}

#[tokio::test]
async fn a_refused_connection_is_named() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let set_up = SetUp::new().await;
    let (now, port) = (set_up.sim.addr().port().to_string(), nobody.port().to_string());
    let said = set_up.but(&format!("localhost:{now}"), &format!("localhost:{port}")).check(&[]).await;
    said.fails(4, "tcp", &[&format!("localhost:{port}"), "efused", "check host and port in upstream.url"]);
}

#[tokio::test]
async fn a_wrong_ca_is_named() {
    let (set_up, other) = (SetUp::new().await, SetUp::new().await);
    fs::copy(other.path("ca.pem"), set_up.path("ca.pem")).unwrap();
    let said = set_up.check(&[]).await;
    said.fails(
        4,
        "tls",
        &["an issuer that is not trusted", "upstream.ca_file", "did not sign this certificate"],
    );
}

#[tokio::test]
async fn an_expired_certificate_is_named() {
    let said = SetUp::with(Certificate::Expired).await.check(&[]).await;
    said.fails(4, "tls", &["its certificate has expired", "the portal's operator has to renew it"]);
}

#[tokio::test]
async fn a_certificate_for_another_host_is_named() {
    let said = SetUp::with(Certificate::WrongHost).await.check(&[]).await;
    said.fails(4, "tls", &["its certificate is for another name", "check the host in upstream.url"]);
}

#[tokio::test]
async fn a_wrong_access_code_is_named() {
    let set_up = SetUp::new().await;
    set_up.secret("access-code", "TENANT-WRONG");
    let said = set_up.check(&[]).await;
    said.fails(
        5,
        "access code",
        &["the portal refuses the access code (403", "portal.access_code", "portal.name"],
    );
    assert!(!said.text.contains("TENANT-WRONG"), "{}", said.text);
}

#[tokio::test]
async fn a_missing_access_code_is_named() {
    let said = SetUp::new().await.but("access_code =", "# access_code =").check(&[]).await;
    said.fails(5, "access code", &["requests without an access code", "set portal.access_code"]);
}

#[tokio::test]
async fn a_wrong_portal_name_is_named() {
    let said = SetUp::new().await.but("[portal]", "[portal]\nname = \"nobody\"").check(&[]).await;
    said.fails(5, "access code", &["there is no /web/v1/nobody/profile", "portal.name = \"nobody\""]);
}

#[tokio::test]
async fn a_wrong_password_is_named_and_tried_once() {
    let set_up = SetUp::new().await;
    set_up.secret("password", "wrong horse battery");
    let said = set_up.check(&["--login"]).await;
    said.fails(5, "login", &["the portal refused the credentials", "login.password", "locks accounts"]);
    assert!(!said.text.contains("wrong horse"), "{}", said.text);
    assert_eq!(set_up.sim.counters().initiate, 1);
}

#[tokio::test]
async fn a_code_that_needs_a_person_is_no_wrong_password() {
    let set_up = SetUp::new().await.but("admin@example.com", "mail@example.com").check(&["--login"]).await;
    set_up.fails(3, "login", &["e-mail and password are right", "`portunus login`"]);
}

#[tokio::test]
async fn a_wrong_oaep_hash_is_the_likely_cause_with_the_settings_to_try() {
    for wrong in ["oaep_hash", "mgf1_hash"] {
        let dialect = format!("[dialect]\n{wrong} = \"sha1\"\n[state]");
        let said = SetUp::new().await.but("[state]", &dialect).check(&[]).await;
        let works = "oaep_hash = \"sha256\" and mgf1_hash = \"sha256\"";
        said.fails(
            5,
            "secure channel",
            &["it most likely unwraps with other hashes", "try in [dialect]", works],
        );
    }
}

#[tokio::test]
async fn another_key_than_the_pinned_one_is_named() {
    let pin = format!("[portal]\nkey_pin = \"{}\"", "07".repeat(32));
    let said = SetUp::new().await.but("[portal]", &pin).check(&[]).await;
    said.fails(5, "public key", &["is pinned", "update portal.key_pin"]);
}

#[tokio::test]
async fn unknown_configuration_keys_are_all_named_with_what_was_meant() {
    let said = SetUp::new()
        .await
        .but("ca_file", "ca_fiel")
        .but("[state]", "[sate]")
        .but("email =", "e_mail =")
        .check(&[])
        .await;
    let meant = [
        "did you mean 'ca_file'?",
        "did you mean [state]?",
        "unknown key 'e_mail' in [login]",
        "my.toml:6:13",
    ];
    said.fails(2, "configuration", &meant);
}

#[tokio::test]
async fn an_unreadable_secret_file_is_named() {
    let set_up = SetUp::new().await;
    fs::set_permissions(set_up.path("password"), fs::Permissions::from_mode(0o644)).unwrap();
    let said = set_up.check(&[]).await;
    said.fails(2, "secrets", &["login.password", "chmod 600"]);
    fs::remove_file(set_up.path("password")).unwrap();
    set_up.check(&[]).await.fails(2, "secrets", &["login.password: cannot read"]);
}

#[tokio::test]
async fn a_portal_without_a_channel_is_checked_without_one() {
    let mut settings = Settings::preset(portal_sim::Preset::Plain);
    settings.share_rsa_keys = true;
    let (mut set_up, plain) = (SetUp::new().await, Sim::start(settings).await.unwrap());
    set_up = set_up.but("ca_file = \"ca.pem\"", "").but("[portal]", "[portal]\ndialect = \"plain\"");
    let url = set_up.sim.url();
    let said = set_up.but(&url, &plain.url()).check(&["--login"]).await;
    assert_eq!(said.exit, 0, "{}", said.text);
    assert!(said.text.contains("- public key, secure channel: the dialect plain has no secure channel"));
    assert_eq!(plain.counters().logout, 1);
}

/// Logins at this Redis, as this user of it; nobody in particular without one.
async fn at_redis(redis: &Server, user: Option<&str>) -> SetUp {
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let mut store =
        format!("store = \"redis://{user}127.0.0.1:{}\"\nkey = {{ file = \"sealing\" }}\n", redis.port());
    if !user.is_empty() {
        store += "redis_password = { file = \"redis-password\" }\n";
    }
    let set_up = SetUp::new().await.but("[state]\n", &format!("[state]\n{store}"));
    set_up.secret("sealing", "what all replicas know");
    set_up.secret("redis-password", REDIS_PASSWORD);
    set_up
}

const REDIS_PASSWORD: &str = "CNRY-redis-password";

#[tokio::test]
async fn the_redis_of_the_logins_is_reached_read_and_written_to() {
    let redis = Server::start();
    let said = at_redis(&redis, None).await.check(&[]).await;
    assert_eq!(said.exit, 0, "{}", said.text);
    let line = said.text.lines().find(|line| line.starts_with("✓ store")).unwrap();
    assert!(line.contains("takes what is written; no login is stored yet"), "{line}");
    assert_eq!(redis.cli(&["KEYS", "*"]), "", "the trial is removed");
}

#[tokio::test]
async fn a_redis_that_cannot_be_used_is_told_with_what_to_do() {
    let rights = "~portunus:* resetchannels &portunus:* -@all +@read +@write +@scripting +@connection +subscribe \
                  +publish +time";
    let redis = Server::with(&format!(
        "user app on >{REDIS_PASSWORD} {rights}\nuser other on >another-password {rights}\n\
         user reader on >{REDIS_PASSWORD} {} +evalsha +eval\nuser mute on >{REDIS_PASSWORD} {} +@scripting",
        rights.replace("+@write ", "").replace("+@scripting", ""),
        rights.replace("+publish ", "").replace("+@scripting", ""),
    ));
    let said = at_redis(&redis, Some("app")).await.check(&[]).await;
    assert_eq!(said.exit, 0, "these rights are enough: {}", said.text);
    for (user, part) in [
        ("other", "and [state] redis_password"),
        ("reader", "give its user these rights: ~portunus:*"),
        ("mute", "give its user these rights: ~portunus:*"),
    ] {
        let said = at_redis(&redis, Some(user)).await.check(&[]).await;
        said.fails(1, "store", &["redis://", part]);
        assert!(!said.text.contains(REDIS_PASSWORD), "{}", said.text);
        // What needs no store is looked at all the same.
        assert!(said.text.contains("✓ secure channel"), "{}", said.text);
    }
    let port = redis.port();
    let set_up = at_redis(&redis, Some("app")).await;
    drop(redis);
    let said = set_up.check(&[]).await;
    said.fails(1, "store", &[&format!("127.0.0.1:{port}"), "see that it runs"]);
}
