//! What was found: a dialect, the preset it is nearest to, and where it departs from that.

use super::{Cell, Finding, LoginEnd, toml};
use crate::portal::{Dialect, Endpoint, Preset};

/// What was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The dialect, ready to be used.
    pub dialect: Dialect,
    /// How sure each setting is, and why; one for each, in the order of the configuration.
    pub findings: Vec<Finding>,
    /// How the login that was to confirm it ended.
    pub login: LoginEnd,
    /// The calls that were made, and how often each.
    pub calls: Vec<(Endpoint, usize)>,
    /// Calls that only looked whether anything is served at a path.
    pub lookups: usize,
}

impl Found {
    /// The preset with the fewest departures; of two, the earlier one.
    pub fn preset(&self) -> Preset {
        let has_channel = self.dialect.channel.is_some();
        let fitting = Preset::ALL.into_iter().filter(|preset| (*preset != Preset::Plain) == has_channel);
        fitting.min_by_key(|preset| self.departures(*preset).len()).unwrap_or_default()
    }

    /// The settings in which the dialect departs from its preset.
    pub fn overrides(&self) -> Vec<Cell> {
        self.departures(self.preset())
    }

    /// The sections `[portal]` and `[dialect]` of `proxy.toml`, a comment before each line.
    pub fn to_toml(&self) -> String {
        toml::sections(self)
    }

    /// Each departure is put into the preset before the next setting is compared: what stands on a base that moved
    /// has moved along.
    fn departures(&self, preset: Preset) -> Vec<Cell> {
        let mut so_far = Dialect::preset(preset, &self.dialect.portal);
        let mut departures = Vec::new();
        for cell in self.meaningful() {
            if !cell.agrees(&so_far, &self.dialect) {
                cell.copy(&self.dialect, &mut so_far);
                departures.push(cell);
            }
        }
        departures
    }

    /// The settings that have a meaning here.
    pub(super) fn meaningful(&self) -> impl Iterator<Item = Cell> + use<> {
        let has_channel = self.dialect.channel.is_some();
        Cell::ALL.into_iter().filter(move |cell| has_channel || !cell.needs_channel())
    }

    pub(super) fn finding(&self, cell: Cell) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.cell == cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Aad;
    use crate::detect::evidence::Evidence;

    fn found(dialect: Dialect) -> Found {
        let findings = Evidence::default().complete();
        Found { dialect, findings, login: LoginEnd::NotTried, calls: Vec::new(), lookups: 0 }
    }

    #[test]
    fn a_preset_is_found_as_itself() {
        for preset in Preset::ALL {
            let found = found(Dialect::preset(preset, "tenant"));
            assert_eq!(found.preset(), preset);
            assert_eq!(found.overrides(), []);
        }
    }

    #[test]
    fn the_nearest_preset_has_the_fewest_departures() {
        let mut dialect = Dialect::preset(Preset::Scv2, "tenant");
        dialect.channel.as_mut().unwrap().aad = Aad::SessionId;
        let found = found(dialect);
        assert_eq!((found.preset(), found.overrides()), (Preset::Scv2, vec![Cell::Aad]));
    }

    #[test]
    fn a_base_that_departs_takes_its_paths_along() {
        let mut dialect = Dialect::preset(Preset::Guide, "tenant");
        dialect.auth_base = "/idp".into();
        assert_eq!(found(dialect).overrides(), [Cell::AuthBase]);
    }
}
