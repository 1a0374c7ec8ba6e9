//! Several records at which the service fails, among others, in any places: the others are delivered within a bounded
//! number of requests and a bounded time, each once; a service that fails at random, too, makes that longer by seconds.

use std::collections::{HashMap, HashSet, VecDeque};

use firehose_connector::limits::{ASIDE_TRIES, BACKOFF_BASE, BACKOFF_CAP, BACKOFF_PUT_OFF};
use firehose_connector::relay::arn::DeliveryStreamArn;
use firehose_connector::relay::message::BINARY_TOPIC;
use firehose_connector::relay::outcome::{Outcome, RecordOutcome};
use firehose_connector::relay::pack::Packing;
use firehose_connector::relay::{Accepted, Acknowledge, Relay, Settings};
use firehose_connector::time::{Duration, Instant};
use proptest::prelude::*;

use crate::support::scenario::{ARN, data_of};

#[derive(Debug, Clone, Copy)]
enum Failure {
    Split,
    Smaller,
    TooLarge,
}

/// Milliseconds from a request to its answer.
const ROUND_TRIP: u64 = 50;

/// Most requests until all others of this many records are delivered, as the module `aside` promises.
fn search(records: usize, bad: usize) -> usize {
    20 + 2 * bad * ((records / bad.max(1)).ilog2() as usize + 4)
}

proptest! {
    #![proptest_config(crate::cases(150))]
    #[test]
    fn several_bad_records_among_many_hold_up_none_of_the_others(
        places in proptest::collection::hash_set(0..1500_usize, 1..20),
        // Records published between two requests, beside the 500 that come first.
        flow in prop_oneof![Just(0_usize), 1..50_usize],
        failure in prop_oneof![Just(Failure::Split), Just(Failure::Smaller), Just(Failure::TooLarge)],
        connections in 1..4_usize,
        // Of 10 requests that could succeed, this many fail.
        flapping in prop_oneof![3 => Just(0_u64), 1 => 1..3_u64],
        seed: u64,
    ) {
        let mut relay = Relay::new(&Settings {
            version: 5,
            default_delivery_stream: DeliveryStreamArn::parse(&format!("{ARN}s")).unwrap(),
            queue_size: 5_000,
            publish_interval: Duration::from_secs(1),
            arena_bytes: 4 << 20,
            connections,
            acknowledge: Acknowledge::Safe,
            packing: Packing::OFF,
            seed,
        });
        relay.set_broker_takes_statuses(true);
        let total = if flow == 0 { 500 } else { 1500 };
        let bad: HashSet<usize> = places.into_iter().filter(|place| *place < total).collect();
        let (mut now, mut published, mut requests, mut chance) = (Instant::default(), 0, 0, seed);
        let (mut taken, mut failures_alone, mut unlucky) = (HashSet::new(), HashMap::new(), 0);
        let (mut in_flight, mut message) = (VecDeque::new(), Vec::new());
        while taken.len() < total - bad.len() {
            let next = if published == 0 { 500 } else { flow };
            for number in published..total.min(published + next) {
                let payload = number.to_string();
                prop_assert_eq!(relay.accept(now, BINARY_TOPIC.as_bytes(), payload.as_bytes()), Accepted::Held);
            }
            published = total.min(published + next);
            while let Some(id) = relay.poll_send(now) {
                requests += 1;
                in_flight.push_back((now + Duration::from_millis(ROUND_TRIP), id));
            }
            let Some((answered, id)) = in_flight.pop_front() else {
                now = relay.poll_timeout().unwrap().max(now);
                continue;
            };
            now = now.max(answered);
            let (batch, arena) = relay.batch(&id).unwrap();
            let numbers: Vec<usize> = batch.records.iter(arena)
                .map(|record| String::from_utf8(data_of(record, arena)).unwrap().parse().unwrap())
                .collect();
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // What is too large is so each time.
            let flaps = !matches!(failure, Failure::TooLarge) && (chance >> 33) % 10 < flapping;
            let fails = flaps || numbers.iter().any(|number| bad.contains(number));
            let settled = if fails {
                if let [alone] = numbers[..] && !bad.contains(&alone) {
                    let failures = failures_alone.entry(alone).or_insert(0);
                    *failures += 1;
                    unlucky += u64::from(*failures > ASIDE_TRIES);
                }
                relay.handle_outcome(now, id, match failure {
                    Failure::Split => Outcome::RetrySplit,
                    Failure::Smaller => Outcome::RetrySmaller,
                    Failure::TooLarge => Outcome::TooLarge,
                })
            } else {
                for number in &numbers {
                    prop_assert!(taken.insert(*number), "record {} is taken twice", number);
                }
                let records = vec![RecordOutcome::Delivered { record_id: "r" }; numbers.len()];
                relay.handle_outcome(now, id, Outcome::Records(&records))
            };
            prop_assert_eq!(settled.retried, if fails { numbers.len() } else { 0 });
            while relay.next_status(128 * 1024, &mut message) > 0 {}
            let most = match failure {
                // Batches stay small for an hour.
                Failure::TooLarge => search(total, bad.len()) + total,
                _ if flapping == 0 => search(total, bad.len()),
                _ => 120 + 50 * bad.len(),
            };
            let most = most + (2 * total).checked_div(flow).unwrap_or(0);
            prop_assert!(requests <= most, "{} requests, {} taken, {} bad", requests, taken.len(), bad.len());
        }
        prop_assert_eq!(relay.held(), total.min(published) - taken.len());
        prop_assert_eq!(relay.lost_statuses(), 0);
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap();
        let pause = millis(if flapping == 0 { BACKOFF_PUT_OFF } else { BACKOFF_BASE });
        // A good record that failed alone so often waits for as many of the bad ones as there are.
        let in_turn = unlucky * (bad.len() as u64 + 1) * millis(BACKOFF_CAP);
        let intervals = 1_000 * (total - 500).checked_div(flow).unwrap_or(0) as u64;
        let most = 30_000 + requests as u64 * (ROUND_TRIP + pause) + intervals + in_turn;
        prop_assert!(now.as_millis() < most, "{} ms for {} requests", now.as_millis(), requests);
    }
}
