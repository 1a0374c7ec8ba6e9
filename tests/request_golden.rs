//! Request bodies against a plain encoder, and signed requests against those of botocore.
#![expect(clippy::unwrap_used, reason = "a test that goes wrong ends")]

#[path = "support/mod.rs"]
mod support;

use core::time::Duration;
use std::time::SystemTime;

use data_encoding::BASE64;
use firehose_connector::firehose::credentials::Credentials;
use firehose_connector::firehose::endpoint::{Variant, host};
use firehose_connector::firehose::request::{Call, Encoder, TEXT_BYTES, body_len, without_records};
use firehose_connector::firehose::sign::{Unsigned, headers};
use firehose_connector::foreign::Secret;
use firehose_connector::limits::BATCH_BODY_BYTES;
use firehose_connector::relay::arn::DeliveryStreamArn;
use firehose_connector::relay::pack::{Delimiter, Packing};
use firehose_connector::relay::{Acknowledge, BatchId, Relay, Settings};
use firehose_connector::time::Instant;
use proptest::prelude::*;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use support::scenario::MIB;

/// The first batch of a relay that was given `records` for the delivery stream `name`.
fn batch(name: &str, single: bool, packing: Packing, records: &[Vec<u8>]) -> (Relay, BatchId) {
    let arn = format!("arn:aws:firehose:eu-west-1:123456789012:deliverystream/{name}");
    let mut relay = Relay::new(&Settings {
        version: if single { 1 } else { 5 },
        default_delivery_stream: DeliveryStreamArn::parse(&arn).unwrap(),
        queue_size: 5000,
        publish_interval: Duration::from_secs(900),
        arena_bytes: 16 * MIB,
        connections: 1,
        acknowledge: Acknowledge::Safe,
        packing,
        seed: 1,
    });
    for record in records {
        accept(&mut relay, record);
    }
    relay.drain();
    let id = relay.poll_send(Instant::default()).unwrap();
    (relay, id)
}

fn accept(relay: &mut Relay, record: &[u8]) {
    relay.accept(Instant::default(), b"kinesisfirehose/message/binary/some id", record);
}

fn call(single: bool) -> Call {
    if single { Call::PutRecord } else { Call::PutRecordBatch }
}

/// The body, in chunks of the sizes given, in turn; a record comes in between two chunks.
fn encode(relay: &mut Relay, id: &BatchId, name: &str, chunks: &[usize]) -> String {
    let mut encoder = Encoder::new(relay.batch(id).unwrap().0);
    let mut body = Vec::new();
    for size in chunks.iter().cycle() {
        let mut chunk = vec![b'#'; *size];
        let written = encoder.encode(name, relay.batch(id).unwrap().1, &mut chunk);
        if written == 0 {
            assert_eq!(encoder.encode(name, relay.batch(id).unwrap().1, &mut chunk), 0, "complete is complete");
            break;
        }
        assert!(chunk[written..].iter().all(|byte| *byte == b'#'), "nothing is written beyond the chunk");
        body.extend_from_slice(&chunk[..written]);
        accept(relay, b"in between");
    }
    String::from_utf8(body).unwrap()
}

fn plain(name: &str, single: bool, records: &[Vec<u8>]) -> String {
    let mut records = records.iter().map(|record| json!({"Data": BASE64.encode(record)}));
    if single {
        json!({"DeliveryStreamName": name, "Record": records.next()}).to_string()
    } else {
        json!({"DeliveryStreamName": name, "Records": records.collect::<Vec<_>>()}).to_string()
    }
}

/// What the service gets: the records joined as far as they fit.
fn packed(packing: Packing, records: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (delimiter, mut packs) = (packing.delimiter.as_bytes(), Vec::<(usize, Vec<u8>)>::new());
    let end = if packing.at_end { delimiter } else { b"" };
    for record in records {
        match packs.last_mut() {
            Some((count, pack))
                if packing.bytes > 0
                    && *count < 500
                    && pack.len() + delimiter.len() + record.len() + end.len() <= packing.bytes =>
            {
                pack.extend_from_slice(delimiter);
                pack.extend_from_slice(record);
                *count += 1;
            }
            _ => packs.push((1, record.clone())),
        }
    }
    packs.into_iter().map(|(_, pack)| [&pack, end].concat()).collect()
}

fn check(name: &str, single: bool, records: &[Vec<u8>], chunks: &[usize]) {
    check_packed(name, single, Packing::OFF, records, chunks);
}

fn check_packed(name: &str, single: bool, packing: Packing, records: &[Vec<u8>], chunks: &[usize]) {
    let (mut relay, id) = batch(name, single, packing, records);
    let sent = relay.batch(&id).unwrap().0;
    let (length, count) = (body_len(name, sent), sent.records.len());
    assert_eq!(Call::of(sent), call(single));
    let body = encode(&mut relay, &id, name, chunks);
    let bytes = if single { 0 } else { packing.bytes };
    let packs = packed(Packing { bytes, ..packing }, &records[..count]);
    assert!(body == plain(name, single, &packs), "{count} records, chunks of {chunks:?}");
    assert_eq!(body.len(), length, "announced length");
    assert!(length <= BATCH_BODY_BYTES);
}

