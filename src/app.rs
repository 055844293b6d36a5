//! Joinery.
