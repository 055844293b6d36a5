//! The session against a scripted portal.
