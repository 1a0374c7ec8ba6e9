//! The whole relay, with random publishes, answers, times and broker moods, against plain lists.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use firehose_connector::limits::{
    BATCH_BODY_BYTES, BATCH_RECORDS, ENVELOPE_BYTES, PACK_RECORDS, RECORD_BYTES, STATUS_QUEUE_BYTES_MIN,
};
use firehose_connector::relay::arn::DeliveryStreamArn;
use firehose_connector::relay::message::{BINARY_TOPIC, JSON_TOPIC};
use firehose_connector::relay::outcome::{Outcome, RecordOutcome};
use firehose_connector::relay::pack::{Delimiter, Packing};
use firehose_connector::relay::{Accepted, Acknowledge, BatchId, Relay, Settings};
use firehose_connector::time::{Duration, Instant};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::support::scenario::{ARN, data_of, decoded};

#[derive(Debug, Clone)]
enum Operation {
    /// Publishes a number of records, with a number of bytes each, to one of the streams.
    Publish {
        stream: usize,
        count: usize,
        size: usize,
    },
    /// A message that cannot be taken.
    Invalid(usize),
    /// A record that is too large.
    TooLarge,
    Poll,
    Answer {
        batch: Index,
        answer: Answer,
    },
    Advance(u64),
    ClockJumpsTo(u64),
    Statuses {
        limit: usize,
    },
    Broker {
        takes: bool,
    },
}

#[derive(Debug, Clone)]
enum Answer {
    Each(u64),
    Delivered,
    Rejected,
    Retry,
    Offline,
    RetrySplit,
    RetrySmaller,
    TooLarge,
    NoSuchEndpoint,
    WrongLength(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    let size = prop_oneof![5 => 12..300_usize, 2 => 300..5_000_usize, 1 => 50_000..400_000_usize];
    let answer = prop_oneof![
        4 => any::<u64>().prop_map(Answer::Each),
        3 => Just(Answer::Delivered),
        1 => Just(Answer::Rejected),
        2 => Just(Answer::Retry),
        1 => Just(Answer::Offline),
        2 => Just(Answer::RetrySplit),
        1 => Just(Answer::RetrySmaller),
        1 => Just(Answer::TooLarge),
        1 => Just(Answer::NoSuchEndpoint),
        1 => (0..600_usize).prop_map(Answer::WrongLength),
    ];
    prop_oneof![
        6 => (0..6_usize, 1..40_usize, size).prop_map(|(stream, count, size)| {
            Operation::Publish { stream, count: if size > 5_000 { count.min(8) } else { count }, size }
        }),
        1 => (0..6_usize, 100..700_usize).prop_map(|(stream, count)| Operation::Publish { stream, count, size: 20 }),
        2 => (0..4_usize).prop_map(Operation::Invalid),
        1 => Just(Operation::TooLarge),
        5 => Just(Operation::Poll),
        8 => (any::<Index>(), answer).prop_map(|(batch, answer)| Operation::Answer { batch, answer }),
        4 => (0..20_000_u64).prop_map(Operation::Advance),
        1 => (0..20_000_u64).prop_map(Operation::ClockJumpsTo),
        3 => prop_oneof![Just(128 * 1024), 1_000..10_000_usize].prop_map(|limit| Operation::Statuses { limit }),
        1 => any::<bool>().prop_map(|takes| Operation::Broker { takes }),
    ]
}

#[derive(Debug, Clone)]
struct Setup {
    version: u8,
    interval: u64,
    queue_size: usize,
    arena: usize,
    connections: usize,
    seed: u64,
    /// Publishes that are not taken come again.
    again: bool,
    packing: Packing,
}

fn setup() -> impl Strategy<Value = Setup> {
    let version = prop_oneof![Just(1_u8), Just(2), Just(5), Just(5)];
    let interval = prop_oneof![Just(0_u64), 1..30_u64, Just(900)];
    let arena = STATUS_QUEUE_BYTES_MIN + 256 * 1024..3_000_000_usize;
    (version, interval, 10..2500_usize, arena, 1..6_usize, any::<u64>(), any::<bool>(), packing()).prop_map(
        |(version, interval, queue_size, arena, connections, seed, again, packing)| Setup {
            version,
            interval,
            queue_size,
            arena,
            connections,
            seed,
            again,
            packing,
        },
    )
}

fn packing() -> impl Strategy<Value = Packing> {
    let bytes = prop_oneof![4 => Just(0_usize), 1 => Just(RECORD_BYTES), 5 => 1..8_000_usize];
    let delimiter = prop_oneof![Just("\n"), Just("\r\n"), Just("--------")];
    (bytes, any::<bool>(), delimiter, any::<bool>()).prop_map(|(bytes, binary, delimiter, at_end)| {
        let delimiter = Delimiter::new(delimiter.as_bytes()).unwrap();
        Packing { bytes, binary, delimiter, at_end }
    })
}

struct Flight {
    id: BatchId,
    /// The numbers of the records in each pack.
    packs: Vec<Vec<u64>>,
}

/// What can be known from outside: each record by its number, which is its id and begins its data.
struct Model {
    relay: Relay,
    now: u64,
    next: u64,
    in_flight: Vec<Flight>,
    /// The service's account.
    accepted: HashSet<u64>,
    rejected: HashSet<u64>,
    retried: HashSet<u64>,
    refused: HashSet<u64>,
    /// These came in a pack that was rejected.
    alone: HashSet<u64>,
    held: HashMap<u64, usize>,
    /// Per stream, the last record sent for the first time.
    last: HashMap<String, u64>,
    statuses: HashMap<u64, bool>,
    /// The connector's own error codes, and how often each was answered.
    codes: HashMap<String, usize>,
}

impl Model {
    fn new(setup: &Setup) -> Self {
        let arn = format!("{ARN}s0");
        let mut relay = Relay::new(&Settings {
            version: setup.version,
            default_delivery_stream: DeliveryStreamArn::parse(&arn).unwrap(),
            queue_size: setup.queue_size,
            publish_interval: Duration::from_secs(setup.interval),
            arena_bytes: setup.arena,
            connections: setup.connections,
            acknowledge: Acknowledge::Safe,
            packing: setup.packing,
            seed: setup.seed,
        });
        relay.set_broker_takes_statuses(setup.again);
        relay.set_source_redelivers(setup.again);
        let (in_flight, accepted, rejected, retried, refused, alone) = Default::default();
        let (held, last, statuses, codes) = Default::default();
        let (now, next) = (0, 0);
        Self { relay, now, next, in_flight, accepted, rejected, retried, refused, alone, held, last, statuses, codes }
    }

