//! One identity's sign-in: the login, its tokens, their renewal; and the secure channel's life beside it.
//!
//! In: calls by [`SessionHandle`], answers of a [`Portal`]. Out: an [`Lease`] (a frozen bearer) and a [`Passage`]
//! through the channel. Always: one flight at a time, shared by all who ask; a late complaint about an old
//! generation makes none; a failure is shared and backed off; a refresh token is never thrown away for a
//! transient failure. Refuses to know: HTTP, JSON, paths.

mod actor;
mod apart;
mod backoff;
mod budget;
mod challenge;
mod codes;
mod conclude;
mod deadline;
mod error;
mod factor;
mod findings;
mod flight;
mod handle;
mod holding;
mod keeper;
mod landing;
mod lease;
mod login;
mod mailbox;
mod orders;
mod passage;
mod portal;
mod refresh;
mod settings;
mod signin;
mod skew;
mod status;
mod store;
mod tally;
#[cfg(test)]
mod tests;
mod totp;
mod waiting;

pub use budget::{Attempts, CredentialsTag, Latch, Latched};
pub use codes::{CodeSource, CodeSourceError, Codes, Fetched};
pub use error::SessionError;
pub use findings::{Findings, FoundSetting};
pub use handle::{Changes, SessionHandle};
pub use lease::{Generation, Lease, OpenChannel};
pub use login::{Challenge, Credentials, FactorKind, MfaChoice};
pub use passage::Passage;
pub use portal::{
    Blocked, CodeSent, Initiated, Method, NewChannel, Opening, OwnCall, Portal, PortalError, PortalErrorKind,
    Skew, Tokens,
};
pub use settings::Settings;
pub(crate) use skew::PortalTime;
pub use status::Status;
pub use store::{
    Disk, Draft, FileStore, Lock, MemoryStore, Owned, RedisDoor, RedisStore, RedisTimes, RedisUrl,
    SavedSession, SealingKey, Store, StoreError, Stored,
};
pub use tally::Counters;
pub(crate) use totp::Seed;
pub use totp::Step;
