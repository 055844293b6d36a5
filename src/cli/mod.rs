//! The command line: stdout is data, stderr is talk, and the exit code says which kind of end it was.
//!
//! In: the arguments and an [`Environment`], both handed over by `main`. Out: an [`Exit`]. Always: a secret in
//! the arguments is refused, a prompt appears on a terminal only and never under `--no-input`, and the
//! terminal is left as it was found. Refuses to know: the portal; `login`, `logout`, `status` and
//! those about the account speak to a running proxy over its admin socket, `run`, `check` and `demo` hand over to the house.

mod account;
mod args;
mod argv;
mod check;
#[cfg(feature = "demo")]
mod demo;
mod detect;
#[cfg(test)]
mod ends;
mod environment;
mod exit;
mod failure;
mod join;
mod login;
mod logout;
mod prompt;
mod run;
#[cfg(test)]
mod script;
mod span;
mod stage;
mod status;
mod terminal;
#[cfg(feature = "demo")]
mod tour;

pub use account::{
    ForgotFlags, ListFlags, MfaCommand, MfaFlags, PasswordCommand, PasswordFlags, RegisterFlags,
    SessionsFlags, SetUpCommand, SetUpFlags, TalkFlags,
};
pub use args::{Arguments, ColorWhen, Command, DetectFlags, GlobalFlags, RunFlags};
pub use environment::Environment;
pub use exit::Exit;
pub use failure::Failure;
pub use stage::{Fault, Outcome, Passed, Stage, Stages};
pub use terminal::{Screen, Terminal};
#[cfg(feature = "demo")]
pub use tour::{Step, Tour};

/// Reads the arguments and does what they say.
pub fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>, environment: &Environment) -> Exit {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let mut screen = Screen::new(environment, ColorWhen::Auto, args::Talk::Normal);
    if let Err(failure) = argv::refuse_secrets(&arguments) {
        return screen.fail(&failure);
    }
    let parsed = match args::parse(arguments, environment) {
        Ok(parsed) => parsed,
        Err(answer) => return screen.answer(&answer),
    };
    let mut screen = Screen::new(environment, parsed.global.color, parsed.global.talk());
    match dispatch(parsed, environment, &mut screen) {
        Ok(exit) => exit,
        Err(failure) => screen.fail(&failure),
    }
}

fn dispatch(parsed: Arguments, environment: &Environment, screen: &mut Screen) -> Result<Exit, Failure> {
    let Arguments { global, command } = parsed;
    match command {
        Command::Run(flags) => run::run(&global, &flags, environment, screen).map(|()| Exit::Ok),
        Command::Check(flags) => wait(check::check(&global, &flags, environment, screen)),
        Command::Login(flags) => {
            let client = join::client(&global, environment, screen)?;
            wait(login::login(&client, &flags, screen))
        }
        Command::Logout(flags) => {
            let client = join::client(&global, environment, screen)?;
            wait(logout::logout(&client, &flags, screen))
        }
        Command::Status(flags) => {
            let client = join::client(&global, environment, screen)?;
            wait(status::status(&client, &flags, screen))
        }
        Command::Whoami(flags) => {
            let client = join::client(&global, environment, screen)?;
            wait(account::whoami(&client, &flags, screen))
        }
        Command::Sessions(flags) => {
            let client = join::client(&global, environment, screen)?;
            wait(account::sessions(&client, &flags, screen))
        }
        Command::Mfa(flags) => {
            let client = join::client(&global, environment, screen)?;
            wait(account::mfa(&client, &flags, screen))
        }
        Command::Password(flags) => {
            let client = join::client(&global, environment, screen)?;
            wait(account::password(&client, &flags, screen))
        }
        Command::Register(flags) => {
            let client = join::client(&global, environment, screen)?;
            wait(account::register(&client, &flags, screen))
        }
        Command::Detect(flags) => wait(detect::detect(&global, &flags, environment, screen)),
        Command::Completions(flags) => {
            screen.data(&args::completions(&flags));
            Ok(Exit::Ok)
        }
        #[cfg(feature = "demo")]
        Command::Demo(flags) => demo::demo(&global, &flags, environment, screen),
    }
}

/// Runs one command's talk with the proxy or the portal on this thread.
fn wait(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?.block_on(command)
}

#[cfg(test)]
mod tests;
