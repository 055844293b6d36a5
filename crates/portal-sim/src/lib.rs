//! The portal's side of the protocol, as a real server for tests and demos.
//!
//! It shares no code with the proxy: both were written from the same description of the wire, so a mistake
//! in one shows as a quarrel between the two. The rooms, in the order in which a request meets them:
//!
//! - `server`: sockets, TLS, HTTP, the wire log, and the gateway with its order of checks
//! - `channel`: the RSA key, the channel sessions, the envelopes
//! - `portal`: the portal's own calls, and how answers and refusals are spelled
//! - `business`: endpoints to proxy to
//! - `state`: people, tokens, mail; what the portal remembers
//! - `settings`: every way in which one portal differs from another
//!
//! Beside them: `faults` (what goes wrong on demand), `counters` (what happened), `control` (all of this
//! over HTTP), and [`Sim`], the handle.
//!
//! ```
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let sim = portal_sim::Sim::start(portal_sim::Settings::default()).await.unwrap();
//! assert!(sim.url().starts_with("http://127.0.0.1:"));
//! sim.next_on("/profile", portal_sim::Fault::Status(503));
//! sim.stop().await;
//! # });
//! ```

mod business;
mod chance;
mod channel;
mod control;
mod counters;
mod faults;
mod portal;
mod server;
mod settings;
mod sim;
mod state;

pub use control::serve_control;
pub use counters::Counters;
pub use faults::Fault;
pub use server::WireEntry;
pub use settings::{
    Aad, Account, AccountState, Base64Form, BlockedForm, Certificate, DEFAULT_PASSWORD, DEFAULT_TOTP_SECRET,
    Dialect, EmptyBody, Envelope, Factor, InitiateAnswer, Lifetimes, MethodForm, MfaSendAnswer, OaepHash,
    PendingPlace, PendingStep, Preset, RateLimits, ResponseForm, SealedAnswers, SetError, Settings, Tls,
    Type1, Vocabulary, default_accounts,
};
pub use sim::{Sim, StartError};
pub use state::Mail;
