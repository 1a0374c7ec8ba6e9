//! Splits a URL into the parts that are needed to connect, and reads variables that are URLs.

use core::net::Ipv6Addr;

use http::Uri;

use super::{
    environment::Environment,
    problem::{Problem, Problems},
    types::EndpointUrl,
};

/// The parts of `scheme://host[:port][/path]`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// In lower case.
    pub(super) scheme: String,
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// Path and query, beginning with `/`.
    pub(super) path: String,
}

/// What is wrong with a path where none may be. A query is not shown: it may be a key.
pub(super) fn no_path(path: &str) -> String {
    format!("must end after host and port, without {}", path.split_inclusive('?').next().unwrap_or_default())
}

/// Whether a text may contain a password or, as a signed URL does, a key, and so must not be shown.
pub(super) fn may_hold_a_secret(text: &str) -> bool {
    text.contains(['@', '?'])
}

impl Url {
    /// # Errors
    /// What is wrong, as part of a message.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "is not a URL of the form scheme://host:port")?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err("is not a URL of the form scheme://host:port");
        };
        if authority.as_str().contains('@') {
            return Err("must not hold a user name or password");
        }
        if text.contains('#') {
            return Err("must not have a fragment (#)");
        }
        let host = authority.host();
        let port = match authority.as_str().strip_prefix(host) {
            Some("") => None,
            Some(port) => Some(parse_port(port).ok_or("the port must be a number from 1 to 65535")?),
            None => return Err("the host is not valid"),
        };
        let host = parse_host(host).ok_or("the host must be a name or an address, an IPv6 address in brackets")?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self { scheme: scheme.to_ascii_lowercase(), host: host.to_owned(), port, path: path.to_owned() })
    }
}

/// A variable that is an `http` or `https` URL: where to connect, and the path.
pub(super) fn http_url(
    environment: &Environment,
    name: &str,
    problems: &mut Problems,
) -> Option<(EndpointUrl, String)> {
    let text = environment.text(name, problems)?;
    let fault = match Url::parse(text) {
        Ok(url) if matches!(url.scheme.as_str(), "http" | "https") => {
            let tls = url.scheme == "https";
            let port = url.port.unwrap_or(if tls { 443 } else { 80 });
            return Some((EndpointUrl { tls, host: url.host, port }, url.path));
        }
        Ok(_) => "must begin with http:// or https://",
        Err(error) => error,
    };
    let problem =
        Problem::variable(name, format!("{fault}, such as https://endpoint.example or http://127.0.0.1:4566"));
    problems.push(if may_hold_a_secret(text) { problem } else { problem.with_text(text) });
    None
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = text.strip_prefix(':')?;
    let port = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()?;
    (port != 0).then_some(port)
}

fn parse_host(text: &str) -> Option<&str> {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok().then_some(address);
    }
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    // 253: the longest name DNS can carry.
    ((1..=253).contains(&text.len()) && text.bytes().all(is_name)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::Url;

    fn url(scheme: &str, host: &str, port: Option<u16>, path: &str) -> Url {
        Url { scheme: scheme.to_owned(), host: host.to_owned(), port, path: path.to_owned() }
    }

    #[test]
    fn a_url_is_split_into_scheme_host_port_and_path() {
        for (text, expected) in [
            ("mqtt://broker", url("mqtt", "broker", None, "/")),
            ("MQTTS://Broker.example:8884/", url("mqtts", "Broker.example", Some(8884), "/")),
            ("https://10.0.0.1:443", url("https", "10.0.0.1", Some(443), "/")),
            ("mqtt://[fd00::1]:1884", url("mqtt", "fd00::1", Some(1884), "/")),
            ("mqtt://[::1]", url("mqtt", "::1", None, "/")),
            ("http://host:80/v2/credentials?id=1", url("http", "host", Some(80), "/v2/credentials?id=1")),
        ] {
            assert_eq!(Url::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_such_a_url_is_refused() {
        for text in [
            "",
            "broker",
            "broker:1883",
            "/path",
            "mqtt://",
            "mqtt://:1883",
            "mqtt://host:",
            "mqtt://host:0",
            "mqtt://host:65536",
            "mqtt://host:+80",
            "mqtt://host:port",
            "mqtt://fd00::1",
            "mqtt://[fd00::1",
            "mqtt://[host]",
            "mqtt://ho st",
            "mqtt://ho%20st",
            "mqtt://h\u{f6}st",
            "mqtt://user:password@host",
            "mqtt://host/#fragment",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
