//! `NO_PROXY`: hosts that are reached without a proxy.
//!
//! The rules are those that curl, Go and Python's requests have in common. hyper-util has them, too, but only together with
//! its HTTP client and three more crates.

use core::net::IpAddr;

/// Hosts, domains and networks that are reached without a proxy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NoProxy(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    /// `None`: any.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    /// This name, and those that end with a dot and this name.
    Name(String),
    /// Addresses whose first bits are those of this one.
    Network(IpAddr, u32),
}

impl NoProxy {
    /// Names, addresses, networks such as `10.0.0.0/8`, and `*`, separated by commas; names and addresses may have a port.
    pub(super) fn parse(list: &str) -> Self {
        Self(list.split(',').map(str::trim).filter(|text| !text.is_empty()).map(Entry::parse).collect())
    }

    /// Whether this host, a name or an address without brackets, is reached without a proxy. Loopback and link-local addresses always
    /// are, because a proxy cannot reach them.
    #[must_use]
    pub fn covers(&self, host: &str, port: u16) -> bool {
        is_near(host) || self.0.iter().any(|entry| entry.covers(host, port))
    }
}

impl Entry {
    fn parse(text: &str) -> Self {
        if text == "*" {
            return Self { hosts: Hosts::All, port: None };
        }
        let network =
            text.split_once('/').and_then(|(address, bits)| Some((parse_address(address)?, bits.parse().ok()?)));
        let address = parse_address(text).map(|address| (address, 128));
        if let Some((address, bits)) = network.or(address) {
            return Self { hosts: Hosts::Network(address, bits), port: None };
        }
        let (host, port) = match text.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
            Some((host, Ok(port))) => (host, Some(port)),
            _ => (text, None),
        };
        let hosts = match parse_address(host) {
            Some(address) => Hosts::Network(address, 128),
            None => Hosts::Name(host.trim_start_matches('*').trim_start_matches('.').to_ascii_lowercase()),
        };
        Self { hosts, port }
    }

    fn covers(&self, host: &str, port: u16) -> bool {
        let is_host = match &self.hosts {
            Hosts::All => true,
            Hosts::Name(name) => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            Hosts::Network(network, bits) => host.parse().is_ok_and(|address| is_within(address, *network, *bits)),
        };
        is_host && self.port.is_none_or(|own| own == port)
    }
}

fn parse_address(text: &str) -> Option<IpAddr> {
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inside.unwrap_or(text).parse().ok()
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (differ, length) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits() ^ b.to_bits()) << 96, 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits(), 128),
        _ => return false,
    };
    differ.leading_zeros() >= bits.min(length)
}

/// Loopback, and the link-local addresses of metadata and container endpoints.
fn is_near(host: &str) -> bool {
    match host.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unicast_link_local(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cover_themselves_and_what_is_below_them() {
        let list = NoProxy::parse("example.com, .internal ,*.lan,firehose.eu-west-1.amazonaws.com:443");
        for (host, port, covered) in [
            ("example.com", 443, true),
            ("a.b.EXAMPLE.com.", 443, true),
            ("notexample.com", 443, false),
            ("example.com.evil", 443, false),
            ("internal", 443, true),
            ("vpce.internal", 8443, true),
            ("nas.lan", 443, true),
            ("firehose.eu-west-1.amazonaws.com", 443, true),
            ("firehose.eu-west-1.amazonaws.com", 8443, false),
            ("firehose.eu-west-2.amazonaws.com", 443, false),
        ] {
            assert_eq!(list.covers(host, port), covered, "{host}:{port}");
        }
    }

    #[test]
    fn addresses_are_covered_by_themselves_and_by_their_networks() {
        let list = NoProxy::parse("10.0.0.0/8,192.0.2.1,fd00::/8,[2001:db8::1]:8443,203.0.113.7:80,0.0.0.0/33");
        for (host, port, covered) in [
            ("10.255.0.1", 443, true),
            ("11.0.0.1", 443, false),
            ("192.0.2.1", 443, true),
            ("192.0.2.2", 443, false),
            ("fdff::1", 443, true),
            ("fe00::1", 443, false),
            ("2001:db8::1", 8443, true),
            ("2001:db8::1", 443, false),
            ("203.0.113.7", 80, true),
            ("203.0.113.7", 443, false),
            ("10.example.com", 443, false),
        ] {
            assert_eq!(list.covers(host, port), covered, "{host}:{port}");
        }
    }

    #[test]
    fn a_star_covers_all_and_nearby_addresses_need_no_entry() {
        assert!(NoProxy::parse("*").covers("anything", 443));
        let none = NoProxy::default();
        for near in ["127.0.0.1", "127.8.8.8", "::1", "localhost", "169.254.170.2", "fe80::1"] {
            assert!(none.covers(near, 443), "{near}");
        }
        assert!(!none.covers("10.0.0.1", 443));
    }
}
