//! The configuration as a whole, and what the tests of its parts share.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::{Config, ConfigError, Connector, IsolationMode, Origin, environment::Environment, load};
use crate::limits::FOREIGN_TEXT;

/// The lines that a user sees.
pub(super) fn lines(error: Option<ConfigError>) -> Vec<String> {
    error.map_or_else(Vec::new, |error| error.to_string().lines().map(str::to_owned).collect())
}

pub(super) fn pairs(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

pub(super) fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(pairs(variables))
}

/// A file that is removed at the end of the test.
pub(super) struct TempFile(PathBuf);

impl TempFile {
    pub(super) fn new(content: &[u8]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("fc-config-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

/// The argument of `--initial-version` in the connector document, copied.
const DOCUMENT_EXAMPLE: &str = r#"{ "Connectors": [ { "Id": "MyKinesisFirehoseConnector", "ConnectorArn": "arn:aws:greengrass:region::/connectors/KinesisFirehose/versions/5", "Parameters": { "DefaultDeliveryStreamArn": "arn:aws:firehose:region:account-id:deliverystream/stream-name", "DeliveryStreamQueueSize": "5000", "MemorySize": "65535", "PublishInterval": "10", "IsolationMode" : "GreengrassContainer" } } ] }"#;

fn filled_in() -> String {
    DOCUMENT_EXAMPLE.replace("region", "eu-west-1").replace("account-id", "123456789012")
}

fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let file = TempFile::new(text.as_bytes());
    load(Some(file.path()), pairs(variables)).map_err(|error| {
        let lines = lines(Some(error));
        lines.iter().map(|line| line.replace(file.text(), "f")).collect()
    })
}

#[test]
fn the_example_of_the_document_is_understood() {
    let config = load_text(&filled_in(), &[]).unwrap();
    let expected = Connector {
        version: 5,
        default_delivery_stream_arn: "arn:aws:firehose:eu-west-1:123456789012:deliverystream/stream-name".to_owned(),
        queue_size: 5000,
        memory_size: 65_535,
        publish_interval: Duration::from_secs(10),
        isolation: IsolationMode::GreengrassContainer,
        touch_memory: false,
        definition: config.connector.definition.clone(),
        origins: [Origin::Definition; 5],
    };
    assert_eq!(config.connector, expected);
    assert_eq!((config.mqtt.host.as_str(), config.mqtt.port, config.log.as_str()), ("127.0.0.1", 1883, "info"));
}

#[test]
fn the_placeholders_of_the_document_are_pointed_out() {
    assert_eq!(
        load_text(DOCUMENT_EXAMPLE, &[]).unwrap_err(),
        ["f: DefaultDeliveryStreamArn \"arn:aws:firehose:region:account-id:deliverystream/stream-name\": the region \
          must look like eu-west-1; put your own values in place of the placeholders of AWS's example"]
    );
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let text = r#"{"DefaultDeliveryStreamArn": "arn:aws:firehose:eu-west:123456789012:deliverystream/s",
        "DeliveryStreamQueueSize": "1999", "MemorySize": 65535, "PublishIntervall": "10", "IsolationMode": "None",
        "IsolationMode": "NoContainer"}"#;
    let variables = [
        ("FIREHOSE_CONNECTOR_MQTT_URI", "mqtt://broker"),
        ("FIREHOSE_CONNECTOR_MQTT_URL", "http://broker"),
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("FIREHOSE_CONNECTOR_LOG", "loud"),
    ];
    assert_eq!(
        load_text(text, &variables).unwrap_err(),
        [
            "FIREHOSE_CONNECTOR_MQTT_URI: unknown variable; did you mean FIREHOSE_CONNECTOR_MQTT_URL?",
            "f: IsolationMode: is given more than once",
            "f: PublishIntervall \"10\": unknown parameter; did you mean PublishInterval?",
            "f: DefaultDeliveryStreamArn \"arn:aws:firehose:eu-west:123456789012:deliverystream/s\": \
             the region must look like eu-west-1",
            "f: DeliveryStreamQueueSize \"1999\": must be a number of records from 2000 on, in digits without \
             leading zeros (^([2-9]\\d{3}|[1-9]\\d{4,})$)",
            "f: MemorySize 65535: must be a string: put it in quotes, \"65535\"",
            "f: IsolationMode \"None\": must be GreengrassContainer or NoContainer \
             (^NoContainer$|^GreengrassContainer$)",
            "FIREHOSE_CONNECTOR_MQTT_URL \"http://broker\": must begin with mqtt:// or mqtts://, \
             such as mqtt://127.0.0.1:1883 or mqtts://broker.example:8883",
            "AWS_SECRET_ACCESS_KEY: is not set, but AWS_ACCESS_KEY_ID is",
            "FIREHOSE_CONNECTOR_LOG \"loud\": must be off, error, warn, info, debug or trace, \
             or a list such as warn,firehose_connector=debug",
        ]
    );
}

#[test]
fn the_list_of_problems_is_bounded_and_each_is_one_short_line() {
    let keys: Vec<_> = (0..1000).map(|n| format!("\"{n}\\n{}\": 1", "x".repeat(200))).collect();
    let text = format!("{{\"Parameters\": {{{}}}}}", keys.join(","));
    let lines = load_text(&text, &[]).unwrap_err();
    assert_eq!(lines.len(), 65);
    // All five parameters but the optional one are missing as well.
    assert_eq!(lines[64], "and 940 more");
    assert!(lines.iter().all(|line| line.len() < FOREIGN_TEXT + 200), "{lines:?}");
}

#[test]
fn the_path_of_the_command_line_takes_precedence_over_the_variable() {
    let right = TempFile::new(filled_in().as_bytes());
    let variable = |path| pairs(&[("FIREHOSE_CONNECTOR_DEFINITION", path)]);
    assert!(load(Some(right.path()), variable("/nonexistent")).is_ok());
    assert!(load(None, variable(right.text())).is_ok());
    assert!(load(Some(Path::new("/nonexistent")), variable(right.text())).is_err());
}

#[test]
fn without_a_definition_both_ways_to_give_one_are_named() {
    assert_eq!(
        lines(load(None, []).err()),
        ["FIREHOSE_CONNECTOR_DEFINITION: is not set: name a connector definition file there or with --definition, \
          or set at least DEFAULT_DELIVERY_STREAM_ARN"]
    );
}

#[test]
fn a_component_without_a_delivery_stream_is_told_the_key_of_its_configuration() {
    let component =
        [("SVCUID", "0123456789ABCDEF"), ("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT", "ipc.socket")];
    let line = "DEFAULT_DELIVERY_STREAM_ARN: is not set: give it in the component's configuration";
    assert!(lines(load(None, pairs(&component)).err()).contains(&line.to_owned()));
}

#[test]
fn debug_shows_no_secret() {
    let password = TempFile::new(b"hidden-password\n");
    let variables = [
        ("FIREHOSE_CONNECTOR_MQTT_USERNAME", "user"),
        ("FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE", password.text()),
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "hidden-key"),
        ("AWS_SESSION_TOKEN", "hidden-token"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost/"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hidden-authorization"),
    ];
    let config = load_text(&filled_in(), &variables).unwrap();
    assert_eq!(config.mqtt.password.as_ref().unwrap().expose(), "hidden-password");
    assert!(!format!("{config:?}").contains("hidden"));
}

