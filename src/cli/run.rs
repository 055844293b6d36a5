//! `portunus run`: serves until told to stop.

use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::{GlobalFlags, RunFlags};
use super::environment::Environment;
use super::failure::Failure;
use super::join;
use super::terminal::Terminal;
use crate::app::{self, Running, StartError};
use crate::clock::SystemClock;
use crate::config::{Flag, Inputs};
use crate::telemetry;

/// Loads the configuration, starts the proxy, and ends when it was told to and everything is finished.
pub(super) fn run(
    global: &GlobalFlags,
    flags: &RunFlags,
    environment: &Environment,
    terminal: &mut impl Terminal,
) -> Result<(), Failure> {
    let variables = join::variables(environment);
    let file = join::config_file(global, environment)?;
    let config = join::load(&Inputs {
        file: file.as_deref(),
        environment: &variables,
        flags: &settings_of(flags),
        unsafe_listen: flags.settings.unsafe_listen,
    })?;
    let color = telemetry::color_wanted(environment.var("NO_COLOR"));
    telemetry::start_logs(&config.log.settings(color))
        .map_err(|error| Failure::failed(format!("logs cannot be started: {error}")))?;
    if !config.core_dump {
        keep_out_of_dumps();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let person = join::Typist::of(flags.no_input, environment);
        let mut signals = Signals::listen()?;
        let running = app::start(&config, &variables, person.as_ref().map(|p| p as _), SystemClock::shared())
            .await
            .map_err(|error| Failure::from(&error))?;
        for ((_, whose), url) in running.doors().zip(running.urls()) {
            let whose = whose.map(|name| format!(" for {name}")).unwrap_or_default();
            terminal.data(&format!("listening on {url}{whose}"));
        }
        if let Some(socket) = running.admin_socket() {
            terminal.detail(&format!("admin socket {}", socket.display()));
        }
        serve(running, &mut signals, terminal).await
    })
}

/// Before any secret is fetched: no core file, and no debugger of this user's. One that cannot be had is said, and is no
/// reason not to serve.
fn keep_out_of_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps cannot be switched off");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        tracing::warn!(%error, "the process can be looked into by a debugger");
    }
}

/// Until the first signal, or until asked over the admin API; then drains. A second signal ends at once.
async fn serve(
    mut running: Running,
    signals: &mut Signals,
    terminal: &mut impl Terminal,
) -> Result<(), Failure> {
    tokio::select! {
        () = signals.next() => {}
        () = running.asked_to_stop() => {}
    }
    terminal.say("finishing what runs; a second signal ends at once");
    tokio::select! {
        drained = running.stop() => match drained {
            true => Ok(()),
            false => Err(Failure::failed("some requests were cut off: they outlasted limits.drain")),
        },
        () = signals.next() => Err(Failure::failed("ended at once, by a second signal")),
    }
}

/// The two signals that ask a process to end.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|e| Failure::failed(format!("cannot take signals: {e}")));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl From<&StartError> for Failure {
    fn from(error: &StartError) -> Self {
        let mut what = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            what.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        let failure = match error.cause() {
            StartError::Secret(_)
            | StartError::ClientHash(_)
            | StartError::NotAHeader { .. }
            | StartError::Guard(_)
            | StartError::Route(_)
            | StartError::OwnListener(_)
            | StartError::Exposed { .. }
            | StartError::DoorKey(_)
            | StartError::DoorTls(_)
            | StartError::Upstream(_) => Self::usage(what),
            StartError::Of { .. }
            | StartError::State(_)
            | StartError::Store(_)
            | StartError::Bind(_)
            | StartError::Admin(_)
            | StartError::Runtime(_) => Self::failed(what),
        };
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// Flags stand above the environment and the file.
fn settings_of(flags: &RunFlags) -> Vec<Flag> {
    let mut all = flags.settings.as_flags();
    all.extend(flags.log_level.iter().map(|level| Flag {
        name: "--log-level".to_owned(),
        setting: "log.level".to_owned(),
        value: level.clone(),
    }));
    all
}
