//! Log lines: which, where to, and in what form.

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSettings {
    /// Which events. A level below `info` that names no target is meant for our own.
    pub level: Targets,
    /// How a line is written.
    pub format: LogFormat,
    /// Whether lines are coloured; only [`LogFormat::Text`] ever is.
    pub color: bool,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

impl LogSettings {
    /// What passes. Below `info`, libraries tell of headers and bytes, and know nothing of our secrets: they are
    /// heard there only if they are named (`h2=trace`), never because `trace` was asked for.
    fn filter(&self) -> Targets {
        let wanted = self.level.default_level().unwrap_or(LevelFilter::OFF);
        let ours = Targets::new()
            .with_default(wanted.min(LevelFilter::INFO))
            .with_target(env!("CARGO_PKG_NAME"), wanted);
        // Later directives for the same target replace earlier ones.
        ours.with_targets(&self.level)
    }
}

/// Whether stderr takes colours: only a terminal does, and not where `NO_COLOR` holds anything (no-color.org).
pub fn color_wanted(no_color: Option<&str>) -> bool {
    no_color.is_none_or(str::is_empty) && io::stderr().is_terminal()
}

/// Sends the logs of the whole process to stderr.
///
/// # Errors
/// If logs go somewhere already.
pub fn start_logs(settings: &LogSettings) -> Result<(), SetGlobalDefaultError> {
    tracing::subscriber::set_global_default(subscriber(settings, io::stderr))
}

/// Keeps the logs of the whole process instead of showing them, at the level `trace` for our own.
///
/// # Errors
/// If logs go somewhere already.
pub fn capture_logs(settings: &LogSettings) -> Result<Captured, SetGlobalDefaultError> {
    let captured = Captured::default();
    let sink = captured.clone();
    let ours = settings.level.clone().with_target(env!("CARGO_PKG_NAME"), LevelFilter::TRACE);
    // The simulator, where there is one, is no part of the proxy.
    let level = ours.with_target("portal_sim", LevelFilter::OFF);
    let settings = LogSettings { level, color: false, ..*settings };
    tracing::subscriber::set_global_default(subscriber(&settings, move || sink.clone()))?;
    Ok(captured)
}

/// Log lines that were kept.
#[derive(Debug, Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// What was logged so far; it is kept no longer.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn subscriber<W>(settings: &LogSettings, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match settings.format {
        LogFormat::Text => lines.with_ansi(settings.color).boxed(),
        LogFormat::Json => lines.with_ansi(false).json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(settings.filter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(level: &str, format: LogFormat, color: bool, events: impl FnOnce()) -> String {
        let captured = Captured::default();
        let sink = captured.clone();
        let settings = LogSettings { level: level.parse().unwrap(), format, color };
        tracing::subscriber::with_default(subscriber(&settings, move || sink.clone()), events);
        String::from_utf8(captured.take()).unwrap()
    }

    fn seen(level: &str) -> Vec<String> {
        let text = logged(level, LogFormat::Text, false, || {
            tracing::info!(target: "portunus::session", "ours-info");
            tracing::trace!(target: "portunus::session", "ours-trace");
            tracing::info!(target: "h2", "theirs-info");
            tracing::trace!(target: "h2", "theirs-trace");
        });
        text.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect()
    }

    #[test]
    fn a_level_below_info_is_meant_for_our_own_events() {
        assert_eq!(seen("info"), ["ours-info", "theirs-info"]);
        assert_eq!(seen("trace"), ["ours-info", "ours-trace", "theirs-info"]);
        assert_eq!(seen("warn"), [""; 0]);
        assert_eq!(seen("off"), [""; 0]);
    }

    #[test]
    fn a_named_library_or_room_is_heard_as_it_was_asked_for() {
        assert_eq!(seen("warn,h2=trace"), ["theirs-info", "theirs-trace"]);
        assert_eq!(seen("info,portunus::session=off"), ["theirs-info"]);
        assert_eq!(seen("warn,portunus=trace"), ["ours-info", "ours-trace"]);
    }

    #[test]
    fn json_is_one_object_a_line_without_colours() {
        let text = logged("info", LogFormat::Json, true, || tracing::info!(count = 3, "two\nlines"));
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((object["message"].as_str(), object["count"].as_u64()), (Some("two\nlines"), Some(3)));
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn text_is_coloured_only_where_that_was_asked_for() {
        let event = || tracing::info!("x");
        assert!(logged("info", LogFormat::Text, true, event).contains('\x1b'));
        assert!(!logged("info", LogFormat::Text, false, event).contains('\x1b'));
    }

    #[test]
    fn no_color_switches_colours_off_whatever_it_holds() {
        assert!(!color_wanted(Some("1")));
        assert!(!color_wanted(Some("0")));
    }
}
