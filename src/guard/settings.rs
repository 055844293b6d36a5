//! What the guard is configured with.

use http::HeaderName;

use super::names::{Authority, Origin};
use crate::secret::LocalKey;

/// What the guard is configured with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The names under which a caller may address us, each with its port: `127.0.0.1:8787`. [`own_names`] makes
    /// the list for a port. A name without a port stands for port 80.
    pub hosts: Vec<String>,
    /// Origins whose pages may call us, such as a front end's development server: `http://localhost:5173`.
    pub allowed_origins: Vec<String>,
    /// Origins that some rule of the route table allows: admitted here, and held to that rule there.
    pub route_origins: Vec<String>,
    /// Whether pages of an allowed origin may send and receive cookies.
    pub allow_credentials: bool,
    /// What every TCP caller must show, if set.
    pub local_key: Option<LocalKey>,
    /// The header in which it is shown; `Proxy-Authorization` (`Bearer`, or `Basic` with any user name) is
    /// accepted beside it.
    pub local_key_header: HeaderName,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            allowed_origins: Vec::new(),
            route_origins: Vec::new(),
            allow_credentials: false,
            local_key: None,
            local_key_header: HeaderName::from_static("x-portunus-key"),
        }
    }
}

/// The names of a service on both loopbacks at `port`. `0.0.0.0` is none: browsers let a page of any site reach
/// it.
pub fn own_names(port: u16) -> Vec<String> {
    ["127.0.0.1", "[::1]", "localhost"].map(|host| format!("{host}:{port}")).to_vec()
}

/// A setting that cannot stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// Not `name:port`.
    #[error("{0:?} is not a host name or address with a port, such as localhost:8787")]
    Host(String),
    /// An unspecified address addresses nobody.
    #[error("{0:?} cannot be an allowed host: browsers let pages of any site reach it")]
    Unspecified(String),
    /// Not `scheme://host[:port]`.
    #[error("{0:?} is not an origin, such as http://localhost:5173; \"*\" and \"null\" are none")]
    Origin(String),
    /// A key that nobody can show, or that anybody can.
    #[error("the local key is empty")]
    EmptyKey,
}

impl Settings {
    pub(super) fn authorities(&self) -> Result<Vec<Authority>, BadSettings> {
        self.hosts.iter().map(|host| Authority::configured(host)).collect()
    }

    pub(super) fn origins(list: &[String]) -> Result<Vec<Origin>, BadSettings> {
        list.iter().map(|origin| Origin::configured(origin)).collect()
    }
}
