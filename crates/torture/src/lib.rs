//! What a login survives. Each module is one way to lose it, tried many times, and prints what came of it.
//!
//! - [`cuts`]: the process or the power dies at every single step of disk and portal; on a simulated disk
//! - [`kills`]: real processes, real files, SIGKILL at random moments; against the simulator
//! - [`crowd`]: many clients, and several processes, at the instant of expiry; against the simulator
//! - [`soak`]: traffic for an hour, while connections, the channel, tokens and the portal fail
//! - [`lockout`]: an hour of refused passwords under traffic and restarts
//!
//! Beside them: `disk` (a disk that forgets what was not synced), `strict` (a portal that counts reuse), and
//! `world` (the simulator, and proxies as child processes).

pub mod crowd;
pub mod cuts;
mod disk;
pub mod kills;
pub mod lockout;
pub mod paused;
pub mod soak;
mod strict;
pub mod world;
