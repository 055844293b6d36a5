//! Rate limits: fixed windows, counted per client hash, address and endpoint.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::portal::Endpoint;
use crate::settings::RateLimits;

/// The windows that are open.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    windows: Mutex<HashMap<(String, Endpoint), Window>>,
}

#[derive(Debug)]
struct Window {
    ends: Instant,
    count: u32,
}

impl Limits {
    /// Counts one request; `Err` is how long its sender must wait.
    pub(crate) fn count(&self, who: &str, endpoint: Endpoint, rules: &RateLimits) -> Result<(), Duration> {
        if !rules.enabled {
            return Ok(());
        }
        let Some((limit, window)) = rule(endpoint, rules.window) else { return Ok(()) };
        let limit = (f64::from(limit) * rules.scale).max(0.0).round();
        let window = window.mul_f64(rules.window_scale.max(0.0));
        let now = Instant::now();
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let entry =
            windows.entry((who.to_owned(), endpoint)).or_insert(Window { ends: now + window, count: 0 });
        if entry.ends <= now {
            *entry = Window { ends: now + window, count: 0 };
        }
        if f64::from(entry.count) >= limit {
            return Err(entry.ends - now);
        }
        entry.count += 1;
        Ok(())
    }

    pub(crate) fn clear(&self) {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The documented limits. Forgot and change are limited by an unknown number; ten is a guess.
fn rule(endpoint: Endpoint, default: Duration) -> Option<(u32, Duration)> {
    let minute = Duration::from_secs(60);
    let five_minutes = Duration::from_secs(300);
    Some(match endpoint {
        Endpoint::Initiate | Endpoint::Logout | Endpoint::PasswordForgot | Endpoint::PasswordChange => {
            (10, default)
        }
        Endpoint::MfaSend | Endpoint::RegisterCodeSend | Endpoint::RegisterComplete => (5, minute),
        Endpoint::Complete => (5, default),
        Endpoint::PasswordReset | Endpoint::PasswordInit | Endpoint::OtpSetup | Endpoint::OtpVerify => {
            (5, five_minutes)
        }
        Endpoint::Profile => (120, minute),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_request_passes_and_the_next_waits() {
        let (limits, rules) = (Limits::default(), RateLimits::default());
        for _ in 0..5 {
            assert!(limits.count("a", Endpoint::Complete, &rules).is_ok());
        }
        let wait = limits.count("a", Endpoint::Complete, &rules).unwrap_err();
        assert!(wait <= rules.window);
        assert!(limits.count("b", Endpoint::Complete, &rules).is_ok(), "another client");
        limits.clear();
        assert!(limits.count("a", Endpoint::Complete, &rules).is_ok());
    }
}
