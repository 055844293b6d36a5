//! Buffers for long bodies, used again and again: memory allocated for each read costs more, in page faults, than the
//! read does.

use std::cell::RefCell;

use bytes::Bytes;

/// How much one of them holds, in bytes: as much as one read brings. Those on their way to a client stay in the cache.
const SIZE: usize = 64 * 1024;
/// How many are kept for the next read, on each worker; until the next tick of its sweep, if nobody reads.
const SPARE: usize = 8;

thread_local! {
    static FREE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// One buffer. Dropped, also as a part of a body, it is free for the next read.
pub(super) struct Large {
    room: Box<[u8]>,
    filled: usize,
}

impl Large {
    /// What is shorter is read as heads are.
    pub(super) const WORTHWHILE: u64 = SIZE as u64 / 4;

    pub(super) fn take() -> Self {
        let room = FREE.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; SIZE].into_boxed_slice());
        Self { room, filled: 0 }
    }

    /// Room for `most` bytes, or less.
    pub(super) fn room(&mut self, most: u64) -> &mut [u8] {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(self.room.len());
        &mut self.room[..most]
    }

    /// Its first bytes, as a piece of a body.
    pub(super) fn filled(mut self, bytes: usize) -> Bytes {
        self.filled = bytes;
        Bytes::from_owner(self)
    }
}

/// Gives back what nobody uses.
pub(in crate::upstream) fn forget() {
    FREE.take();
}

impl AsRef<[u8]> for Large {
    fn as_ref(&self) -> &[u8] {
        &self.room[..self.filled]
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        let room = std::mem::take(&mut self.room);
        // On a thread that ends there is nothing to keep it for.
        let _ = FREE.try_with(|free| {
            if let Ok(mut free) = free.try_borrow_mut()
                && free.len() < SPARE
            {
                free.push(room);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_once_its_body_has_gone_and_given_back_at_rest() {
        let mut large = Large::take();
        let at = large.room(u64::MAX).as_ptr();
        large.room(5).copy_from_slice(b"hello");
        let body = large.filled(5);
        assert_eq!(body, "hello");
        assert_ne!(Large::take().room(1).as_ptr(), at, "it is still in use");
        drop(body);
        assert!(FREE.with_borrow(|free| free.iter().any(|room| room.as_ptr() == at)));
        drop((0..2 * SPARE).map(|_| Large::take()).collect::<Vec<_>>());
        assert_eq!(FREE.with_borrow(Vec::len), SPARE);
        forget();
        assert_eq!(FREE.with_borrow(Vec::len), 0);
    }
}
