//! Small copies that live about as long as one request, cut from one larger piece of memory: two allocations less for
//! each of them.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};

/// The larger piece, in bytes. It is used again once nothing cut from it lives, and freed with the last of it where
/// another has taken its place: a slow client holds this much, not more.
const PIECE: usize = 8 * 1024;
/// What is longer has memory of its own.
const SMALL: usize = PIECE / 8;

thread_local! {
    /// What the next copies are cut from; one for each worker.
    static ROOM: RefCell<BytesMut> = RefCell::default();
}

/// A copy of `bytes`.
pub fn copy(bytes: &[u8]) -> Bytes {
    if bytes.len() > SMALL {
        return Bytes::copy_from_slice(bytes);
    }
    ROOM.with_borrow_mut(|room| {
        if room.capacity() < bytes.len() && !room.try_reclaim(PIECE) {
            *room = BytesMut::with_capacity(PIECE);
        }
        room.extend_from_slice(bytes);
        room.split().freeze()
    })
}

/// Gives back what is not cut yet, with what was cut from it and is no more.
pub fn forget() {
    ROOM.take();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_stay_apart_and_outlive_the_piece_they_were_cut_from() {
        let text = |n: usize| vec![n as u8; n % (SMALL + 2)];
        let copies: Vec<Bytes> = (0..3 * SMALL).map(|n| copy(&text(n))).collect();
        for (n, copied) in copies.iter().enumerate() {
            assert_eq!(*copied, text(n));
        }
    }

    #[test]
    fn a_piece_is_used_again_once_nothing_of_it_lives() {
        let first = copy(b"first");
        let begins = first.as_ptr() as usize;
        drop(first);
        for _ in 0..10 * PIECE {
            let at = copy(b"x").as_ptr() as usize;
            assert!((begins..begins + PIECE).contains(&at));
        }
    }
}
