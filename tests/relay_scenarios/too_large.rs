//! Requests that are too large for a proxy.

use std::collections::HashMap;

use firehose_connector::limits::{BATCH_RECORDS, FAILURES_APART, TOO_LARGE_KEPT};
use firehose_connector::relay::outcome::Outcome;

use super::apart::{next, publish};
use crate::support::scenario::{Scenario, Sent, Setup};

/// A service that fails at every request with a record that begins with `bad`, in the way of `failure`.
struct Service {
    failure: Outcome<'static>,
    /// It fails at everything.
    down: bool,
    /// Largest body that passes, bytes; a longer one is [`Outcome::TooLarge`].
    most_bytes: usize,
    requests: usize,
    failed: usize,
    /// How often each record was taken.
    taken: HashMap<Vec<u8>, usize>,
    sizes: Vec<usize>,
    reported: usize,
}

impl Service {
    fn new(failure: Outcome<'static>) -> Self {
        let (taken, sizes) = Default::default();
        Self { failure, down: false, most_bytes: usize::MAX, requests: 0, failed: 0, taken, sizes, reported: 0 }
    }

    fn serve(&mut self, s: &mut Scenario, sent: Sent) {
        self.requests += 1;
        self.sizes.push(sent.data.len());
        let bytes: usize = sent.data.iter().map(|data| data.len().div_ceil(3) * 4 + 12).sum();
        let settled = if bytes > self.most_bytes {
            self.failed += 1;
            s.outcome(sent, Outcome::TooLarge)
        } else if self.down || sent.data.iter().any(|data| data.starts_with(b"bad")) {
            self.failed += 1;
            s.outcome(sent, self.failure)
        } else {
            for data in &sent.data {
                *self.taken.entry(data.clone()).or_default() += 1;
            }
            s.deliver(sent)
        };
        self.reported += settled.set_aside;
        s.take_statuses();
    }

    /// Answers each request 50 ms after it was sent, until `end` (milliseconds) or until no more than `held` are held.
    fn run(&mut self, s: &mut Scenario, end: u64, held: usize) {
        while s.relay().held() > held && s.now() < end {
            if let Some(sent) = s.take_sent() {
                s.step_unwatched(50);
                self.serve(s, sent);
            } else if s.deadline().is_some_and(|at| at < end) {
                s.wait();
            } else {
                return;
            }
        }
    }
}

#[test]
fn a_proxys_limit_is_learned_and_not_exceeded_each_time() {
    let mut s = Scenario::new(Setup { queue_size: 5_000, ..Setup::default() });
    let mut service = Service::new(Outcome::TooLarge);
    service.most_bytes = 1_000_000;
    let data = "x".repeat(4_000);
    for round in 0..20 {
        for number in 0..1_000 {
            s.publish_binary("", format!("{round}-{number}{data}").as_bytes());
        }
        service.run(&mut s, u64::MAX, 0);
    }
    assert!(s.now() < u64::try_from(TOO_LARGE_KEPT.as_millis()).unwrap());
    assert_eq!((s.relay().held(), service.taken.len()), (0, 20_000));
    assert!(service.failed <= 3, "{} of {} requests were too large", service.failed, service.requests);
    assert!(service.requests < 20_000 * 5_400 / 500_000 + 10, "no smaller than half of what passes");
    s.step_unwatched(u64::try_from(TOO_LARGE_KEPT.as_millis()).unwrap());
    service.most_bytes = usize::MAX;
    service.sizes.clear();
    for number in 0..4_000 {
        s.publish_binary("", format!("later-{number}{data}").as_bytes());
    }
    service.run(&mut s, u64::MAX, 0);
    assert!(service.sizes.contains(&BATCH_RECORDS), "{:?}", service.sizes);
}

#[test]
fn a_record_too_large_for_a_proxy_waits_alone() {
    let mut s = Scenario::new(Setup::default());
    let mut service = Service::new(Outcome::TooLarge);
    service.most_bytes = 1_000_000;
    publish(&mut s, "small", 200);
    s.publish_binary("", &vec![b'l'; 900_000]);
    publish(&mut s, "other", 200);
    service.run(&mut s, 60_000, 1);
    assert_eq!((s.relay().held(), service.taken.len()), (1, 400));
    assert!(service.requests <= 12, "{:?}", service.sizes);
    let end = s.now() + 3_600_000;
    service.run(&mut s, end, 0);
    assert_eq!((s.relay().held(), service.reported), (1, 1));
    service.most_bytes = usize::MAX;
    service.run(&mut s, end + 600_000, 0);
    assert_eq!(s.relay().held(), 0);
}

#[test]
fn after_a_413_for_an_accepted_length_batches_do_not_stay_small() {
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    let mut service = Service::new(Outcome::TooLarge);
    let data = "x".repeat(4_000);
    publish(&mut s, &data, BATCH_RECORDS);
    let first = s.take_sent().unwrap();
    service.serve(&mut s, first);
    publish(&mut s, &data, 2_500);
    for _ in 0..FAILURES_APART {
        let sent = s.take_sent().unwrap_or_else(|| next(&mut s));
        s.outcome(sent, Outcome::TooLarge);
    }
    service.sizes.clear();
    service.run(&mut s, 60_000, 0);
    assert_eq!(s.relay().held(), 0);
    assert!(service.sizes.contains(&BATCH_RECORDS), "{:?}", service.sizes);
}
