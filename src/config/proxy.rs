//! Proxies: `HTTPS_PROXY` and `NO_PROXY` for what is reached by `https`, and a variable of our own for the broker's.
//!
//! As in curl and botocore, names in lower case take precedence, because some programs know only those.

use percent_encoding::percent_decode_str;

use super::{
    environment::Environment,
    no_proxy::NoProxy,
    problem::{Problem, Problems},
    types::{EndpointUrl, Proxy},
    url::Url,
};
use crate::foreign::Secret;

const MQTT_PROXY: &str = "FIREHOSE_CONNECTOR_MQTT_PROXY";
const HTTPS_PROXY: [&str; 2] = ["https_proxy", "HTTPS_PROXY"];
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// The proxy for the broker.
pub(super) fn for_broker(environment: &Environment, problems: &mut Problems) -> Option<Proxy> {
    proxy(environment, MQTT_PROXY, NoProxy::default(), problems)
}

/// The proxy for the service and for credentials endpoints with TLS.
pub(super) fn for_https(environment: &Environment, problems: &mut Problems) -> Option<Proxy> {
    let first = |names: [&'static str; 2]| names.into_iter().find(|name| environment.is_set(name));
    let exceptions = first(NO_PROXY).and_then(|name| environment.text(name, problems)).map(NoProxy::parse);
    proxy(environment, first(HTTPS_PROXY)?, exceptions.unwrap_or_default(), problems)
}

/// Never shows a value, because it may contain a password.
fn proxy(
    environment: &Environment,
    variable: &'static str,
    exceptions: NoProxy,
    problems: &mut Problems,
) -> Option<Proxy> {
    let text = environment.text(variable, problems)?;
    // As in curl: without a scheme it is http.
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let (text, login) = without_login(&text);
    let fault = match Url::parse(&text) {
        Ok(url) if !matches!(url.scheme.as_str(), "http" | "https") => "must begin with http:// or https://",
        Ok(url) if url.path != "/" => "must end after host and port",
        Ok(Url { scheme, host, port, .. }) => {
            let tls = scheme == "https";
            let port = port.unwrap_or(if tls { 443 } else { 80 });
            let endpoint = EndpointUrl { tls, host, port };
            let (authorization, login) = login.map(|login| basic(&login)).unzip();
            return Some(Proxy { endpoint, authorization, login: login.unwrap_or_default(), variable, exceptions });
        }
        Err(error) => error,
    };
    problems.push(Problem::variable(variable, format!("{fault}, such as http://user:password@proxy.example:3128")));
    None
}

/// Splits a URL into `user:password` and the rest.
fn without_login(url: &str) -> (String, Option<String>) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((login, _)) => (format!("{scheme}://{}", &rest[login.len() + 1..]), Some(login.to_owned())),
        None => (url.to_owned(), None),
    }
}

/// The header's value (RFC 7617), and the texts that must be kept secret with it. A password may contain a colon, a user name
/// may not.
fn basic(login: &str) -> (Secret, Vec<Secret>) {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let plain = |text| percent_decode_str(text).collect::<Vec<u8>>();
    let encoded = base64_simd::STANDARD.encode_to_string([&*plain(user), b":", &*plain(password)].concat());
    // Without a password the name is one.
    let secret = if password.is_empty() { user } else { password };
    let forms = [secret, &String::from_utf8_lossy(&plain(secret)), &encoded].map(Secret::new);
    (Secret::new(&format!("Basic {encoded}")), forms.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{environment, lines};

    fn https(variables: &[(&str, &str)]) -> Result<Option<Proxy>, Vec<String>> {
        let mut problems = Problems::default();
        let proxy = for_https(&environment(variables), &mut problems);
        match lines(problems.into_error()) {
            faults if faults.is_empty() => Ok(proxy),
            faults => Err(faults),
        }
    }

    fn at(url: &str) -> (bool, String, u16) {
        let EndpointUrl { tls, host, port } = https(&[("HTTPS_PROXY", url)]).unwrap().unwrap().endpoint;
        (tls, host, port)
    }

    #[test]
    fn a_proxy_is_a_url_or_host_and_port() {
        assert_eq!(at("http://proxy.example:3128/"), (false, "proxy.example".to_owned(), 3128));
        assert_eq!(at("https://proxy.example"), (true, "proxy.example".to_owned(), 443));
        assert_eq!(at("proxy.example:3128"), (false, "proxy.example".to_owned(), 3128));
        assert_eq!(at("http://user@[fd00::1]:8080"), (false, "fd00::1".to_owned(), 8080));
        assert_eq!(https(&[]), Ok(None));
    }

    #[test]
    fn the_name_in_lower_case_takes_precedence() {
        let both = [("HTTPS_PROXY", "http://upper"), ("https_proxy", "http://lower")];
        assert_eq!(https(&both).unwrap().unwrap().endpoint.host, "lower");
        let exceptions = [("HTTPS_PROXY", "http://p"), ("NO_PROXY", "upper"), ("no_proxy", "lower")];
        let exceptions = https(&exceptions).unwrap().unwrap().exceptions;
        assert!(exceptions.covers("lower", 443) && !exceptions.covers("upper", 443));
    }

    #[test]
    fn a_login_becomes_a_header_and_is_never_shown() {
        let proxy = https(&[("HTTPS_PROXY", "http://gate%40way:p%3Aw@d@proxy:3128")]).unwrap().unwrap();
        // gate@way:p:w@d
        assert_eq!(proxy.authorization.as_ref().unwrap().expose(), "Basic Z2F0ZUB3YXk6cDp3QGQ=");
        assert_eq!(proxy.endpoint.host, "proxy");
        assert!(!format!("{proxy:?}").contains("Z2F0"));
        let repeated = "p:w@d=p%3Aw@d, or Z2F0ZUB3YXk6cDp3QGQ=";
        assert_eq!(crate::foreign::line(repeated), "p:w@d=[secret], or [secret]", "five characters are no secret");
        let proxy = https(&[("HTTPS_PROXY", "http://gate:correct%20horse@proxy:3128")]).unwrap().unwrap();
        assert_eq!(crate::foreign::line("correct horse, correct%20horse"), "[secret], [secret]");
        drop(proxy);
        for wrong in ["ftp://user:secret@proxy", "http://user:secret@proxy/path", "http://user:secret@pro xy"] {
            let faults = https(&[("HTTPS_PROXY", wrong)]).unwrap_err();
            assert!(faults[0].starts_with("HTTPS_PROXY: ") && !faults[0].contains("secret"), "{faults:?}");
        }
    }
}
