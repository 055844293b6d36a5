//! Answers as clients get them.

mod problems;
mod streams;
