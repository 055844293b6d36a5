//! What is counted, as the admin API shows it.

use super::Resident;
use crate::admin::{Metric, MetricKind, Sample};
use crate::held::HeldBytes;
use crate::listener::Limits;
use crate::places::Places;
use crate::session::Counters;
use crate::telemetry::{Count, Totals};

/// What a session counts: name, help, value.
type Counted = (&'static str, &'static str, fn(&Counters) -> u64);

const SESSION: [Counted; 8] = [
    ("portunus_logins", "Logins completed.", |counted| counted.logins),
    ("portunus_logins_failed", "Logins that ended in an error.", |counted| counted.logins_failed),
    ("portunus_refreshes", "Refreshes that gave a new pair of tokens.", |counted| counted.refreshes),
    ("portunus_refreshes_failed", "Refreshes that did not.", |counted| counted.refreshes_failed),
    ("portunus_channels_opened", "Secure channels opened.", |counted| counted.channels_opened),
    ("portunus_channels_failed", "Secure channels that could not be opened.", |counted| {
        counted.channels_failed
    }),
    ("portunus_clock_jumps", "Times that a clock was set, or the machine slept.", |counted| {
        counted.clock_jumps
    }),
    ("portunus_store_failures", "Times that the state could not be read or written.", |counted| {
        counted.store_failures
    }),
];

/// What a session says about its store: name, help, whether it is so.
type Said = (&'static str, &'static str, fn(&Counters) -> bool);

const STORE: [Said; 2] = [
    (
        "portunus_unsaved",
        "1 while the login in use could not be stored, so that a crash would lose it.",
        |counted| counted.unsaved,
    ),
    ("portunus_store_away", "1 while the store that replicas share cannot be reached.", |counted| {
        counted.store_away
    }),
];

/// What the places of an identity say: name, help, kind, value.
type Placed = (&'static str, &'static str, MetricKind, fn(&Places) -> u64);

const PLACES: [Placed; 3] = [
    (
        "portunus_identity_in_flight",
        "Requests of an identity on their way now.",
        MetricKind::Gauge,
        |places| places.taken() as u64,
    ),
    (
        "portunus_identity_in_flight_limit",
        "How many there may be: limits.in_flight_each, or in_flight of the identity.",
        MetricKind::Gauge,
        |places| places.most() as u64,
    ),
    (
        "portunus_identity_overloaded",
        "Requests refused for being one more than that.",
        MetricKind::Counter,
        Places::turned_away,
    ),
];

/// All metrics, made anew each time they are asked for; what an identity did has its name. `nobodys` are the requests
/// of which it is not known whose they are.
pub(super) fn source(
    residents: Vec<Resident>,
    nobodys: Totals,
    limits: Limits,
    held: HeldBytes,
) -> impl Fn() -> Vec<Metric> + Send + Sync {
    move || {
        let of = |resident: &Resident, value: f64| {
            Sample::number(value).with("identity", resident.name.to_string())
        };
        let path = Count::ALL.map(|count| {
            let mut samples: Vec<_> =
                residents.iter().map(|resident| of(resident, resident.totals.get(count) as f64)).collect();
            let unclaimed = nobodys.get(count);
            if unclaimed > 0 {
                samples.push(Sample::number(unclaimed as f64));
            }
            Metric { name: count.name(), help: count.help(), kind: MetricKind::Counter, samples }
        });
        let counted: Vec<_> =
            residents.iter().map(|resident| (resident, resident.house.session.counters())).collect();
        let sign_in = SESSION.map(|(name, help, value)| {
            let samples =
                counted.iter().map(|(resident, counted)| of(resident, value(counted) as f64)).collect();
            Metric { name, help, kind: MetricKind::Counter, samples }
        });
        let store = STORE.map(|(name, help, value)| {
            let samples = counted
                .iter()
                .map(|(resident, counted)| of(resident, f64::from(u8::from(value(counted)))))
                .collect();
            Metric { name, help, kind: MetricKind::Gauge, samples }
        });
        let bounded: Vec<_> = residents
            .iter()
            .filter_map(|resident| Some((resident, resident.house.places.as_ref()?)))
            .collect();
        // None where nothing is bounded: a family without samples is none.
        let places = PLACES.iter().filter(|_| !bounded.is_empty()).map(|(name, help, kind, value)| {
            let samples =
                bounded.iter().map(|(resident, places)| of(resident, value(places) as f64)).collect();
            Metric { name, help, kind: *kind, samples }
        });
        let gauges = [
            ("portunus_connections", "Callers' connections open now.", limits.open_connections()),
            ("portunus_in_flight", "Requests on their way now.", limits.in_flight()),
            ("portunus_held_bytes", "Bytes of bodies held to be sent again, sealed or opened.", held.taken()),
            ("portunus_held_bytes_limit", "How many there may be: limits.held_bytes.", held.most()),
        ]
        .map(|(name, help, value)| Metric::gauge(name, help, value as f64));
        path.into_iter().chain(sign_in).chain(store).chain(places).chain(gauges).collect()
    }
}
