//! Why a command ends badly: what happened, what to do, and the exit code.

use super::exit::Exit;
use crate::admin::{ClientError, SocketError};

/// What is printed as `error: …` and `hint: …` before the program ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened; lower case, without a full stop. May have several lines.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// One that ends with this code.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), hint: None }
    }

    /// One without a code of its own.
    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(Exit::Failed, what)
    }

    /// Wrong arguments or a wrong configuration.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// Ctrl-C at a prompt.
    pub fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted")
    }

    /// The same with something to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let mut what = error.to_string();
        if let ClientError::Io(source) = &error {
            what = format!("{what}: {source}");
        }
        if let ClientError::Refused(problem) = &error
            && let Some(wait) = problem.retry_after
        {
            what = format!("{what}; try again in {}", super::span::short(wait));
        }
        Self { exit: Exit::from(&error), what, hint: error.hint() }
    }
}

impl From<SocketError> for Failure {
    fn from(error: SocketError) -> Self {
        let mut what = error.to_string();
        if let SocketError::Io { source, .. } = &error {
            what = format!("{what}: {source}");
        }
        Self::failed(what).hint(error.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{Cause, Problem};

    #[test]
    fn a_missing_proxy_is_explained_with_its_socket_and_what_to_start() {
        let failure = Failure::from(ClientError::NoSocket("/run/p.sock".into()));
        assert_eq!(failure.exit, Exit::NotRunning);
        assert_eq!(failure.what, "no portunus is running here: no socket at /run/p.sock");
        assert!(failure.hint.unwrap().contains("`portunus run`"));
    }

    #[test]
    fn a_wait_that_the_portal_asks_for_is_passed_on() {
        let mut problem = Problem::new(Cause::SignInRateLimited, "the portal limits the proxy's own calls");
        problem.retry_after = Some(90);
        let failure = Failure::from(ClientError::Refused(Box::new(problem)));
        assert_eq!(failure.what, "the portal limits the proxy's own calls; try again in 1 min 30 s");
        assert_eq!(failure.exit, Exit::Refused);
    }
}
