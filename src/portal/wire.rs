//! The portal's JSON, read liberally (PROTOCOL sections 5 to 8).
