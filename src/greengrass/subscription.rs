//! A subscription to one topic: asked for, granted, and made again when it has ended or may have.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use super::event::Fault;
use crate::limits::greengrass::{
    AGAIN, ANSWER, CLOUD_QUIET, DOUBTS, FLOW, LULL, OVERLAP, OVERLAPPING, QUIET, REFUSED_AGAIN,
};
use crate::relay::backoff::{Jitter, delay};
use crate::source::Received;
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
    /// The request of before, whose messages count until the new one is granted; zero: there is none.
    former: i32,
    /// Hashes of messages that came by the former request while this one was asked for: they may come by this one, too.
    came: Vec<u64>,
    /// But not from then on.
    came_until: Instant,
    pub(super) state: State,
    /// The nucleus has answered once.
    pub(super) answered: bool,
    /// The nucleus has granted it once.
    known: bool,
    /// Messages come one soon after the other.
    flows: bool,
    failures: u32,
}

impl Subscription {
    pub(super) const fn new(now: Instant) -> Self {
        let state = State::Waits(now);
        Self {
            stream: 0,
            former: 0,
            came: Vec::new(),
            came_until: now,
            state,
            answered: false,
            known: false,
            flows: false,
            failures: 0,
        }
    }

    /// When it is to be asked for (again), or its answer is overdue.
    pub(super) fn deadline(&self, cloud: bool) -> Instant {
        match self.state {
            State::Waits(until) => until,
            State::Asked(since) => since + ANSWER,
            State::Granted(heard) if cloud => heard + CLOUD_QUIET,
            State::Granted(heard) => heard + if self.flows { LULL } else { QUIET },
        }
    }

    /// Whether what comes by this request is for it.
    pub(super) const fn is_by(&self, stream: i32) -> bool {
        self.stream == stream || self.former == stream
    }

    /// The requests that it may come by; zero: none.
    pub(super) const fn streams(&self) -> [i32; 2] {
        [self.former, self.stream]
    }

    /// It is made anew: until that is granted, nothing is missed of what the former one may still deliver.
    pub(super) fn asked(&mut self, now: Instant, stream: i32) {
        if self.stream != 0 {
            self.former = self.stream;
        }
        self.came.clear();
        (self.stream, self.state) = (stream, State::Asked(now));
    }

    /// Returns whether it had failed before, and the former request, if there is one to be ended.
    pub(super) fn granted(&mut self, now: Instant) -> (bool, Option<i32>) {
        (self.state, self.answered, self.known, self.flows) = (State::Granted(now), true, true, false);
        self.came_until = now + OVERLAP;
        let former = core::mem::take(&mut self.former);
        (core::mem::take(&mut self.failures) > 0, (former != 0).then_some(former))
    }

    /// A message came.
    pub(super) fn heard(&mut self, now: Instant) {
        if let State::Granted(before) = self.state {
            (self.state, self.flows) = (State::Granted(now), now.since(before) <= FLOW);
        }
    }

    /// Whether this message, which came by the request `stream`, has come by the former one, too.
    pub(super) fn is_repeated(&mut self, now: Instant, stream: i32, message: &Received) -> bool {
        let hash = || BuildHasherDefault::<DefaultHasher>::default().hash_one((&message.topic, &message.payload));
        if stream == self.former {
            if self.came.len() < OVERLAPPING {
                self.came.push(hash());
            }
            return false;
        }
        if now >= self.came_until {
            self.came = Vec::new();
        }
        let place = if self.came.is_empty() { None } else { Some(hash()) }
            .and_then(|hash| self.came.iter().position(|came| *came == hash));
        place.map(|place| self.came.swap_remove(place)).is_some()
    }

    /// The request that is asked for was not granted.
    pub(super) fn failed(&mut self, now: Instant, fault: &Fault, cloud: bool, jitter: &mut Jitter) {
        let for_good = fault.is_for_good(self.known && self.failures < DOUBTS);
        self.failures = self.failures.saturating_add(1);
        (self.stream, self.answered) = (0, true);
        let wait = match for_good {
            true => REFUSED_AGAIN.0 + delay(self.failures, REFUSED_AGAIN.0, REFUSED_AGAIN.1, jitter),
            false => delay(self.failures, AGAIN.0, if cloud { AGAIN.1 } else { QUIET }, jitter),
        };
        self.state = State::Waits(now + wait);
    }

    /// The nucleus ended this request, without an error.
    pub(super) fn ended(&mut self, now: Instant, stream: i32, jitter: &mut Jitter) {
        if stream == self.former {
            self.former = 0;
            return;
        }
        (self.stream, self.failures) = (0, self.failures.max(1));
        self.state = State::Waits(now + delay(1, AGAIN.0, AGAIN.1, jitter));
    }
}
