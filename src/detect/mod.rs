//! Finding out how a deployment spells the protocol, with the fewest and most harmless calls (PROTOCOL 3.3, 11, 12).
//!
//! In: a portal's address, its name, the headers of one identity; for the last step an account. Out: a [`Found`]: a
//! dialect, how sure each setting is and why, and the sections of `proxy.toml` that say it. Always: what can be
//! found without a password is found without it; an invented id is shown where one is asked for; no call is made
//! more often than its rate limit allows; a refused password is never sent twice; a code decides, never a message.
//! Refuses to know: terminals, files, who asks.
//!
//! | setting | decided by | by this observation |
//! |---|---|---|
//! | `channel_base` | `GET …/public-key` | a key comes; none anywhere: no channel, if a plain call is then read |
//! | `request_id_required` | one of the calls that just succeeded, without the header | it is refused |
//! | login, auth and refresh paths | a `GET` where only `POST` is served | another status than a path nobody serves |
//! | `session_header` | `session/close` with one header alone | it succeeds; without any header it does not |
//! | hashes, `base64` | `session` in each form, the key's own alphabet first | it succeeds |
//! | `key_exchange` | `session` refused in every form | a first message is read |
//! | `envelope`, `aad`, `content_type` | sealed calls with an invented id | the id is complained about, not the body |
//! | `sc_version` | the same call without the header | it is still read, or no more |
//! | `sealed_paths` | a plain call with an invented token, or none | the token is complained about, or the body |
//! | `method` | `mfa/send` for an invented login | the login is complained about, not the method |
//! | `accept_plain_success` | the success of `login/initiate` | it came plain |

mod account;
mod candidates;
mod carrier;
mod cell;
mod close;
mod error;
mod evidence;
mod found;
mod keys;
mod ledger;
mod login;
mod method;
mod place;
mod prober;
mod reading;
mod scout;
mod sealed;
mod search;
mod settings;
mod spelling;
mod toml;
mod way;

pub use account::{Account, LoginBudget, LoginEnd, OtpCodes, SeededCodes};
pub use candidates::Candidates;
pub use cell::Cell;
pub use error::DetectError;
pub use evidence::{Confidence, Finding};
pub use found::Found;
pub use scout::ChannelScout;
pub use search::{Talk, Target, detect, run};
pub use settings::Settings;
