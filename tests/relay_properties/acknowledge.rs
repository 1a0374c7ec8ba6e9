//! Random days of a connector and a broker that sends only so much unacknowledged, whose connection is cut at any
//! moment, and of delivery streams of which some fail: nothing is lost, nothing is taken twice, and the input does not
//! stop.

use std::collections::{HashMap, VecDeque};

use firehose_connector::relay::arn::DeliveryStreamArn;
use firehose_connector::relay::message::JSON_TOPIC;
use firehose_connector::relay::outcome::{Outcome, RecordOutcome};
use firehose_connector::relay::pack::Packing;
use firehose_connector::relay::receipts::{Begin, Token};
use firehose_connector::relay::{Accepted, Acknowledge, BatchId, Relay, Settings};
use firehose_connector::time::{Duration, Instant};
use proptest::prelude::*;
use serde_json::json;

const ARN: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/s";

#[derive(Debug, Clone)]
enum Step {
    /// Applications publish so many to one of the streams, all with the same data if `equal`.
    Publish { stream: usize, count: usize, equal: bool },
    /// So many milliseconds pass.
    Pass(u64),
    /// The connection is cut: of what the relay allowed to be acknowledged so much was not written, of what was written
    /// so much did not arrive, and of so much more it was not seen that it did.
    Cut { unwritten: u64, lost: u64, unseen: u64 },
    /// The stream fails from now on, or no more.
    Fails(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_usize, 1..60_usize, any::<bool>())
            .prop_map(|(stream, count, equal)| Step::Publish { stream, count, equal }),
        4 => (1..20_000_u64).prop_map(Step::Pass),
        2 => (0..40_u64, 0..40_u64, 0..40_u64)
            .prop_map(|(unwritten, lost, unseen)| Step::Cut { unwritten, lost, unseen }),
        1 => (0..3_usize, any::<bool>()).prop_map(|(stream, fails)| Step::Fails(stream, fails)),
    ]
}

/// A publish: its stream and what tells it from others, unless there are equal ones.
type Publish = (usize, u64);

struct Sent {
    publish: Publish,
    number: u64,
    packet_id: u16,
}

struct World {
    relay: Relay,
    now: u64,
    window: usize,
    /// Redelivered publishes have new packet ids and no mark.
    renames: bool,
    /// Some publishes look the same. Then nobody could say of them whether an acknowledgement arrived that was not seen
    /// to, nor, if the broker `renames`, which are new when one did not.
    has_equal: bool,
    queue: VecDeque<(Publish, Option<u16>)>,
    unacknowledged: VecDeque<Sent>,
    next_number: u64,
    next_id: u16,
    /// Those of this connection that were acknowledged.
    over: VecDeque<Sent>,
    in_flight: Vec<(u64, BatchId)>,
    fails: [bool; 3],
    published: HashMap<Publish, usize>,
    delivered: HashMap<Publish, usize>,
}

impl World {
    fn new(window: usize, interval: u64, renames: bool, acknowledge: Acknowledge, seed: u64) -> Self {
        let arn = format!("{ARN}0");
        let mut relay = Relay::new(&Settings {
            version: 5,
            default_delivery_stream: DeliveryStreamArn::parse(&arn).unwrap(),
            queue_size: 100_000,
            publish_interval: Duration::from_secs(interval),
            arena_bytes: 8 * 1024 * 1024,
            connections: 4,
            acknowledge,
            packing: Packing::OFF,
            seed,
        });
        relay.set_broker_takes_statuses(true);
        let (queue, unacknowledged, over, in_flight, published, delivered) = Default::default();
        Self {
            relay,
            now: 0,
            window,
            renames,
            has_equal: false,
            queue,
            unacknowledged,
            next_number: 0,
            next_id: 1,
            over,
            in_flight,
            fails: [false; 3],
            published,
            delivered,
        }
    }

    /// The broker sends what it may.
    fn send(&mut self) -> bool {
        let mut any = false;
        while self.unacknowledged.len() < self.window {
            let Some((publish, again)) = self.queue.pop_front() else { break };
            let packet_id = again.filter(|_| !self.renames).unwrap_or(self.next_id);
            if packet_id == self.next_id {
                self.next_id = self.next_id % 60_000 + 1;
            }
            let repeated = again.is_some() && !self.renames;
            let number = self.next_number;
            self.next_number += 1;
            let request =
                json!({"data": format!("{}", publish.1), "delivery_stream_arn": format!("{ARN}{}", publish.0)});
            let payload = json!({"request": request}).to_string();
            let token = Token { number, packet_id, repeated, exactly_once: false };
            let accepted = self.relay.receive(
                Instant::from_millis(self.now),
                JSON_TOPIC.as_bytes(),
                payload.as_bytes(),
                None,
                Some(token),
            );
            assert!(again.is_some() || accepted == Accepted::Held, "{accepted:?}");
            self.unacknowledged.push_back(Sent { publish, number, packet_id });
            any = true;
        }
        any
    }

