//! `/etc/hosts` as glibc reads it. musl passes over a last line without a line feed and over names in capitals, and cuts lines.

use core::ffi::c_int;
use std::net::{IpAddr, SocketAddr};

use dns_lookup::LookupError;

use super::Answer;

/// What the file's `text` says of `host`: its addresses of `family`, or that there are none of it. `None`: it is not in the file, so
/// name servers are asked.
pub(super) fn answer(text: &str, host: &str, port: u16, family: c_int) -> Option<Answer> {
    let all: Vec<_> = text.lines().filter_map(|line| address(line, host)).collect();
    let of_family = |address: &&IpAddr| address.is_ipv6() == (family == libc::AF_INET6);
    let found: Vec<_> = all.iter().filter(of_family).map(|address| SocketAddr::new(*address, port)).collect();
    (!all.is_empty()).then(|| if found.is_empty() { Err(LookupError::new(libc::EAI_NONAME)) } else { Ok(found) })
}

/// The address in `line`, if that is one of `host`.
fn address(line: &str, host: &str) -> Option<IpAddr> {
    let mut words = line.split('#').next()?.split_whitespace();
    let address = words.next()?.parse().ok()?;
    words.any(|name| name.eq_ignore_ascii_case(host)).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_as_people_write_them() {
        let long = "x".repeat(600);
        let text = format!(
            "127.0.0.1 localhost\r\n\n# 10.0.0.9 broker\n10.0.0.1\tother {long} Broker # 10.0.0.8\nfd00::1 broker\n10.0.0.2 broker"
        );
        let of = |host, family| {
            answer(&text, host, 1883, family).map(|answer| {
                answer.ok().map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            })
        };
        let found = |text: &str| Some(Some(text.to_owned()));
        assert_eq!(of("BROKER", libc::AF_INET), found("10.0.0.1:1883 10.0.0.2:1883"));
        assert_eq!(of("broker", libc::AF_INET6), found("[fd00::1]:1883"));
        assert_eq!(of("localhost", libc::AF_INET), found("127.0.0.1:1883"));
        assert_eq!(of("other", libc::AF_INET6), Some(None), "name servers are not asked for the rest");
        for host in ["brok", "10.0.0.1", "#", ""] {
            assert_eq!(of(host, libc::AF_INET), None, "{host}");
        }
    }
}
