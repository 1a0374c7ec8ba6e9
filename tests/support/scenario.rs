//! A script on a virtual time line: publishes and answers go in, batches and statuses are expected.
//!
//! The scenario plays the daemon: it moves from deadline to deadline, asks for batches after every step and
//! takes statuses while the broker does. A batch or a status that the script does not expect is a
//! failure, and after every step these hold:
//!
//! - received + read back = succeeded + failed + held + spooled, and as many entries were published as records ended
//!   (less those counted as lost and those still waiting);
//! - when nothing is due the next deadline lies in the future;
//! - no batch is over 500 records or 4 MiB of encoded body, none is empty, none is sent by
//!   `PutRecord` with more than one record;
//! - no status message is over its limit, and each is one JSON text.

use std::collections::VecDeque;

use data_encoding::BASE64;
use firehose_connector::firehose::request::{Encoder, body_len};
use firehose_connector::keeper::Keeper;
use firehose_connector::limits::spool::STALL;
use firehose_connector::limits::{BATCH_BODY_BYTES, BATCH_PACKED, BATCH_RECORDS, ENVELOPE_BYTES, STATUS_BYTES};
use firehose_connector::relay::arena::Arena;
use firehose_connector::relay::arn::DeliveryStreamArn;
use firehose_connector::relay::message::{BINARY_TOPIC, JSON_TOPIC};
use firehose_connector::relay::outcome::{Outcome, RecordOutcome};
use firehose_connector::relay::pack::Packing;
use firehose_connector::relay::receipts::{Begin, Token};
use firehose_connector::relay::record::{Cursor, Record};
use firehose_connector::relay::{Accepted, Acknowledge, Batch, BatchId, Relay, Settings, Settled, TooLong, status};
use firehose_connector::spool;
use firehose_connector::spool::operation::perform;
use firehose_connector::time::{Duration, Instant};
use serde_json::json;

use super::compact;
use super::files::Files;

/// What all ARNs of a scenario begin with; the rest is the stream's name.
pub const ARN: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/";
/// Name of the default delivery stream.
pub const DEFAULT: &str = "default";
/// Seconds since 1970 at time 0.
const WALL: u64 = 1_800_000_000;
/// A mebibyte.
pub const MIB: usize = 1024 * 1024;

/// What a scenario begins with.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// Version of the connector.
    pub version: u8,
    /// `PublishInterval`, seconds.
    pub interval: u64,
    /// `DeliveryStreamQueueSize`, records.
    pub queue_size: usize,
    /// Bytes of the arena.
    pub arena: usize,
    /// Requests in flight over all streams.
    pub connections: usize,
    /// When a publish is acknowledged.
    pub acknowledge: Acknowledge,
    /// KB of the spool, if there is one.
    pub spool: Option<u64>,
    /// How records are packed.
    pub packing: Packing,
    /// For jitter.
    pub seed: u64,
}

impl Setup {
    /// What most scenarios have.
    pub const DEFAULT: Self = Self {
        version: 5,
        interval: 10,
        queue_size: 5000,
        arena: 32 * MIB,
        connections: 4,
        acknowledge: Acknowledge::Safe,
        spool: None,
        packing: Packing::OFF,
        seed: 7,
    };
}

