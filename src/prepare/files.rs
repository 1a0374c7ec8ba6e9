//! The PEM files that a configuration names.

use std::path::{Path, PathBuf};

use crate::config::{ClientCertificate, Config};

/// The purpose of a PEM file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// CAs to trust.
    Trust,
    /// A certificate of ours and its chain.
    Certificate,
    /// Its key.
    Key,
}

/// Each file with the variable that names it, once.
pub(super) fn files(config: &Config) -> Vec<(&'static str, &Path, Use)> {
    let broker = config.mqtt.tls.as_ref();
    let client = broker.and_then(|tls| tls.client.as_ref()).map(|client| pair([MQTT_CERT, MQTT_KEY], client));
    // The broker's is the device's, unless it has one of its own.
    let device = config.aws.credentials.iot.as_ref().filter(|iot| client.is_none() || iot.variables[0] != MQTT_CERT);
    let device = device.map(|iot| pair(iot.variables, &iot.client));
    let trusted = [(MQTT_CA, broker.and_then(|tls| tls.ca.as_ref())), (CA_BUNDLE, config.aws.ca_bundle.as_ref())];
    let trusted = trusted.into_iter().filter_map(|(variable, file)| Some((variable, file?, Use::Trust)));
    let ours = [client, device].into_iter().flatten().flatten();
    let all = ours.chain(trusted).map(|(variable, file, what)| (variable, file.as_path(), what));
    all.filter(|(_, file, _)| !file.as_os_str().is_empty()).collect()
}

type Pair<'a> = [(&'static str, &'a PathBuf, Use); 2];

fn pair<'a>([certificate, key]: [&'static str; 2], client: &'a ClientCertificate) -> Pair<'a> {
    [(certificate, &client.certificate, Use::Certificate), (key, &client.key, Use::Key)]
}

const MQTT_CA: &str = "FIREHOSE_CONNECTOR_MQTT_CA";
const MQTT_CERT: &str = "FIREHOSE_CONNECTOR_MQTT_CERT";
const MQTT_KEY: &str = "FIREHOSE_CONNECTOR_MQTT_KEY";
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";
