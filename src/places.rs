//! Places for what may be under way at once: so many, and no queue before them.
//!
//! In: somebody who wants a place. Out: the place, which is given back when it is dropped. Always: no more are taken
//! than there are. Refuses to know: what is done in a place, and what becomes of whoever gets none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// So many places. A clone shares them.
#[derive(Debug, Clone)]
pub struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    taken: AtomicUsize,
    turned_away: AtomicU64,
}

/// One place; given back when dropped.
#[derive(Debug)]
pub struct Place(Arc<Inner>);

impl Places {
    /// So many, all free.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Inner { most, taken: AtomicUsize::new(0), turned_away: AtomicU64::new(0) }))
    }

    /// A place, if one is free. Who gets none is counted.
    pub fn take(&self) -> Option<Place> {
        // As in the listener's gauge: one add, and taken back if it was too many.
        if self.0.taken.fetch_add(1, Ordering::Relaxed) < self.0.most {
            return Some(Place(Arc::clone(&self.0)));
        }
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
        self.0.turned_away.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// How many there are.
    pub fn most(&self) -> usize {
        self.0.most
    }

    /// How many are taken now.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed).min(self.0.most)
    }

    /// How often there was none.
    pub fn turned_away(&self) -> u64 {
        self.0.turned_away.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_is_had_and_one_more_is_not_until_one_is_given_back() {
        let places = Places::new(2);
        let (first, second) = (places.take(), places.clone().take());
        assert!(first.is_some() && second.is_some());
        assert!(places.take().is_none());
        assert_eq!((places.taken(), places.turned_away(), places.most()), (2, 1, 2));
        drop(first);
        assert!(places.take().is_some());
        drop(second);
        assert_eq!((places.taken(), places.turned_away()), (0, 1));
    }
}
