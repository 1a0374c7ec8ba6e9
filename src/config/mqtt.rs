//! The broker and the login, from `FIREHOSE_CONNECTOR_MQTT_*`.

use std::path::Path;

use super::{
    bounded_file,
    environment::Environment,
    problem::{Problem, Problems},
    proxy,
    types::{ClientCertificate, Mqtt, MqttTls, MqttVersion},
    url::{Url, may_hold_a_secret},
};
use crate::error_chain::words::of_system;
use crate::foreign::Secret;
use crate::limits::MQTT_FIELD_BYTES;

const URL: &str = "FIREHOSE_CONNECTOR_MQTT_URL";
const CA: &str = "FIREHOSE_CONNECTOR_MQTT_CA";
pub(super) const CERTIFICATE: &str = "FIREHOSE_CONNECTOR_MQTT_CERT";
pub(super) const KEY: &str = "FIREHOSE_CONNECTOR_MQTT_KEY";
const ALPN: &str = "FIREHOSE_CONNECTOR_MQTT_ALPN";
const USERNAME: &str = "FIREHOSE_CONNECTOR_MQTT_USERNAME";
const PASSWORD_FILE: &str = "FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE";
const VERSION: &str = "FIREHOSE_CONNECTOR_MQTT_VERSION";
const CLIENT_ID: &str = "FIREHOSE_CONNECTOR_MQTT_CLIENT_ID";

/// The longest ALPN protocol name, in bytes (RFC 7301, section 3.1).
const MAX_ALPN_BYTES: usize = 255;

/// After a problem some fields are placeholders, and the result may be used only to check files.
pub(super) fn read(environment: &Environment, problems: &mut Problems) -> Mqtt {
    let url = url(environment, problems);
    let tls = tls(environment, problems);
    let (username, password) = login(environment, problems);
    let client_id = field(environment, CLIENT_ID, problems).unwrap_or("firehose-connector").to_owned();

    let encrypted = url.as_ref().is_none_or(|url| url.scheme == "mqtts");
    let (host, port) = url.map_or_else(Default::default, |url| (url.host, url.port));
    let of_no_effect = [CA, CERTIFICATE, KEY, ALPN].into_iter().filter(|name| !encrypted && environment.is_set(name));
    let of_no_effect: Vec<_> =
        of_no_effect.map(|name| Problem::variable(name, format!("has no effect without mqtts:// in {URL}"))).collect();
    // The files are checked in spite of that: TLS will need them.
    let has_tls = encrypted || !of_no_effect.is_empty();
    of_no_effect.into_iter().for_each(|problem| problems.push(problem));
    Mqtt {
        port: port.unwrap_or(if encrypted { 8883 } else { 1883 }),
        host,
        tls: has_tls.then_some(tls),
        version: version(environment, problems),
        client_id,
        username,
        password,
        proxy: proxy::for_broker(environment, problems),
    }
}

fn url(environment: &Environment, problems: &mut Problems) -> Option<Url> {
    let text = environment.text(URL, problems).unwrap_or("mqtt://127.0.0.1:1883");
    let fault = match Url::parse(text) {
        _ if text.contains('@') => {
            let rule = format!("must not hold a login: use {USERNAME} and {PASSWORD_FILE}");
            problems.push(Problem::variable(URL, rule));
            return None;
        }
        Ok(url) if !matches!(url.scheme.as_str(), "mqtt" | "mqtts") => "must begin with mqtt:// or mqtts://",
        Ok(url) if url.path != "/" => "must end after host and port",
        Ok(url) => return Some(url),
        Err(error) => error,
    };
    let rule = format!("{fault}, such as mqtt://127.0.0.1:1883 or mqtts://broker.example:8883");
    let problem = Problem::variable(URL, rule);
    problems.push(if may_hold_a_secret(text) { problem } else { problem.with_text(text) });
    None
}

fn version(environment: &Environment, problems: &mut Problems) -> Option<MqttVersion> {
    match environment.text(VERSION, problems)? {
        "5" => Some(MqttVersion::V5),
        "3.1.1" => Some(MqttVersion::V3),
        text if text.eq_ignore_ascii_case("auto") => None,
        text => {
            problems.push(Problem::variable(VERSION, "must be auto, 5 or 3.1.1").with_text(text));
            None
        }
    }
}