    fn publish(&mut self, stream: usize, size: usize) -> Accepted {
        let number = self.next;
        let before = (self.relay.arena().free(), self.relay.waiting_statuses());
        let data = format!("{number:010}:{}", "x".repeat(size - 11));
        let now = Instant::from_millis(self.now);
        let accepted = match stream {
            0 => self.relay.accept(now, format!("{BINARY_TOPIC}/{number}").as_bytes(), data.as_bytes()),
            _ => {
                let request = json!({"data": data, "delivery_stream_arn": format!("{ARN}s{stream}")});
                let payload = json!({"id": number.to_string(), "request": request}).to_string();
                self.relay.accept(now, JSON_TOPIC.as_bytes(), payload.as_bytes())
            }
        };
        if accepted == Accepted::NotNow {
            assert!(self.relay.has_status() || !self.in_flight.is_empty(), "there is something to wait for");
            assert_eq!((self.relay.arena().free(), self.relay.waiting_statuses()), before, "nothing is left of it");
            return accepted;
        }
        self.next += 1;
        match accepted {
            Accepted::Held => drop(self.held.insert(number, stream)),
            _ => drop(self.refused.insert(number)),
        }
        accepted
    }

    fn invalid(&mut self, kind: usize) {
        let number = self.next;
        self.next += 1;
        let id = number.to_string();
        let payload = match kind {
            0 => json!({"id": id}),
            1 => json!({"id": id, "request": {"data": 7}}),
            2 => json!({"id": id, "request": {"data": "x", "delivery_stream_arn": "arn:aws:s3:::x"}}),
            _ => json!({"id": id, "request": []}),
        };
        let now = Instant::from_millis(self.now);
        let accepted = self.relay.accept(now, JSON_TOPIC.as_bytes(), payload.to_string().as_bytes());
        if accepted == Accepted::NotNow {
            self.next -= 1;
        } else {
            assert_eq!(accepted, Accepted::Failed);
            self.refused.insert(number);
        }
    }

