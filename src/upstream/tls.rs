//! TLS to the portal: rustls, the platform's trust or a given CA.
