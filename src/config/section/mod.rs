//! The sections of `proxy.toml`: each file is one, with its rows of the table and its own checks.

pub(super) mod admin;
#[cfg(feature = "bench")]
pub(super) mod bench;
pub(super) mod dialect;
pub(super) mod guard;
pub(super) mod identity;
pub(super) mod limits;
pub(super) mod listen;
pub(super) mod log;
pub(super) mod login;
pub(super) mod portal;
pub(super) mod requests;
pub(super) mod route;
pub(super) mod session;
pub(super) mod state;
pub(super) mod upstream;

use super::setting::Setting;

/// Sections that may stand several times, so that no variable and no flag speaks about them.
pub(super) const REPEATED: [&str; 2] = ["route", "identity"];

/// One section of the table: its name, what it is about, its rows.
pub(super) type Chapter = (&'static str, &'static str, &'static [Setting]);

/// The table of all settings, in the order of `proxy.toml`.
pub(super) const CHAPTERS: [Chapter; 14] = [
    ("listen", "Where local programs reach the proxy.", listen::Listen::SETTINGS),
    ("upstream", "Where the portal is, and how long to wait for it.", upstream::Upstream::SETTINGS),
    ("portal", "Which portal, and how the proxy names itself to it.", portal::Portal::SETTINGS),
    (
        "dialect",
        "Where the deployment departs from the dialect chosen in [portal]: one setting for each thing that the \
         proxy sends. What it reads, it reads in every spelling. The values shown are those of `guide`.",
        dialect::Overrides::SETTINGS,
    ),
    (
        "login",
        "What signs in. What is left out is asked of a person: `portunus login`.",
        login::Login::SETTINGS,
    ),
    ("session", "How the login and the secure channel are kept alive.", session::Session::SETTINGS),
    (
        "route",
        "Exceptions for single paths, as many [[route]] tables as there are. The first one that fits a request \
         holds; a request that none fits is treated as the dialect says. But for the path, the values shown are \
         the defaults.",
        route::Route::SETTINGS,
    ),
    (
        "identities",
        "How a request says who it speaks for, where there are several [[identity]] tables. A host, a header, a path \
         prefix or an address of its own may name one; if two of them name two, the request is refused.",
        identity::Choosing::SETTINGS,
    ),
    (
        "identity",
        "Several sign-ins in one process, one [[identity]] table for each; without any there is one, that of [login]. \
         Each has its own login, client hash, channel, stored login and policy. What is left out is as the sections \
         login and portal have it.",
        identity::Identity::SETTINGS,
    ),
    ("guard", "Who may speak to the proxy, beyond its own addresses.", guard::Guard::SETTINGS),
    ("limits", "Bounds on size, number and time. What exceeds one is refused.", limits::Limits::SETTINGS),
    ("state", "What outlives the process.", state::State::SETTINGS),
    ("admin", "The socket of `portunus login`, `status` and `logout`.", admin::Admin::SETTINGS),
    ("log", "What is told on stderr. No secret ever is.", log::Log::SETTINGS),
];

/// All rows.
pub(super) fn settings() -> impl Iterator<Item = &'static Setting> {
    CHAPTERS.into_iter().flat_map(|(_, _, settings)| settings)
}
