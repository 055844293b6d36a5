//! The portal's JSON, codes and paths: what it is told, and what is concluded from what it says.
//!
//! In: a [`Dialect`], answers as they came. Out: the session's [`Portal`](crate::session::Portal) and a
//! [`Verdict`] on a forwarded reply. Always: what is sent follows the dialect strictly, what is read is read
//! liberally; messages are never matched on. Refuses to know: when something is called, and who waits for it.

mod account;
mod adopted;
mod client;
mod dialect;
mod reading;
mod refusal;
mod verdict;
pub(crate) mod wire;

pub use account::Account;
pub use adopted::Adopted;
pub use client::{Client, Finder, Scout, Scouted, Settings, Unsealed, unseal};
pub use dialect::{
    BadTemplate, Dialect, EmptyBody, Endpoint, MethodForm, MissingValue, Preset, RequestTemplate,
    RequestTemplates,
};
pub use reading::Reading;
pub use verdict::Verdict;
#[cfg(feature = "fuzz")]
pub use wire::read_everything;
