//! A subscription to one topic: asked for, granted, and made again when it has ended or may have.

use crate::limits::greengrass::{AGAIN, ANSWER, CLOUD_QUIET, QUIET, REFUSED_AGAIN};
use crate::relay::backoff::{Jitter, delay};
use crate::time::Instant;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// To be asked for at this time.
    Waits(Instant),
    /// Asked for at this time.
    Asked(Instant),
    /// Granted. A message came last at this time, or none since.
    Granted(Instant),
}

/// One topic, and what the nucleus has said about it.
#[derive(Debug)]
pub(super) struct Subscription {
    /// The request that its messages come by; zero: there is none.
    pub(super) stream: i32,
    pub(super) state: State,
    /// The nucleus has answered once.
    pub(super) answered: bool,
    failures: u32,
}

impl Subscription {
    pub(super) const fn new(now: Instant) -> Self {
        Self { stream: 0, state: State::Waits(now), answered: false, failures: 0 }
    }

    /// When it is to be asked for (again), or its answer is overdue.
    pub(super) fn deadline(&self, cloud: bool) -> Instant {
        match self.state {
            State::Waits(until) => until,
            State::Asked(since) => since + ANSWER,
            State::Granted(heard) => heard + if cloud { CLOUD_QUIET } else { QUIET },
        }
    }

    pub(super) const fn asked(&mut self, now: Instant, stream: i32) {
        (self.stream, self.state) = (stream, State::Asked(now));
    }

    /// Returns whether it had failed before.
    pub(super) const fn granted(&mut self, now: Instant) -> bool {
        (self.state, self.answered) = (State::Granted(now), true);
        core::mem::replace(&mut self.failures, 0) > 0
    }

    pub(super) fn failed(&mut self, now: Instant, for_good: bool, jitter: &mut Jitter) {
        self.failures = self.failures.saturating_add(1);
        (self.stream, self.answered) = (0, true);
        let wait = match for_good {
            true => REFUSED_AGAIN.0 + delay(self.failures, REFUSED_AGAIN.0, REFUSED_AGAIN.1, jitter),
            false => delay(self.failures, AGAIN.0, AGAIN.1, jitter),
        };
        self.state = State::Waits(now + wait);
    }

    /// The nucleus ended it, without an error.
    pub(super) fn ended(&mut self, now: Instant, jitter: &mut Jitter) {
        self.stream = 0;
        self.state = State::Waits(now + delay(1, AGAIN.0, AGAIN.1, jitter));
    }
}
