//! Everything that needs more than one room: real sockets, real TLS, the simulator as the portal.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]
#![expect(unreachable_pub, reason = "one binary, whose modules lend each other what they have")]

mod account;
mod architecture;
mod auto_dialect;
mod browser;
mod channel_loss;
mod check;
mod clients;
mod codes;
mod command_line;
mod crypto_python;
mod detect;
mod detect_cli;
mod dialect_table;
mod dialects;
mod docs;
mod documents;
mod door_tls;
mod first_message;
mod flows;
mod forward_proxy;
mod hints;
mod inherited;
mod http;
mod http_cases;
mod identities;
mod journey;
mod leaks;
mod load;
mod login;
mod memory;
mod midstream;
mod nghttp2;
mod own_answers;
mod person;
mod plain_world;
mod protocol_rows;
mod refresh;
mod replay;
mod streams;
mod ten_seeds;
mod time;
mod waiting;
mod workers;
mod world;
