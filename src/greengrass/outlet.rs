//! Status messages on their way to a topic, one after the other: what the nucleus has not taken is sent again.
//!
//! They outlive the connection.

use std::collections::VecDeque;

use bytes::Bytes;

use super::event::Fault;
use crate::limits::STATUS_ACKNOWLEDGED;
use crate::limits::greengrass::{AGAIN, ANSWER, CLOUD_STATUSES, DOUBTS};
use crate::relay::backoff::{Jitter, delay};
use crate::time::Instant;

/// Messages to one place, of which the first may be under way.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    queue: VecDeque<Bytes>,
    /// The request that the first is in; zero: it is in none.
    pub(super) stream: i32,
    /// When that was sent, or when the first is to be sent.
    at: Instant,
    /// Since when nothing has been taken of what is here.
    stuck_since: Instant,
    /// The last one that was not put off was taken.
    trusted: bool,
    failures: u32,
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Taken(Bytes),
    Refused(Bytes),
    /// It is sent again.
    Later,
}

impl Outlet {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds a message. Answers the oldest if it has to give way.
    pub(super) fn push(&mut self, now: Instant, message: Bytes) -> Option<Bytes> {
        if self.queue.is_empty() {
            (self.at, self.stuck_since, self.failures) = (now, now, 0);
        }
        let given_up = if self.queue.len() < CLOUD_STATUSES { None } else { self.drop_first() };
        self.queue.push_back(message);
        given_up
    }

    /// The first, if it is to be sent now.
    pub(super) fn due(&self, now: Instant) -> Option<&Bytes> {
        self.queue.front().filter(|_| self.stream == 0 && self.at <= now)
    }

    pub(super) const fn sent(&mut self, now: Instant, stream: i32) {
        (self.stream, self.at) = (stream, now);
    }

    /// The answer to the first; `Err`: why it was not taken.
    pub(super) fn settle(&mut self, now: Instant, answer: &Result<(), Fault>, jitter: &mut Jitter) -> Settled {
        match answer {
            Err(fault) if !fault.is_for_good(self.trusted && self.failures < DOUBTS) => {
                self.failures = self.failures.saturating_add(1);
                (self.stream, self.at) = (0, now + delay(self.failures, AGAIN.0, AGAIN.1, jitter));
                Settled::Later
            }
            answer => match (self.drop_first(), answer) {
                (Some(message), Ok(())) => {
                    (self.at, self.stuck_since, self.failures, self.trusted) = (now, now, 0, true);
                    Settled::Taken(message)
                }
                (Some(message), Err(_)) => {
                    (self.at, self.stuck_since, self.trusted) = (now, now, false);
                    Settled::Refused(message)
                }
                (None, _) => Settled::Later,
            },
        }
    }

    fn drop_first(&mut self) -> Option<Bytes> {
        self.stream = 0;
        self.queue.pop_front()
    }

    /// A new connection begins: what was under way is sent again.
    pub(super) const fn restart(&mut self, now: Instant) {
        (self.stream, self.at) = (0, now);
    }

    /// When the first is to be sent, or its answer is overdue.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.queue.front()?;
        Some(if self.stream == 0 { self.at } else { self.at + ANSWER })
    }

    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.stream != 0 && self.at + ANSWER <= now
    }

    /// When messages count as held up, if nothing changes.
    pub(super) fn held_up_at(&self) -> Option<Instant> {
        self.queue.front()?;
        Some(self.stuck_since + STATUS_ACKNOWLEDGED)
    }
}