    fn poll(&mut self) {
        let now = Instant::from_millis(self.now);
        while let Some(id) = self.relay.poll_send(now) {
            let (batch, arena) = self.relay.batch(&id).unwrap();
            assert!((1..=BATCH_RECORDS).contains(&batch.packs));
            assert!(batch.encoded <= BATCH_BODY_BYTES - ENVELOPE_BYTES);
            let number_of = |data: &[u8]| str::from_utf8(&data[..10]).unwrap().parse::<u64>().unwrap();
            let mut packs = Vec::<Vec<u64>>::new();
            let mut joined = Vec::<Vec<u8>>::new();
            for record in batch.records.iter(arena) {
                let data = data_of(record, arena);
                match (record.is_joined(arena), packs.last_mut(), joined.last_mut()) {
                    (true, Some(pack), Some(whole)) => {
                        pack.push(number_of(&data));
                        whole.extend_from_slice(batch.packing.delimiter.as_bytes());
                        whole.extend_from_slice(&data);
                        assert!(pack.len() <= PACK_RECORDS && whole.len() <= batch.packing.bytes);
                    }
                    _ => {
                        packs.push(vec![number_of(&data)]);
                        joined.push(data);
                    }
                }
            }
            assert_eq!(packs.len(), batch.packs);
            assert!(packs.len() == batch.records.len() || batch.packing.bytes > 0 && !batch.single);
            if !batch.packing.is_off() && batch.encoded < 100_000 {
                for data in joined.iter_mut().filter(|data| batch.packing.ends(data.len())) {
                    data.extend_from_slice(batch.packing.delimiter.as_bytes());
                }
                assert_eq!(decoded(batch, arena), joined, "the service sees what was packed");
            }
            let stream = self.relay.stream(&id).unwrap().arn().to_owned();
            for number in packs.iter().flatten() {
                assert!(!self.accepted.contains(number), "record {number} was accepted and is sent again");
                assert!(!self.rejected.contains(number), "record {number} was rejected and is sent again");
                assert_eq!(self.held.get(number).map(|stream| format!("{ARN}s{stream}")).as_ref(), Some(&stream));
                let is_alone = packs.iter().any(|pack| **pack == [*number]);
                assert!(is_alone || !self.alone.contains(number), "record {number} is to have a pack of its own");
                if !self.retried.contains(number) {
                    let last = self.last.insert(stream.clone(), *number);
                    assert!(last.is_none_or(|last| last < *number), "first attempts keep their order");
                }
            }
            self.in_flight.push(Flight { id, packs });
        }
        assert!(self.relay.poll_timeout().is_none_or(|at| at > now));
    }

    fn answer(&mut self, at: usize, answer: &Answer) {
        let Flight { id, packs } = self.in_flight.swap_remove(at);
        let each = |number: u64| match answer {
            Answer::Each(seed) => match seed.rotate_left(u32::try_from(number % 64).unwrap()) % 4 {
                0 | 1 => RecordOutcome::Delivered { record_id: "some-record-id" },
                2 => RecordOutcome::Retry,
                _ => RecordOutcome::Rejected { code: "Code", message: "words" },
            },
            Answer::Delivered => RecordOutcome::Delivered { record_id: "some-record-id" },
            Answer::Rejected => RecordOutcome::Rejected { code: "Code", message: "words" },
            Answer::Retry
            | Answer::Offline
            | Answer::RetrySplit
            | Answer::RetrySmaller
            | Answer::TooLarge
            | Answer::NoSuchEndpoint
            | Answer::WrongLength(_) => RecordOutcome::Retry,
        };
        for pack in &packs {
            for number in pack {
                match each(pack[0]) {
                    RecordOutcome::Delivered { .. } => self.accepted.insert(*number),
                    // Only one of them may be the reason, so each comes again, alone.
                    RecordOutcome::Rejected { .. } if pack.len() > 1 && matches!(answer, Answer::Each(_)) => {
                        self.alone.insert(*number);
                        self.retried.insert(*number)
                    }
                    RecordOutcome::Rejected { .. } => self.rejected.insert(*number),
                    RecordOutcome::Retry => self.retried.insert(*number),
                };
            }
        }
        let records: Vec<_> = packs.iter().map(|pack| each(pack[0])).collect();
        let wrong = vec![RecordOutcome::Delivered { record_id: "for whom?" }; packs.len() + 1];
        let outcome = match answer {
            Answer::Each(_) | Answer::Delivered => Outcome::Records(&records),
            Answer::Rejected => Outcome::Rejected { code: "Code", message: "words" },
            Answer::Retry => Outcome::Retry,
            Answer::Offline => Outcome::Offline,
            Answer::RetrySplit => Outcome::RetrySplit,
            Answer::RetrySmaller => Outcome::RetrySmaller,
            Answer::TooLarge => Outcome::TooLarge,
            // All streams have one endpoint, so any answer shows that it exists; see the scenarios for others.
            Answer::NoSuchEndpoint => Outcome::NoSuchEndpoint,
            Answer::WrongLength(length) if *length >= packs.len() => Outcome::Records(&wrong),
            Answer::WrongLength(length) => Outcome::Records(&wrong[..*length]),
        };
        let settled = self.relay.handle_outcome(Instant::from_millis(self.now), id, outcome);
        assert_eq!(settled.succeeded + settled.failed + settled.retried, packs.iter().flatten().count());
    }

