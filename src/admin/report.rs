//! What the API says about where things stand, as its JSON; read by the command line, so both ways.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::explain::{Cause, Explained, Whose};
use super::problem::whole_seconds;
use super::sign_in::{ChannelStanding, Pending};
use crate::places::Places;
use crate::session::{FactorKind, FoundSetting, SessionError};

/// The proxy, and where each of its identities stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The proxy's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// RFC 3339.
    pub started_at: String,
    /// Seconds since then.
    pub uptime: u64,
    /// Where it listens.
    pub listen: Vec<String>,
    /// The bodies that are held in memory.
    #[serde(default)]
    pub held: HeldReport,
    /// Whether every identity can serve without a person.
    pub ready: bool,
    /// The sign-ins.
    pub identities: Vec<IdentityReport>,
}

/// The bodies that are held to be sent again, sealed or opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldReport {
    /// Bytes now.
    pub bytes: usize,
    /// Bytes at most: `limits.held_bytes`.
    pub limit: usize,
}

/// One identity's requests that are under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestsReport {
    /// How many now.
    pub under_way: usize,
    /// How many at most: `limits.in_flight_each`, or the identity's own `in_flight`.
    pub limit: usize,
    /// How many were refused for being one too many.
    pub refused: u64,
}

impl From<&Places> for RequestsReport {
    fn from(places: &Places) -> Self {
        Self { under_way: places.taken(), limit: places.most(), refused: places.turned_away() }
    }
}

/// Where one identity stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityReport {
    /// Its name.
    pub identity: String,
    /// Where the login stands.
    pub state: State,
    /// Since when, RFC 3339.
    pub since: String,
    /// Whether requests can be served without a person.
    pub ready: bool,
    /// What is configured to sign in with.
    pub account: AccountReport,
    /// The e-mail address that is signed in, masked, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_in_as: Option<String>,
    /// When the bearer ends, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Seconds until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// Seconds until the bearer is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_in: Option<u64>,
    /// Its requests that are under way, where they are bounded apart from those of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestsReport>,
    /// The code that is awaited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<ChallengeReport>,
    /// The secure channel, if one is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelReport>,
    /// How many backup codes were left in their source when one was last taken, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_codes_left: Option<u64>,
    /// What was found out about settings of the dialect that are `auto`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<FoundReport>,
    /// Why there is no login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
    /// What is not as it should be, though requests are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
}

/// Where a login stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nobody is signed in.
    SignedOut,
    /// A login or a refresh is under way.
    Opening,
    /// A person has to enter a code.
    AwaitingCode,
    /// Signed in.
    SignedIn,
    /// It failed.
    Failed,
}

/// What is configured to sign in with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AccountReport {
    /// The e-mail address, masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether a password is configured.
    pub password: bool,
    /// Whether a TOTP seed is configured.
    pub otp_secret: bool,
}

/// The code that is awaited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeReport {
    /// The factor chosen.
    pub method: FactorName,
    /// Where a delivered code went, masked by the portal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked_target: Option<String>,
    /// Seconds until the pending login dies.
    pub expires_in: u64,
    /// Seconds until another code may be sent; absent for a factor that is not delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resend_in: Option<u64>,
    /// All factors offered.
    pub offered: Vec<MethodReport>,
    /// Why the code was not fetched from its source, if that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfetched: Option<String>,
}

/// One factor offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodReport {
    /// Which.
    pub method: FactorName,
    /// The portal's own text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A factor's name, as the configuration spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactorName {
    /// A code by e-mail.
    Email,
    /// A TOTP app.
    Otp,
    /// A single-use backup code.
    BackupCode,
    /// One without a name of ours.
    Other,
}

/// An open channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelReport {
    /// Since when, RFC 3339.
    pub opened_at: String,
    /// Until when, RFC 3339.
    pub expires_at: String,
    /// Seconds until then.
    pub expires_in: u64,
}

/// A setting that is `auto`, as the portal showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundReport {
    /// Its name, such as `dialect.session_header`.
    pub setting: String,
    /// Its value, as `proxy.toml` would have it.
    pub value: String,
    /// How sure it is: `seen`, `inferred`, `assumed`.
    pub sure: String,
    /// The observation.
    pub why: String,
}

/// Why there is no login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// The machine word.
    pub code: Cause,
    /// What happened.
    pub text: String,
    /// Whose doing it is.
    pub who: Whose,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Seconds until it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl IdentityReport {
    /// Whose it is, masked: the account that is signed in, else the one that is configured.
    pub fn whose(&self) -> Option<&str> {
        self.signed_in_as.as_deref().or(self.account.email.as_deref())
    }
}

