//! One identity's sign-in: the login, its tokens, their renewal; and the secure channel's life beside it.
//!
//! In: calls by [`SessionHandle`], answers of a [`Portal`]. Out: an [`Lease`] (a frozen bearer) and an
//! [`OpenChannel`]. Always: one flight at a time, shared by all who ask; a late complaint about an old
//! generation makes none; a failure is shared and backed off; a refresh token is never thrown away for a
//! transient failure. Refuses to know: HTTP, JSON, paths.

mod actor;
mod error;
mod keeper;
mod lease;
mod login;
mod portal;

pub use actor::{SessionHandle, Settings, Status};
pub use error::SessionError;
pub use lease::{Generation, Lease, OpenChannel};
pub use login::{Challenge, Credentials, FactorKind, MfaChoice};
pub use portal::{
    Blocked, CodeSent, Initiated, Method, NewChannel, OwnCall, Portal, PortalError, PortalErrorKind, Skew,
    Tokens,
};
