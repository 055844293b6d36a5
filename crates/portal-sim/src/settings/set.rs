//! `key=value`: any setting by its name, for a command line or a control port.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use super::Settings;

/// A `key=value` that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetError {
    /// There is no such setting.
    UnknownKey(String),
    /// The value does not fit the setting.
    BadValue {
        /// The setting.
        key: String,
        /// Why.
        why: String,
    },
}

impl Display for SetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownKey(key) => write!(f, "there is no setting named {key}"),
            Self::BadValue { key, why } => write!(f, "bad value for {key}: {why}"),
        }
    }
}

impl std::error::Error for SetError {}

impl Settings {
    /// Sets one setting by its name. Lists are separated by commas; `sealed_paths` also takes `+name` and
    /// `-name`; lifetimes are milliseconds; `fields.<endpoint>.<field>` renames a request field.
    ///
    /// # Errors
    /// When there is no such setting, or the value does not fit it.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), SetError> {
        let bad = |why: String| SetError::BadValue { key: key.to_owned(), why };
        let d = &mut self.dialect;
        let l = &mut self.lifetimes;
        if let Some(field) = key.strip_prefix("fields.") {
            d.request_fields.insert(field.to_owned(), value.to_owned());
            return Ok(());
        }
        match key {
            "channel" => read(&mut d.channel, value),
            "envelope" => read(&mut d.envelope, value),
            "oaep_hash" => read(&mut d.oaep_hash, value),
            "mgf1_hash" => read(&mut d.mgf1_hash, value),
            "aad" => read(&mut d.aad, value),
            "base64" => read(&mut d.base64, value),
            "session_header" => read(&mut d.session_header, value),
            "sc_version" => read(&mut d.sc_version, value),
            "sealed_content_type" => read(&mut d.sealed_content_type, value),
            "enforce_content_type" => read(&mut d.enforce_content_type, value),
            "auth_base" => read(&mut d.auth_base, value),
            "login_base" => read(&mut d.login_base, value),
            "channel_base" => read(&mut d.channel_base, value),
            "refresh_path" => read(&mut d.refresh_path, value),
            "sealed_paths" => {
                edit_list(&mut d.sealed_paths, value);
                Ok(())
            }
            "empty_body" => read(&mut d.empty_body, value),
            "sealed_answers" => read(&mut d.sealed_answers, value),
            "session_call" => read(&mut d.session_call, value),
            "type1" => read(&mut d.type1, value),
            "replay_check" => read(&mut d.replay_check, value),
            "channel_bound" => read(&mut d.channel_bound, value),
            "channel_sliding" => read(&mut d.channel_sliding, value),
            "rotation_drops_channels" => read(&mut d.rotation_drops_channels, value),
            "stale_status" => read(&mut d.stale_status, value),
            "stale_code" => read(&mut d.stale_code, value),
            "invalid_payload_status" => read(&mut d.invalid_payload_status, value),
            "initiate_answer" => read(&mut d.initiate_answer, value),
            "method_form" => read(&mut d.method_form, value),
            "mfa_send_answer" => read(&mut d.mfa_send_answer, value),
            "token_type" => read(&mut d.token_type, value),
            "vocabulary" => read(&mut d.vocabulary, value),
            "response_form" => read(&mut d.response_form, value),
            "lean" => read(&mut d.lean, value),
            "soft_errors" => read(&mut d.soft_errors, value),
            "expired_code" => read(&mut d.expired_code, value),
            "portal_mismatch_code" => read(&mut d.portal_mismatch_code, value),
            "credentials_status" => read(&mut d.credentials_status, value),
            "blocked_form" => read(&mut d.blocked_form, value),
            "pending_place" => read(&mut d.pending_place, value),
            "pending_status" => read(&mut d.pending_status, value),
            "pending_step" => read(&mut d.pending_step, value),
            "failed_complete_ends" => read(&mut d.failed_complete_ends, value),
            "refresh_rotates" => read(&mut d.refresh_rotates, value),
            "reuse_revokes" => read(&mut d.reuse_revokes, value),
            "refresh_refused_status" => read(&mut d.refresh_refused_status, value),
            "require_request_id" => read(&mut d.require_request_id, value),
            "required_headers" => {
                edit_list(&mut d.required_headers, value);
                Ok(())
            }
            "lifetime.channel" => read_ms(&mut l.channel, value),
            "lifetime.access" => read_ms(&mut l.access, value),
            "lifetime.refresh" => read_ms(&mut l.refresh, value),
            "lifetime.login" => read_ms(&mut l.login, value),
            "lifetime.email_code" => read_ms(&mut l.email_code, value),
            "lifetime.mfa_cooldown" => read_ms(&mut l.mfa_cooldown, value),
            "lifetime.registration" => read_ms(&mut l.registration, value),
            "lifetime.reset_token" => read_ms(&mut l.reset_token, value),
            "rate.enabled" => read(&mut self.rate_limits.enabled, value),
            "rate.window" => read_ms(&mut self.rate_limits.window, value),
            "rate.scale" => read(&mut self.rate_limits.scale, value),
            "rate.window_scale" => read(&mut self.rate_limits.window_scale, value),
            "rate.retry_after" => read(&mut self.rate_limits.retry_after, value),
            "portal" => read(&mut self.portal, value),
            "access_code" => read(&mut self.access_code, value),
            "prefix" => read(&mut self.prefix, value),
            "http2" => read(&mut self.http2, value),
            "lock_after" => read(&mut self.lock_after, value),
            "otp_single_use" => read(&mut self.otp_single_use, value),
            "registration_pending" => read(&mut self.registration_pending, value),
            "wire_log" => read(&mut self.wire_log, value),
            "share_rsa_keys" => read(&mut self.share_rsa_keys, value),
            "tls.certificate" => read(&mut self.tls.get_or_insert_default().certificate, value),
            _ => return Err(SetError::UnknownKey(key.to_owned())),
        }
        .map_err(bad)
    }
}

