//! Buffers for long bodies, used again and again: memory allocated for each read costs more, in page faults, than the
//! read does.

use std::cell::RefCell;

use bytes::Bytes;

/// How much one of them holds, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// As much as one read brings of a body that comes at its own pace.
    Usual,
    /// For a body that has filled one of those in one read. Each system call costs, and this much still stays in the
    /// cache on its way to the client.
    Fast,
}

impl Size {
    const ALL: [Self; 2] = [Self::Usual, Self::Fast];

    /// What the next read of a body takes, after one that brought so much.
    pub(super) fn after(read: usize) -> Self {
        if read >= Self::Usual.bytes() { Self::Fast } else { Self::Usual }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Usual => 64 * 1024,
            Self::Fast => 256 * 1024,
        }
    }

    /// How many are kept for the next read, on each worker; until the next tick of its sweep, if nobody reads.
    const fn spare(self) -> usize {
        match self {
            Self::Usual => 8,
            Self::Fast => 2,
        }
    }
}

thread_local! {
    static FREE: RefCell<[Vec<Box<[u8]>>; Size::ALL.len()]> = const { RefCell::new([const { Vec::new() }; 2]) };
}

/// One buffer. Dropped, also as a part of a body, it is free for the next read.
pub(super) struct Large {
    room: Box<[u8]>,
    size: Size,
    filled: usize,
}

impl Large {
    /// What is shorter is read as heads are.
    pub(super) const WORTHWHILE: u64 = Size::Usual.bytes() as u64 / 4;

    pub(super) fn take(size: Size) -> Self {
        let room = FREE.with_borrow_mut(|free| free[size as usize].pop());
        Self { room: room.unwrap_or_else(|| vec![0; size.bytes()].into_boxed_slice()), size, filled: 0 }
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
pub(super) fn forget() {
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
                && free[self.size as usize].len() < self.size.spare()
            {
                free[self.size as usize].push(room);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_once_its_body_has_gone_and_given_back_at_rest() {
        for size in Size::ALL {
            let mut large = Large::take(size);
            let at = large.room(u64::MAX).as_ptr();
            large.room(5).copy_from_slice(b"hello");
            let body = large.filled(5);
            assert_eq!(body, "hello");
            assert_ne!(Large::take(size).room(1).as_ptr(), at, "it is still in use");
            drop(body);
            assert!(FREE.with_borrow(|free| free[size as usize].iter().any(|room| room.as_ptr() == at)));
            drop((0..2 * size.spare()).map(|_| Large::take(size)).collect::<Vec<_>>());
            assert_eq!(FREE.with_borrow(|free| free[size as usize].len()), size.spare());
        }
        forget();
        assert!(FREE.with_borrow(|free| free.iter().all(Vec::is_empty)));
    }

    #[test]
    fn a_body_that_fills_its_buffer_gets_a_larger_one_and_loses_it_when_it_slows_down() {
        let usual = Size::Usual.bytes();
        assert_eq!(
            [usual - 1, usual, Size::Fast.bytes()].map(Size::after),
            [Size::Usual, Size::Fast, Size::Fast]
        );
    }
}