impl Default for Setup {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How the broker treats statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broker {
    /// Takes each at once.
    Takes,
    /// Is connected, but has taken as many as it may without acknowledging.
    Busy,
    /// Was connected until now, and may be back soon.
    Lost,
    /// Is not connected.
    Away,
}

/// A request as the service would see it.
#[derive(Debug)]
pub struct Sent {
    id: BatchId,
    /// Milliseconds on the time line.
    pub at: u64,
    /// Name of the delivery stream; its ARN if that does not begin with [`ARN`].
    pub stream: String,
    /// Its place in the relay's table.
    pub index: usize,
    /// By `PutRecord`.
    pub single: bool,
    /// The data of its records, as the service decodes them.
    pub data: Vec<Vec<u8>>,
    /// The records of the relay in it.
    pub records: usize,
}

impl Setup {
    /// A relay with a broker that takes statuses.
    pub fn relay(&self) -> Relay {
        let arn = format!("{ARN}{DEFAULT}");
        let mut relay = Relay::new(&Settings {
            version: self.version,
            default_delivery_stream: DeliveryStreamArn::parse(&arn).unwrap(),
            queue_size: self.queue_size,
            publish_interval: Duration::from_secs(self.interval),
            arena_bytes: self.arena,
            connections: self.connections,
            acknowledge: self.acknowledge,
            packing: self.packing,
            seed: self.seed,
        });
        relay.set_broker_takes_statuses(true);
        relay
    }
}

/// Has the disk do at once what there is to do.
pub fn carry(keeper: &mut Keeper, now: Instant, relay: &mut Relay, files: &mut Files) {
    for operations in 0.. {
        assert!(operations < 10_000, "the disk has always something to do");
        let Some(operation) = keeper.poll_operation(now, WALL + now.as_millis() / 1000, relay) else { return };
        keeper.handle(now, perform(files, operation), relay);
    }
}

/// A relay, its time line, and what it has sent.
#[derive(Debug)]
pub struct Scenario {
    relay: Relay,
    now: Instant,
    broker: Broker,
    limit: usize,
    sent: VecDeque<Sent>,
    messages: VecDeque<String>,
    received: u64,
    answered: u64,
    /// Of the next publish at QoS 1.
    number: u64,
    keeper: Option<Keeper>,
    /// What the spool has on disk.
    pub files: Files,
}

impl Scenario {
    /// A relay at time 0, with a broker that takes statuses.
    pub fn new(setup: Setup) -> Self {
        Self::with_files(setup, Files::default())
    }

    /// The same after a start, with what an earlier one has left on disk.
    pub fn with_files(setup: Setup, files: Files) -> Self {
        let relay = setup.relay();
        let (sent, messages) = Default::default();
        let now = Instant::default();
        Self {
            relay,
            now,
            broker: Broker::Takes,
            limit: STATUS_BYTES,
            sent,
            messages,
            received: 0,
            answered: 0,
            number: 0,
            keeper: setup.spool.map(|kib| Keeper::new(spool::Settings::new(kib * 1024, setup.seed), STALL)),
            files,
        }
    }

    /// Moves on to `millis` and does on the way what becomes due.
    pub fn at(&mut self, millis: u64) -> &mut Self {
        let target = Instant::from_millis(millis);
        assert!(target >= self.now, "the script runs backwards; say so with clock_jumps_to");
        while let Some(deadline) = self.next_deadline().filter(|deadline| *deadline <= target) {
            self.expect_no_batch();
            self.now = deadline;
            self.step();
        }
        if self.now < target {
            self.expect_no_batch();
            self.now = target;
            self.step();
        }
        self
    }

    /// Moves on by `millis`.
    pub fn after(&mut self, millis: u64) -> &mut Self {
        self.at(self.now() + millis)
    }

    /// The source is read at `millis`, and what was read follows.
    pub fn read_at(&mut self, millis: u64) -> &mut Self {
        self.at(millis);
        self.relay.source_is_read(Instant::from_millis(millis));
        self
    }

    /// Moves on by `millis`, with requests that the script has not taken yet.
    pub fn step_unwatched(&mut self, millis: u64) -> &mut Self {
        self.now = Instant::from_millis(self.now() + millis);
        self.step();
        self
    }

    /// Sets a time that may lie in the past.
    pub fn clock_jumps_to(&mut self, millis: u64) -> &mut Self {
        self.now = Instant::from_millis(millis);
        self.step();
        self
    }

    /// Milliseconds on the time line.
    pub fn now(&self) -> u64 {
        self.now.as_millis()
    }

    /// The relay, to ask.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// A publish as it comes from the broker.
    pub fn publish(&mut self, topic: &str, payload: &[u8]) -> Accepted {
        self.publish_raw(topic.as_bytes(), payload)
    }

    /// A publish whose topic need not be UTF-8.
    pub fn publish_raw(&mut self, topic: &[u8], payload: &[u8]) -> Accepted {
        let accepted = self.relay.accept(self.now, topic, payload);
        self.received += u64::from(!matches!(accepted, Accepted::NotOurs | Accepted::NotNow));
        self.step();
        accepted
    }

    /// A publish at QoS 1, whose packet id is the low half of its number.
    pub fn receive(&mut self, topic: &str, payload: &[u8]) -> Accepted {
        let packet_id = u16::try_from(self.number & 0xFFFF).unwrap();
        let token = Token { number: self.number, packet_id, repeated: false, exactly_once: false };
        self.number += 1;
        let accepted = self.relay.receive(self.now, topic.as_bytes(), payload, None, Some(token));
        self.received += u64::from(!matches!(accepted, Accepted::NotOurs | Accepted::NotNow | Accepted::Known));
        self.step();
        accepted
    }

