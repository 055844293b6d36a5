//! Secrets as types: wiped on drop, invisible to `Debug`, impossible to print or serialize by accident.
//!
//! There is no `Deref` and no `Display`. The bytes leave through [`Expose::expose`] only, which clippy
//! disallows: every place that calls it states its reason beside the call.

use std::fmt;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// The one door through which the text of a secret leaves its type.
pub trait Expose {
    /// The secret itself. Each caller says why, under `#[expect(clippy::disallowed_methods, reason = "…")]`.
    fn expose(&self) -> &str;

    /// The secret as a header value marked sensitive, so that hyper never prints it and HPACK never indexes it.
    ///
    /// # Errors
    /// If the text holds bytes that no header value may hold (RFC 9110 section 5.5).
    fn header_value(&self) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
        self.prefixed_header_value("")
    }

    /// As [`Expose::header_value`], behind a fixed prefix such as `Bearer `.
    ///
    /// # Errors
    /// As [`Expose::header_value`].
    fn prefixed_header_value(&self, prefix: &str) -> Result<HeaderValue, http::header::InvalidHeaderValue>;
}

macro_rules! secrets {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// Takes the text in; it is wiped when the last copy is dropped.
            pub fn new(text: impl Into<String>) -> Self {
                Self(SecretString::from(text.into()))
            }

            /// Whether the text is empty, which is never a usable secret.
            pub fn is_empty(&self) -> bool {
                self.bytes().is_empty()
            }

            #[expect(clippy::disallowed_methods, reason = "the one place where secrecy's box is opened")]
            fn bytes(&self) -> &str {
                self.0.expose_secret()
            }
        }

        impl Expose for $name {
            fn expose(&self) -> &str {
                self.bytes()
            }

            fn prefixed_header_value(&self, prefix: &str) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
                let mut value = HeaderValue::from_str(&format!("{prefix}{}", self.bytes()))?;
                value.set_sensitive(true);
                Ok(value)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(***)"))
            }
        }

        /// In constant time: how long a comparison takes tells nothing about where two secrets differ.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                use subtle::ConstantTimeEq;
                self.bytes().as_bytes().ct_eq(other.bytes().as_bytes()).into()
            }
        }

        impl Eq for $name {}
    )*};
}

secrets! {
    /// `X-PORTAL-ACCESS-CODE`: names the ingress portal (PROTOCOL section 2).
    AccessCode;
    /// `X-Client-Hash`: the stable browser fingerprint (PROTOCOL section 2).
    ClientHash;
    /// The account's password.
    Password;
    /// The Base32 seed of a TOTP authenticator (RFC 6238).
    OtpSecret;
    /// One code for one MFA step: TOTP, e-mailed, or a backup code.
    OneTimeCode;
    /// The bearer of one session; opaque (PROTOCOL section 7).
    AccessToken;
    /// What renews the bearer; rotated by each use (PROTOCOL section 7).
    RefreshToken;
    /// The id of a pending login, 300 s, single use (PROTOCOL section 1).
    LoginSessionId;
    /// The id of a registration under way, 600 s (PROTOCOL section 8).
    RegistrationId;
    /// The token of a password-reset link, single use (PROTOCOL section 8).
    ResetToken;
    /// The token that a portal's own page gets from Turnstile, and `password/forgot` may ask for (PROTOCOL section 2).
    TurnstileToken;
    /// An `otpauth://` address, which holds the seed of a TOTP authenticator.
    OtpUri;
    /// What the key is made from that seals the stored logins, where one is configured.
    SealingPassphrase;
    /// `USER:PASSWORD` for the forward proxy on the way to the portal (RFC 7617).
    ProxyCredentials;
    /// The password of the user that opens the Redis of `state.store`.
    RedisPassword;
    /// What a local caller shows when `guard.local_key` is set.
    LocalKey;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_name_and_nothing_else() {
        assert_eq!(format!("{:?}", Password::new("CNRY-1")), "Password(***)");
        assert_eq!(format!("{:?}", Some(RefreshToken::new("CNRY-2"))), "Some(RefreshToken(***))");
    }

    #[test]
    fn a_header_value_is_marked_sensitive_and_refuses_control_bytes() {
        let value = AccessToken::new("abc").prefixed_header_value("Bearer ").unwrap();
        assert!(value.is_sensitive());
        assert_eq!(value.as_bytes(), b"Bearer abc");
        assert!(AccessToken::new("a\r\nb").header_value().is_err());
    }

    #[test]
    fn equality_compares_the_text() {
        assert_eq!(LocalKey::new("k"), LocalKey::new("k"));
        assert_ne!(LocalKey::new("k"), LocalKey::new("K"));
    }
}
