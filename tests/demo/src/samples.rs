//! What the demo publishes, and what must come of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::standin::Delivered;

const JSON_TOPIC: &str = "kinesisfirehose/message";
const BINARY_TOPIC: &str = "kinesisfirehose/message/binary/";
/// The stream of `DefaultDeliveryStreamArn`.
pub(crate) const DEFAULT_ARN: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/sensor-readings";
const DEFAULT_STREAM: &str = "sensor-readings";
const ALARM_ARN: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/alarms";
const ALARM_STREAM: &str = "alarms";

/// One publish.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    id: String,
    /// Stream and data, unless the publish must be refused.
    delivery: Option<(&'static str, Vec<u8>)>,
}

impl Sample {
    fn json(id: &str, data: &str, arn: Option<&str>) -> Self {
        let mut request = json!({"data": data});
        if let Some(arn) = arn {
            request["delivery_stream_arn"] = arn.into();
        }
        let stream = if arn.is_some() { ALARM_STREAM } else { DEFAULT_STREAM };
        Self {
            topic: JSON_TOPIC.into(),
            payload: json!({"request": request, "id": id}).to_string().into(),
            id: id.into(),
            delivery: Some((stream, data.into())),
        }
    }

    fn binary(id: &str, data: &[u8]) -> Self {
        Self {
            topic: format!("{BINARY_TOPIC}{id}"),
            payload: data.into(),
            id: id.into(),
            delivery: Some((DEFAULT_STREAM, data.into())),
        }
    }

    fn bad(id: &str, payload: &str) -> Self {
        Self { topic: JSON_TOPIC.into(), payload: payload.into(), id: id.into(), delivery: None }
    }
}

/// A morning at a small plant.
pub(crate) fn samples() -> Vec<Sample> {
    let mut samples: Vec<Sample> = [21.4, 21.6, 22.1, 22.9, 24.3, 26.8]
        .iter()
        .zip(1..)
        .map(|(celsius, nth)| {
            let data = json!({"sensor": "boiler-1", "celsius": celsius}).to_string() + "\n";
            Sample::json(&format!("reading-{nth}"), &data, None)
        })
        .collect();
    samples.push(Sample::binary("camera-7/frame-1", &[0xff, 0xd8, 0xff, 0xe0, 0x00, 0x10, b'J', b'F', b'I', b'F']));
    samples.push(Sample::binary("", b"a binary publish without an id"));
    samples.push(Sample::json("alarm-1", "{\"sensor\":\"boiler-1\",\"alarm\":\"too hot\"}\n", Some(ALARM_ARN)));
    samples.push(Sample::bad("bad-1", r#"{"request": {"dada": "a misspelt key"}, "id": "bad-1"}"#));
    samples
}

/// What is still to come.
#[derive(Debug)]
pub(crate) struct Expected {
    /// Id and whether it succeeds.
    statuses: BTreeSet<(String, bool)>,
    deliveries: BTreeSet<(String, Vec<u8>)>,
    /// What should not have come.
    surprises: Vec<String>,
}

impl Expected {
    pub(crate) fn of(samples: &[Sample]) -> Self {
        let delivery = |sample: &Sample| sample.delivery.clone().map(|(stream, data)| (stream.to_owned(), data));
        Self {
            statuses: samples.iter().map(|sample| (sample.id.clone(), sample.delivery.is_some())).collect(),
            deliveries: samples.iter().filter_map(delivery).collect(),
            surprises: Vec::new(),
        }
    }

    pub(crate) fn delivered(&mut self, record: &Delivered) {
        if !self.deliveries.remove(&(record.stream.clone(), record.data.clone())) {
            self.surprises.push(format!("{} received a record twice, or one nobody sent", record.stream));
        }
    }

    pub(crate) fn status(&mut self, entry: &Value) {
        let id = entry["id"].as_str().unwrap_or_default().to_owned();
        if !self.statuses.remove(&(id, entry["status"] == "success")) {
            self.surprises.push(format!("a status nobody waited for: {entry}"));
        }
    }

    pub(crate) fn is_met(&self) -> bool {
        self.statuses.is_empty() && self.deliveries.is_empty()
    }

    /// What is missing and what is too much, a sentence each; nothing when all is well.
    pub(crate) fn complaints(self) -> Vec<String> {
        let mut complaints = self.surprises;
        complaints.extend(self.statuses.iter().map(|(id, _)| format!("no status for id {id:?}")));
        complaints.extend(self.deliveries.iter().map(|(stream, _)| format!("a record for {stream} is missing")));
        complaints
    }
}
