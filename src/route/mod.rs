//! What is done with a request: which rule it falls under, and which of its header fields travel on.
//!
//! In: [`Admitted`](crate::guard::Admitted). Out: [`Routed`], which only this room can make: method, target byte for byte as it came,
//! cleaned fields, and the [`Route`] that says whether its body is sealed, whether it carries the bearer and when
//! it may be sent again; or [`NoRoute`]. Always: a path that two servers could read as two paths is refused, so
//! that the table and the portal see the same one; no client copy of a credential survives unless configured.
//! The table does not change, except that it learns which paths the portal wants sealed.
//! Refuses to know: sessions, channels, the portal's address.

mod defaults;
mod headers;
mod learned;
mod path;
mod pattern;
mod policy;
mod settings;
mod sieve;
mod table;

pub use defaults::{DialectPaths, default_rules};
pub use headers::{Cookies, CredentialHeader, HeaderPolicy, HeaderSettings, OnClient};
pub use path::PathFault;
pub use pattern::BadPattern;
pub use policy::Policy;
pub use settings::{AtExpiry, Bearer, Protection, Replay, Rule, Settings};
pub use table::{NoRoute, Route, RouteTable, Routed};
