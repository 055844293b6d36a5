//! `[listen]`: where local programs reach the proxy.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::config::document::Written;
use crate::config::layers::Section;
use crate::config::problem::{Place, Problem, quoted};
use crate::config::reader::Reader;
use crate::config::setting::{Fallback, Kind, Setting, count, section};
use crate::config::values::{Auto, FromWritten};

section! {
    /// Where local programs reach the proxy.
    pub struct Listen in "listen" {
        "Each address with its port. Port 0 takes a free one, and the start says which. An address that is not \
         loopback needs the flag --unsafe-listen and guard.local_key."
            addresses: Vec<SocketAddr> = Fallback::Is(r#"["127.0.0.1:8787", "[::1]:8787"]"#), Kind::List("addresses");
        "A unix socket to listen on as well. It is made with mode 0600, and only this user may connect."
            unix_socket: Option<PathBuf> = Fallback::Nothing(r#""portunus-http.sock""#), Kind::Path;
        "Threads that carry requests; \"auto\" is one for each processor."
            workers: Auto<NonZeroUsize> = Fallback::Is(r#""auto""#), count(1, 1024);
    }
}

impl Listen {
    pub(in crate::config) fn read(
        section: &mut Section<'_, '_>,
        unsafe_listen: bool,
        has_key: bool,
    ) -> Option<Self> {
        let listen = Self::fields(section)?;
        let place = section.place_of("addresses", Self::SETTINGS);
        if listen.addresses.is_empty() && listen.unix_socket.is_none() {
            section
                .reader
                .report(Problem::new(&place, "there is no address and no unix socket to listen on"));
        }
        let open = listen.addresses.iter().find(|address| !address.ip().to_canonical().is_loopback());
        match open {
            Some(address) if !unsafe_listen => {
                let text = format!("{address} is not a loopback address: whoever reaches it acts as you");
                let hint =
                    "listen on 127.0.0.1 or [::1]; or add the flag --unsafe-listen and set guard.local_key";
                section.reader.report(Problem::new(&place, text).hint(hint));
            }
            Some(address) if !has_key => {
                let text = format!("{address} is not a loopback address, and guard.local_key is not set");
                let hint = "set guard.local_key, which every caller then has to show";
                section.reader.report(Problem::new(&place, text).hint(hint));
            }
            _ => {}
        }
        Some(listen)
    }

    /// Whether the addresses are the defaults, so that one which this machine does not have may be left out.
    pub fn has_default_addresses(&self) -> bool {
        self.addresses
            == [SocketAddr::from(([127, 0, 0, 1], 8787)), (std::net::Ipv6Addr::LOCALHOST, 8787).into()]
    }
}

impl FromWritten for SocketAddr {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        match text.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                reader.report(not_an_address(&written.place, &text));
                None
            }
        }
    }
}

fn not_an_address(place: &Place, text: &str) -> Problem {
    let problem = Problem::new(place, format!("{} is no IP address with a port", quoted(text)));
    let port = text.trim_start_matches(':').rsplit(':').next().filter(|port| port.parse::<u16>().is_ok());
    let port = port.unwrap_or("8787");
    problem.hint(format!(r#"write "127.0.0.1:{port}" or "[::1]:{port}""#))
}
