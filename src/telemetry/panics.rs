//! What is said of a panic: where, and never what. Its message is made of whatever was at hand, a secret as well.

use std::io::Write as _;
use std::panic;

/// From now on a panic is one line of its place and thread, in the log if there is one, else on stderr. Whether the
/// process ends with it is the profile's affair (`panic` in Cargo.toml).
pub fn tell_panics_by_their_place() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        if tracing::dispatcher::has_been_set() {
            tracing::error!(%place, %thread, "a fault in portunus: it panicked; please report this line");
        } else {
            // A closed stderr is nobody's second fault.
            let _ = writeln!(
                std::io::stderr(),
                "portunus: it panicked at {place} in thread {thread}; please report this line"
            );
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{LogFormat, LogSettings, capture_logs};

    #[test]
    fn a_panic_is_one_line_of_its_place_and_says_nothing_of_what_was_at_hand() {
        let settings = LogSettings { level: "trace".parse().unwrap(), format: LogFormat::Text, color: false };
        let log = capture_logs(&settings).unwrap();
        tell_panics_by_their_place();
        let line = line!() + 3;
        let fault = std::thread::Builder::new().name("worker-7".into()).spawn(|| {
            let failed: Result<(), &str> = std::hint::black_box(Err("CNRY-secret"));
            failed.unwrap();
        });
        assert!(fault.unwrap().join().is_err());
        let said = String::from_utf8(log.take()).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        for part in ["ERROR", &format!("telemetry/panics.rs:{line}:"), "worker-7"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("CNRY"), "{said}");
    }
}
