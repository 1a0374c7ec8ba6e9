//! Messages of Greengrass IPC, as a nucleus sends them.

use std::error::Error;

use bytes::BytesMut;
use firehose_connector::checksum::Checksum;
use firehose_connector::greengrass;
use firehose_connector::relay::Relay;
use firehose_connector::source::Received;
use firehose_connector::time::Instant;

use crate::{PACKET, READ, RECORDS, data};

/// A batch of them, as both nuclei write them.
pub fn frames(json: bool, bytes: usize) -> Result<BytesMut, Box<dyn Error>> {
    let data = data(bytes);
    let mut frames = BytesMut::new();
    for id in 1..=RECORDS {
        let (request, event) = if json {
            let message = serde_json::json!({"request": {"data": data}, "id": id.to_string()});
            (1, format!(r#"{{"jsonMessage":{{"message":{message},"context":{{"topic":"kinesisfirehose/message"}}}}}}"#))
        } else {
            let message = base64_simd::STANDARD.encode_to_string(&data);
            let context = format!(r#"{{"topic":"kinesisfirehose/message/binary/{id}"}}"#);
            (2, format!(r#"{{"binaryMessage":{{"message":"{message}","context":{context}}}}}"#))
        };
        frame(&mut frames, request, &event)?;
    }
    Ok(frames)
}

/// Appends a frame with a message of this request.
fn frame(out: &mut BytesMut, request: i32, payload: &str) -> Result<(), Box<dyn Error>> {
    let numbers = [(":message-type", 0), (":message-flags", 0), (":stream-id", request)];
    let texts =
        [("service-model-type", "aws.greengrass#SubscriptionResponseMessage"), (":content-type", "application/json")];
    let mut headers = Vec::new();
    for (name, number) in numbers {
        headers.extend([&[u8::try_from(name.len())?], name.as_bytes(), &[4], &number.to_be_bytes()].concat());
    }
    for (name, text) in texts {
        let length = u16::try_from(text.len())?.to_be_bytes();
        headers.extend([&[u8::try_from(name.len())?], name.as_bytes(), &[7], &length, text.as_bytes()].concat());
    }
    let all = u32::try_from(headers.len() + payload.len() + 16)?.to_be_bytes();
    let mut frame = [all, u32::try_from(headers.len())?.to_be_bytes()].concat();
    frame.extend(Checksum::of(&frame).to_be_bytes());
    frame.extend([&headers, payload.as_bytes()].concat());
    frame.extend(Checksum::of(&frame).to_be_bytes());
    out.extend_from_slice(&frame);
    Ok(())
}

pub fn receive(relay: &mut Relay, now: Instant, frames: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut take = |received: Received| {
        relay.receive(now, &received.topic, &received.payload, None, None);
    };
    Ok(greengrass::publishes(frames.chunks(READ), PACKET, &mut take)?)
}