#[test]
fn what_is_right_beside_a_problem_can_still_be_looked_at() {
    let file = TempFile::new(filled_in().replace("\"10\"", "\"10000\"").as_bytes());
    let variables = [
        ("FIREHOSE_CONNECTOR_MQTT_URL", "nonsense"),
        ("FIREHOSE_CONNECTOR_MQTT_CA", "/ca.pem"),
        ("FIREHOSE_CONNECTOR_MEMORY_SIZE", "100"),
    ];
    for definition in [file.path(), Path::new("/no/such/file")] {
        let error = load(Some(definition), pairs(&variables)).unwrap_err();
        assert_eq!(error.problems().len(), 2, "{error}");
        let rest = error.rest().unwrap();
        assert_eq!((rest.connector.memory_size, rest.connector.publish_interval), (100, Duration::from_secs(10)));
        assert_eq!(rest.mqtt.tls.as_ref().unwrap().ca.as_deref(), Some(Path::new("/ca.pem")));
    }
}

#[test]
fn a_value_in_quotes_is_refused_by_name_and_checked_without_them() {
    let quoted = |name: &str| format!("{name}: the value is in quotes, which would be part of it: leave them out");
    let given = [
        ("DEFAULT_DELIVERY_STREAM_ARN", "\"arn:aws:firehose:eu-west-1:123456789012:deliverystream/s\""),
        ("AWS_ACCESS_KEY_ID", "'AKIDEXAMPLE'"),
        ("AWS_SECRET_ACCESS_KEY", "\"wJalrXUtnFEMI\""),
        ("FIREHOSE_CONNECTOR_MQTT_USERNAME", "\"\""),
        ("FIREHOSE_CONNECTOR_MQTT_CLIENT_ID", "the \"old\" one"),
        ("PUBLISH_INTERVAL", "\"1000\""),
        ("SOMEBODY_ELSES", "\"value\""),
    ];
    let said = lines(load(None, pairs(&given)).err());
    let names = given.map(|(name, _)| quoted(name));
    assert_eq!(said[..5], [&names[..4], &names[5..6]].concat(), "{said:?}");
    assert!(
        said[5].starts_with("PUBLISH_INTERVAL \"1000\": must be a number of seconds") && said.len() == 6,
        "{said:?}"
    );
}