fn record() -> impl Strategy<Value = Vec<u8>> {
    let around_blocks = (0..5_usize, 0..7_usize).prop_map(|(blocks, off)| 225 + blocks * 252 + off);
    let length = prop_oneof![3 => 0..20_usize, 3 => around_blocks, 1 => 0..3_000_usize];
    (length, any::<u8>()).prop_map(|(length, first)| {
        (0..length).map(|place| u8::try_from(place * 7 % 256).unwrap().wrapping_add(first)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_records_in_any_chunks_make_the_body_of_a_plain_encoder(
        name in "[a-zA-Z0-9_.-]{1,64}",
        single: bool,
        records in proptest::collection::vec(record(), 1..40),
        chunks in proptest::collection::vec(TEXT_BYTES..2_000, 1..5),
    ) {
        check(&name, single, &records, &chunks);
    }

    #[test]
    fn any_records_in_any_packs_make_the_body_of_a_plain_encoder(
        single: bool,
        bytes in prop_oneof![Just(0_usize), 1..200_usize, 200..6_000_usize],
        delimiter in "[-|\n]{1,8}",
        at_end: bool,
        records in proptest::collection::vec(record(), 1..40),
        chunks in proptest::collection::vec(TEXT_BYTES..2_000, 1..5),
    ) {
        let delimiter = Delimiter::new(delimiter.as_bytes()).unwrap();
        check_packed("name", single, Packing { bytes, binary: true, delimiter, at_end }, &records, &chunks);
    }
}

#[test]
fn packs_at_the_limits_are_those_of_a_plain_encoder() {
    let delimiter = Delimiter::new(b"12345678").unwrap();
    let packing = Packing { bytes: 5120, binary: true, delimiter, at_end: true };
    check_packed("name", false, packing, &vec![b"x".to_vec(); 1000], &[TEXT_BYTES]);
    check_packed("name", false, Packing { bytes: 1_024_000, ..packing }, &vec![Vec::new(); 800], &[TEXT_BYTES]);
    let largest = [vec![0xff; 1_023_990], b"x".to_vec(), vec![0xff; 1_023_992]];
    check_packed("name", false, Packing { bytes: 1_024_000, ..packing }, &largest, &[16 * 1024]);
}

#[test]
fn bodies_at_the_limits_are_those_of_a_plain_encoder() {
    check("name", false, &vec![b"x".to_vec(); 500], &[16 * 1024]);
    let largest = vec![0xff; 1_024_000];
    check("name", true, std::slice::from_ref(&largest), &[16 * 1024]);
    // 4 MiB less an envelope with a name of 64 characters, to the byte.
    let last = (4_194_200 - 4 * 12 - 3 * 999_999 / 3 * 4) / 4 * 3;
    let records = [vec![1; 999_999], vec![2; 999_999], vec![3; 999_999], vec![4; last]];
    check(&"n".repeat(64), false, &records, &[16 * 1024]);
}

#[test]
fn a_chunk_may_end_at_any_byte_of_a_body() {
    let records: Vec<_> = (0..40).map(|length| vec![0xa5; length]).collect();
    for size in TEXT_BYTES..TEXT_BYTES + 400 {
        check("name", false, &records, &[size]);
    }
}

#[test]
fn a_request_without_records_differs_in_nothing_else() {
    for (call, policy, body) in [
        (Call::PutRecord, "PutRecord", r#"{"DeliveryStreamName":"name","Record":{}}"#),
        (Call::PutRecordBatch, "PutRecordBatch", r#"{"DeliveryStreamName":"name","Records":[]}"#),
    ] {
        assert_eq!((call.name(), without_records(call, "name").as_str()), (policy, body));
    }
}

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/requests.json")).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[test]
fn every_header_is_the_one_that_botocore_sends() {
    let golden = golden();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(golden["time"].as_u64().unwrap());
    for case in golden["requests"].as_array().unwrap() {
        let name = text(case, "name");
        let authority = text(case, "url").split('/').nth(2).unwrap();
        if case["endpoint"].is_null() {
            let partition = case["partition"].as_str().unwrap_or("aws");
            let variant = Variant { fips: case["fips"] == true, dual_stack: case["dual_stack"] == true };
            assert_eq!(host(partition, text(case, "region"), variant), authority, "{name}");
        }
        let credentials = Credentials {
            access_key_id: text(&golden, "access_key_id").to_owned(),
            secret_access_key: Secret::new(text(&golden, "secret_access_key")),
            session_token: case["token"].as_str().map(Secret::new),
            expires_at: None,
        };
        let body = text(case, "body");
        let request = Unsigned {
            call: call(case["single"] == true),
            host: authority,
            region: text(case, "region"),
            body_sha256: digest(&SHA256, body.as_bytes()).as_ref().try_into().unwrap(),
        };
        let mut signed: Vec<_> = headers(&request, &credentials, time)
            .unwrap()
            .into_iter()
            .map(|header| (header.name.to_owned(), header.value))
            .collect();
        let host = signed.iter().position(|(name, _)| name == "host").unwrap();
        assert_eq!(signed.swap_remove(host).1, authority, "{name}");
        signed.push(("content-length".to_owned(), body.len().to_string()));
        signed.sort();
        let expected = case["headers"].as_object().unwrap().iter();
        let mut expected: Vec<_> =
            expected.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        expected.sort();
        assert_eq!(signed, expected, "{name}");
    }
}

#[test]
fn every_body_equals_botocores() {
    for case in golden()["requests"].as_array().unwrap() {
        let (stream, single) = (text(case, "stream"), case["single"] == true);
        let records: Vec<_> = case["records"].as_array().unwrap().iter().map(|r| r.as_str().unwrap().into()).collect();
        let (mut relay, id) = batch(stream, single, Packing::OFF, &records);
        let body = encode(&mut relay, &id, stream, &[16 * 1024]);
        let (ours, theirs): (Value, Value) =
            (serde_json::from_str(&body).unwrap(), serde_json::from_str(text(case, "body")).unwrap());
        assert_eq!(ours, theirs, "{}", text(case, "name"));
    }
}
