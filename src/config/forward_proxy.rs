//! The forward proxy on the way to the portal: from `[upstream]`, else from the environment.
//!
//! The environment is read as most programs read it: `https_proxy` or `HTTPS_PROXY` for an https:// portal, `http_proxy`
//! or `HTTP_PROXY` for an http:// one, the small letters first, and not for what `no_proxy` or `NO_PROXY` lists. A
//! portal on this machine is never reached through one that only the environment names.

use std::net::IpAddr;

use url::{Host, Url};

use super::environment::Environment;
use super::problem::{Place, Problem};
use crate::secret::ProxyCredentials;

/// A forward proxy, and who named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardProxy {
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `USER:PASSWORD` out of a variable's URL; those of `upstream.proxy_credentials` go before.
    pub credentials: Option<ProxyCredentials>,
    /// The setting or the variable.
    pub named_by: &'static str,
}

/// What `upstream.proxy` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyChoice {
    /// None, whatever the environment says.
    None,
    /// This one.
    At {
        /// Its name or address, without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
}

impl ProxyChoice {
    /// A URL, or `none`; the text says what is wrong with it, without repeating it: a password may stand in it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::None);
        }
        let (host, port, credentials) = parse(text)?;
        match credentials {
            Some(_) => Err("must not hold a user name or a password: set proxy_credentials".into()),
            None => Ok(Self::At { host, port }),
        }
    }
}

/// The proxy that connections to this portal go through.
pub(super) fn on_the_way(
    choice: Option<&ProxyChoice>,
    portal: &Url,
    environment: &Environment,
) -> Result<Option<ForwardProxy>, Problem> {
    match choice {
        Some(ProxyChoice::None) => return Ok(None),
        Some(ProxyChoice::At { host, port }) => {
            let (host, port) = (host.clone(), *port);
            return Ok(Some(ForwardProxy { host, port, credentials: None, named_by: "upstream.proxy" }));
        }
        None => {}
    }
    let names = if portal.scheme() == "https" {
        ["https_proxy", "HTTPS_PROXY"]
    } else {
        ["http_proxy", "HTTP_PROXY"]
    };
    let given = names.into_iter().find_map(|name| Some((name, environment.get(name)?)));
    let Some((name, text)) = given.filter(|_| !is_spared(portal, environment)) else { return Ok(None) };
    let (host, port, credentials) = parse(text).map_err(|why| {
        let problem = Problem::new(&Place::Variable(name.to_owned()), why);
        problem.hint("correct it, or set upstream.proxy: \"none\" goes without one")
    })?;
    Ok(Some(ForwardProxy { host, port, credentials, named_by: name }))
}

/// Host, port and `USER:PASSWORD` of a proxy's URL, whose scheme may be left out.
fn parse(text: &str) -> Result<(String, u16, Option<ProxyCredentials>), String> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&whole).map_err(|error| format!("is no URL of a proxy: {error}"))?;
    if url.scheme() != "http" {
        let scheme = url.scheme();
        return Err(format!("names a proxy by {scheme}://, and only http:// can be gone through"));
    }
    let host = match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => return Err("names no host".into()),
    };
    let port =
        url.port_or_known_default().filter(|port| *port != 0).ok_or("has port 0, which nobody listens on")?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("must be http://HOST:PORT and nothing behind".into());
    }
    let unescaped = |text: &str| percent_decoded(text).ok_or("has a user name or password that is no text");
    let credentials = match (url.username(), url.password()) {
        ("", None) => None,
        (user, password) => {
            let (user, password) = (unescaped(user)?, unescaped(password.unwrap_or_default())?);
            Some(ProxyCredentials::new(format!("{user}:{password}")))
        }
    };
    Ok((host, port, credentials))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                bytes.push(u8::from_str_radix(str::from_utf8(&[*high, *low]).ok()?, 16).ok()?);
                rest = after;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether the environment wants this portal to be reached without a proxy.
fn is_spared(portal: &Url, environment: &Environment) -> bool {
    let Some(host) = portal.host() else { return true };
    let (name, address) = match host {
        Host::Domain(name) => (name.trim_end_matches('.').to_ascii_lowercase(), None),
        Host::Ipv4(address) => (address.to_string(), Some(IpAddr::V4(address))),
        Host::Ipv6(address) => (address.to_string(), Some(IpAddr::V6(address).to_canonical())),
    };
    if address.is_some_and(|address| address.is_loopback())
        || name == "localhost"
        || name.ends_with(".localhost")
    {
        return true;
    }
    let list =
        ["no_proxy", "NO_PROXY"].into_iter().find_map(|name| environment.get(name)).unwrap_or_default();
    let port = portal.port_or_known_default();
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.to_ascii_lowercase();
        entry == "*" || spares(&entry, &name, address, port)
    })
}

