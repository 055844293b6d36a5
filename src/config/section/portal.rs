//! `[portal]`: which portal, and how the proxy names itself to it.

use crate::config::document::{Value, Written};
use crate::config::layers::Section;
use crate::config::problem::{Problem, quoted};
use crate::config::reader::Reader;
use crate::config::secret_form;
use crate::config::secret_source::{SecretError, SecretSource, Surroundings};
use crate::config::section::upstream::KeyPin;
use crate::config::setting::{Fallback, Kind, Setting, section, words};
use crate::config::values::{AUTO, FromWritten, Words as _};
use crate::identity::IdentityName;
use crate::portal::Preset;
use crate::secret::{AccessCode, ClientHash};
use crate::state_dir::{StateDir, StateError};

section! {
    /// Which portal, and how the proxy names itself to it.
    pub struct Portal in "portal" {
        "The portal's name in its paths, such as system, tenant, partner, consumer or public."
            name: PortalName = Fallback::Is(r#""tenant""#), Kind::Text("a name of a-z, 0-9 and -");
        "How the deployment spells the protocol; the dialect section overrides single points. plain has no secure channel."
            dialect: Preset = Fallback::Is(r#""guide""#), Kind::Choice(Preset::WORDS);
        "X-PORTAL-ACCESS-CODE, for a deployment whose gateway does not add it."
            access_code: Option<SecretSource> = Fallback::Nothing(r#"{ env = "PORTAL_ACCESS_CODE" }"#), Kind::Secret;
        "X-Client-Hash. \"auto\" is made once and kept in the state directory; another one ends the login."
            client_hash: ClientHashSource = Fallback::Is(r#""auto""#), Kind::SecretOr("\"auto\", a hash");
        "The SHA-256 of the only RSA key to wrap channel keys with. Without it a new key is taken, and logged."
            key_pin: Option<KeyPin> =
                Fallback::Nothing(r#""9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08""#),
                Kind::Text("64 hex digits");
    }
}

impl Portal {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        Self::fields(section)
    }

    /// The access code, fetched from its source, if the deployment wants one.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn fetch_access_code(
        &self,
        from: &Surroundings<'_>,
    ) -> Result<Option<AccessCode>, SecretError> {
        match &self.access_code {
            Some(source) => source.resolve("portal.access_code", AccessCode::new, from).await.map(Some),
            None => Ok(None),
        }
    }
}

words!(Preset {
    "guide" => Self::Guide,
    "scv2" => Self::Scv2,
    "sdk" => Self::Sdk,
    "wiki" => Self::Wiki,
    "plain" => Self::Plain,
});

/// The portal's name in its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalName(String);

impl PortalName {
    /// As it stands in a path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromWritten for PortalName {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        // It becomes one segment of a path: nothing in it may have a meaning there.
        if text.len() > 64 || !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            let text = format!("'{}' must be 1 to 64 of a-z, 0-9 and -, not {}", setting.key, quoted(&text));
            reader.report(Problem::new(&written.place, text));
            return None;
        }
        Some(Self(text))
    }
}

/// Where `X-Client-Hash` comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientHashSource {
    /// Made once, kept in the state directory.
    Auto,
    /// The same for one of several identities.
    Own(IdentityName),
    /// As it was given.
    Literal(ClientHash),
    /// From a source.
    Source(SecretSource),
}

/// The client hash could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ClientHashError {
    /// From the state directory.
    #[error("portal.client_hash: {0}")]
    State(#[from] StateError),
    /// From its source.
    #[error("{0}")]
    Secret(#[from] SecretError),
}

impl ClientHashError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::State(error) => error.hint(),
            Self::Secret(error) => error.hint(),
        }
    }
}

impl ClientHashSource {
    /// The hash. `state` is opened, and made, only where it is needed.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn fetch(
        &self,
        state: &std::path::Path,
        from: &Surroundings<'_>,
    ) -> Result<ClientHash, ClientHashError> {
        match self {
            Self::Auto => Ok(StateDir::open(state)?.client_hash()?),
            Self::Own(identity) => Ok(StateDir::open(state)?.client_hash_of(identity.as_str())?),
            Self::Literal(hash) => Ok(hash.clone()),
            Self::Source(source) => Ok(source.resolve("portal.client_hash", ClientHash::new, from).await?),
        }
    }
}

impl FromWritten for ClientHashSource {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        match &written.value {
            Value::Text(text) if text == AUTO => Some(Self::Auto),
            Value::Text(text)
                if !text.is_empty() && text.len() <= 256 && text.bytes().all(|b| b.is_ascii_graphic()) =>
            {
                Some(Self::Literal(ClientHash::new(text.as_str())))
            }
            Value::Text(_) => {
                let text = format!("'{}' must be 1 to 256 visible ASCII characters", setting.key);
                reader.report(Problem::new(&written.place, text));
                None
            }
            Value::Table(table) => {
                secret_form::named(table, &written.place, setting, reader).map(Self::Source)
            }
            Value::Integer(_) | Value::Switch(_) | Value::List(_) | Value::Foreign(_) => {
                reader.mismatch(written, setting);
                None
            }
        }
    }
}