#[test]
fn numbers_as_greengrass_writes_them_and_what_it_left_unresolved_are_understood() {
    let variables = [
        ("SVCUID", "0123456789ABCDEF"),
        ("DEFAULT_DELIVERY_STREAM_ARN", "arn:aws:firehose:eu-west-1:123456789012:deliverystream/s.0"),
        ("DELIVERY_STREAM_QUEUE_SIZE", "2000.0"),
        ("PUBLISH_INTERVAL", "{configuration:/no/such/key}"),
        ("FIREHOSE_CONNECTOR_MEMORY_SIZE", "65535.0"),
        ("FIREHOSE_CONNECTOR_SPOOL", "."),
        ("FIREHOSE_CONNECTOR_SPOOL_SIZE", "1.2345678E7"),
        ("SOMEBODY_ELSES", "{configuration:/x}"),
    ];
    let config = load(None, pairs(&variables)).unwrap();
    let Connector { queue_size, memory_size, publish_interval, default_delivery_stream_arn, .. } = &config.connector;
    assert_eq!((*queue_size, *memory_size, *publish_interval), (2000, 65_535, Duration::from_secs(10)));
    assert!(default_delivery_stream_arn.ends_with("/s.0"), "only numbers lose it");
    assert_eq!(config.spool.map(|spool| spool.size), Some(12_345_678));
    assert_eq!(config.unresolved, ["PUBLISH_INTERVAL"]);
    let without_stream = [variables[0], ("DEFAULT_DELIVERY_STREAM_ARN", "{configuration:/DefaultDeliveryStreamArn}")];
    let error = load(None, pairs(&without_stream)).unwrap_err();
    let keys: Vec<_> = error.problems().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["FIREHOSE_CONNECTOR_DEFINITION", "DEFAULT_DELIVERY_STREAM_ARN"]);
    assert!(error.problems()[1].rule.starts_with("refers to a key that the component's configuration does not have"));
    for wrong in ["2000.5", ".0", "2000.00", "x.0", "2.0E", "2E3", "2.0E-3", "2.0e3", "2.0E3.0", "2.0001E3", "2.0E99"] {
        let variables = [variables[0], variables[1], ("DELIVERY_STREAM_QUEUE_SIZE", wrong)];
        assert!(load(None, pairs(&variables)).is_err(), "{wrong}");
    }
}
