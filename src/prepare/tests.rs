//! What is found before a start, by files and configurations as they are.

use core::time::Duration;
use std::path::Path;
use std::time::SystemTime;

use super::warnings::{certificates, credentials, partition_of, plain_http};
use super::*;
use crate::config::load;
use crate::test_support::{Ca, Folder};

const ARN: (&str, &str) = ("DEFAULT_DELIVERY_STREAM_ARN", "arn:aws:firehose:eu-west-1:123456789012:deliverystream/s");

fn config(variables: &[(&str, &Path)]) -> Config {
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    load(None, variables.chain([(ARN.0.into(), ARN.1.into())])).unwrap()
}

/// Noon of the day that is this many days after the end of 2029.
fn days_into_2030(days: i64) -> SystemTime {
    let noon = 1_893_456_000 + 12 * 3600 + days * 24 * 3600;
    SystemTime::UNIX_EPOCH + Duration::from_secs(noon.cast_unsigned())
}

#[test]
fn a_certificate_that_expires_within_thirty_days_or_has_expired_is_reported() {
    let folder = Folder::new();
    let (ca, ends_in_2030) = (Ca::new(), (2000, 2030));
    let leaf = ca.issue("device", ends_in_2030);
    let certificate = folder.write("device.pem", leaf.certificate_pem());
    let key = folder.write("device.key", leaf.key_pem());
    let config = config(&[
        ("FIREHOSE_CONNECTOR_MQTT_URL", Path::new("mqtts://broker")),
        ("FIREHOSE_CONNECTOR_MQTT_CERT", &certificate),
        ("FIREHOSE_CONNECTOR_MQTT_KEY", &key),
        // The same files once more: they are told once.
        ("FIREHOSE_CONNECTOR_IOT_ENDPOINT", Path::new("c0.credentials.iot.eu-west-1.amazonaws.com")),
        ("FIREHOSE_CONNECTOR_IOT_ROLE_ALIAS", Path::new("gateway")),
    ]);
    let found = |now| certificates(&config, now).into_iter().map(|warning| warning.found).collect::<Vec<_>>();
    let said = |how| vec![format!("FIREHOSE_CONNECTOR_MQTT_CERT: {} {how} on 2030-01-01", certificate.display())];
    for (days, expected) in [(-31, vec![]), (-29, said("expires")), (0, said("expires")), (1, said("expired"))] {
        assert_eq!(found(days_into_2030(days)), expected, "{days}");
    }
    let last_second = SystemTime::UNIX_EPOCH + crate::limits::TIME_LATEST;
    assert_eq!(found(last_second), said("expired"), "thirty days later there is no calendar");
    assert_eq!(found(SystemTime::UNIX_EPOCH), Vec::<String>::new(), "a clock that was never set says nothing");
}

#[test]
fn of_several_cas_the_one_that_expires_last_counts() {
    let folder = Folder::new();
    let ca = Ca::new();
    let [old, new] = [2030, 2040].map(|year| ca.issue_ca((2000, year)).pem());
    let bundle = folder.write("bundle.pem", &old);
    let config = config(&[("AWS_CA_BUNDLE", &bundle)]);
    assert_eq!(certificates(&config, days_into_2030(1)).len(), 1);
    folder.write("bundle.pem", old + &new);
    assert_eq!(certificates(&config, days_into_2030(1)), []);
}

#[test]
fn a_token_file_that_cannot_be_read_is_reported() {
    let folder = Folder::new();
    let missing = folder.write("token", "").with_file_name("missing");
    let config = config(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", Path::new("http://127.0.0.1/credentials")),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &missing),
    ]);
    let Warning { found, .. } = credentials(&config).remove(0);
    assert!(found.starts_with("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), "{found}");
}

#[test]
fn a_region_of_another_partition_is_reported() {
    for (partition, region, reported) in
        [("aws", "eu-west-1", false), ("aws-cn", "cn-north-1", false), ("aws", "cn-north-1", true)]
    {
        let arn = format!("arn:{partition}:firehose:{region}:123456789012:deliverystream/s");
        let found = partition_of(&load(None, [(ARN.0.into(), arn.into())]).unwrap());
        assert_eq!(found.is_some(), reported, "{partition} {region}");
    }
}

#[test]
fn records_that_leave_the_machine_without_encryption_are_reported() {
    for (url, reported) in [
        ("http://127.0.0.1:4566", false),
        ("http://localhost:4566", false),
        ("https://firehose.example", false),
        ("http://firehose.example", true),
        ("http://10.0.0.1:4566", true),
    ] {
        assert_eq!(plain_http(&config(&[("AWS_ENDPOINT_URL", Path::new(url))])).is_some(), reported, "{url}");
    }
}