    /// The number of the first publish that may not be acknowledged.
    pub fn safe(&self) -> u64 {
        self.relay.safe()
    }

    /// Another connection begins, after one on which all publishes below `acknowledged` were acknowledged, which the
    /// source had shown.
    pub fn reconnect(&mut self, resumed: bool, acknowledged: u64) {
        self.reconnect_unsure(resumed, acknowledged, acknowledged);
    }

    /// Likewise; the source had shown only for those below `arrived` that it has the acknowledgement.
    pub fn reconnect_unsure(&mut self, resumed: bool, acknowledged: u64, arrived: u64) {
        self.relay.begin_session(self.now, Begin { resumed, acknowledged, arrived, first: self.number });
    }

    /// A publish of `bytes`, of which only the beginning is known.
    pub fn publish_too_long(&mut self, topic: &[u8], topic_cut: bool, begin: &[u8], bytes: usize) -> Accepted {
        let accepted = self.relay.refuse_too_long(self.now, topic, begin, TooLong { bytes, limit: 100_000, topic_cut });
        self.received += u64::from(!matches!(accepted, Accepted::NotOurs | Accepted::NotNow));
        self.step();
        accepted
    }

    /// A JSON message for the default delivery stream.
    pub fn publish_json(&mut self, id: &str, data: &str) -> Accepted {
        self.publish(JSON_TOPIC, json!({"request": {"data": data}, "id": id}).to_string().as_bytes())
    }

    /// A JSON message for the delivery stream called `name`, or one anywhere else by its whole ARN.
    pub fn publish_to(&mut self, name: &str, id: &str, data: &str) -> Accepted {
        let arn = if name.starts_with("arn:") { name.to_owned() } else { format!("{ARN}{name}") };
        let request = json!({"data": data, "delivery_stream_arn": arn});
        self.publish(JSON_TOPIC, json!({"request": request, "id": id}).to_string().as_bytes())
    }

    /// A binary message.
    pub fn publish_binary(&mut self, id: &str, data: &[u8]) -> Accepted {
        self.publish(&format!("{BINARY_TOPIC}/{id}"), data)
    }

    /// The request that went to `stream` at this time, with exactly these records.
    pub fn expect_batch(&mut self, stream: &str, data: &[&str]) -> Sent {
        let sent = self.expect_sent(stream);
        let found: Vec<_> = sent.data.iter().map(|data| String::from_utf8_lossy(data)).collect();
        assert_eq!(found, data, "records of the batch to {stream} at {} ms", self.now());
        sent
    }

    /// The request that went to `stream` at this time.
    pub fn expect_sent(&mut self, stream: &str) -> Sent {
        let sent = self.sent.pop_front();
        assert!(sent.is_some(), "nothing was sent at {} ms, next: {:?}", self.now(), self.deadline());
        let sent = sent.unwrap();
        assert_eq!((sent.stream.as_str(), sent.at), (stream, self.now()), "stream and time of the request");
        sent
    }

    /// The next request sent, whatever it is.
    pub fn take_sent(&mut self) -> Option<Sent> {
        self.sent.pop_front()
    }

    /// Nothing was sent that the script has not taken.
    pub fn expect_no_batch(&self) {
        let first = self.sent.front().map(|sent| (sent.at, &sent.stream, sent.data.len()));
        assert_eq!(first, None, "a request nobody expected: (milliseconds, stream, records)");
    }

    /// Moves on to the next deadline and answers how many milliseconds that took.
    pub fn wait(&mut self) -> u64 {
        let deadline = self.deadline().expect("something is to happen by itself");
        let before = self.now();
        self.at(deadline);
        deadline - before
    }

    /// The next deadline, in milliseconds on the time line.
    pub fn deadline(&self) -> Option<u64> {
        self.next_deadline().map(Instant::as_millis)
    }

