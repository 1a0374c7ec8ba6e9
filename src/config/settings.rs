//! Variables that concern neither the broker nor AWS, and unknown names.

use core::time::Duration;

use log::LevelFilter;

use super::{
    environment::{Environment, VARIABLES},
    nearest::nearest,
    problem::{Problem, Problems},
    types::{LogFormat, Spool},
};
use crate::limits::{COUNTERS_INTERVAL, spool::SIZE, spool::SIZE_DEFAULT};
use crate::relay::Acknowledge;

/// Names with this prefix are ours alone, so an unknown one is a mistake.
const OURS: &str = "FIREHOSE_CONNECTOR_";

/// Words that other programs use in such names, and our names.
const SYNONYMS: [(&[&str], &str); 8] = [
    (&["HOST", "HOSTNAME", "PORT", "SERVER", "BROKER", "ADDRESS", "URI", "TLS", "SSL"], "FIREHOSE_CONNECTOR_MQTT_URL"),
    (&["USER", "LOGIN"], "FIREHOSE_CONNECTOR_MQTT_USERNAME"),
    (&["PASS", "PASSWD"], "FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE"),
    (&["CAFILE", "CACERT"], "FIREHOSE_CONNECTOR_MQTT_CA"),
    (&["CERTFILE"], "FIREHOSE_CONNECTOR_MQTT_CERT"),
    (&["KEYFILE"], "FIREHOSE_CONNECTOR_MQTT_KEY"),
    (&["LEVEL"], "FIREHOSE_CONNECTOR_LOG"),
    (&["ARN", "STREAM", "REGION"], "DEFAULT_DELIVERY_STREAM_ARN"),
];

/// Adds a problem for each unknown variable with our prefix.
pub(super) fn refuse_unknown(environment: &Environment, problems: &mut Problems) {
    for name in environment.names().filter(|name| !VARIABLES.contains(name)) {
        let Some(rest) = name.strip_prefix(OURS) else { continue };
        let has = |words: &[&str]| rest.split('_').any(|word| words.contains(&word));
        let synonym = SYNONYMS.iter().find(|(words, _)| has(words)).map(|(_, meant)| (*meant).to_owned());
        // Without the prefix, which would make all names similar.
        let ours = VARIABLES.into_iter().filter(|known| known.starts_with(OURS));
        let near = || nearest(rest, ours.map(|known| &known[OURS.len()..])).map(|meant| format!("{OURS}{meant}"));
        let rule = match synonym.or_else(near) {
            _ if has(&["TOPIC", "TOPICS"]) => "unknown variable; the topics are those of the connector".to_owned(),
            Some(meant) => format!("unknown variable; did you mean {meant}?"),
            None => "unknown variable; --help lists those that there are".to_owned(),
        };
        problems.push(Problem::variable(name, rule));
    }
}

/// A variable that is one of two words, in any case; unset means the first. Returns whether it is the second.
pub(super) fn one_of(
    environment: &Environment,
    name: &str,
    [first, second]: [&str; 2],
    problems: &mut Problems,
) -> bool {
    match environment.text(name, problems) {
        Some(text) if !text.eq_ignore_ascii_case(first) && !text.eq_ignore_ascii_case(second) => {
            problems.push(Problem::variable(name, format!("must be {first} or {second}")).with_text(text));
            false
        }
        Some(text) => text.eq_ignore_ascii_case(second),
        None => false,
    }
}

/// `FIREHOSE_CONNECTOR_LOG`: levels, or `target=level`, separated by commas.
///
/// Narrower than env_logger, which takes a misspelt level for the name of a target.
pub(super) fn log_filter(environment: &Environment, problems: &mut Problems) -> String {
    const NAME: &str = "FIREHOSE_CONNECTOR_LOG";
    let filter = environment.text(NAME, problems).unwrap_or("info");
    let is_right = |part: &str| {
        let level = part.split_once('=').map_or(part, |(_, level)| level);
        level.trim().parse::<LevelFilter>().is_ok()
    };
    if !filter.split(',').all(is_right) {
        let rule = "must be off, error, warn, info, debug or trace, or a list such as warn,firehose_connector=debug";
        problems.push(Problem::variable(NAME, rule).with_text(filter));
    }
    filter.to_owned()
}

/// `FIREHOSE_CONNECTOR_LOG_FORMAT`.
pub(super) fn log_format(environment: &Environment, problems: &mut Problems) -> LogFormat {
    const NAME: &str = "FIREHOSE_CONNECTOR_LOG_FORMAT";
    let Some(name) = environment.text(NAME, problems) else { return LogFormat::Auto };
    LogFormat::named(name).unwrap_or_else(|| {
        problems.push(Problem::variable(NAME, "must be text, json or syslog").with_text(name));
        LogFormat::Auto
    })
}

/// `FIREHOSE_CONNECTOR_ACKNOWLEDGE`.
pub(super) fn acknowledge(environment: &Environment, problems: &mut Problems) -> Acknowledge {
    match one_of(environment, "FIREHOSE_CONNECTOR_ACKNOWLEDGE", ["safe", "held"], problems) {
        false => Acknowledge::Safe,
        true => Acknowledge::Held,
    }
}

/// `FIREHOSE_CONNECTOR_COUNTERS_INTERVAL`. `None`: 0, which is the default.
pub(super) fn counters_interval(environment: &Environment, problems: &mut Problems) -> Option<Duration> {
    const NAME: &str = "FIREHOSE_CONNECTOR_COUNTERS_INTERVAL";
    let text = environment.text(NAME, problems)?;
    match text.parse() {
        Ok(0) => None,
        Ok(seconds) if COUNTERS_INTERVAL.contains(&seconds) => Some(Duration::from_secs(seconds)),
        _ => {
            let (least, most) = (COUNTERS_INTERVAL.start(), COUNTERS_INTERVAL.end());
            let rule = format!("must be a number of seconds from {least} to {most}, or 0 for none");
            problems.push(Problem::variable(NAME, rule).with_text(text));
            None
        }
    }
}

/// `FIREHOSE_CONNECTOR_SPOOL` and `FIREHOSE_CONNECTOR_SPOOL_SIZE`.
pub(super) fn spool(environment: &Environment, problems: &mut Problems) -> Option<Spool> {
    const NAME: &str = "FIREHOSE_CONNECTOR_SPOOL_SIZE";
    let size = environment.text(NAME, problems).map_or(SIZE_DEFAULT, |text| match text.parse() {
        Ok(size) if SIZE.contains(&size) => size,
        _ => {
            let rule = format!("must be a number of KB from {} to {}", SIZE.start(), SIZE.end());
            problems.push(Problem::variable(NAME, rule).with_text(text));
            SIZE_DEFAULT
        }
    });
    environment.path("FIREHOSE_CONNECTOR_SPOOL").map(|directory| Spool { directory, size })
}

#[cfg(test)]
mod tests;
