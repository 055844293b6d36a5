//! What is counted, as the admin API shows it.

use crate::admin::Metric;
use crate::listener::Limits;
use crate::session::SessionHandle;
use crate::telemetry::{Count, Totals};

/// All metrics, made anew each time they are asked for.
pub(super) fn source(
    totals: Totals,
    limits: Limits,
    session: SessionHandle,
) -> impl Fn() -> Vec<Metric> + Send + Sync {
    move || {
        let path = Count::ALL.map(|count| Metric::counter(count.name(), count.help(), totals.get(count)));
        let counted = session.counters();
        let sign_in = [
            ("portunus_logins", "Logins completed.", counted.logins),
            ("portunus_logins_failed", "Logins that ended in an error.", counted.logins_failed),
            ("portunus_refreshes", "Refreshes that gave a new pair of tokens.", counted.refreshes),
            ("portunus_refreshes_failed", "Refreshes that did not.", counted.refreshes_failed),
            ("portunus_channels_opened", "Secure channels opened.", counted.channels_opened),
            (
                "portunus_channels_failed",
                "Secure channels that could not be opened.",
                counted.channels_failed,
            ),
            (
                "portunus_clock_jumps",
                "Times that a clock was set, or the machine slept.",
                counted.clock_jumps,
            ),
            (
                "portunus_store_failures",
                "Times that the state could not be read or written.",
                counted.store_failures,
            ),
        ]
        .map(|(name, help, value)| Metric::counter(name, help, value));
        let gauges = [
            ("portunus_connections", "Callers' connections open now.", limits.open_connections()),
            ("portunus_in_flight", "Requests on their way now.", limits.in_flight()),
            (
                "portunus_unsaved",
                "1 while the login in use could not be stored, so that a crash would lose it.",
                usize::from(counted.unsaved),
            ),
        ]
        .map(|(name, help, value)| Metric::gauge(name, help, value as f64));
        path.into_iter().chain(sign_in).chain(gauges).collect()
    }
}
