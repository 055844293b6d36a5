//! Which path means which call, in this portal's dialect.

use std::collections::HashMap;

use crate::settings::Settings;

crate::settings::choice! {
    /// A call that the portal knows. The names are those that `sealed_paths` and the counters use.
    pub(crate) enum Endpoint {
        /// The RSA key.
        #[default]
        PublicKey = "public-key",
        /// Opens a channel.
        Session = "session",
        /// Closes a channel.
        SessionClose = "session/close",
        /// First step of a login.
        Initiate = "login/initiate",
        /// Sends a code by mail.
        MfaSend = "mfa/send",
        /// Last step of a login.
        Complete = "login/complete",
        /// New tokens for old.
        Refresh = "token/refresh",
        /// Ends a session.
        Logout = "logout",
        /// First step of a registration.
        RegisterInitiate = "register/initiate",
        /// Sends the registration's code.
        RegisterCodeSend = "register/code/send",
        /// Checks the registration's code.
        RegisterVerify = "register/verify",
        /// Makes the account.
        RegisterComplete = "register/complete",
        /// Sets the first password.
        PasswordInit = "password/init",
        /// Asks for a reset link.
        PasswordForgot = "password/forgot",
        /// Sets a password by a link's token.
        PasswordReset = "password/reset",
        /// Changes the password.
        PasswordChange = "password/change",
        /// Who is logged in.
        Profile = "profile",
        /// Lists or ends sessions.
        Sessions = "security/sessions",
        /// Lists second factors.
        Mfa = "security/mfa",
        /// Makes a TOTP secret.
        OtpSetup = "security/mfa/otp/setup",
        /// Turns the TOTP secret into a factor.
        OtpVerify = "security/mfa/otp/verify",
        /// Counts backup codes.
        BackupCodes = "security/mfa/backup-codes",
        /// Tells what arrived.
        Echo = "echo",
        /// A list with pages.
        Items = "items",
        /// Bytes, as many as wanted.
        Download = "download",
        /// Swallows bytes.
        Upload = "upload",
        /// Server-sent events.
        Events = "events",
        /// A WebSocket that echoes.
        Ws = "ws",
        /// Any status.
        Status = "status",
        /// Something that must not happen twice.
        Transfer = "transfer",
        /// An answer that takes its time.
        Slow = "slow",
        /// A redirect.
        Redirect = "redirect",
        /// Cookies.
        Cookies = "cookies",
    }
}

impl Endpoint {
    /// Methods that it answers; none listed means any.
    pub(crate) fn methods(self) -> &'static [&'static str] {
        match self {
            Self::PublicKey
            | Self::Profile
            | Self::Mfa
            | Self::BackupCodes
            | Self::Items
            | Self::Events
            | Self::Ws => &["GET", "HEAD"],
            Self::Download => &["GET", "HEAD"],
            Self::Sessions => &["GET", "HEAD", "POST", "DELETE"],
            Self::Upload => &["PUT", "POST"],
            Self::Echo | Self::Status | Self::Slow | Self::Redirect | Self::Cookies => &[],
            _ => &["POST"],
        }
    }

    /// Whether it belongs to someone who is logged in.
    pub(crate) fn needs_token(self) -> bool {
        !matches!(
            self,
            Self::PublicKey
                | Self::Session
                | Self::SessionClose
                | Self::Initiate
                | Self::MfaSend
                | Self::Complete
                | Self::Refresh
                | Self::RegisterInitiate
                | Self::RegisterCodeSend
                | Self::RegisterVerify
                | Self::RegisterComplete
                | Self::PasswordInit
                | Self::PasswordForgot
                | Self::PasswordReset
        )
    }

    /// Whether its request body is never collected.
    pub(crate) fn streams(self) -> bool {
        matches!(self, Self::Upload | Self::Ws)
    }

    /// Whether it stands for the system behind the portal and not for the portal's own calls.
    pub(crate) fn is_business(self) -> bool {
        matches!(
            self,
            Self::Echo
                | Self::Items
                | Self::Download
                | Self::Upload
                | Self::Events
                | Self::Ws
                | Self::Status
                | Self::Transfer
                | Self::Slow
                | Self::Redirect
                | Self::Cookies
        )
    }

    fn takes_tail(self) -> bool {
        matches!(self, Self::Echo | Self::Status | Self::Sessions | Self::Items)
    }
}

/// Every path of this portal.
#[derive(Debug)]
pub(crate) struct Routes {
    prefix: String,
    exact: HashMap<String, Endpoint>,
    portal_base: String,
    portal: String,
}

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A call, and what follows its path.
    Found(Endpoint, String),
    /// A call of another portal.
    OtherPortal,
    Nowhere,
}

const PORTALS: [&str; 5] = ["system", "tenant", "partner", "consumer", "public"];

