//! Every reader at once, for tests and fuzzers.

use std::time::{Duration, SystemTime};

use http::StatusCode;

use super::number::LONGEST;
use super::{
    Data, Signs, account_email, announced_key, backup_codes, channel_session, code_sent, factors, initiated,
    named_channel, otp_setup, profile, registering, registration_code, sessions, terminated, tokens,
};
use crate::portal::MethodForm;

/// Reads one body as an answer to each of the calls there are.
///
/// # Panics
/// If something is believed that is out of bounds, or two readers disagree on what an object is.
pub fn read_everything(body: &[u8]) {
    let signs = Signs::of(body);
    for status in [200, 204, 400, 401, 503].into_iter().filter_map(|status| StatusCode::from_u16(status).ok())
    {
        let _ = (signs.is_success(status), signs.is_pending(status), signs.blocked(status));
    }
    assert!(signs.cooldown().is_none_or(|cooldown| cooldown <= LONGEST));
    let _ = named_channel(body);
    let Ok(data) = Data::read(body) else { return };
    assert!(signs.is_object, "both readers agree on what an object is");
    for form in [MethodForm::Integer, MethodForm::Name, MethodForm::AsReceived] {
        if let Ok(initiated) = initiated(&data, form, None) {
            assert!(!initiated.login.is_empty());
            assert!(!initiated.expires_in.is_zero() && initiated.expires_in <= LONGEST);
        }
    }
    if let Ok(tokens) = tokens(&data, None, Duration::from_secs(1)) {
        assert!(!tokens.access.is_empty() && !tokens.expires_in.is_zero());
        assert!(SystemTime::now().checked_add(tokens.expires_in).is_some());
    }
    if let Ok(session) = channel_session(&data) {
        assert!(session.expires_at.is_none_or(|at| at > SystemTime::UNIX_EPOCH));
    }
    let _ = (code_sent(&data), announced_key(&data), account_email(&data));
    let account =
        [profile, sessions, terminated, factors, backup_codes, otp_setup, registering, registration_code];
    for read in account {
        let _ = read(&data);
    }
}
