//! Bodies that are held in memory whole: one budget of bytes for all requests of the process.
//!
//! In: bytes that somebody has to keep, to send them again, to seal or to open them. Out: the same bytes, which
//! give their room back when the last copy of them is dropped. Always: what is counted is never more than the
//! budget. Refuses to know: what is done where there is no room.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// The budget. A clone shares it.
#[derive(Clone)]
pub struct HeldBytes(Arc<Budget>);

struct Budget {
    /// Bytes.
    most: usize,
    taken: AtomicUsize,
}

/// There is no room for so many bytes now; there is as soon as other requests are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes more cannot be held now")]
pub struct NoRoom(pub usize);

impl HeldBytes {
    /// A budget of so many bytes.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Budget { most, taken: AtomicUsize::new(0) }))
    }

    /// A budget that is never used up.
    pub fn unbounded() -> Self {
        Self::new(usize::MAX)
    }

    /// The budget, in bytes.
    pub fn most(&self) -> usize {
        self.0.most
    }

    /// How many bytes are held now.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// Room for nothing yet, to be made larger.
    pub fn room(&self) -> Room {
        Room { of: self.clone(), bytes: 0 }
    }

    /// Room for so many bytes.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn room_for(&self, bytes: usize) -> Result<Room, NoRoom> {
        let mut room = self.room();
        room.grow(bytes)?;
        Ok(room)
    }

    /// These bytes, counted for as long as anybody has a copy of them.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn hold(&self, bytes: Bytes) -> Result<Bytes, NoRoom> {
        Ok(self.room_for(bytes.len())?.keep(bytes))
    }
}

impl fmt::Debug for HeldBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldBytes").field("most", &self.most()).field("taken", &self.taken()).finish()
    }
}

/// Room in the budget; given back when dropped.
#[derive(Debug)]
pub struct Room {
    of: HeldBytes,
    bytes: usize,
}

impl Room {
    /// Room for so many bytes more.
    ///
    /// # Errors
    /// [`NoRoom`]; then it is as large as before.
    pub fn grow(&mut self, more: usize) -> Result<(), NoRoom> {
        let Budget { most, taken } = &*self.of.0;
        let fits = |taken: usize| taken.checked_add(more).filter(|sum| sum <= most);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map_err(|_| NoRoom(more))?;
        self.bytes += more;
        Ok(())
    }

    /// Room for so many bytes in all.
    ///
    /// # Errors
    /// [`NoRoom`]; then it is as large as before.
    pub fn reach(&mut self, bytes: usize) -> Result<(), NoRoom> {
        self.grow(bytes.saturating_sub(self.bytes))
    }

    /// The bytes, in this room for as long as anybody has a copy of them. What they do not need of it is given
    /// back at once.
    pub fn keep(mut self, bytes: Bytes) -> Bytes {
        if bytes.is_empty() {
            return bytes;
        }
        self.shrink(bytes.len());
        Bytes::from_owner(Kept { bytes, _room: self })
    }

    fn shrink(&mut self, to: usize) {
        let spare = self.bytes.saturating_sub(to);
        self.of.0.taken.fetch_sub(spare, Ordering::Relaxed);
        self.bytes -= spare;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

/// Bytes together with their room.
struct Kept {
    bytes: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_held_as_the_budget_says_and_not_one_byte_more() {
        let held = HeldBytes::new(10);
        let six = held.hold(Bytes::from_static(b"123456")).unwrap();
        assert_eq!(held.hold(Bytes::from_static(b"12345")), Err(NoRoom(5)));
        let four = held.hold(Bytes::from_static(b"1234")).unwrap();
        assert_eq!((held.taken(), &six[..], &four[..]), (10, &b"123456"[..], &b"1234"[..]));
        assert_eq!(held.room_for(1).unwrap_err(), NoRoom(1));
        assert!(held.room_for(0).is_ok());
    }

    #[test]
    fn bytes_are_counted_until_their_last_copy_is_dropped() {
        let held = HeldBytes::new(10);
        let whole = held.hold(Bytes::from_static(b"123456")).unwrap();
        let part = whole.slice(2..3);
        drop(whole);
        assert_eq!(held.taken(), 6, "the part keeps the whole alive");
        drop(part);
        assert_eq!(held.taken(), 0);
    }

    #[test]
    fn room_that_is_not_needed_is_given_back() {
        let held = HeldBytes::new(10);
        let mut room = held.room_for(4).unwrap();
        room.reach(8).unwrap();
        assert_eq!(room.grow(3), Err(NoRoom(3)));
        assert_eq!(held.taken(), 8);
        let kept = room.keep(Bytes::from_static(b"1"));
        assert_eq!(held.taken(), 1);
        drop((kept, held.room_for(9).unwrap()));
        assert_eq!(held.taken(), 0);
    }
}
