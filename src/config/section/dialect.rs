//! `[dialect]`: where a deployment departs from its preset (PROTOCOL section 11).

use http::{HeaderName, HeaderValue};

use crate::channel::{Aad, Base64, EnvelopeForm, KeyExchange, OaepHash, SessionHeader};
use crate::config::document::Written;
use crate::config::layers::Section;
use crate::config::problem::{Problem, quoted};
use crate::config::reader::Reader;
use crate::config::section::requests::RequestTemplate;
use crate::config::section::route::PathPattern;
use crate::config::setting::{Fallback, Kind, Setting, section, words};
use crate::config::values::{AUTO, Auto, FromWritten, Words};
use crate::portal::{Dialect, EmptyBody, MethodForm, Preset};

section! {
    /// Where a deployment departs from its preset. What is `None` stays as the preset has it.
    pub struct Overrides in "dialect" {
        "Where auth calls live. {portal} is the portal's name. What stands on it moves along."
            auth_base: Option<PathTemplate> = Fallback::Nothing(r#""/web/v1/{portal}/auth""#), Kind::Text("a path");
        "Where login calls live. {auth} is the auth base; in the paths below, so are {login}, {register}, {password}, \
         {security} and {channel}."
            login_base: Option<PathTemplate> = Fallback::Nothing(r#""{auth}/login""#), Kind::Text("a path");
        "Where registration lives."
            register_base: Option<PathTemplate> = Fallback::Nothing(r#""{auth}/register""#), Kind::Text("a path");
        "Where the calls about passwords live."
            password_base: Option<PathTemplate> = Fallback::Nothing(r#""{auth}/password""#), Kind::Text("a path");
        "Where sessions and the set-up of second factors live."
            security_base: Option<PathTemplate> =
                Fallback::Nothing(r#""/web/v1/{portal}/security""#), Kind::Text("a path");
        "Where channel calls live. \"auto\" asks for the portal's key where the handbooks put it. This, like every auto \
         here, is found by calls without a login when a channel is first opened, and again when it works no more; \
         `portunus status` shows it."
            channel_base: Option<Auto<PathTemplate>> =
                Fallback::Nothing(r#""/web/v1/secure-channel""#), Kind::Text("a path, or \"auto\"");
        "The refresh call."
            refresh_path: Option<PathTemplate> = Fallback::Nothing(r#""{auth}/token/refresh""#), Kind::Text("a path");
        "The logout call."
            logout_path: Option<PathTemplate> = Fallback::Nothing(r#""{auth}/logout""#), Kind::Text("a path");
        "The profile."
            profile_path: Option<PathTemplate> = Fallback::Nothing(r#""/web/v1/{portal}/profile""#), Kind::Text("a path");
        "What ends one sign-in, by DELETE; {session_id} stands for its id. No handbook documents it."
            terminate_path: Option<PathTemplate> =
                Fallback::Nothing(r#""{security}/sessions/{session_id}""#), Kind::Text("a path");
        "What ends every sign-in but one's own, by POST. No handbook documents it."
            terminate_others_path: Option<PathTemplate> =
                Fallback::Nothing(r#""{security}/sessions/terminate-others""#), Kind::Text("a path");
        "The header that names the channel. \"auto\" closes channels that never were, by each name."
            session_header: Option<Auto<HeaderName>> =
                Fallback::Nothing(r#""X-Secure-Channel-Session-Id""#), Kind::Text("a header name, or \"auto\"");
        "Whether X-SC-Version: 2 goes beside it."
            sc_version: Option<bool> = Fallback::Nothing("false"), Kind::Switch;
        "The Content-Type of a sealed body."
            content_type: Option<HeaderValue> = Fallback::Nothing(r#""application/json""#), Kind::Text("a media type");
        "The form of a sealed body; raw is plain JSON under the session header, for a gateway in test mode."
            envelope: Option<EnvelopeForm> = Fallback::Nothing(r#""json""#), Kind::Choice(EnvelopeForm::WORDS);
        "How the channel's keys travel: in a call of their own, or inside the first message."
            key_exchange: Option<KeyExchange> = Fallback::Nothing(r#""session""#), Kind::Choice(KeyExchange::WORDS);
        "The hash of RSA-OAEP. auto opens a channel with each."
            oaep_hash: Option<Auto<OaepHash>> = Fallback::Nothing(r#""sha256""#), Kind::Choice(HASHES);
        "The hash of OAEP's mask. sha1 is what Java takes by default; a wrong one fails without a hint. auto opens a \
         channel with each."
            mgf1_hash: Option<Auto<OaepHash>> = Fallback::Nothing(r#""sha256""#), Kind::Choice(HASHES);
        "What is bound to each sealed message."
            aad: Option<Aad> = Fallback::Nothing(r#""none""#), Kind::Choice(Aad::WORDS);
        "How binary is written in JSON: standard has padding, url has none. Both are read. auto opens a channel with \
         each, that of the portal's own key first."
            base64: Option<Auto<Base64>> = Fallback::Nothing(r#""standard""#), Kind::Choice(ALPHABETS);
        "What stands for the body of a sealed call that has none: a sealed {}, or the session header alone."
            empty_body: Option<EmptyBody> = Fallback::Nothing(r#""object""#), Kind::Choice(EmptyBody::WORDS);
        "How a second factor is named to the portal."
            method: Option<MethodForm> = Fallback::Nothing(r#""integer""#), Kind::Choice(MethodForm::WORDS);
        "The paths whose bodies are sealed, in place of the preset's. Others are learnt from the portal's complaints."
            sealed_paths: Option<Vec<PathTemplate>> =
                Fallback::Nothing(r#"["{auth}/login/*", "{auth}/register/initiate", "{auth}/password/*"]"#),
                Kind::List("paths; a * at the end stands for all below");
        "Whether a plain success is believed as the answer to a sealed call. Then whoever sits on the way can speak for \
         the portal."
            accept_plain_success: Option<bool> = Fallback::Nothing("false"), Kind::Switch;
        "Whether the portal insists on an X-Request-Id."
            request_id_required: Option<bool> = Fallback::Nothing("false"), Kind::Switch;
        "Bodies that the handbooks leave open. The body is JSON with {placeholders} inside its strings."
            requests: Vec<RequestTemplate> = Fallback::Is("{}"),
                Kind::Table(r#"bodies: { password_reset = { body = '{"token":"{token}"}' } }"#);
    }
}

const HASHES: &[&str] = &["sha256", "sha1", AUTO];
const ALPHABETS: &[&str] = &["standard", "url", AUTO];

/// What has no meaning without a secure channel.
const CHANNEL_ONLY: [&str; 13] = [
    "channel_base",
    "session_header",
    "sc_version",
    "content_type",
    "envelope",
    "key_exchange",
    "oaep_hash",
    "mgf1_hash",
    "aad",
    "base64",
    "empty_body",
    "sealed_paths",
    "accept_plain_success",
];

impl Overrides {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>, preset: Option<Preset>) -> Option<Self> {
        let overrides = Self::fields(section)?;
        if preset == Some(Preset::Plain) {
            for key in CHANNEL_ONLY {
                if section.is_written(key, Self::SETTINGS) {
                    let place = section.place_of(key, Self::SETTINGS);
                    let text = format!("'{key}' has no use: the dialect \"plain\" has no secure channel");
                    let hint = "remove it, or choose another dialect in [portal]";
                    section.reader.report(Problem::new(&place, text).hint(hint));
                }
            }
        }
        if overrides.key_exchange == Some(KeyExchange::FirstMessage) {
            let LeftOpen { oaep_hash, mgf1_hash, base64, .. } = overrides.left_open();
            for (key, _) in [("oaep_hash", oaep_hash), ("mgf1_hash", mgf1_hash), ("base64", base64)]
                .into_iter()
                .filter(|(_, is_open)| *is_open)
            {
                let place = section.place_of(key, Self::SETTINGS);
                let text = format!("'{key}' cannot be \"auto\" with key_exchange = \"first-message\"");
                let hint =
                    "no harmless call shows it there: `portunus detect` finds it out with a few that count";
                section.reader.report(Problem::new(&place, text).hint(hint));
            }
        }
        Some(overrides)
    }

    /// The settings that are `auto`.
    pub fn left_open(&self) -> LeftOpen {
        LeftOpen {
            channel_base: self.channel_base == Some(Auto::Auto),
            session_header: self.session_header == Some(Auto::Auto),
            oaep_hash: self.oaep_hash == Some(Auto::Auto),
            mgf1_hash: self.mgf1_hash == Some(Auto::Auto),
            base64: self.base64 == Some(Auto::Auto),
        }
    }

    /// Puts the overrides in, and says what does not hold together then.
    pub fn apply(&self, dialect: &mut Dialect) -> Vec<String> {
        let put = |field: &mut String, template: Option<&PathTemplate>| {
            if let Some(template) = template {
                template.as_str().clone_into(field);
            }
        };
        put(&mut dialect.auth_base, self.auth_base.as_ref());
        put(&mut dialect.login_base, self.login_base.as_ref());
        put(&mut dialect.register_base, self.register_base.as_ref());
        put(&mut dialect.password_base, self.password_base.as_ref());
        put(&mut dialect.security_base, self.security_base.as_ref());
        put(&mut dialect.channel_base, given(self.channel_base.as_ref()));
        put(&mut dialect.refresh_path, self.refresh_path.as_ref());
        put(&mut dialect.logout_path, self.logout_path.as_ref());
        put(&mut dialect.profile_path, self.profile_path.as_ref());
        put(&mut dialect.terminate_path, self.terminate_path.as_ref());
        put(&mut dialect.terminate_others_path, self.terminate_others_path.as_ref());
        if let Some(paths) = &self.sealed_paths {
            dialect.sealed_paths = paths.iter().map(|path| path.as_str().to_owned()).collect();
        }
        match &self.session_header {
            Some(Auto::Given(name)) => dialect.session_header = name.clone().into(),
            Some(Auto::Auto) => {
                dialect.session_header = SessionHeader::to_be_found(dialect.session_header.get());
            }
            None => {}
        }
        set(&mut dialect.sc_version, self.sc_version.as_ref());
        set(&mut dialect.sealed_content_type, self.content_type.as_ref());
        set(&mut dialect.empty_body, self.empty_body.as_ref());
        set(&mut dialect.method_form, self.method.as_ref());
        set(&mut dialect.request_id_required, self.request_id_required.as_ref());
        set(&mut dialect.accept_plain_success, self.accept_plain_success.as_ref());
        if let Some(channel) = &mut dialect.channel {
            set(&mut channel.envelope, self.envelope.as_ref());
            set(&mut channel.key_exchange, self.key_exchange.as_ref());
            set(&mut channel.oaep_hash, given(self.oaep_hash.as_ref()));
            set(&mut channel.mgf1_hash, given(self.mgf1_hash.as_ref()));
            set(&mut channel.aad, self.aad.as_ref());
            set(&mut channel.base64, given(self.base64.as_ref()));
        }
        let set_request =
            |template: &RequestTemplate| dialect.requests.set_named(template.request, &template.body).err();
        let mut problems: Vec<String> =
            self.requests.iter().filter_map(set_request).map(|error| error.to_string()).collect();
        problems.extend(dialect.problems());
        problems
    }
}

/// Which settings the proxy finds out as it runs. Until then the preset's values stand for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOpen {
    /// `dialect.channel_base`.
    pub channel_base: bool,
    /// `dialect.session_header`.
    pub session_header: bool,
    /// `dialect.oaep_hash`.
    pub oaep_hash: bool,
    /// `dialect.mgf1_hash`.
    pub mgf1_hash: bool,
    /// `dialect.base64`.
    pub base64: bool,
}

impl LeftOpen {
    /// Whether there is nothing to find.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

fn given<T>(written: Option<&Auto<T>>) -> Option<&T> {
    match written {
        Some(Auto::Given(value)) => Some(value),
        Some(Auto::Auto) | None => None,
    }
}

fn set<T: Clone>(field: &mut T, override_: Option<&T>) {
    if let Some(value) = override_ {
        field.clone_from(value);
    }
}

/// A path in which `{portal}` may stand, and a base such as `{auth}` at its beginning; no slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate(String);

impl PathTemplate {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromWritten for PathTemplate {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        let bases: &[&str] = match setting.key {
            "auth_base" => &[],
            key if key.ends_with("_base") => &["{auth}"],
            _ => &["{auth}", "{login}", "{register}", "{password}", "{security}", "{channel}"],
        };
        let rest = bases.iter().find_map(|base| text.strip_prefix(base)).unwrap_or(&text);
        let plain = rest.replace("{portal}", "portal");
        let plain = if setting.key == "terminate_path" { plain.replace("{session_id}", "id") } else { plain };
        let is_pattern = matches!(setting.kind, Kind::List(_));
        let wrong = match PathPattern::check(&plain) {
            Err(wrong) => wrong,
            Ok(()) if plain.contains('{') => "has a placeholder that is not known here",
            Ok(()) if plain.ends_with('*') && !is_pattern => "has a *, which only sealed_paths understands",
            Ok(()) if plain.ends_with('/') => "ends with /",
            Ok(()) => return Some(Self(text)),
        };
        reader.report(Problem::new(&written.place, format!("'{}': {} {wrong}", setting.key, quoted(&text))));
        None
    }
}

impl FromWritten for HeaderName {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        let name = Self::from_bytes(text.as_bytes()).ok();
        if name.is_none() {
            reader.not_understood(written, setting, &text);
        }
        name
    }
}

impl FromWritten for HeaderValue {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        let value = Self::from_str(&text).ok();
        if value.is_none() {
            reader.not_understood(written, setting, &text);
        }
        value
    }
}

words!(EnvelopeForm {
    "json" => Self::Json,
    "binary" => Self::Binary,
    "raw" => Self::Raw,
});

words!(KeyExchange {
    "session" => Self::Session,
    "first-message" => Self::FirstMessage,
});

words!(OaepHash {
    "sha256" => Self::Sha256,
    "sha1" => Self::Sha1,
});

words!(Aad {
    "none" => Self::None,
    "session-id" => Self::SessionId,
});

words!(Base64 {
    "standard" => Self::Standard,
    "url" => Self::Url,
});

words!(EmptyBody {
    "object" => Self::Object,
    "header" => Self::Header,
});

words!(MethodForm {
    "integer" => Self::Integer,
    "name" => Self::Name,
    "as-received" => Self::AsReceived,
});
