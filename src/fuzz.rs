//! One function for each reader of untrusted input. All take any bytes, and panic when a promise is broken. The fuzzers
//! in `tests/fuzz` call them, and so does an ordinary test, with the corpora kept there.

use crate::clock::Clock;
use crate::firehose::reply::{self, Answer, Reply};
use crate::firehose::request::Call;
use crate::foreign::foreign;
use crate::limits::{ARENA_BYTES, STATUS_BYTES_MIN};
use crate::relay::arn::DeliveryStreamArn;
use crate::relay::message::{BINARY_TOPIC, JSON_TOPIC};
use crate::relay::outcome::{Outcome, RecordOutcome};
use crate::relay::pack::{Delimiter, Packing};
use crate::relay::{Acknowledge, BatchId, Relay, Settings};
use crate::time::{Duration, Instant};

type Target = (&'static str, fn(&[u8]));

const TARGET_COUNT: usize = if cfg!(feature = "greengrass") { 7 } else { 6 };

/// The fuzzers by name, which is also the name of their corpus' folder.
pub const TARGETS: [Target; TARGET_COUNT] = [
    ("answer", answer),
    ("credentials", crate::credentials::fuzz),
    ("definition", crate::config::fuzz),
    #[cfg(feature = "greengrass")]
    ("greengrass", crate::greengrass::fuzz),
    ("mqtt", crate::mqtt::fuzz),
    ("profile", crate::credentials::fuzz_profile),
    ("relay", relay),
];

/// Runs the fuzzer of that name.
///
/// # Panics
/// There is no such fuzzer, or a promise is broken.
pub fn run(name: &str, bytes: &[u8]) {
    let found = TARGETS.iter().find(|(target, _)| *target == name);
    found.map(|(_, target)| target(bytes)).expect("a target of this name");
}

/// An answer of the service: the first byte is the status; then come a line with the error's type, one with the date,
/// and the body.
fn answer(bytes: &[u8]) {
    let Some((status, rest)) = bytes.split_first() else { return };
    let mut parts = rest.splitn(3, |byte| *byte == b'\n');
    let mut text = || parts.next().and_then(|part| str::from_utf8(part).ok());
    let (error_type, date) = (text(), text());
    let body = parts.next().unwrap_or_default();
    let status = [200, 201, 301, 400, 403, 407, 413, 500, 503][usize::from(*status) % 9];
    for (call, sent) in [(Call::PutRecord, 1), (Call::PutRecordBatch, 2), (Call::PutRecordBatch, 500)] {
        match reply::read(call, sent, &Reply { status, error_type, body }) {
            Answer::Records(records) => assert_eq!(records.outcomes().len(), sent),
            Answer::Refused { code, message, .. } => {
                assert!(!foreign(&code).chars().chain(foreign(&message).chars()).any(char::is_control));
            }
            Answer::Unreadable(unreadable) => assert!(!unreadable.to_string().is_empty()),
        }
    }
    let clock = Clock::default();
    clock.learn(date.unwrap_or_default(), clock.now(), status == 200);
    let _: (i64, std::time::SystemTime) = (clock.correction(), clock.wall());
}

/// Operations on a relay: each byte selects the next operation, the bytes after it are its arguments.
fn relay(bytes: &[u8]) {
    let Some((&setup, bytes)) = bytes.split_first() else { return };
    let Ok(arn) = DeliveryStreamArn::parse("arn:aws:firehose:eu-west-1:123456789012:deliverystream/s") else { return };
    let mut relay = Relay::new(&Settings {
        version: if setup & 1 == 0 { 5 } else { 1 },
        default_delivery_stream: arn,
        queue_size: 20,
        publish_interval: Duration::from_secs(u64::from(setup >> 6)),
        arena_bytes: ARENA_BYTES,
        connections: 1 + usize::from(setup >> 1 & 3),
        acknowledge: Acknowledge::Safe,
        packing: Packing {
            bytes: if setup & 8 == 0 { 0 } else { 64 },
            binary: setup & 16 == 0,
            delimiter: Delimiter::new(b"\r\n").unwrap_or_default(),
            at_end: setup & 32 != 0,
        },
        seed: setup.into(),
    });
    let mut story = Story(bytes);
    let mut now = Instant::default();
    let mut on_their_way = Vec::new();
    while let Some(what) = story.byte() {
        match what % 8 {
            0 | 1 => drop(relay.accept(now, JSON_TOPIC.as_bytes(), story.text())),
            2 => {
                let topic = [BINARY_TOPIC.as_bytes(), b"/", story.text()].concat();
                relay.accept(now, &topic, story.text());
            }
            3 => drop(relay.accept(now, story.text(), b"{}")),
            4 => now = now + Duration::from_millis(u64::from(what) * u64::from(story.byte().unwrap_or(1)) * 10),
            5 => on_their_way.extend(core::iter::from_fn(|| relay.poll_send(now))),
            6 if on_their_way.is_empty() && what & 16 == 0 => relay.set_broker_takes_statuses(what & 8 == 0),
            6 if on_their_way.is_empty() => relay.broker_lost(now),
            6 => {
                let id = on_their_way.swap_remove(usize::from(what >> 3) % on_their_way.len());
                settle(&mut relay, now, id, &mut story);
            }
            _ => drain_statuses(&mut relay),
        }
        check(&relay);
    }
    for id in on_their_way {
        settle(&mut relay, now, id, &mut story);
    }
    relay.stop();
    drain_statuses(&mut relay);
    check(&relay);
    assert_eq!(relay.held(), 0);
    assert_eq!(relay.arena().free(), relay.arena().blocks(), "nothing is left in the arena");
}

fn settle(relay: &mut Relay, now: Instant, id: BatchId, story: &mut Story<'_>) {
    let Some((batch, _)) = relay.batch(&id) else { return };
    let how = story.byte().unwrap_or_default();
    let records: Vec<_> = (0..batch.packs + usize::from(how == 255))
        .map(|number| match (usize::from(how) >> (number % 5)) & 3 {
            0 | 1 => RecordOutcome::Delivered { record_id: "id" },
            2 => RecordOutcome::Retry,
            _ => RecordOutcome::Rejected { code: "Code", message: "a\u{0}b" },
        })
        .collect();
    let outcome = match how % 7 {
        0 => Outcome::Retry,
        1 => Outcome::Offline,
        2 => Outcome::RetrySmaller,
        3 => Outcome::NoSuchEndpoint,
        4 => Outcome::Rejected { code: "Code", message: "words" },
        _ => Outcome::Records(&records),
    };
    relay.handle_outcome(now, id, outcome);
}

fn drain_statuses(relay: &mut Relay) {
    let mut message = Vec::new();
    while relay.has_status() {
        relay.next_status(STATUS_BYTES_MIN, &mut message);
        assert!(message.len() <= STATUS_BYTES_MIN);
        assert!(serde_json::from_slice::<serde_json::Value>(&message).is_ok(), "a status is JSON");
    }
}

fn check(relay: &Relay) {
    let counters = relay.counters();
    assert_eq!(counters.received, counters.succeeded + counters.failed + relay.held() as u64);
}

/// What is left to tell.
struct Story<'a>(&'a [u8]);

impl<'a> Story<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// As many bytes as the next one says, four times.
    fn text(&mut self) -> &'a [u8] {
        let length = 4 * usize::from(self.byte().unwrap_or_default());
        let (text, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        text
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn what_was_worth_keeping_breaks_nothing() {
        let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        // A device that runs this test has no sources.
        if !corpora.exists() && !Path::new(env!("CARGO_MANIFEST_DIR")).exists() {
            return;
        }
        for (name, target) in TARGETS {
            let files: Vec<_> = fs::read_dir(corpora.join(name)).unwrap().collect();
            assert!(files.len() >= 3, "{name} has a corpus");
            for file in files {
                target(&fs::read(file.unwrap().path()).unwrap());
            }
        }
    }
}