    fn take_statuses(&mut self, limit: usize) {
        let mut message = Vec::new();
        while self.relay.has_status() {
            let entries = self.relay.next_status(limit, &mut message);
            assert!(message.len() <= limit);
            if entries == 0 {
                continue;
            }
            let message: serde_json::Value = serde_json::from_slice(&message).unwrap();
            let parts: Vec<(&serde_json::Value, &serde_json::Value)> = match &message["response"] {
                serde_json::Value::Array(parts) => parts.iter().map(|part| (part, &part["id"])).collect(),
                one => vec![(one, &message["id"])],
            };
            assert_eq!(parts.len(), entries);
            for (status, id) in parts {
                let number = id.as_str().unwrap().parse().unwrap();
                let success = status["status"] == "success";
                if let Some(code) = status.get("ErrorCode").or_else(|| status.get("error")) {
                    *self.codes.entry(code.as_str().unwrap().to_owned()).or_default() += 1;
                }
                assert_eq!(self.statuses.insert(number, success), None, "record {number} has two statuses");
            }
        }
    }

    fn check(&self) {
        let counters = self.relay.counters();
        assert_eq!(counters.received, self.next);
        assert_eq!(counters.succeeded, self.accepted.len() as u64);
        assert_eq!(counters.failed, (self.rejected.len() + self.refused.len()) as u64);
        assert_eq!(counters.received, counters.succeeded + counters.failed + self.relay.held() as u64);
        let reasons = counters.failed_invalid + counters.failed_full + counters.failed_undelivered;
        assert_eq!(counters.failed, reasons);
        assert!(counters.failed_undelivered >= self.rejected.len() as u64);
    }

    fn finish(mut self, free: usize, mapped: usize) -> HashMap<String, usize> {
        self.relay.set_broker_takes_statuses(true);
        self.relay.drain();
        while self.relay.held() > 0 {
            self.take_statuses(128 * 1024);
            self.now = self.relay.poll_timeout().map_or(self.now, |at| at.as_millis().max(self.now));
            self.poll();
            while !self.in_flight.is_empty() {
                self.answer(0, &Answer::Delivered);
            }
            self.check();
        }
        self.take_statuses(128 * 1024);
        let missing = self.next - self.statuses.len() as u64;
        assert_eq!(missing, self.relay.lost_statuses(), "one status for each record");
        for (number, success) in &self.statuses {
            assert_eq!(*success, self.accepted.contains(number));
        }
        assert_eq!(self.relay.arena().free(), free);
        assert!(self.relay.arena().mapped() <= mapped, "{} bytes mapped for nothing", self.relay.arena().mapped());
        self.codes
    }
}

#[test]
fn every_record_has_one_end_whatever_happens() {
    let reached = RefCell::new(HashMap::<String, usize>::new());
    let mut runner = TestRunner::new_with_rng(
        crate::cases(200),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let strategy = (setup(), proptest::collection::vec(operation(), 1..80));
    let outcome = runner.run(&strategy, |(setup, operations)| {
        let mut model = Model::new(&setup);
        let free = model.relay.arena().free();
        let segment = (setup.arena / 64).next_power_of_two().max(64 * 1024);
        let always_leave =
            setup.again && !operations.iter().any(|operation| matches!(operation, Operation::Broker { takes: false }));
        for operation in operations {
            match operation {
                Operation::Publish { stream, count, size } => {
                    for _ in 0..count {
                        model.publish(stream, size);
                    }
                }
                Operation::Invalid(kind) => model.invalid(kind),
                Operation::TooLarge => {
                    assert!(matches!(model.publish(0, 1_024_001), Accepted::Failed | Accepted::NotNow));
                }
                Operation::Poll => model.poll(),
                Operation::Answer { batch, answer } => {
                    if !model.in_flight.is_empty() {
                        model.answer(batch.index(model.in_flight.len()), &answer);
                    }
                }
                Operation::Advance(millis) => {
                    model.now += millis;
                    model.poll();
                }
                Operation::ClockJumpsTo(millis) => model.now = millis,
                Operation::Statuses { limit } => model.take_statuses(limit),
                Operation::Broker { takes: true } => model.relay.set_broker_takes_statuses(true),
                Operation::Broker { takes: false } => model.relay.broker_lost(Instant::from_millis(model.now)),
            }
            model.check();
        }
        assert!(!always_leave || model.relay.lost_statuses() == 0, "a broker that takes statuses gets all of them");
        for (code, count) in model.finish(free, segment) {
            *reached.borrow_mut().entry(code).or_default() += count;
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let reached = reached.into_inner();
    for code in ["QueueFull", "MemoryFull", "RecordTooLarge", "InvalidMessage", "InvalidDeliveryStreamArn", "Code"] {
        assert!(reached.get(code).is_some_and(|count| *count >= 50), "{code} is to be reached: {reached:?}");
    }
}
