//! The owner of the secure channel: opens it once for all, renews it, closes it.
