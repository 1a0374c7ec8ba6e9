//! The variables that are read, and the environment as a list of names and values, so that a test needs no process of its own.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use super::problem::{Problem, Problems};

/// Every variable that is read; the help text explains each.
pub const VARIABLES: [&str; 63] = [
    "FIREHOSE_CONNECTOR_ACKNOWLEDGE",
    "FIREHOSE_CONNECTOR_COUNTERS_INTERVAL",
    "FIREHOSE_CONNECTOR_DEFINITION",
    "FIREHOSE_CONNECTOR_DELIMITER",
    "FIREHOSE_CONNECTOR_DELIMITER_AT_END",
    "FIREHOSE_CONNECTOR_IOT_CERT",
    "FIREHOSE_CONNECTOR_IOT_ENDPOINT",
    "FIREHOSE_CONNECTOR_IOT_KEY",
    "FIREHOSE_CONNECTOR_IOT_ROLE_ALIAS",
    "FIREHOSE_CONNECTOR_IOT_THING_NAME",
    "FIREHOSE_CONNECTOR_ISOLATION_MODE",
    "FIREHOSE_CONNECTOR_LOG",
    "FIREHOSE_CONNECTOR_LOG_FORMAT",
    "FIREHOSE_CONNECTOR_MEMORY_SIZE",
    "FIREHOSE_CONNECTOR_MEMORY_TOUCH",
    "FIREHOSE_CONNECTOR_MQTT_ALPN",
    "FIREHOSE_CONNECTOR_MQTT_CA",
    "FIREHOSE_CONNECTOR_MQTT_CERT",
    "FIREHOSE_CONNECTOR_MQTT_CLIENT_ID",
    "FIREHOSE_CONNECTOR_MQTT_KEY",
    "FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE",
    "FIREHOSE_CONNECTOR_MQTT_PROXY",
    "FIREHOSE_CONNECTOR_MQTT_URL",
    "FIREHOSE_CONNECTOR_MQTT_USERNAME",
    "FIREHOSE_CONNECTOR_MQTT_VERSION",
    "FIREHOSE_CONNECTOR_PACK",
    "FIREHOSE_CONNECTOR_PACK_BINARY",
    "FIREHOSE_CONNECTOR_PUBSUB_TOPICS",
    "FIREHOSE_CONNECTOR_SOURCE",
    "FIREHOSE_CONNECTOR_SPOOL",
    "FIREHOSE_CONNECTOR_SPOOL_SIZE",
    "FIREHOSE_CONNECTOR_STATUS_TO_IOT_CORE",
    "DEFAULT_DELIVERY_STREAM_ARN",
    "DELIVERY_STREAM_QUEUE_SIZE",
    "PUBLISH_INTERVAL",
    "AWS_ACCESS_KEY_ID",
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_PROFILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_FIREHOSE",
    "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_PROFILE",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "HOME",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SVCUID",
    "https_proxy",
    "no_proxy",
];

/// The variables that have a value.
pub(super) struct Environment {
    variables: Vec<(OsString, OsString)>,
    /// Those whose value was in quotes.
    quoted: Vec<&'static str>,
    /// Those whose value is a number as Greengrass writes it, and how we do.
    numbers: Vec<(OsString, String)>,
}

/// How a value begins that Greengrass should have put in place of it: the classic nucleus leaves it as it is when the component's
/// configuration has no such key.
const UNRESOLVED: &str = "{configuration:";

impl Environment {
    /// Variables that count as unset, because Greengrass put nothing in their place.
    pub(super) fn unresolved(&self) -> Vec<&'static str> {
        let is_unresolved = |name: &&str| self.variables.iter().any(|(key, value)| key == name && is_unresolved(value));
        VARIABLES.into_iter().filter(is_unresolved).collect()
    }

    /// Empty variables count as unset, as in the AWS SDKs. A value in quotes is a problem, and is kept without them, so that it can
    /// be checked, too.
    pub(super) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut quoted = Vec::new();
        let mut unquote = |(name, value): (OsString, OsString)| {
            let inside = value.to_str().and_then(without_quotes).map(OsString::from);
            match VARIABLES.into_iter().find(|known| name == *known).zip(inside) {
                Some((known, inside)) => {
                    quoted.push(known);
                    (name, inside)
                }
                None => (name, value),
            }
        };
        let variables: Vec<_> =
            variables.into_iter().map(&mut unquote).filter(|(_, value)| !value.is_empty()).collect();
        let number = |(name, value): &(OsString, OsString)| Some((name.clone(), whole_number(value.to_str()?)?));
        let numbers = if variables.iter().any(|(name, _)| name == "SVCUID") {
            variables.iter().filter_map(number).collect()
        } else {
            Vec::new()
        };
        Self { variables, quoted, numbers }
    }

    /// Adds a problem for each value in quotes. A shell would have removed them, and so does systemd; docker's `--env-file` does not.
    pub(super) fn refuse_quoted(&self, problems: &mut Problems) {
        for name in &self.quoted {
            problems.push(Problem::variable(name, "the value is in quotes, which would be part of it: leave them out"));
        }
    }

    /// All names. One that is not UTF-8 is not ours.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().filter_map(|(name, _)| name.to_str())
    }

    /// A value that names a file, and need not be text. `~` and `$HOME` are replaced here, as by botocore, because the process may
    /// not be started by a shell.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        let path = Path::new(self.value(name)?);
        let in_home = ["~", "$HOME", "${HOME}"].into_iter().find_map(|home| path.strip_prefix(home).ok());
        Some(match (in_home, self.value("HOME")) {
            (Some(rest), Some(home)) => Path::new(home).join(rest),
            _ => path.to_owned(),
        })
    }

    /// A value that is text.
    pub(super) fn text(&self, name: &str, problems: &mut Problems) -> Option<&str> {
        let value = self.value(name)?;
        if value.to_str().is_none() {
            problems.push(Problem::variable(name, "is not UTF-8"));
        }
        let text = value.to_str()?;
        let number = self.numbers.iter().find(|(key, _)| key == name);
        Some(number.map_or(text, |(_, number)| number))
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    fn value(&self, name: &str) -> Option<&OsStr> {
        debug_assert!(VARIABLES.contains(&name), "{name} is not in the list of variables");
        let (_, value) = self.variables.iter().find(|(key, _)| key == name)?;
        Some(value.as_os_str()).filter(|value| !is_unresolved(value))
    }
}

fn without_quotes(value: &str) -> Option<&str> {
    ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
}

/// A whole number that Greengrass keeps as a fraction and writes as Java does: `2000.0`, and from ten million on `1.25E7`.
fn whole_number(text: &str) -> Option<String> {
    let (number, exponent) = text.split_once('E').unwrap_or((text, "0"));
    let (before, behind) = number.split_once('.')?;
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let exponent = exponent.parse::<usize>().ok().filter(|_| is_number(before) && is_number(behind))?;
    let behind = if behind == "0" { "" } else { behind };
    // More digits than a double has are no number of ours.
    let zeros = exponent.checked_sub(behind.len()).filter(|_| exponent < 16)?;
    Some(format!("{before}{behind}{:0<zeros$}", ""))
}

fn is_unresolved(value: &OsStr) -> bool {
    value.as_encoded_bytes().starts_with(UNRESOLVED.as_bytes())
}
