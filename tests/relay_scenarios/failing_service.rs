//! A service that fails at certain records, for the scenarios that look for them.

use std::collections::HashMap;

use firehose_connector::relay::outcome::Outcome;

use crate::support::scenario::{Scenario, Sent};

/// A service that fails at every request with a record that begins with `bad`, in the way of `failure`.
pub(super) struct Service {
    pub(super) failure: Outcome<'static>,
    /// It fails at everything.
    pub(super) down: bool,
    /// Largest body that passes, bytes; a longer one is [`Outcome::TooLarge`].
    pub(super) most_bytes: usize,
    pub(super) requests: usize,
    pub(super) failed: usize,
    /// How often each record was taken.
    pub(super) taken: HashMap<Vec<u8>, usize>,
    pub(super) sizes: Vec<usize>,
    /// Records that were set aside, as reported.
    pub(super) reported: usize,
}

impl Service {
    pub(super) fn new(failure: Outcome<'static>) -> Self {
        let (taken, sizes) = Default::default();
        Self { failure, down: false, most_bytes: usize::MAX, requests: 0, failed: 0, taken, sizes, reported: 0 }
    }

    pub(super) fn serve(&mut self, s: &mut Scenario, sent: Sent) {
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
    pub(super) fn run(&mut self, s: &mut Scenario, end: u64, held: usize) {
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

/// Publishes `count` records that begin with `prefix`.
pub(super) fn publish(s: &mut Scenario, prefix: &str, count: usize) {
    for number in 0..count {
        s.publish_binary("", format!("{prefix}{number}").as_bytes());
    }
}

/// Waits for the next request after this moment.
pub(super) fn next(s: &mut Scenario) -> Sent {
    loop {
        s.wait();
        if let Some(sent) = s.take_sent() {
            return sent;
        }
    }
}