    /// The service answers record by record.
    pub fn answer(&mut self, sent: Sent, records: &[RecordOutcome<'_>]) -> Settled {
        self.outcome(sent, Outcome::Records(records))
    }

    /// The service takes all records; the record id of the first is `r0`.
    pub fn deliver(&mut self, sent: Sent) -> Settled {
        let ids: Vec<_> = (0..sent.data.len()).map(|place| format!("r{place}")).collect();
        let records: Vec<_> = ids.iter().map(|id| delivered(id)).collect();
        self.answer(sent, &records)
    }

    /// The service refuses the call for good.
    pub fn reject(&mut self, sent: Sent, code: &str, message: &str) -> Settled {
        self.outcome(sent, Outcome::Rejected { code, message })
    }

    /// The call came to nothing.
    pub fn fail(&mut self, sent: Sent) -> Settled {
        self.outcome(sent, Outcome::Retry)
    }

    /// Any outcome.
    pub fn outcome(&mut self, sent: Sent, outcome: Outcome<'_>) -> Settled {
        let settled = self.relay.handle_outcome(self.now, sent.id, outcome);
        assert_eq!(settled.succeeded + settled.failed + settled.retried, sent.records);
        self.step();
        settled
    }

    /// An outcome for a request that the relay has forgotten.
    pub fn late(&mut self, sent: Sent, outcome: Outcome<'_>) -> Settled {
        let settled = self.relay.handle_outcome(self.now, sent.id, outcome);
        self.step();
        settled
    }

    /// Maps all memory.
    pub fn touch(&mut self) {
        self.relay.touch().expect("this machine has the memory");
    }

    /// A message that the broker does not take, because it takes shorter ones than before, comes back.
    pub fn give_back(&mut self, message: &str) {
        self.answered -= status::entries(message.as_bytes()).count() as u64;
        self.relay.requeue_statuses(message.as_bytes());
        self.step();
    }

    /// The broker changes how it treats statuses.
    pub fn broker(&mut self, broker: Broker) -> &mut Self {
        self.broker = broker;
        match broker {
            Broker::Takes | Broker::Busy => self.relay.set_broker_takes_statuses(true),
            Broker::Lost => self.relay.broker_lost(self.now),
            Broker::Away => self.relay.set_broker_takes_statuses(false),
        }
        self.step();
        self
    }

    /// What has failed may go well now.
    pub fn retry_now(&mut self) -> &mut Self {
        self.relay.retry_now();
        self.step();
        self
    }

    /// Publishes that are not taken come again.
    pub fn publishes_come_again(&mut self) -> &mut Self {
        self.relay.set_source_redelivers(true);
        self
    }

    /// The broker's limit for a status message, bytes.
    pub fn status_limit(&mut self, limit: usize) -> &mut Self {
        self.limit = limit;
        self
    }

    /// The connector was told to end.
    pub fn drain(&mut self) -> &mut Self {
        self.relay.spool_before_end(self.now);
        self.relay.drain();
        self.step();
        self
    }

    /// The time for that is over. Answers how many records were left; requests in flight are forgotten.
    pub fn stop(&mut self) -> usize {
        self.sent.clear();
        let stopped = self.relay.stop();
        self.received -= stopped.left as u64;
        let left = stopped.failed;
        self.step();
        left
    }

    /// The next status message, to the byte; white space between its tokens is for the reader.
    pub fn expect_status(&mut self, message: &str) -> &mut Self {
        assert_eq!(self.messages.pop_front().as_deref(), Some(compact(message).as_str()), "status message");
        self
    }

    /// Takes the next status message from the relay itself, of any length up to the broker's limit.
    pub fn next_status(&mut self, message: &mut Vec<u8>) -> usize {
        let entries = self.relay.next_status(self.limit, message);
        self.answered += entries as u64;
        entries
    }

    /// No status message was published that the script has not taken.
    pub fn expect_no_status(&self) {
        assert_eq!(self.messages.front(), None, "a status nobody expected");
    }

    /// All status messages so far.
    pub fn take_statuses(&mut self) -> Vec<String> {
        self.messages.drain(..).collect()
    }

    fn next_deadline(&self) -> Option<Instant> {
        let keeper = self.keeper.as_ref().and_then(|keeper| keeper.deadline(self.now, &self.relay));
        [self.relay.poll_timeout(), self.relay.unblock_due(self.now), keeper].into_iter().flatten().min()
    }

    fn step(&mut self) {
        self.take_messages();
        self.spool();
        self.relay.unblock_source(self.now);
        while let Some(id) = self.relay.poll_send(self.now) {
            self.send(id);
        }
        assert!(self.relay.poll_timeout().is_none_or(|at| at > self.now), "nothing is due, but the deadline is past");
        let counters = self.relay.counters();
        assert_eq!(counters.received, self.received);
        let here = counters.succeeded + counters.failed + self.relay.held() as u64;
        assert_eq!(counters.received + counters.read_back, here + counters.spooled);
        let ended = counters.succeeded + counters.failed;
        let gone = self.answered + self.relay.lost_statuses();
        if self.relay.has_status() {
            assert!(gone < ended, "a status waits for a record that has one already");
        } else {
            assert_eq!(gone, ended, "one status for each record that ended");
        }
    }

    fn spool(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            carry(keeper, self.now, &mut self.relay, &mut self.files);
        }
    }

