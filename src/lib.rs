//! A local authenticating reverse proxy: plain HTTP on localhost in, portal out.
//!
//! A request meets the rooms in this order, and [`proxy`] is the only place that knows it:
//!
//! ```text
//! TcpStream -> Request -> Admitted -> Chosen -> Routed -> Lease + Channel -> Outgoing -> Reply -> Response
//!   listener    guard      whose     route      session    channel          upstream   portal   response
//! ```
//!
//! **The rule.** A room may know the result type of a room already passed, never one that comes later.
//! Result types have private fields: only their room can make one. So a request that was not admitted has
//! no route, and nothing leaves for the portal without the headers that name it.
//!
//! Words: a **channel** is two AES keys and the id the portal gave them; a **session** is one identity's
//! sign-in; a **lease** is the frozen snapshot of it that one request uses; a **generation** counts
//! replacements; an **envelope** is one sealed body; a **dialect** is the portal's spelling, as data; a
//! **challenge** is the pending MFA step; to **drain** is to finish what runs, then stop.

// The journey, in order.
pub mod listener;
pub mod guard;
pub mod whose;
pub mod route;
pub mod channel;
pub mod session;
pub mod account;
pub mod upstream;
pub mod portal;
pub mod response;
pub mod proxy;

// Around it.
pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod detect;

// The cellar: used by all, knows none.
pub mod canary;
pub mod clock;
pub mod fields;
pub mod held;
pub mod identity;
pub mod inflow;
pub mod pieces;
pub mod places;
pub mod private_file;
pub mod secret;
pub mod splice;
pub mod state_dir;
pub mod telemetry;