fn read<T: FromStr<Err: Display>>(slot: &mut T, value: &str) -> Result<(), String> {
    *slot = value.parse().map_err(|e: T::Err| e.to_string())?;
    Ok(())
}

fn read_ms(slot: &mut Duration, value: &str) -> Result<(), String> {
    *slot = Duration::from_millis(value.parse().map_err(|_| "expected milliseconds".to_owned())?);
    Ok(())
}

fn edit_list(list: &mut Vec<String>, value: &str) {
    let items = || value.split(',').map(str::trim).filter(|item| !item.is_empty());
    if items().all(|item| item.starts_with(['+', '-'])) && items().next().is_some() {
        for item in items() {
            let name = &item[1..];
            list.retain(|have| have != name);
            if item.starts_with('+') {
                list.push(name.to_owned());
            }
        }
    } else {
        *list = items().map(str::to_owned).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Envelope, Vocabulary};

    #[test]
    fn values_are_set_by_name() {
        let mut settings = Settings::default();
        settings.set("envelope", "binary").unwrap();
        settings.set("vocabulary", "u").unwrap();
        settings.set("lifetime.access", "1500").unwrap();
        settings.set("sealed_paths", "+transfer,-mfa/send").unwrap();
        assert_eq!(settings.dialect.envelope, Envelope::Binary);
        assert_eq!(settings.dialect.vocabulary, Vocabulary::U);
        assert_eq!(settings.lifetimes.access, Duration::from_millis(1500));
        assert!(settings.dialect.sealed_paths.iter().any(|p| p == "transfer"));
        assert!(!settings.dialect.sealed_paths.iter().any(|p| p == "mfa/send"));
    }

    #[test]
    fn unknown_keys_and_bad_values_are_refused() {
        let mut settings = Settings::default();
        assert_eq!(settings.set("envelop", "json"), Err(SetError::UnknownKey("envelop".to_owned())));
        assert!(matches!(settings.set("envelope", "xml"), Err(SetError::BadValue { .. })));
    }
}
