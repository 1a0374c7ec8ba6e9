//! What a record costs: takes batches of records from the bytes of MQTT packets, or of Greengrass IPC, to the body of a request, encoded
//! twice, and from the answer to the status message, as the daemon does, but without a socket, a hash or a clock. See scripts/cost.
//!
//! usage: cost json|binary|ipc-json|ipc-binary BYTES BATCHES

use std::error::Error;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::BytesMut;
use firehose_connector::checksum::Checksum;
use firehose_connector::firehose::reply::{self, Answer, Reply};
use firehose_connector::firehose::request::{Call, Encoder};
use firehose_connector::limits::{CHUNK_BYTES, greengrass::STATUS_BYTES};
use firehose_connector::relay::arn::DeliveryStreamArn;
use firehose_connector::relay::outcome::Outcome;
use firehose_connector::relay::pack::Packing;
use firehose_connector::relay::{Acknowledge, Relay, Settings};
use firehose_connector::source::Received;
use firehose_connector::time::{Duration, Instant};
use firehose_connector::{greengrass, mqtt};
use rumqttc::v5::mqttbytes::{QoS, v5::Publish};

const ARN: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/stream";
/// Records of a batch: as many as 4 MiB hold of the largest that is counted.
const RECORDS: u16 = 100;
/// Bytes read at a time.
const READ: usize = 32 * 1024;
const PACKET: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, bytes, batches] = &arguments[..] else {
        return Err("usage: cost json|binary|ipc-json|ipc-binary BYTES BATCHES".into());
    };
    let by_ipc = kind.starts_with("ipc-");
    let packets =
        if by_ipc { frames(kind == "ipc-json", bytes.parse()?)? } else { packets(kind == "json", bytes.parse()?)? };
    let answer = answer();
    let mut relay = Box::new(Relay::new(&Settings {
        version: 5,
        default_delivery_stream: DeliveryStreamArn::parse(ARN).map_err(|error| error.to_string())?,
        queue_size: 5000,
        publish_interval: Duration::from_secs(1),
        arena_bytes: 32 << 20,
        connections: 1,
        acknowledge: Acknowledge::Safe,
        packing: Packing::OFF,
        seed: 1,
    }));
    let mut number = 0;
    for batch in 0..batches.parse()? {
        let received = Instant::from_millis(batch * 1000);
        if by_ipc {
            receive_by_ipc(&mut relay, received, &packets)?;
        } else {
            receive(&mut relay, received, &packets, &mut number)?;
        }
        let statuses = send(&mut relay, received + Duration::from_secs(1), &answer, by_ipc)?;
        if statuses != usize::from(RECORDS) || relay.held() > 0 || relay.safe() != number {
            return Err(format!("{statuses} statuses, {} records are held", relay.held()).into());
        }
    }
    Ok(())
}

/// As sensors write it: with quotation marks to escape, and a line's end.
fn data(bytes: usize) -> String {
    "{\"temperature\": 21.57, \"unit\": \"C\"}\n".chars().cycle().take(bytes).collect()
}

/// A batch of publishes as a broker sends it.
fn packets(json: bool, bytes: usize) -> Result<BytesMut, Box<dyn Error>> {
    let data = data(bytes);
    let mut packets = BytesMut::new();
    for id in 1..=RECORDS {
        let (topic, payload) = if json {
            let message = serde_json::json!({"request": {"data": data}, "id": id.to_string()});
            ("kinesisfirehose/message".to_owned(), message.to_string())
        } else {
            (format!("kinesisfirehose/message/binary/{id}"), data.clone())
        };
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload, None);
        publish.pkid = id;
        publish.write(&mut packets)?;
    }
    Ok(packets)
}

/// A batch of messages as a nucleus sends it.
fn frames(json: bool, bytes: usize) -> Result<BytesMut, Box<dyn Error>> {
    let data = data(bytes);
    let mut frames = BytesMut::new();
    for id in 1..=RECORDS {
        let (request, event) = if json {
            let context = serde_json::json!({"topic": "kinesisfirehose/message"});
            let message = serde_json::json!({"request": {"data": data}, "id": id.to_string()});
            (1, serde_json::json!({"jsonMessage": {"message": message, "context": context}}))
        } else {
            let context = serde_json::json!({"topic": format!("kinesisfirehose/message/binary/{id}")});
            (2, serde_json::json!({"binaryMessage": {"message": BASE64_STANDARD.encode(&data), "context": context}}))
        };
        frame(&mut frames, request, &event.to_string())?;
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

/// As Amazon Data Firehose answers.
fn answer() -> Vec<u8> {
    let record = format!("{{\"RecordId\":\"{}\"}}", "x".repeat(224));
    let records = vec![record; RECORDS.into()].join(",");
    format!("{{\"FailedPutCount\":0,\"Encrypted\":false,\"RequestResponses\":[{records}]}}").into_bytes()
}

fn receive(relay: &mut Relay, now: Instant, packets: &[u8], number: &mut u64) -> Result<(), Box<dyn Error>> {
    let mut buffer = BytesMut::with_capacity(READ);
    for piece in packets.chunks(READ) {
        buffer.extend_from_slice(piece);
        mqtt::publishes(&mut buffer, PACKET, &mut |mut publish| {
            if let Some(token) = &mut publish.token {
                token.number = *number;
                *number += 1;
            }
            relay.receive(now, &publish.topic, &publish.payload, None, publish.token);
        })?;
    }
    Ok(())
}

fn receive_by_ipc(relay: &mut Relay, now: Instant, frames: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut take = |received: Received| {
        relay.receive(now, &received.topic, &received.payload, None, None);
    };
    Ok(greengrass::publishes(frames.chunks(READ), PACKET, &mut take)?)
}

/// Sends what is held; answers the number of statuses.
fn send(relay: &mut Relay, now: Instant, answer: &[u8], by_ipc: bool) -> Result<usize, Box<dyn Error>> {
    let id = relay.poll_send(now).ok_or("no batch is due")?;
    let (batch, arena) = relay.batch(&id).ok_or("the batch is gone")?;
    let (call, records) = (Call::of(batch), batch.records.len());
    let mut chunk = vec![0; CHUNK_BYTES];
    // Once for the signature and once for the socket.
    for _ in 0..2 {
        let mut encoder = Encoder::new(batch);
        while encoder.encode("stream", arena, &mut chunk) > 0 {}
    }
    let answer = Reply { status: 200, error_type: None, body: answer };
    let Answer::Records(outcomes) = reply::read(call, records, &answer) else {
        return Err("the answer is wrong".into());
    };
    relay.handle_outcome(now, id, Outcome::Records(&outcomes.outcomes()));
    let (mut message, mut statuses) = (Vec::new(), 0);
    while relay.has_status() {
        statuses += relay.next_status(if by_ipc { STATUS_BYTES } else { 128 * 1024 }, &mut message);
        if by_ipc {
            drop(greengrass::published(&message));
        }
        message.clear();
    }
    Ok(statuses)
}
