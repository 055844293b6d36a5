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
use crate::listener::Handed;

section! {
    /// Where local programs reach the proxy.
    pub struct Listen in "listen" {
        "Each address with its port. Port 0 takes a free one, and the start says which. An address that is not \
         loopback needs the flag --unsafe-listen, and guard.local_key or client_ca_file."
            addresses: Vec<SocketAddr> = Fallback::Is(r#"["127.0.0.1:8787", "[::1]:8787"]"#), Kind::List("addresses");
        "Sockets that whoever starts the proxy has opened for it, in place of the default addresses: \"fd:3\" by its \
         number; \"systemd\" for all that a socket unit passes, \"systemd:NAME\" for those of one name."
            inherited: Vec<Handed> = Fallback::Is("[]"), Kind::List(r#"sockets: "fd:3", "systemd""#);
        "A unix socket to listen on as well. It is made with mode 0600, and only this user may connect."
            unix_socket: Option<PathBuf> = Fallback::Nothing(r#""portunus-http.sock""#), Kind::Path;
        "A PEM file of the certificate that callers over TCP are shown, and what chains it; needs tls_key_file. With it \
         the addresses speak TLS, and nothing else."
            tls_cert_file: Option<PathBuf> = Fallback::Nothing(r#""server.pem""#), Kind::Path;
        "A PEM file of that certificate's private key, which nobody else can read (chmod 600)."
            tls_key_file: Option<PathBuf> = Fallback::Nothing(r#""server-key.pem""#), Kind::Path;
        "A PEM file of the authorities one of which must have signed the certificate that every caller over TCP has to \
         show. Needs tls_cert_file."
            client_ca_file: Option<PathBuf> = Fallback::Nothing(r#""clients-ca.pem""#), Kind::Path;
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
        let mut listen = Self::fields(section)?;
        if !listen.inherited.is_empty() && !section.is_written("addresses", Self::SETTINGS) {
            listen.addresses.clear();
        }
        let place = section.place_of("addresses", Self::SETTINGS);
        if listen.addresses.is_empty() && listen.inherited.is_empty() && listen.unix_socket.is_none() {
            section
                .reader
                .report(Problem::new(&place, "there is no address and no unix socket to listen on"));
        }
        let open = listen.addresses.iter().find(|address| !address.ip().to_canonical().is_loopback());
        match open {
            Some(address) if !unsafe_listen => {
                let text = format!("{address} is not a loopback address: whoever reaches it acts as you");
                let hint = "listen on 127.0.0.1 or [::1]; or add the flag --unsafe-listen and set guard.local_key or client_ca_file";
                section.reader.report(Problem::new(&place, text).hint(hint));
            }
            Some(address) if !has_key && listen.client_ca_file.is_none() => {
                let text = format!("{address} is not a loopback address, and guard.local_key is not set");
                let hint = "set guard.local_key, which every caller then has to show; or listen.client_ca_file, which \
                            asks each for a certificate";
                section.reader.report(Problem::new(&place, text).hint(hint));
            }
            _ => {}
        }
        let (cert, key) = (listen.tls_cert_file.is_some(), listen.tls_key_file.is_some());
        let missing = [
            ("tls_cert_file", cert && !key, "a certificate without its key", "set tls_key_file"),
            ("tls_key_file", key && !cert, "a key without its certificate", "set tls_cert_file"),
            (
                "client_ca_file",
                listen.client_ca_file.is_some() && !cert,
                "certificates can be asked for under TLS alone",
                "set tls_cert_file and tls_key_file",
            ),
        ];
        for (setting, _, text, hint) in missing.into_iter().filter(|(_, is_missing, ..)| *is_missing) {
            let place = section.place_of(setting, Self::SETTINGS);
            section.reader.report(Problem::new(&place, text.to_owned()).hint(hint));
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
            Err(_) if text.starts_with("fd:") || text.starts_with("systemd") => {
                let problem = Problem::new(&written.place, format!("{} is no address", quoted(&text)));
                reader.report(problem.hint(format!("write inherited = [{text:?}] in [listen]")));
                None
            }
            Err(_) => {
                reader.report(not_an_address(&written.place, &text));
                None
            }
        }
    }
}

impl FromWritten for Handed {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        let handed = match text.split_once(':') {
            None if text == "systemd" => Some(Self::Passed(None)),
            Some(("systemd", name)) if !name.is_empty() && !name.contains(':') => {
                Some(Self::Passed(Some(name.to_owned())))
            }
            // Below are standard input, output and error.
            Some(("fd", number)) => number.parse().ok().filter(|number| *number >= 3).map(Self::Descriptor),
            _ => None,
        };
        if handed.is_none() {
            let problem = Problem::new(&written.place, format!("{} is no socket to inherit", quoted(&text)));
            reader.report(problem.hint(r#"write "fd:3" (3 or more), "systemd" or "systemd:NAME""#));
        }
        handed
    }
}

fn not_an_address(place: &Place, text: &str) -> Problem {
    let problem = Problem::new(place, format!("{} is no IP address with a port", quoted(text)));
    let port = text.trim_start_matches(':').rsplit(':').next().filter(|port| port.parse::<u16>().is_ok());
    let port = port.unwrap_or("8787");
    problem.hint(format!(r#"write "127.0.0.1:{port}" or "[::1]:{port}""#))
}
