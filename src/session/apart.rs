//! What can be done while the store that replicas share is away.
//!
//! Nothing, as long as the bearer is good. After that, nothing is spent that others share: where a login needs
//! nobody, this replica makes one of its own, and lives on that until the store is back. Where it needs a person,
//! it waits for the store: the refresh token may be in another replica's hand, and to send it twice ends the login
//! for all.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::flight::{Fate, Held, Landing, Login, Tools};
use super::{Generation, Portal, Store};

impl<P: Portal> Tools<P> {
    /// A renewal without the store; `None` if there is to be none. What comes of it is offered to the store later.
    pub(super) async fn renew_apart(
        &self,
        held: Option<Held>,
        login: Option<Login>,
        next: Generation,
        over: bool,
    ) -> Option<Landing> {
        let held = held?;
        let apart = self.apart();
        let landing = if !held.saved {
            // It came while the store was away: nobody else has it.
            Box::pin(apart.renew(Some(held), login, next, over)).await
        } else if over && apart.needs_nobody(&held, login.as_ref()).await {
            apart.enter(login, Fate::Kept, next).await
        } else {
            return None;
        };
        Some(match landing {
            Landing::Granted(pair) => {
                self.tally.unsaved.store(true, Relaxed);
                Landing::Granted(Box::new(Held { saved: false, ..*pair }))
            }
            other => other,
        })
    }

    /// The same, with a memory of its own in place of the store; its budget of attempts is its own as well.
    fn apart(&self) -> Self {
        Self {
            portal: Arc::clone(&self.portal),
            keeper: self.keeper.clone(),
            store: Arc::clone(&self.apart) as Arc<dyn Store>,
            apart: Arc::clone(&self.apart),
            clock: Arc::clone(&self.clock),
            settings: Arc::clone(&self.settings),
            portal_time: Arc::clone(&self.portal_time),
            tally: Arc::clone(&self.tally),
        }
    }
}