impl Routes {
    pub(crate) fn new(settings: &Settings) -> Self {
        use Endpoint as E;
        let d = &settings.dialect;
        let portal = settings.portal.as_str();
        let auth = d.auth_base.replace("{portal}", portal);
        let fill = |path: &str| path.replace("{portal}", portal).replace("{auth}", &auth);
        let (login, channel, portal_base) =
            (fill(&d.login_base), fill(&d.channel_base), format!("/web/v1/{portal}/"));
        let mut exact = HashMap::new();
        if d.channel {
            for e in [E::PublicKey, E::Session, E::SessionClose] {
                if e == E::Session && !d.session_call {
                    continue;
                }
                exact.insert(format!("{channel}/{}", e.name()), e);
            }
        }
        exact.insert(format!("{login}/initiate"), E::Initiate);
        exact.insert(format!("{login}/mfa/send"), E::MfaSend);
        exact.insert(format!("{login}/complete"), E::Complete);
        exact.insert(fill(&d.refresh_path), E::Refresh);
        for e in [
            E::Logout,
            E::RegisterInitiate,
            E::RegisterCodeSend,
            E::RegisterVerify,
            E::RegisterComplete,
            E::PasswordInit,
            E::PasswordForgot,
            E::PasswordReset,
            E::PasswordChange,
        ] {
            exact.insert(format!("{auth}/{}", e.name()), e);
        }
        for &e in E::ALL {
            if e.is_business()
                || matches!(
                    e,
                    E::Profile | E::Sessions | E::Mfa | E::OtpSetup | E::OtpVerify | E::BackupCodes
                )
            {
                exact.insert(format!("{portal_base}{}", e.name()), e);
            }
        }
        let prefix = settings.prefix.trim_end_matches('/').to_owned();
        Self { prefix, exact, portal_base, portal: portal.to_owned() }
    }

    pub(crate) fn find(&self, path: &str) -> Place {
        let Some(path) = path.strip_prefix(self.prefix.as_str()) else { return Place::Nowhere };
        if let Some((endpoint, tail)) = self.here(path) {
            return Place::Found(endpoint, tail);
        }
        let other = path
            .strip_prefix("/web/v1/")
            .and_then(|rest| rest.split_once('/'))
            .filter(|(name, _)| PORTALS.contains(name) && *name != self.portal);
        match other {
            Some((_, rest)) if self.here(&format!("{}{rest}", self.portal_base)).is_some() => {
                Place::OtherPortal
            }
            _ => Place::Nowhere,
        }
    }

    fn here(&self, path: &str) -> Option<(Endpoint, String)> {
        if let Some(&endpoint) = self.exact.get(path) {
            return Some((endpoint, String::new()));
        }
        let rest = path.strip_prefix(self.portal_base.as_str())?;
        Endpoint::ALL.iter().copied().filter(|e| e.takes_tail()).find_map(|e| {
            let tail = rest.strip_prefix(e.name())?.strip_prefix('/')?;
            Some((e, tail.to_owned()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Preset;

    #[test]
    fn each_dialect_has_its_paths() {
        let guide = Routes::new(&Settings::default());
        let found = |routes: &Routes, path: &str| match routes.find(path) {
            Place::Found(endpoint, _) => Some(endpoint),
            _ => None,
        };
        assert_eq!(found(&guide, "/web/v1/tenant/auth/login/initiate"), Some(Endpoint::Initiate));
        assert_eq!(found(&guide, "/web/v1/secure-channel/session/close"), Some(Endpoint::SessionClose));
        assert_eq!(guide.find("/web/v1/tenant/echo/a/b"), Place::Found(Endpoint::Echo, "a/b".to_owned()));
        assert_eq!(guide.find("/web/v1/consumer/profile"), Place::OtherPortal);
        let sdk = Routes::new(&Settings::preset(Preset::Sdk));
        assert_eq!(found(&sdk, "/login/mfa/send"), Some(Endpoint::MfaSend));
        assert_eq!(found(&sdk, "/auth/refresh"), Some(Endpoint::Refresh));
        assert_eq!(found(&sdk, "/sc/public-key"), Some(Endpoint::PublicKey));
        let wiki =
            Routes::new(&Settings { prefix: "/prometheus".to_owned(), ..Settings::preset(Preset::Wiki) });
        assert_eq!(found(&wiki, "/prometheus/web/v1/users/self/auth/token/refresh"), Some(Endpoint::Refresh));
        assert_eq!(wiki.find("/web/v1/users/self/auth/token/refresh"), Place::Nowhere);
        let plain = Routes::new(&Settings::preset(Preset::Plain));
        assert_eq!(plain.find("/web/v1/secure-channel/public-key"), Place::Nowhere);
    }
}
