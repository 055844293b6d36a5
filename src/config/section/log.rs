//! `[log]`: what is told on stderr.

use tracing_subscriber::filter::Targets;

use crate::config::document::Written;
use crate::config::layers::Section;
use crate::config::problem::{Problem, nearest, quoted};
use crate::config::reader::Reader;
use crate::config::setting::{Fallback, Kind, Setting, section, words};
use crate::config::values::{FromWritten, Words as _};
use crate::telemetry::{LogFormat, LogSettings};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

section! {
    /// What is told on stderr.
    pub struct Log in "log" {
        "off, error, warn, info, debug or trace; and for single rooms: \"info,portunus::session=debug\"."
            level: Targets = Fallback::Is(r#""info""#), Kind::Text("a level");
        "text for people, json for machines."
            format: LogFormat = Fallback::Is(r#""text""#), Kind::Choice(LogFormat::WORDS);
    }
}

impl Log {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        Self::fields(section)
    }

    /// What the logs are started with; colours are a matter of the terminal.
    pub fn settings(&self, color: bool) -> LogSettings {
        LogSettings { level: self.level.clone(), format: self.format, color }
    }
}

words!(LogFormat {
    "text" => Self::Text,
    "json" => Self::Json,
});

impl FromWritten for Targets {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        let mut refuse = |part: &str| {
            let meant =
                nearest(part, LEVELS).map(|meant| format!("; did you mean {meant:?}?")).unwrap_or_default();
            let text = format!("'{}': {} is no level{meant}", setting.key, quoted(part));
            reader
                .report(Problem::new(&written.place, text).hint(format!("levels are {}", LEVELS.join(", "))));
        };
        // The library takes a bare word that is no level for a room's name, which would silence a slip.
        for part in text.split(',').map(str::trim) {
            let level = part.rsplit_once('=').map_or(part, |(_, level)| level.trim());
            if !LEVELS.contains(&level.to_ascii_lowercase().as_str()) {
                refuse(level);
                return None;
            }
        }
        match text.parse() {
            Ok(targets) => Some(targets),
            Err(_) => {
                refuse(&text);
                None
            }
        }
    }
}
