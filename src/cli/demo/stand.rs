//! What the demo consists of: the simulator, its control port, and the proxy in front of it.

use std::net::{Ipv4Addr, SocketAddr};

use portal_sim::{Account, DEFAULT_PASSWORD, DEFAULT_TOTP_SECRET, Envelope, Preset, Settings, Sim};

use super::caller::Caller;
use super::dialect;
use super::files::Files;
use crate::app::{self, Running};
use crate::cli::args::DemoFlags;
use crate::cli::environment::Environment;
use crate::cli::failure::Failure;
use crate::cli::join;
use crate::clock::SystemClock;
use crate::config::Inputs;
use crate::telemetry;

/// The account that is signed in: one with a second factor that needs no person.
const EMAIL: &str = "admin@example.com";

/// A running demo.
#[derive(Debug)]
pub(super) struct Stand {
    pub(super) sim: Sim,
    /// The simulator's control port.
    pub(super) control: SocketAddr,
    pub(super) proxy: Running,
    /// Where the proxy listens.
    pub(super) address: SocketAddr,
    pub(super) files: Files,
}

impl Stand {
    /// Starts everything, and signs in.
    pub(super) async fn set_up(
        flags: &DemoFlags,
        environment: &Environment,
        log_level: &str,
    ) -> Result<Self, Failure> {
        let mut settings = match flags.dialect.as_str() {
            "random" => Settings::random(flags.seed),
            name => Settings::preset(name.parse::<Preset>().map_err(Failure::usage)?),
        };
        settings.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, flags.portal_port));
        let cannot = |what: &'static str| move |error| Failure::failed(format!("{what}: {error}"));
        let sim = Sim::start(settings).await.map_err(|error| {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
            Failure::failed(format!("the simulator does not start: {error}{}", source.unwrap_or_default()))
                .hint("choose another port with --portal-port, or leave it out to have a free one")
        })?;
        let control = portal_sim::serve_control(&sim, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
        let control = control.map_err(cannot("the simulator's control port cannot be opened"))?;

        let files = Files::make(environment).map_err(cannot("the demo's directory cannot be made"))?;
        let write =
            |name, text: &str| files.write(name, text).map_err(cannot("the demo's files cannot be written"));
        write("access-code", &sim.settings().access_code)?;
        write("password", DEFAULT_PASSWORD)?;
        write("otp-secret", DEFAULT_TOTP_SECRET)?;
        let file = write("demo.toml", &configuration(&sim, flags.port, log_level))?;
        let variables = crate::config::Environment::default();
        let config = join::load(&Inputs {
            file: Some(&file),
            environment: &variables,
            flags: &[],
            unsafe_listen: false,
        })?;
        let color = telemetry::color_wanted(environment.var("NO_COLOR"));
        telemetry::start_logs(&config.log.settings(color))
            .map_err(|error| Failure::failed(error.to_string()))?;
        let started = app::start(&config, &variables, None, SystemClock::shared()).await;
        let proxy = started.map_err(|error| {
            Failure::from(&error).hint("choose another port with --port, or leave it out to have a free one")
        })?;
        let address = proxy.addresses().first().copied();
        let address = address.ok_or_else(|| Failure::failed("the proxy listens nowhere"))?;
        proxy
            .session()
            .lease()
            .await
            .map_err(|error| Failure::failed(format!("the proxy is not signed in: {error}")))?;
        Ok(Self { sim, control, proxy, address, files })
    }

    /// Stops both, and leaves nothing behind.
    pub(super) async fn clear_away(self) {
        self.proxy.stop().await;
        self.sim.stop().await;
    }

    /// Sends what a plain tool would.
    pub(super) fn caller(&self) -> Caller {
        Caller { address: self.address }
    }

    /// The proxy's base URL.
    pub(super) fn url(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// A business path of the simulator.
    pub(super) fn path(&self, name: &str) -> String {
        format!("/web/v1/{}/{name}", self.sim.settings().portal)
    }

    /// Where passwords are changed, in this dialect.
    pub(super) fn change_path(&self) -> String {
        let settings = self.sim.settings();
        format!("{}/password/change", settings.dialect.auth_base.replace("{portal}", &settings.portal))
    }

    /// Whether there is a secure channel, and bodies cannot be read on the wire.
    pub(super) fn seals(&self) -> bool {
        let dialect = self.sim.dialect();
        dialect.channel && dialect.envelope != Envelope::Raw
    }

    /// Who is signed in, and the password at the start.
    pub(super) fn account(&self) -> (&str, &str) {
        let accounts = &self.sim.settings().accounts;
        let account: Option<&Account> = accounts.iter().find(|account| account.email == EMAIL);
        account.map_or((EMAIL, DEFAULT_PASSWORD), |account| (&account.email, &account.password))
    }
}

fn configuration(sim: &Sim, port: u16, log_level: &str) -> String {
    let settings = sim.settings();
    format!(
        "# Written by `portunus demo`, and gone when it ends.\n\n\
         [listen]\naddresses = [\"127.0.0.1:{port}\"]\n\n\
         [upstream]\nurl = \"{url}\"\n\n\
         {spelled}\n\
         [login]\nemail = \"{EMAIL}\"\npassword = {{ file = \"password\" }}\notp_secret = {{ file = \"otp-secret\" }}\n\n\
         # The tour has channels dropped that were made just now.\n\
         [session]\nfresh_channel = \"0ms\"\n\n\
         [state]\ndir = \"state\"\n\n\
         [admin]\nsocket = \"demo.sock\"\n\n\
         [log]\nlevel = \"{log_level}\"\n",
        url = sim.url(),
        spelled = dialect::sections(&settings.dialect, &settings.portal),
    )
}
