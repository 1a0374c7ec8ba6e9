//! What init is given in targets/service agrees with what the program does.

#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::collections::BTreeSet;

use firehose_connector::config::{VARIABLES, load};
use firehose_connector::limits::{DRAIN, DRAIN_STATUSES, doctor, memory::KERNEL};

const UNIT: &str = include_str!("../targets/service/firehose-connector.service");
const SCRIPT: &str = include_str!("../targets/service/firehose-connector.init");
const ENVIRONMENT: &str = include_str!("../targets/service/environment");

const IMAGE: &str = include_str!("../targets/container/Containerfile");

/// The number after `name=`, its suffix cut off.
fn number(text: &str, name: &str, suffix: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap();
    value.strip_suffix(suffix).unwrap().parse().unwrap()
}

/// The settings that the file has or shows.
fn shown() -> impl Iterator<Item = (&'static str, &'static str)> {
    ENVIRONMENT.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix('#').unwrap_or(line).split_once('=')?;
        name.bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
            .then_some((name, value))
    })
}

#[test]
fn memory_max_is_the_default_memory_size_and_what_the_kernel_adds() {
    let arn = ("DEFAULT_DELIVERY_STREAM_ARN".into(), "arn:aws:firehose:eu-west-1:123456789012:deliverystream/s".into());
    let memory_size = load(None, [arn]).unwrap().connector.memory_size * 1024;
    let mib = 1024 * 1024;
    let needed = (memory_size + KERNEL as u64).div_ceil(mib);
    assert_eq!(number(UNIT, "MemoryMax", "M"), needed);
    let advice = format!("MemorySize + {} MB", KERNEL as u64 / mib);
    assert!(UNIT.contains(&advice), "{advice}");
}

#[test]
fn init_waits_longer_than_the_drain_takes() {
    let drain = (DRAIN + DRAIN_STATUSES).as_secs() + 1;
    assert!(number(UNIT, "TimeoutStopSec", "s") > drain);
    assert!(number(SCRIPT, "stop_seconds", "") > drain);
    assert!(number(UNIT, "WatchdogSec", "s") > drain);
}

#[test]
fn the_health_check_of_the_image_may_take_as_long_as_it_does() {
    let check = IMAGE.lines().find_map(|line| line.strip_prefix("HEALTHCHECK ")).unwrap();
    let options = check.replace(' ', "\n");
    assert!(number(&options, "--timeout", "s") > doctor::ALL.as_secs());
    assert!(IMAGE.contains(&format!("# {} s, and one", doctor::ALL.as_secs())));
}

#[test]
fn a_boot_without_a_network_is_no_reason_to_wait() {
    let mut directives = UNIT.lines().filter(|line| !line.starts_with('#'));
    assert!(directives.all(|line| !line.contains("network-online")));
    let required = SCRIPT.lines().find_map(|line| line.strip_prefix("# Required-Start:")).unwrap();
    assert_eq!(required.trim(), "$local_fs");
}

#[test]
fn the_environment_file_shows_every_variable_but_home() {
    let shown: BTreeSet<_> = shown().map(|(name, _)| name).collect();
    // Those in lower case are others' names for the same.
    let is_shown = |name: &&str| *name != "HOME" && !name.starts_with(char::is_lowercase);
    let known: BTreeSet<_> = VARIABLES.into_iter().filter(is_shown).collect();
    assert_eq!(shown, known);
}

#[test]
fn what_the_environment_file_shows_as_default_is_the_default() {
    let arn = ("DEFAULT_DELIVERY_STREAM_ARN", "arn:aws:firehose:eu-west-1:123456789012:deliverystream/s");
    let load = |more: Vec<(&str, &str)>| {
        let mut config =
            load(None, more.into_iter().chain([arn]).map(|(name, value)| (name.into(), value.into()))).unwrap();
        // That somebody said it is another matter.
        config.aws.credentials.named = [None; 3];
        config.aws.credentials.ec2_is_named = false;
        config.connector.origins = <[_; 5]>::default();
        config
    };
    let defaults = load(vec![]);
    let named = [
        "DELIVERY_STREAM_QUEUE_SIZE",
        "PUBLISH_INTERVAL",
        "FIREHOSE_CONNECTOR_MEMORY_SIZE",
        "FIREHOSE_CONNECTOR_COUNTERS_INTERVAL",
        "FIREHOSE_CONNECTOR_ACKNOWLEDGE",
        "FIREHOSE_CONNECTOR_PACK",
        "FIREHOSE_CONNECTOR_PACK_BINARY",
        "FIREHOSE_CONNECTOR_DELIMITER",
        "FIREHOSE_CONNECTOR_DELIMITER_AT_END",
        "FIREHOSE_CONNECTOR_SPOOL_SIZE",
        "FIREHOSE_CONNECTOR_ISOLATION_MODE",
        "FIREHOSE_CONNECTOR_MEMORY_TOUCH",
        "FIREHOSE_CONNECTOR_LOG",
        "FIREHOSE_CONNECTOR_MQTT_URL",
        "FIREHOSE_CONNECTOR_MQTT_VERSION",
        "FIREHOSE_CONNECTOR_MQTT_CLIENT_ID",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_PROFILE",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    ];
    let shown: Vec<_> = shown().filter(|(name, _)| named.contains(name)).collect();
    assert_eq!(shown.len(), named.len());
    assert_eq!(load(shown), defaults);
}

#[test]
fn the_sample_definition_is_good() {
    let sample = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("targets/service/connectors.json.sample");
    let config = load(Some(&sample), []).unwrap();
    assert_eq!((config.connector.version, config.connector.memory_size), (5, 65535));
}

#[test]
fn the_service_names_a_definition_and_asks_no_ec2_metadata() {
    const NO_INSTANCE: &str = "AWS_EC2_METADATA_DISABLED=true";
    let set: Vec<_> = ENVIRONMENT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(set, ["FIREHOSE_CONNECTOR_DEFINITION=/etc/firehose-connector/connectors.json", NO_INSTANCE]);
    let arn = ("DEFAULT_DELIVERY_STREAM_ARN", "arn:aws:firehose:eu-west-1:123456789012:deliverystream/s");
    let config =
        load(None, [arn, NO_INSTANCE.split_once('=').unwrap()].map(|(name, value)| (name.into(), value.into())));
    assert_eq!(config.unwrap().aws.credentials.ec2, None);
    // Nor does one whose settings are not there yet, but the settings go before.
    for (file, line) in [(UNIT, "Environment="), (SCRIPT, "    export ")] {
        let place = |text: &str| file.find(text).unwrap_or_else(|| panic!("no {text}"));
        assert!(
            place(&format!("\n{line}{NO_INSTANCE}\n"))
                < place(if file == UNIT { "EnvironmentFile=" } else { ". \"$environment\"" })
        );
    }
}
