//! How a world is set up: the portal's settings, and the `proxy.toml` that goes with them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use portal_sim::{Dialect, MethodForm, Preset, RateLimits, SealedAnswers, Settings, Sim, Tls};

/// How a world is set up.
#[derive(Debug, Clone)]
pub struct WorldOptions {
    /// The portal.
    pub sim: Settings,
    /// The preset that the proxy's dialect stands on; what the portal has otherwise is overridden.
    pub preset: Preset,
    /// Who signs in; nobody by itself if there is none.
    pub email: Option<&'static str>,
    pub password: String,
    /// The authenticator's seed; a person has to answer without one.
    pub otp_secret: Option<String>,
    /// Settings in TOML, by section and key.
    settings: BTreeMap<(String, String), String>,
    /// `[[route]]` and `[[identity]]` tables.
    tables: String,
    /// Variables with secrets that they name.
    secrets: Vec<(&'static str, String)>,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self::preset(Preset::Guide)
    }
}

impl WorldOptions {
    pub fn preset(preset: Preset) -> Self {
        Self::with(Settings::preset(preset), preset)
    }

    /// A portal whose dialect is drawn by lot, and a proxy that is told how it spells.
    pub fn random(seed: u64) -> Self {
        let sim = Settings::random(seed);
        let preset = if sim.dialect.channel { Preset::Guide } else { Preset::Plain };
        Self::with(sim, preset)
    }

    fn with(sim: Settings, preset: Preset) -> Self {
        let rate_limits = RateLimits { enabled: false, ..RateLimits::default() };
        Self {
            // Keys are shared within one process; a rate limit is in the way of all tests but its own.
            sim: Settings { share_rsa_keys: true, rate_limits, lock_after: 5, ..sim },
            preset,
            email: Some("admin@example.com"),
            password: portal_sim::DEFAULT_PASSWORD.to_owned(),
            otp_secret: Some(portal_sim::DEFAULT_TOTP_SECRET.to_owned()),
            settings: BTreeMap::new(),
            tables: String::new(),
            secrets: Vec::new(),
        }
    }

    /// Changes the portal.
    pub fn sim(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.sim);
        self
    }

    /// One setting of `proxy.toml`: `section.key`, and its value in TOML.
    pub fn set(mut self, setting: &str, value: impl ToString) -> Self {
        let (section, key) = setting.split_once('.').unwrap();
        self.settings.insert((section.to_owned(), key.to_owned()), value.to_string());
        self
    }

    /// A `[[route]]`, by its lines.
    pub fn route(self, lines: &str) -> Self {
        self.table("route", lines)
    }

    /// One of several tables of this name, by its lines.
    pub fn table(mut self, name: &str, lines: &str) -> Self {
        write!(self.tables, "\n[[{name}]]\n{lines}\n").unwrap();
        self
    }

    /// A variable that some setting names.
    pub fn secret(mut self, variable: &'static str, secret: &str) -> Self {
        self.secrets.push((variable, secret.to_owned()));
        self
    }

    /// Over TLS, with the simulator's own authority.
    pub fn tls(self, http2: bool) -> Self {
        self.sim(|sim| (sim.tls, sim.http2) = (Some(Tls::default()), http2))
    }

    /// Another account; it has no authenticator that the proxy knows of.
    pub fn account(mut self, email: &'static str) -> Self {
        (self.email, self.otp_secret) = (Some(email), None);
        self
    }

    /// Nobody is configured to sign in.
    pub fn nobody(mut self) -> Self {
        (self.email, self.otp_secret) = (None, None);
        self
    }

    /// The text of `proxy.toml`, and the variables that its secrets are in.
    pub(super) fn written(&self, sim: &Sim, directory: &Path) -> (String, Vec<(&'static str, String)>) {
        let text = |text: &str| format!("{text:?}");
        let mut all = self.settings.clone();
        let mut put = |setting: &str, value: String| {
            let (section, key) = setting.split_once('.').unwrap();
            all.entry((section.to_owned(), key.to_owned())).or_insert(value);
        };
        put("listen.addresses", "[\"127.0.0.1:0\"]".to_owned());
        put("listen.workers", "2".to_owned());
        put("upstream.url", text(&sim.url()));
        if let Some(file) = sim.ca_file() {
            put("upstream.ca_file", text(&file.to_string_lossy()));
        }
        let edge: Vec<String> =
            sim.dialect().required_headers.iter().map(|name| format!("{name:?} = \"edge\"")).collect();
        put("upstream.extra_headers", format!("{{ {} }}", edge.join(", ")));
        put("portal.name", text(&sim.settings().portal));
        put("portal.dialect", text(self.preset.name()));
        put("portal.access_code", "{ env = \"ACCESS_CODE\" }".to_owned());
        let mut secrets = self.secrets.clone();
        secrets.push(("ACCESS_CODE", sim.settings().access_code.clone()));
        if let Some(email) = self.email {
            put("login.email", text(email));
            put("login.password", "{ env = \"PASSWORD\" }".to_owned());
            secrets.push(("PASSWORD", self.password.clone()));
        }
        if let Some(secret) = &self.otp_secret {
            put("login.otp_secret", "{ env = \"OTP_SECRET\" }".to_owned());
            secrets.push(("OTP_SECRET", secret.clone()));
        }
        put("state.dir", text(&directory.join("state").to_string_lossy()));
        put("admin.socket", text(&directory.join("admin.sock").to_string_lossy()));
        for (key, value) in dialect_toml(sim.dialect(), self.preset) {
            put(&format!("dialect.{key}"), value);
        }

        let mut written = String::new();
        let mut current = "";
        for ((section, key), value) in &all {
            if section != current {
                writeln!(written, "\n[{section}]").unwrap();
                current = section;
            }
            writeln!(written, "{key} = {value}").unwrap();
        }
        (written + &self.tables, secrets)
    }
}

