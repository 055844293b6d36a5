//! What a person does with an account beside signing in (PROTOCOL section 8, and the profile of section 7).
//!
//! In: an [`Ask`] in our own words. Out: a [`Told`], or an [`AccountError`]. Always: what is secret in either
//! is of a secret type, and what a person reads is one clean line. Refuses to know: paths, bodies, bearers
//! and channels, which are the portal room's.

mod ask;
mod error;
mod told;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

pub use ask::Ask;
pub use error::AccountError;
pub use told::{BackupCodes, Factor, OtpSetup, Profile, SignedIn, Told};

/// A boxed answer, so that accounts and their fakes stand in one place.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Told, AccountError>> + Send + 'a>>;

/// Somebody who asks the portal about one identity's account.
pub trait Account: fmt::Debug + Send + Sync + 'static {
    /// Asks once. A stale channel or bearer is replaced inside, once each.
    fn ask(&self, ask: Ask) -> Answer<'_>;
}