    /// What the spool tells of itself.
    pub fn spooled(&self) -> spool::Counters {
        self.keeper.as_ref().map(Keeper::counters).unwrap_or_default()
    }

    /// The connector was told to end a while ago, and there is no more time. Answers what it leaves on disk.
    pub fn end(mut self) -> (Files, usize) {
        self.relay.spool_at_end();
        self.keeper.iter_mut().for_each(Keeper::hurry);
        self.spool();
        let left = self.stop();
        (core::mem::take(&mut self.files), left)
    }

    fn take_messages(&mut self) {
        let mut message = Vec::new();
        while self.broker == Broker::Takes && self.relay.has_status() {
            let entries = self.relay.next_status(self.limit, &mut message);
            assert_eq!(entries == 0, message.is_empty());
            if entries > 0 {
                assert!(message.len() <= self.limit, "{} bytes of status message", message.len());
                let text = String::from_utf8(message.clone()).unwrap();
                serde_json::from_str::<serde::de::IgnoredAny>(&text).expect("a status message is JSON");
                self.messages.push_back(text);
                self.answered += entries as u64;
            }
        }
    }

    fn send(&mut self, id: BatchId) {
        let (batch, arena) = self.relay.batch(&id).unwrap();
        let records = batch.records.len();
        assert!((1..=BATCH_RECORDS).contains(&batch.packs));
        assert!(batch.packs <= records && records <= BATCH_PACKED);
        assert!(batch.encoded <= BATCH_BODY_BYTES - ENVELOPE_BYTES);
        assert!(!batch.single || records == 1);
        let data: Vec<_> = match batch.packing.is_off() {
            true => batch.records.iter(arena).map(|record| data_of(record, arena)).collect(),
            false => decoded(batch, arena),
        };
        assert_eq!(data.len(), batch.packs);
        let single = batch.single;
        let arn = self.relay.stream(&id).unwrap().arn();
        let stream = arn.strip_prefix(ARN).unwrap_or(arn).to_owned();
        let index = self.relay.stream_index(&id).unwrap();
        self.sent.push_back(Sent { id, at: self.now(), stream, index, single, data, records });
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.expect_no_batch();
            self.expect_no_status();
        }
    }
}

/// The records of the request for a batch.
pub fn decoded(batch: &Batch, arena: &Arena) -> Vec<Vec<u8>> {
    let (mut body, mut chunk) = (Vec::new(), vec![0; 16 * 1024]);
    let mut encoder = Encoder::new(batch);
    loop {
        match encoder.encode(DEFAULT, arena, &mut chunk) {
            0 => break,
            length => body.extend_from_slice(&chunk[..length]),
        }
    }
    assert_eq!(body.len(), body_len(DEFAULT, batch), "the announced length");
    let body: serde_json::Value = serde_json::from_slice(&body).expect("a body is JSON");
    let records = body["Records"].as_array().cloned().unwrap_or_else(|| vec![body["Record"].clone()]);
    records.iter().map(|record| BASE64.decode(record["Data"].as_str().unwrap().as_bytes()).unwrap()).collect()
}

/// The data of a record.
pub fn data_of(record: Record, arena: &Arena) -> Vec<u8> {
    read(Cursor::data(record, arena), arena)
}

/// All that a cursor has before it.
pub fn read(mut cursor: Cursor, arena: &Arena) -> Vec<u8> {
    let mut bytes = Vec::new();
    while cursor.left() > 0 {
        let piece = cursor.piece(arena, cursor.left());
        bytes.extend_from_slice(piece);
        cursor.advance(arena, piece.len());
    }
    bytes
}

/// The service took the record.
pub fn delivered(record_id: &str) -> RecordOutcome<'_> {
    RecordOutcome::Delivered { record_id }
}

/// The service refused the record for good.
pub fn rejected<'a>(code: &'a str, message: &'a str) -> RecordOutcome<'a> {
    RecordOutcome::Rejected { code, message }
}
