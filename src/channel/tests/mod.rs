//! The room against documents of others: third-party vectors, a peer written from PROTOCOL, random input.