impl ChallengeReport {
    pub(super) fn new(pending: &Pending, now: SystemTime) -> Self {
        Self {
            method: pending.method.into(),
            masked_target: pending.masked_target.clone(),
            expires_in: seconds_left(pending.expires_at, now),
            resend_in: pending.resend_at.map(|at| whole_seconds(at.duration_since(now).unwrap_or_default())),
            offered: pending
                .offered
                .iter()
                .map(|(kind, label)| MethodReport { method: (*kind).into(), label: label.clone() })
                .collect(),
            unfetched: pending.unfetched.clone(),
        }
    }
}

impl ChannelReport {
    pub(super) fn new(channel: ChannelStanding, now: SystemTime) -> Self {
        Self {
            opened_at: timestamp(channel.opened_at),
            expires_at: timestamp(channel.expires_at),
            expires_in: seconds_left(channel.expires_at, now),
        }
    }
}

impl From<FoundSetting> for FoundReport {
    fn from(FoundSetting { setting, value, sure, why }: FoundSetting) -> Self {
        Self { setting, value, sure, why }
    }
}

impl From<&SessionError> for ErrorReport {
    fn from(error: &SessionError) -> Self {
        let Explained { cause, text, retry_after } = Explained::from(error);
        Self {
            code: cause,
            text,
            who: cause.whose(),
            hint: cause.hint().map(str::to_owned),
            retry_after: retry_after.map(whole_seconds),
        }
    }
}

impl From<FactorKind> for FactorName {
    fn from(kind: FactorKind) -> Self {
        match kind {
            FactorKind::Email => Self::Email,
            FactorKind::Otp => Self::Otp,
            FactorKind::BackupCode => Self::BackupCode,
            FactorKind::Other => Self::Other,
        }
    }
}

impl From<FactorName> for FactorKind {
    fn from(name: FactorName) -> Self {
        match name {
            FactorName::Email => Self::Email,
            FactorName::Otp => Self::Otp,
            FactorName::BackupCode => Self::BackupCode,
            FactorName::Other => Self::Other,
        }
    }
}

/// Whole seconds until then, rounded down: a promise of time left is never too long.
pub(super) fn seconds_left(at: SystemTime, now: SystemTime) -> u64 {
    at.duration_since(now).unwrap_or(Duration::ZERO).as_secs()
}

/// RFC 3339 in UTC, to the second.
pub(super) fn timestamp(at: SystemTime) -> String {
    let whole = OffsetDateTime::from(at).replace_nanosecond(0).unwrap_or_else(|_| at.into());
    // Formatting fails outside the years 0 to 9999 only, which no clock shows.
    whole.format(&Rfc3339).unwrap_or_default()
}

/// The first character of the local part and the domain: enough to know one's own account again.
pub(super) fn masked(email: &str) -> String {
    match email.rsplit_once('@') {
        Some((local, domain)) => {
            format!("{}***@{domain}", local.chars().next().map_or(String::new(), String::from))
        }
        None => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_masked_to_its_first_character_and_domain() {
        assert_eq!(masked("root@example.com"), "r***@example.com");
        assert_eq!(masked("élan@example.com"), "é***@example.com");
        assert_eq!(masked("@example.com"), "***@example.com");
        assert_eq!(masked("not an address"), "***");
    }

    #[test]
    fn time_left_is_rounded_down_and_a_wait_is_rounded_up() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let pending = Pending {
            method: FactorKind::Email,
            offered: vec![(FactorKind::Email, Some("Email".into())), (FactorKind::Otp, None)],
            masked_target: Some("r***@example.com".into()),
            expires_at: now + Duration::from_millis(2_900),
            resend_at: Some(now + Duration::from_millis(1_100)),
            unfetched: None,
        };
        let report = ChallengeReport::new(&pending, now);
        assert_eq!((report.expires_in, report.resend_in), (2, Some(2)));
        assert_eq!(report.offered[1], MethodReport { method: FactorName::Otp, label: None });
        let late = ChallengeReport::new(&pending, now + Duration::from_secs(60));
        assert_eq!((late.expires_in, late.resend_in), (0, Some(0)));
    }

    #[test]
    fn timestamps_are_rfc_3339_to_the_second() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_711_929_600_999);
        assert_eq!(timestamp(at), "2024-04-01T00:00:00Z");
    }
}
