//! `[limits]`: bounds on size, number and time.

use std::time::Duration;

use crate::config::layers::Section;
use crate::config::problem::Problem;
use crate::config::setting::{Fallback, count, ms, section, size, span};
use crate::config::values::Auto;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const HOUR: Duration = Duration::from_secs(3600);

section! {
    /// Bounds on size, number and time.
    pub struct Limits in "limits" {
        "The longest body that is sealed: it is held in memory whole. Plain bodies stream, and have no bound."
            sealed_body: usize = Fallback::Is(r#""8MiB""#), size(KIB, GIB);
        "The longest sealed answer that is opened: it is held in memory whole."
            sealed_answer: usize = Fallback::Is(r#""16MiB""#), size(KIB, GIB);
        "The longest plain body that is kept at hand, so that its request can be sent again."
            replay_body: usize = Fallback::Is(r#""64KiB""#), size(0, 64 * MIB);
        "All bodies together that are held to be sent again, sealed or opened. Beyond it plain bodies stream and cannot \
         be sent again, and what has to be held is answered 503."
            held_bytes: usize = Fallback::Is(r#""256MiB""#), size(64 * KIB, 64 * GIB);
        "The whole head of a request."
            header_bytes: usize = Fallback::Is(r#""64KiB""#), size(8 * KIB, MIB);
        "Header fields in a request."
            headers: usize = Fallback::Is("100"), count(16, 1000);
        "The target of a request."
            uri: usize = Fallback::Is(r#""8KiB""#), size(256, 64 * KIB);
        "Open connections of all callers; the next one is answered 503."
            connections: usize = Fallback::Is("1024"), count(1, 1_000_000);
        "Requests on their way at once; the next one is answered 503."
            in_flight: usize = Fallback::Is("256"), count(1, 1_000_000);
        "Those of one [[identity]]; the next one is answered 503. \"auto\" is half of in_flight where there are several."
            in_flight_each: Auto<usize> = Fallback::Is(r#""auto""#), count(1, 1_000_000);
        "Concurrent streams of one HTTP/2 connection."
            streams: u32 = Fallback::Is("128"), count(1, 10_000);
        "Streams of one HTTP/2 connection that a caller has reset before they were begun; one more ends it."
            reset_streams: usize = Fallback::Is("20"), count(1, 10_000);
        "Streams of one HTTP/2 connection that ended for a fault of the caller's; one more ends it."
            error_streams: usize = Fallback::Is("128"), count(1, 10_000);
        "Interim answers (102, 103) that are passed on for one request; further ones are dropped."
            interim: usize = Fallback::Is("16"), count(0, 1000);
        "Cookies of the portal that are kept where upstream.cookies is \"jar\"; one more drives the oldest out."
            cookies: usize = Fallback::Is("50"), count(1, 1000);
        "Their names and values together: the longest Cookie header that is sent."
            cookie_bytes: usize = Fallback::Is(r#""16KiB""#), size(256, MIB);
        "The buffer of one HTTP/1 connection at most; it grows to this under load only."
            buffer_bytes: usize = Fallback::Is(r#""256KiB""#), size(8 * KIB, 16 * MIB);
        "What Retry-After says in an answer 503 to one too many; whole seconds."
            retry_after: Duration = Fallback::Is(r#""1s""#), span(ms(1_000), HOUR);
        "How long a caller may take to send a request's head."
            header_timeout: Duration = Fallback::Is(r#""10s""#), span(ms(10), HOUR);
        "How long a caller's body may stand still."
            body_idle_timeout: Duration = Fallback::Is(r#""30s""#), span(ms(10), HOUR);
        "How long a caller may take no byte of an answer that waits for it."
            write_timeout: Duration = Fallback::Is(r#""60s""#), span(ms(10), HOUR);
        "How long a caller's connection may be idle between two requests."
            keep_alive: Duration = Fallback::Is(r#""75s""#), span(ms(0), HOUR);
        "Requests of one identity that may wait while its login or refresh is under way; the next one is answered 503."
            waiting: usize = Fallback::Is("1024"), count(1, 1_000_000);
        "How long each of them waits."
            wait_timeout: Duration = Fallback::Is(r#""30s""#), span(ms(1_000), ms(600_000));
        "One call of the proxy's own to the portal, such as a login's, from its start to the end of the answer."
            own_call: Duration = Fallback::Is(r#""60s""#), span(ms(100), HOUR);
        "The longest answer to such a call."
            own_answer: usize = Fallback::Is(r#""1MiB""#), size(4 * KIB, 64 * MIB);
        "Paths that are remembered because the portal complained that they must be sealed."
            learned_paths: usize = Fallback::Is("1024"), count(0, 65_536);
        "How long requests may go on once the proxy was told to stop."
            drain: Duration = Fallback::Is(r#""10s""#), span(ms(0), HOUR);
        "How long the program of a secret's { command } may take."
            secret_command: Duration = Fallback::Is(r#""30s""#), span(ms(100), HOUR);
    }
}

impl Limits {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let limits = Self::fields(section)?;
        if limits.uri > limits.header_bytes {
            let place = section.place_of("uri", Self::SETTINGS);
            section
                .reader
                .report(Problem::new(&place, "'uri' is more than 'header_bytes', which includes it"));
        }
        // One that is sealed is there twice, and a third longer in Base64; one that is opened likewise.
        for (key, longest) in [("sealed_body", limits.sealed_body), ("sealed_answer", limits.sealed_answer)] {
            if longest.saturating_mul(3) > limits.held_bytes {
                let place = section.place_of(key, Self::SETTINGS);
                let text = format!("'{key}' needs three times its size in 'held_bytes', which is less");
                let hint = "raise held_bytes, or lower it";
                section.reader.report(Problem::new(&place, text).hint(hint));
            }
        }
        Some(limits)
    }
}
