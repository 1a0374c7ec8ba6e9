//! The requests, as frames (`awsiot/greengrasscoreipc/model.py` of the AWS IoT Device SDK for Python has their shapes).
//!
//! Statuses go out as binary messages: nucleus lite 2.6.0 ends everybody's subscription at a JSON message of more than about
//! forty values (`core-bus/src/client_subscribe.c`).

use super::frame::{flag, kind, put};

/// An operation, by its name.
pub(super) mod operation {
    pub(in crate::greengrass) const SUBSCRIBE: &str = "SubscribeToTopic";
    pub(in crate::greengrass) const PUBLISH: &str = "PublishToTopic";
    pub(in crate::greengrass) const SUBSCRIBE_CLOUD: &str = "SubscribeToIoTCore";
    pub(in crate::greengrass) const PUBLISH_CLOUD: &str = "PublishToIoTCore";
    pub(in crate::greengrass) const UPDATE_STATE: &str = "UpdateState";
}

/// Opens the connection, as the component whose token (`SVCUID`) this is.
pub(super) fn connect(out: &mut Vec<u8>, token: &str) {
    let payload = format!(r#"{{"authToken":{}}}"#, quoted(token));
    put(out, [kind::CONNECT, 0, 0], &[(":version", "0.1.0")], payload.as_bytes());
}

/// Asks for `operation`. The stream is one more than that of the request before: the classic nucleus insists.
pub(super) fn request(out: &mut Vec<u8>, stream: i32, operation: &str, payload: &[u8]) {
    let model = format!("aws.greengrass#{operation}Request");
    let name = &model[..model.len() - "Request".len()];
    let texts = [(":content-type", "application/json"), ("operation", name), ("service-model-type", &*model)];
    put(out, [kind::MESSAGE, 0, stream], &texts, payload);
}

/// Ends a request, of a subscription.
pub(super) fn end(out: &mut Vec<u8>, stream: i32) {
    put(out, [kind::MESSAGE, flag::TERMINATE, stream], &[], b"");
}

/// What [`operation::SUBSCRIBE`] and [`operation::SUBSCRIBE_CLOUD`] say.
pub(super) fn subscription(filter: &str, cloud: bool) -> Vec<u8> {
    let filter = quoted(filter);
    let text =
        if cloud { format!(r#"{{"topicName":{filter},"qos":"1"}}"#) } else { format!(r#"{{"topic":{filter}}}"#) };
    text.into_bytes()
}

/// What [`operation::PUBLISH`] and [`operation::PUBLISH_CLOUD`] say. `topic` is one of ours.
pub(super) fn publish(topic: &'static str, message: &[u8], cloud: bool) -> Vec<u8> {
    let (before, after) = if cloud {
        (format!(r#"{{"topicName":"{topic}","qos":"1","payload":""#), r#""}"#)
    } else {
        (format!(r#"{{"topic":"{topic}","publishMessage":{{"binaryMessage":{{"message":""#), r#""}}}"#)
    };
    let mut text = before.into_bytes();
    base64_simd::STANDARD.encode_append(message, &mut text);
    text.extend_from_slice(after.as_bytes());
    text
}

/// What [`operation::UPDATE_STATE`] says once all is ready.
pub(super) const RUNNING: &[u8] = br#"{"state":"RUNNING"}"#;

fn quoted(text: &str) -> String {
    // A string always serializes.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::greengrass::{CLOUD_STATUS_BYTES, LITE_FRAME_BYTES, LITE_PACKET_BYTES, STATUS_BYTES};
    use crate::relay::message::STATUS_TOPIC;

    #[test]
    fn requests_are_those_of_awss_own_client() {
        let mut requests = [const { Vec::new() }; 4];
        let [first, second, third, fourth] = &mut requests;
        connect(first, "0123456789ABCDEF");
        request(second, 1, operation::SUBSCRIBE, &subscription("kinesisfirehose/message", false));
        request(third, 2, operation::PUBLISH, &publish(STATUS_TOPIC, br#"{"response": []}"#, false));
        request(fourth, 3, operation::PUBLISH_CLOUD, &publish(STATUS_TOPIC, br#"{"response": []}"#, true));
        let golden = include_str!("../../tests/golden/greengrass.hex");
        for (ours, line) in requests.iter().zip(golden.lines()) {
            let theirs = data_encoding::HEXLOWER.decode(line.as_bytes()).unwrap();
            // Headers come in another order, and their JSON has spaces.
            let sorted = |bytes: &[u8]| {
                let text = String::from_utf8_lossy(&bytes[12..bytes.len() - 4]).replace([' '], "");
                let mut bytes = text.into_bytes();
                bytes.sort_unstable();
                String::from_utf8(bytes).unwrap()
            };
            assert_eq!(sorted(ours), sorted(&theirs));
        }
    }

    #[test]
    fn a_filter_with_quotes_stays_one_string() {
        assert_eq!(subscription(r#"a"b"#, false), br#"{"topic":"a\"b"}"#);
        assert_eq!(subscription("a/#", true), br#"{"topicName":"a/#","qos":"1"}"#);
    }

    #[test]
    fn the_longest_status_is_carried_by_nucleus_lite() {
        let mut local = Vec::new();
        request(&mut local, i32::MAX, operation::PUBLISH, &publish(STATUS_TOPIC, &[0; STATUS_BYTES], false));
        assert!(local.len() <= LITE_FRAME_BYTES, "{}", local.len());
        // On its way to AWS IoT Core the frame is followed by an MQTT packet: topic, packet id, properties.
        let mut cloud = Vec::new();
        request(&mut cloud, i32::MAX, operation::PUBLISH_CLOUD, &publish(STATUS_TOPIC, &[0; CLOUD_STATUS_BYTES], true));
        assert!(cloud.len() <= LITE_FRAME_BYTES, "{}", cloud.len());
        assert!(CLOUD_STATUS_BYTES + STATUS_TOPIC.len() + 16 <= LITE_PACKET_BYTES);
    }
}
