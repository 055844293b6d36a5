//! What is in the program's memory one second after a logout: nothing of the session that has ended.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::time::Duration;

use http::{Method, header};
use portal_sim::{DEFAULT_PASSWORD, DEFAULT_TOTP_SECRET, Settings, Sim, Tls};
use portunus::canary::Hunt;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::command_line::{Running, portunus, said, write};
use crate::core_dump::memory;
use crate::world::Client;

/// In the plain text of a sealed request, and of its answer.
const SEALED: &str = "CNRY-sealed-pin-4471";
/// In the plain text of a request that is not sealed.
const PLAIN: &str = "CNRY-plain-body-9d05";
/// What a client sends for a bearer, and is not passed on.
const CLIENTS: &str = "CNRY-clients-own-bearer-7720";

struct Stage {
    sim: Sim,
    home: tempfile::TempDir,
    run: Running,
    client: Client,
}

impl Stage {
    /// The program, which lets us look into it, and a portal over plain HTTP/1.1, or over TLS.
    async fn start(tls: Option<Tls>, http2: bool) -> Self {
        let mut settings = Settings { share_rsa_keys: true, tls, http2, ..Settings::default() };
        settings.dialect.sealed_paths.push("transfer".into());
        let sim = Sim::start(settings).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        for (name, secret) in [
            ("password", DEFAULT_PASSWORD),
            ("otp", DEFAULT_TOTP_SECRET),
            ("code", &sim.settings().access_code),
        ] {
            write(&home.path().join(name), secret);
        }
        let ca = sim.ca_file().map_or_else(String::new, |file| format!("ca_file = {file:?}"));
        let text = format!(
            r#"
            [listen]
            addresses = ["127.0.0.1:0"]
            workers = 2
            [upstream]
            url = "{}"
            {ca}
            [portal]
            access_code = {{ file = "code" }}
            [login]
            email = "admin@example.com"
            password = {{ file = "password" }}
            otp_secret = {{ file = "otp" }}
            [state]
            core_dump = true
            [admin]
            socket = "a.sock"
            [dialect]
            sealed_paths = ["/web/v1/{{portal}}/transfer"]
            "#,
            sim.url()
        );
        write(&home.path().join("p.toml"), &text);
        let mut run = Running::start(&mut command(home.path(), "run"));
        let line = run.line("listening on http://").await;
        let address = line.strip_prefix("listening on http://").unwrap().parse().unwrap();
        Self { sim, home, run, client: Client::new(address) }
    }

    /// Requests of every kind, a refresh and a second channel among them.
    async fn live(&self) {
        for _ in 0..2 {
            for _ in 0..10 {
                let bearer = format!("Bearer {CLIENTS}");
                let headers = [("authorization", bearer.as_str())];
                self.client.send(Method::GET, "/web/v1/tenant/profile", &headers, "").await.expect(200);
                let body = json!({ "pin": SEALED }).to_string();
                let headers = [("content-type", "application/json")];
                let answer = self
                    .client
                    .send(Method::POST, "/web/v1/tenant/transfer", &headers, body)
                    .await
                    .expect(200);
                assert!(answer.text().contains(SEALED), "{}", answer.text());
                let path = format!("/web/v1/tenant/echo?text={PLAIN}");
                self.client.send(Method::POST, &path, &headers, PLAIN.repeat(3)).await;
            }
            self.sim.expire_access_tokens();
            self.sim.drop_channels();
        }
        self.client.get("/web/v1/tenant/profile").await.expect(200);
        self.client.post_json("/web/v1/tenant/transfer", &json!({ "pin": SEALED })).await.expect(200);
        // Many at a time, so that every worker has connections.
        let mut open = Vec::new();
        for _ in 0..32 {
            open.push(self.client.connect().await);
        }
        for connection in &mut open {
            connection.send(Method::GET, "/web/v1/tenant/profile", &[], "").await.expect(200);
        }
    }

    /// The secrets of the session, as the portal gave them and saw them.
    fn secrets(&self) -> Hunt {
        let mut all = vec![SEALED.to_owned(), PLAIN.to_owned(), CLIENTS.to_owned()];
        for entry in &self.sim.wire_log() {
            let bearer = entry.header(header::AUTHORIZATION.as_str()).and_then(|v| v.strip_prefix("Bearer "));
            all.extend(bearer.map(str::to_owned));
            all.extend(entry.header(&self.sim.dialect().session_header.to_lowercase()).map(str::to_owned));
            for text in [&entry.body, &entry.answer] {
                let Ok(json) = serde_json::from_str::<Value>(text) else { continue };
                for name in ["accessToken", "refreshToken", "challengeId", "otpCode"] {
                    let found = [&json[name], &json["data"][name]];
                    all.extend(found.into_iter().filter_map(Value::as_str).map(str::to_owned));
                }
            }
        }
        all.sort();
        all.dedup();
        // Two of each kind at least, since there was a refresh and another channel.
        assert!(all.len() >= 3 + 6, "{} secrets", all.len());
        let mut hunt = Hunt::default();
        for secret in &all {
            hunt.add(&secret[..secret.len().min(24)], secret);
        }
        hunt
    }

    /// Every place where one of them is, with what stands around it.
    fn places(&self, hunt: &Hunt) -> Vec<String> {
        let memory = memory(self.run.pid()).unwrap();
        assert!(memory.len() > 1 << 20, "{} bytes", memory.len());
        let hits = hunt.hits(&memory);
        let around = |at: usize| {
            let near = &memory[at.saturating_sub(200)..(at + 100).min(memory.len())];
            String::from_utf8_lossy(near).replace(|c: char| !c.is_ascii_graphic(), " ")
        };
        hits.iter().map(|hit| format!("{} as {}: …{}…", hit.name, hit.form, around(hit.at))).collect()
    }

    /// Lives, signs out, and looks one second later.
    async fn nothing_is_left(mut self) {
        self.live().await;
        let hunt = self.secrets();
        assert!(self.places(&hunt).len() >= 2, "the search finds what is there: bearer and refresh token");
        let (exit, _, error) = said(&mut command(self.home.path(), "logout")).await;
        assert_eq!((exit, self.sim.counters().logout), (0, 1), "{error}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let left = self.places(&hunt);
        assert!(left.is_empty(), "{} are left:\n{}", left.len(), left.join("\n"));
        assert_eq!(self.run.interrupt().await, 0);
        self.sim.stop().await;
    }
}

fn command(home: &Path, word: &str) -> Command {
    let mut command = portunus(home);
    command.args([word, "-c"]).arg(home.join("p.toml"));
    command
}

#[tokio::test]
async fn one_second_after_logout_nothing_of_the_session_is_in_memory() {
    Stage::start(None, false).await.nothing_is_left().await;
}

#[tokio::test]
async fn nor_where_the_portal_speaks_http2_over_tls() {
    Stage::start(Some(Tls::default()), true).await.nothing_is_left().await;
}

#[tokio::test]
async fn nor_where_it_speaks_http1_over_tls() {
    Stage::start(Some(Tls::default()), false).await.nothing_is_left().await;
}