/// One entry of `NO_PROXY`: a domain with all below it, an address, a range of addresses; a port may follow a domain or
/// an address, and then it alone is meant.
fn spares(entry: &str, name: &str, address: Option<IpAddr>, port: Option<u16>) -> bool {
    if let Some((network, bits)) = entry.split_once('/') {
        return address
            .zip(network.parse().ok())
            .zip(bits.parse().ok())
            .is_some_and(|((address, network), bits)| is_within(address, network, bits));
    }
    if let Ok(listed) = entry.trim_matches(['[', ']']).parse::<IpAddr>() {
        return address == Some(listed.to_canonical());
    }
    let (entry, meant) = match entry.rsplit_once(':') {
        Some((entry, meant)) => (entry.trim_matches(['[', ']']), Some(meant)),
        None => (entry, None),
    };
    if meant.is_some_and(|meant| meant.parse().ok() != port) {
        return false;
    }
    if let Ok(listed) = entry.parse::<IpAddr>() {
        return address == Some(listed.to_canonical());
    }
    let domain = entry.trim_start_matches("*.").trim_start_matches('.').trim_end_matches('.');
    let below =
        |name: &str| name.strip_suffix(domain).is_some_and(|above| above.is_empty() || above.ends_with('.'));
    !domain.is_empty() && address.is_none() && below(name)
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if bits <= 32 => {
            let shift = 32 - bits;
            u32::from(address).checked_shr(shift) == u32::from(network).checked_shr(shift)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if bits <= 128 => {
            let shift = 128 - bits;
            u128::from(address).checked_shr(shift) == u128::from(network).checked_shr(shift)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(portal: &str, variables: &[(&str, &str)]) -> Option<String> {
        let environment: Environment = variables.iter().copied().collect();
        let found = on_the_way(None, &Url::parse(portal).unwrap(), &environment).unwrap();
        found.map(|proxy| format!("{}:{} by {}", proxy.host, proxy.port, proxy.named_by))
    }

    #[test]
    fn the_variable_of_the_scheme_is_read_in_small_letters_first() {
        let all = [
            ("HTTPS_PROXY", "http://big:1"),
            ("https_proxy", "small:2"),
            ("HTTP_PROXY", "http://[fd00::1]:3/"),
            ("ALL_PROXY", "http://all:4"),
        ];
        assert_eq!(at("https://portal.test", &all).as_deref(), Some("small:2 by https_proxy"));
        assert_eq!(at("https://portal.test", &all[..1]).as_deref(), Some("big:1 by HTTPS_PROXY"));
        assert_eq!(at("http://portal.test", &all).as_deref(), Some("fd00::1:3 by HTTP_PROXY"));
        assert_eq!(at("http://portal.test", &all[..2]), None);
        assert_eq!(at("https://portal.test", &[("HTTPS_PROXY", "")]), None);
        assert_eq!(
            at("https://portal.test", &[("HTTPS_PROXY", "corp")]).as_deref(),
            Some("corp:80 by HTTPS_PROXY")
        );
    }

    #[test]
    fn a_portal_on_this_machine_is_never_reached_by_way_of_the_environments_proxy() {
        for portal in ["https://localhost:1", "https://127.8.0.1", "https://[::1]", "https://a.localhost"] {
            assert_eq!(at(portal, &[("HTTPS_PROXY", "http://corp:1")]), None, "{portal}");
        }
        let choice = ProxyChoice::parse("http://corp:1").unwrap();
        let portal = Url::parse("https://localhost").unwrap();
        assert!(
            on_the_way(Some(&choice), &portal, &Environment::default()).unwrap().is_some(),
            "unless it is set"
        );
    }

    #[test]
    fn no_proxy_lists_domains_with_all_below_them_addresses_ranges_and_ports() {
        let spared = |portal: &str, list: &str| {
            at(portal, &[("HTTPS_PROXY", "http://corp:1"), ("NO_PROXY", list)]).is_none()
        };
        for list in [
            "portal.test",
            ".portal.test",
            "*.test",
            "TEST",
            "a, portal.test ,b",
            "*",
            "portal.test:443",
            "portal.test.",
        ] {
            assert!(spared("https://portal.test", list), "{list}");
        }
        for list in ["ortal.test", "x.portal.test", "portal.test:8443", "portal", "", ",", "10.0.0.0/8", "."]
        {
            assert!(!spared("https://portal.test", list), "{list}");
        }
        assert!(spared("https://10.1.2.3", "10.0.0.0/8") && !spared("https://11.1.2.3", "10.0.0.0/8"));
        assert!(spared("https://10.1.2.3", "0.0.0.0/0") && !spared("https://10.1.2.3", "10.0.0.0/33"));
        assert!(spared("https://10.1.2.3", "10.1.2.3:443") && !spared("https://10.1.2.3", "1.2.3"));
        assert!(spared("https://[fd00::5]", "fd00::/8") && spared("https://[fd00::5]", "[fd00::5]"));
        assert!(
            spared("https://[fd00::5]:8443", "[fd00::5]:8443") && !spared("https://[fd00::5]", "[fd00::6]")
        );
        let small = [("HTTPS_PROXY", "http://corp:1"), ("NO_PROXY", "*"), ("no_proxy", "other.test")];
        assert!(at("https://portal.test", &small).is_some(), "the small letters go first");
    }

    #[test]
    fn credentials_come_out_of_a_variable_unescaped_and_never_into_a_message() {
        let (_, _, credentials) = parse("http://me:CNRY%40%3A1@corp:3128").unwrap();
        assert_eq!(credentials, Some(ProxyCredentials::new("me:CNRY@:1")));
        for wrong in [
            "https://me:CNRY@corp",
            "socks5://me:CNRY@corp:1",
            "http://me:CNRY@corp/x",
            "http://me:CNRY@corp:0",
        ] {
            let environment: Environment = [("HTTPS_PROXY", wrong)].into_iter().collect();
            let portal = Url::parse("https://portal.test").unwrap();
            let said = on_the_way(None, &portal, &environment).unwrap_err().to_string();
            assert!(said.contains("HTTPS_PROXY") && !said.contains("CNRY"), "{said}");
            assert!(ProxyChoice::parse(wrong).is_err());
        }
        assert!(ProxyChoice::parse("http://me:CNRY@corp:1").unwrap_err().contains("proxy_credentials"));
        assert_eq!(ProxyChoice::parse("none"), Ok(ProxyChoice::None));
    }
}