/// What `[dialect]` has to say for a portal that speaks like this, where `preset` does not say it already.
fn dialect_toml(portal: &Dialect, preset: Preset) -> BTreeMap<&'static str, String> {
    let base = preset.dialect();
    let mut cells = BTreeMap::new();
    let mut cell = |key, differs: bool, value: String| {
        if differs {
            cells.insert(key, value);
        }
    };
    let text = |text: &str| format!("{text:?}");
    cell("auth_base", portal.auth_base != base.auth_base, text(&portal.auth_base));
    cell("login_base", portal.login_base != base.login_base, text(&portal.login_base));
    cell("refresh_path", portal.refresh_path != base.refresh_path, text(&portal.refresh_path));
    let method = match portal.method_form {
        MethodForm::Any => MethodForm::Integer,
        form => form,
    };
    cell("method", portal.method_form != base.method_form, text(method.name()));
    let required = portal.require_request_id;
    cell("request_id_required", required != base.require_request_id, required.to_string());
    if !portal.channel {
        return cells;
    }
    cell("channel_base", portal.channel_base != base.channel_base, text(&portal.channel_base));
    cell("session_header", portal.session_header != base.session_header, text(&portal.session_header));
    cell("sc_version", portal.sc_version != base.sc_version, portal.sc_version.to_string());
    let content_type = &portal.sealed_content_type;
    cell("content_type", *content_type != base.sealed_content_type, text(content_type));
    cell("envelope", portal.envelope != base.envelope, text(portal.envelope.name()));
    cell("key_exchange", !portal.session_call, text("first-message"));
    cell("oaep_hash", portal.oaep_hash != base.oaep_hash, text(portal.oaep_hash.name()));
    cell("mgf1_hash", portal.mgf1_hash != base.mgf1_hash, text(portal.mgf1_hash.name()));
    cell("aad", portal.aad != base.aad, text(portal.aad.name()));
    cell("base64", portal.base64 != base.base64, text(portal.base64.name()));
    cell("empty_body", portal.empty_body != base.empty_body, text(portal.empty_body.name()));
    let clear = portal.sealed_answers == SealedAnswers::Never;
    cell("accept_plain_success", clear, clear.to_string());
    let paths: Vec<String> = portal.sealed_paths.iter().map(|name| text(&path_of(name, portal))).collect();
    cell("sealed_paths", portal.sealed_paths != base.sealed_paths, format!("[{}]", paths.join(", ")));
    cells
}

/// The path of a call, as a template, by the simulator's name for it.
fn path_of(name: &str, portal: &Dialect) -> String {
    match name {
        "token/refresh" => portal.refresh_path.clone(),
        "mfa/send" => "{login}/mfa/send".to_owned(),
        _ => match name.split_once('/') {
            Some((base @ ("login" | "register" | "password" | "security"), rest)) => {
                format!("{{{base}}}/{rest}")
            }
            _ => format!("/web/v1/{{portal}}/{name}"),
        },
    }
}