    /// The broker hears which are safe.
    fn acknowledge(&mut self, safe: u64) -> bool {
        let before = self.unacknowledged.len();
        while self.unacknowledged.front().is_some_and(|sent| sent.number < safe) {
            self.over.extend(self.unacknowledged.pop_front());
        }
        before > self.unacknowledged.len()
    }

    fn turn(&mut self) {
        loop {
            let now = Instant::from_millis(self.now);
            self.relay.unblock_source(now);
            while let Some(id) = self.relay.poll_send(now) {
                self.in_flight.push((self.now + 50, id));
            }
            let mut message = Vec::new();
            while self.relay.next_status(128 * 1024, &mut message) > 0 {}
            if !self.acknowledge(self.relay.safe()) & !self.send() {
                return;
            }
        }
    }

    fn pass(&mut self, millis: u64) {
        let end = self.now + millis;
        loop {
            self.turn();
            let relief = self.relay.unblock_due(Instant::from_millis(self.now));
            let deadlines = [self.relay.poll_timeout(), relief].into_iter().flatten().map(Instant::as_millis);
            let next = deadlines.chain(self.in_flight.iter().map(|(at, _)| *at)).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            assert!(next > self.now || self.in_flight.iter().any(|(at, _)| *at <= self.now), "a hot loop");
            self.now = next.max(self.now);
            let over = self.in_flight.iter().position(|(at, _)| *at <= self.now);
            if let Some(over) = over {
                let (_, id) = self.in_flight.swap_remove(over);
                self.answer(id);
            }
        }
        self.now = end;
        self.turn();
    }

    fn answer(&mut self, id: BatchId) {
        let now = Instant::from_millis(self.now);
        let stream: usize = self.relay.stream(&id).unwrap().arn()[ARN.len()..].parse().unwrap();
        let (batch, arena) = self.relay.batch(&id).unwrap();
        let records: Vec<_> = batch.records.iter(arena).collect();
        if self.fails[stream] {
            self.relay.handle_outcome(now, id, Outcome::Retry);
            return;
        }
        for record in &records {
            let data = crate::support::scenario::data_of(*record, arena);
            let number = String::from_utf8(data).unwrap().parse().unwrap();
            *self.delivered.entry((stream, number)).or_default() += 1;
        }
        let outcomes = vec![RecordOutcome::Delivered { record_id: "id" }; records.len()];
        self.relay.handle_outcome(now, id, Outcome::Records(&outcomes));
    }

    fn cut(&mut self, unwritten: u64, lost: u64, unseen: u64) {
        let written = self.relay.safe().saturating_sub(unwritten);
        let heard = if self.renames && self.has_equal { written } else { written.saturating_sub(lost) };
        let arrived = if self.has_equal { heard } else { heard.saturating_sub(unseen) };
        self.acknowledge(heard);
        while let Some(sent) = self.over.pop_back().filter(|sent| sent.number >= heard) {
            self.unacknowledged.push_front(sent);
        }
        self.over.clear();
        for sent in core::mem::take(&mut self.unacknowledged).into_iter().rev() {
            self.queue.push_front((sent.publish, Some(sent.packet_id)));
        }
        let begin = Begin { resumed: true, acknowledged: written, arrived, first: self.next_number };
        self.relay.begin_session(Instant::from_millis(self.now), begin);
    }
}

proptest! {
    #![proptest_config(crate::cases(60))]

    #[test]
    fn nothing_is_lost_or_taken_twice_and_the_input_goes_on(
        window in prop_oneof![Just(1_usize), Just(20), Just(100), Just(500)],
        interval in prop_oneof![Just(1_u64), Just(10), Just(900)],
        renames: bool,
        held: bool,
        seed: u64,
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let acknowledge = if held { Acknowledge::Held } else { Acknowledge::Safe };
        let mut world = World::new(window, interval, renames, acknowledge, seed);
        let mut next = 0;
        for step in steps {
            match step {
                Step::Publish { stream, count, equal } => {
                    world.has_equal |= equal;
                    for _ in 0..count {
                        next += u64::from(!equal);
                        let publish = (stream, if equal { 0 } else { next });
                        *world.published.entry(publish).or_default() += 1;
                        world.queue.push_back((publish, None));
                    }
                    // The cut may come before the acknowledgements.
                    world.send();
                }
                Step::Pass(millis) => world.pass(millis),
                Step::Cut { unwritten, lost, unseen } => world.cut(unwritten, lost, unseen),
                Step::Fails(stream, fails) => world.fails[stream] = fails,
            }
            for (publish, times) in &world.delivered {
                prop_assert!(*times <= world.published[publish], "{:?} was delivered {} times", publish, times);
            }
        }
        // In an outage, too, all input is taken in the end.
        world.pass(60_000 + 400 * world.queue.len() as u64 + 6000 * (world.queue.len() / world.window) as u64);
        prop_assert!(world.queue.is_empty(), "{} are not taken, window {}", world.queue.len(), world.window);
        world.fails = [false; 3];
        world.pass(3_600_000);
        prop_assert_eq!(&world.delivered, &world.published);
        prop_assert!(world.unacknowledged.is_empty());
    }
}
