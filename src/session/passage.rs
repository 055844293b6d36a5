//! How one sealed request gets through: on the open channel, or as the first message of a new one.
//!
//! Where the keys travel inside a message (PROTOCOL section 4, type 1; ruling 11), no call of its own opens a
//! channel: the first sealed request that comes along carries it. The keeper lends the keys to one request at a
//! time, and whoever else asks meanwhile waits:
//!
//! ```text
//! keys --seal--> first message --settle(id)--> the channel, for everybody
//!   |                 |
//!   dropped: lent on  dropped, or settled without an id: lost, and the next request carries keys of its own
//! ```
//!
//! A call made for the sake of the channel alone was the other way. But no sealed call is without consequence: each
//! has a rate limit, and shows up at the portal as a failed login, a bad code or a stolen token.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderValue;
use rand::CryptoRng;
use tokio::sync::oneshot;

use super::OpenChannel;
use crate::channel::{AwaitingId, Bootstrap, Channel, ChannelError, Spelling};

/// How one sealed request gets through. A first message is the caller's alone: until it is settled or dropped,
/// everybody else who needs a channel waits.
pub struct Passage(Way);

enum Way {
    Open(Arc<OpenChannel>),
    First(First),
}

/// Keys that are lent to one request.
struct First {
    stage: Mutex<Stage>,
    spelling: Spelling,
    lent_at: SystemTime,
}

enum Stage {
    /// Nothing was sealed with them.
    Keys(Bootstrap, Back),
    /// The message is on its way, or lost.
    Sent(AwaitingId, Back),
    /// The portal has answered.
    Settled,
}

/// The way back to the keeper. Dropped, it says that the keys are lost.
type Back = oneshot::Sender<Returned>;

/// What comes back from a request that keys were lent to.
#[derive(Debug)]
pub(super) enum Returned {
    /// They never left: another request may carry them.
    Unused(Bootstrap),
    /// The portal has named the channel.
    Named(Channel),
}

impl Passage {
    /// On the open channel.
    pub(super) fn on(channel: Arc<OpenChannel>) -> Self {
        Self(Way::Open(channel))
    }

    /// As a first message under these keys; what becomes of them comes out at the other end.
    pub(super) fn first(keys: Bootstrap, lent_at: SystemTime) -> (Self, oneshot::Receiver<Returned>) {
        let (back, returned) = oneshot::channel();
        let spelling = keys.spelling();
        let first = First { stage: Mutex::new(Stage::Keys(keys, back)), spelling, lent_at };
        (Self(Way::First(first)), returned)
    }

    /// The channel, unless the request is to bring it into being.
    pub fn open_channel(&self) -> Option<&Arc<OpenChannel>> {
        match &self.0 {
            Way::Open(channel) => Some(channel),
            Way::First(_) => None,
        }
    }

    /// Whether the request carries the keys of a new channel. It carries one body then: for another, ask again.
    pub fn is_first(&self) -> bool {
        self.open_channel().is_none()
    }

    /// The session header's value; a first message has none.
    pub fn id_header(&self) -> Option<&HeaderValue> {
        self.open_channel().map(|open| open.channel().id_header())
    }

    /// How the channel is spelled.
    pub fn spelling(&self) -> Spelling {
        match &self.0 {
            Way::Open(open) => open.channel().spelling(),
            Way::First(first) => first.spelling,
        }
    }

    /// When the channel was opened, or its keys were made.
    pub fn opened_at(&self) -> SystemTime {
        match &self.0 {
            Way::Open(open) => open.opened_at(),
            Way::First(first) => first.lent_at,
        }
    }

    /// Seals one body; the keys of a new channel go along with the first.
    ///
    /// # Errors
    /// [`ChannelError::WornOut`] past the limit of messages, which is one for a channel that has no name yet.
    pub fn seal(&self, plain: &[u8], rng: &mut impl CryptoRng) -> Result<Bytes, ChannelError> {
        let first = match &self.0 {
            Way::Open(open) => return open.channel().seal(plain, rng),
            Way::First(first) => first,
        };
        let mut stage = first.stage();
        match mem::replace(&mut *stage, Stage::Settled) {
            Stage::Keys(keys, back) => {
                let (message, awaiting) = keys.first_message(plain, rng)?;
                *stage = Stage::Sent(awaiting, back);
                Ok(message)
            }
            used @ (Stage::Sent(..) | Stage::Settled) => {
                *stage = used;
                Err(ChannelError::WornOut)
            }
        }
    }

    /// Opens one answer. `named` is the id in the session header of the answer to a first message, if it has one.
    ///
    /// # Errors
    /// [`ChannelError::DoesNotOpen`], whatever the cause.
    pub fn open(&self, body: &[u8], named: Option<&str>) -> Result<Bytes, ChannelError> {
        match &self.0 {
            Way::Open(open) => open.channel().open(body),
            Way::First(first) => match &*first.stage() {
                Stage::Sent(awaiting, _) => awaiting.open(body, named),
                Stage::Keys(..) | Stage::Settled => Err(ChannelError::DoesNotOpen),
            },
        }
    }

    /// The answer to a first message is read: under this id its channel goes on, and everybody may use it; without
    /// one there is none, and the next request carries keys of its own. An open channel has been settled already.
    pub fn settle(&self, id: Option<&str>) {
        let Way::First(first) = &self.0 else { return };
        let Stage::Sent(awaiting, back) = mem::replace(&mut *first.stage(), Stage::Settled) else { return };
        match id.map(|id| awaiting.finish(id)) {
            Some(Ok(channel)) => {
                // A keeper that is gone needs no channel.
                let _ = back.send(Returned::Named(channel));
            }
            Some(Err(error)) => tracing::warn!(%error, "the secure channel has no usable name"),
            None => tracing::debug!("the answer to the first message names no channel"),
        }
    }
}

impl First {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for First {
    fn drop(&mut self) {
        if let Stage::Keys(keys, back) = mem::replace(&mut *self.stage(), Stage::Settled) {
            let _ = back.send(Returned::Unused(keys));
        }
    }
}

impl fmt::Debug for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Way::Open(open) => f.debug_tuple("Passage").field(open).finish(),
            Way::First(_) => f.write_str("Passage(first message)"),
        }
    }
}
