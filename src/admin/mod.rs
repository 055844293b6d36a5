//! The admin API: HTTP/1.1 on a unix socket, for the person who runs the proxy and for probes.
//!
//! * `GET /v1/status` -- where every identity stands.
//! * `GET /v1/events` -- the same as server-sent events, one for each change.
//! * `POST /v1/login` -- signs in; 200 when signed in, 202 when a code is awaited. With `use_backup_code` the
//!   second factor is taken from `login.backup_codes`.
//! * `POST /v1/login/code` -- answers the pending challenge.
//! * `POST /v1/login/resend` -- sends its code again, or by another factor.
//! * `POST /v1/logout` -- ends the session, at the portal and here.
//! * `GET /v1/account/profile`, `/sessions`, `/mfa`, `/backup-codes` -- what the portal says of the account.
//! * `DELETE /v1/account/sessions` -- ends every sign-in but ours; with `/ID` behind it, that one.
//! * `POST /v1/account/otp/setup`, `/verify` -- adds an authenticator; the answer holds its secret.
//! * `POST /v1/password/forgot`, `/reset`, `/init`, `/change` -- the life of a password.
//! * `GET /v1/register` -- where a registration stands.
//! * `POST /v1/register/initiate`, `/send`, `/verify`, `/complete` -- its steps.
//! * `GET /v1/healthz` -- the process answers.
//! * `GET /v1/readyz` -- 200 when requests can be served without a person, else 503 with the reason.
//! * `GET /metrics` -- OpenMetrics text.
//! * `POST /v1/shutdown` -- drains and ends.
//!
//! Always: the peer is this uid or root; no secret leaves by any answer (but a new
//! authenticator's, which is what was asked for), log or `Debug`; an error is an RFC
//! 9457 problem; a body that says it is something else than `application/json` is refused. Refuses to know: the portal, the listeners' traffic, the configuration file.

mod account;
mod api;
mod client;
mod events;
mod explain;
#[cfg(test)]
pub(crate) mod fake;
mod login;
mod metrics;
mod problem;
mod report;
mod server;
mod sign_in;
mod socket;
mod state;

pub(crate) use account::segment;
pub use account::{RegisterReport, RegisterStep};
pub use client::{Client, ClientError, LoginRequest};
pub use explain::{Cause, Whose};
pub(crate) use login::{CODE_LENGTH, EMAIL_MAX, PASSWORD_LENGTH};
pub use metrics::{Histogram, Metric, MetricKind, Sample, Value};
pub use problem::Problem;
pub use report::{
    AccountReport, ChallengeReport, ChannelReport, ErrorReport, FactorName, FoundReport, HeldReport,
    IdentityReport, MethodReport, RequestsReport, State, StatusReport,
};
pub use server::{Limits, serve};
pub use sign_in::{ChannelStanding, Pending, Phase, Pledge, SignIn, Standing};
pub use socket::{Socket, SocketError, SocketFile, bind};
pub use state::{AdminState, Identity};

#[cfg(test)]
mod tests;