fn tls(environment: &Environment, problems: &mut Problems) -> MqttTls {
    let alpn = environment.text(ALPN, problems).map_or_else(Vec::new, |list| list.split(',').map(str::trim).collect());
    if alpn.iter().any(|name| name.is_empty() || name.len() > MAX_ALPN_BYTES) {
        let rule = format!("must be names of 1 to {MAX_ALPN_BYTES} bytes, separated by commas");
        problems.push(Problem::variable(ALPN, rule).with_text(&alpn.join(",")));
    }
    MqttTls {
        ca: environment.path(CA),
        client: client_certificate(environment, CERTIFICATE, KEY, problems),
        alpn: alpn.into_iter().map(str::to_owned).collect(),
    }
}

/// Two variables that name a certificate and its key: both or none.
pub(super) fn client_certificate(
    environment: &Environment,
    certificate: &str,
    key: &str,
    problems: &mut Problems,
) -> Option<ClientCertificate> {
    let files = [environment.path(certificate), environment.path(key)];
    match &files {
        [None, None] => return None,
        [Some(_), None] => problems.push(Problem::variable(certificate, format!("needs {key} beside it"))),
        [None, Some(_)] => problems.push(Problem::variable(key, format!("needs {certificate} beside it"))),
        [Some(_), Some(_)] if files.iter().flatten().any(|file| may_be_content(file)) => {
            let rule = "must be the names of two PEM files; one is not shown, because it may be the key itself";
            problems.push(Problem::variable(&format!("{certificate} and {key}"), rule));
        }
        [Some(_), Some(_)] => {}
    }
    // After a problem the named file can still be checked.
    let [certificate, key] = files.map(|file| file.filter(|file| !may_be_content(file)).unwrap_or_default());
    Some(ClientCertificate { certificate, key })
}

/// Whether the value is the content of a PEM file instead of its name: with marks, or as base64 alone.
fn may_be_content(file: &Path) -> bool {
    const LONG: usize = 64;
    let text = file.to_string_lossy();
    text.contains("-----")
        || text.contains(char::is_control)
        || text.len() > LONG && file.is_relative() && !file.exists()
}

/// The login. MQTT 5 allows a password without a user name, but brokers do not support it, so it is a fault.
fn login(environment: &Environment, problems: &mut Problems) -> (Option<String>, Option<Secret>) {
    let username = field(environment, USERNAME, problems).map(str::to_owned);
    let Some(file) = environment.path(PASSWORD_FILE) else { return (username, None) };
    if !environment.is_set(USERNAME) {
        problems.push(Problem::variable(PASSWORD_FILE, format!("needs {USERNAME} beside it")));
    }
    let fault = match bounded_file::read_text(&file, MQTT_FIELD_BYTES as u64) {
        Ok(text) => match one_line(&text) {
            Some(password) => return (username, Some(Secret::new(password))),
            None => "must hold one line with the password, without control characters".to_owned(),
        },
        Err(error) => format!("cannot be read: {}", of_system(&error)),
    };
    problems.push(if bounded_file::is_a_name(&file) {
        Problem::variable(PASSWORD_FILE, fault).with_text(&file.display().to_string())
    } else {
        let rule = "must be the name of a file that is there; it is not shown, because it may be the password itself";
        Problem::variable(PASSWORD_FILE, rule)
    });
    (username, None)
}

/// The text without the byte order mark and the line end that editors add.
fn one_line(text: &str) -> Option<&str> {
    let text = text.strip_prefix(bounded_file::BYTE_ORDER_MARK).unwrap_or(text);
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    (!text.is_empty() && !text.contains(char::is_control)).then_some(text)
}

/// A value that goes into a string of an MQTT packet.
fn field<'a>(environment: &'a Environment, name: &str, problems: &mut Problems) -> Option<&'a str> {
    let text = environment.text(name, problems)?;
    if text.len() > MQTT_FIELD_BYTES {
        let rule = format!("must be at most {MQTT_FIELD_BYTES} bytes");
        problems.push(Problem::variable(name, rule).with_text(text));
    }
    if text.chars().any(char::is_control) {
        // MQTT 5.0, section 1.5.4: a receiver may treat such a packet as malformed.
        problems.push(Problem::variable(name, "must not hold control characters").with_text(text));
    }
    Some(text)
}

#[cfg(test)]
mod tests;
