//! Codes from a source of the configuration, fetched anew by each login that needs one.

use std::time::Duration;

use super::environment::Environment;
use super::secret_source::{SecretSource, Surroundings};
use crate::session::{CodeSource, CodeSourceError, Fetched};

/// A source, and what it is fetched with.
#[derive(Debug)]
pub(super) struct ConfiguredCodes {
    setting: &'static str,
    source: SecretSource,
    environment: Environment,
    timeout: Duration,
}

impl ConfiguredCodes {
    /// Nothing is fetched yet. `timeout` is for a program of `{ command }`.
    pub(super) fn new(
        setting: &'static str,
        source: &SecretSource,
        from: &Surroundings<'_>,
        timeout: Duration,
    ) -> Self {
        Self { setting, source: source.clone(), environment: from.environment.clone(), timeout }
    }
}

impl CodeSource for ConfiguredCodes {
    fn fetch(&self) -> Fetched<'_> {
        Box::pin(async move {
            // A person at a terminal would be asked by `portunus login`.
            let environment = &self.environment;
            let from = Surroundings { environment, person: None, command_timeout: self.timeout };
            let codes = self.source.resolve_codes(self.setting, &from).await;
            codes.map_err(|error| CodeSourceError { what: error.to_string(), hint: error.hint() })
        })
    }
}
