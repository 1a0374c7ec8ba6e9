//! What a record costs: takes batches of records from the bytes of MQTT packets, or of Greengrass IPC, to the body of a request, encoded
//! twice, and from the answer to the status message, as the daemon does, but without a socket, a hash or a clock. See scripts/cost.

mod crypto;
mod growth;
mod ipc;

use std::error::Error;

use bytes::BytesMut;
use firehose_connector::firehose::reply::{self, Answer, Reply};
use firehose_connector::firehose::request::{Call, Encoder};
use firehose_connector::limits::{CHUNK_BYTES, greengrass::STATUS_BYTES};
use firehose_connector::relay::arn::DeliveryStreamArn;
use firehose_connector::relay::outcome::Outcome;
use firehose_connector::relay::pack::Packing;
use firehose_connector::relay::{Acknowledge, Relay, Settings};
use firehose_connector::time::{Duration, Instant};
use firehose_connector::{greengrass, mqtt};
use growth::Load;
use rumqttc::v5::mqttbytes::{QoS, v5::Publish};

const ARN: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/stream";
/// Records of a batch: as many as 4 MiB hold of the largest that is counted.
const RECORDS: usize = 100;
const USAGE: &str = "usage: cost json|binary|ipc-json|ipc-binary BYTES BATCHES
       cost crypto sha-256|aes-128-gcm|aes-256-gcm|chacha20-poly1305 BYTES
       cost growth STREAMS WAITING BYTES ROUNDS
       cost uptime RECORDS";
/// Bytes read at a time.
const READ: usize = 32 * 1024;
const PACKET: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match *arguments.iter().map(String::as_str).collect::<Vec<_>>() {
        [kind @ ("json" | "binary" | "ipc-json" | "ipc-binary"), bytes, count] => {
            batches(kind.ends_with("json"), kind.starts_with("ipc"), bytes.parse()?, count.parse()?)
        }
        ["crypto", name, bytes] => crypto::run(name, bytes.parse()?),
        ["growth", streams, waiting, bytes, rounds] => {
            let load = Load { streams: streams.parse()?, waiting: waiting.parse()?, bytes: bytes.parse()? };
            growth::rounds(load, rounds.parse()?)
        }
        ["uptime", records] => growth::uptime(records.parse()?),
        _ => Err(USAGE.into()),
    }
}

fn batches(json: bool, by_ipc: bool, bytes: usize, count: u64) -> Result<(), Box<dyn Error>> {
    let packets = if by_ipc { ipc::frames(json, bytes)? } else { packets(json, bytes, RECORDS, &[])? };
    let (mut relay, answer) = (relay(0)?, answer(RECORDS));
    let mut number = 0;
    for batch in 0..count {
        let received = Instant::from_millis(batch * 1000);
        if by_ipc {
            ipc::receive(&mut relay, received, &packets)?;
        } else {
            receive(&mut relay, received, &packets, &mut number)?;
        }
        let statuses = send(&mut relay, received + Duration::from_secs(1), &answer, by_ipc)?;
        if statuses != RECORDS || relay.held() > 0 || relay.safe() != number {
            return Err(format!("{statuses} statuses, {} records are held", relay.held()).into());
        }
    }
    Ok(())
}

/// A relay with room for some records, and for so many that wait.
fn relay(waiting: usize) -> Result<Box<Relay>, Box<dyn Error>> {
    Ok(Box::new(Relay::new(&Settings {
        version: 5,
        default_delivery_stream: DeliveryStreamArn::parse(ARN).map_err(|error| error.to_string())?,
        queue_size: 5000.max(waiting),
        publish_interval: Duration::from_secs(1),
        arena_bytes: (32 << 20).max(waiting << 10),
        connections: 1,
        acknowledge: Acknowledge::Safe,
        packing: Packing::OFF,
        seed: 1,
    })))
}

/// As sensors write it: with quotation marks to escape, and a line's end.
fn data(bytes: usize) -> String {
    "{\"temperature\": 21.57, \"unit\": \"C\"}\n".chars().cycle().take(bytes).collect()
}

/// Publishes as a broker sends them, for the delivery streams of `arns` by turns.
fn packets(json: bool, bytes: usize, count: usize, arns: &[String]) -> Result<BytesMut, Box<dyn Error>> {
    let data = data(bytes);
    let mut packets = BytesMut::new();
    let mut arns = arns.iter().cycle();
    for id in 1..=count {
        let (topic, payload) = if json {
            let mut message = serde_json::json!({"request": {"data": data}, "id": id.to_string()});
            if let Some(arn) = arns.next() {
                message["request"]["delivery_stream_arn"] = arn.as_str().into();
            }
            ("kinesisfirehose/message".to_owned(), message.to_string())
        } else {
            (format!("kinesisfirehose/message/binary/{id}"), data.clone())
        };
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload, None);
        publish.pkid = u16::try_from(id)?;
        publish.write(&mut packets)?;
    }
    Ok(packets)
}

/// As Amazon Data Firehose answers.
fn answer(records: usize) -> Vec<u8> {
    let record = format!("{{\"RecordId\":\"{}\"}}", "x".repeat(224));
    let records = vec![record; records].join(",");
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
