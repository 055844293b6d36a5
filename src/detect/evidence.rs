//! What was found out, how sure it is, and the observation behind it.

use std::fmt;

use super::Cell;

/// How sure a setting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Nothing was seen that speaks for or against the default.
    Assumed,
    /// It follows from what was seen, but something else could explain that, too.
    Inferred,
    /// The portal showed it: this spelling works, or no other does.
    Seen,
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Assumed => "assumed",
            Self::Inferred => "inferred",
            Self::Seen => "seen",
        })
    }
}

/// How sure one setting is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which setting.
    pub cell: Cell,
    /// How sure.
    pub confidence: Confidence,
    /// The observation, one line.
    pub why: String,
}

/// One finding for each setting; a later one replaces an earlier one.
#[derive(Debug, Clone, Default)]
pub(super) struct Evidence(Vec<Finding>);

impl Evidence {
    pub(super) fn note(&mut self, cell: Cell, confidence: Confidence, why: impl Into<String>) {
        self.0.retain(|finding| finding.cell != cell);
        self.0.push(Finding { cell, confidence, why: why.into() });
    }

    /// One finding for each setting, in the order of the configuration.
    pub(super) fn complete(mut self) -> Vec<Finding> {
        for cell in Cell::ALL {
            if !self.0.iter().any(|finding| finding.cell == cell) {
                self.note(cell, Confidence::Assumed, "nothing harmless shows it; this is the default");
            }
        }
        self.0.sort_by_key(|finding| Cell::ALL.iter().position(|cell| *cell == finding.cell));
        self.0
    }
}
