//! Status messages on their way to a topic: what the nucleus has not taken is sent again. While it takes all, many are under way at a
//! time, or each would cost a wake-up for its answer; else one is.
//!
//! They outlive the connection.

use bytes::Bytes;

use super::event::Fault;
use crate::limits::STATUS_ACKNOWLEDGED;
use crate::limits::greengrass::{AGAIN, ANSWER, DOUBTS};
use crate::relay::backoff::{Jitter, delay};
use crate::time::Instant;

/// Messages to one place, of which some may be under way.
#[derive(Debug)]
pub(super) struct Outlet {
    queue: Vec<Status>,
    /// As many may be under way.
    most: usize,
    /// As many are kept: the oldest gives way to one more.
    kept: usize,
    /// When the next is to be sent.
    at: Instant,
    /// Since when nothing has been taken of what is here.
    stuck_since: Instant,
    /// The last that was not put off was taken, or refused for what is wrong with it alone.
    trusted: bool,
    failures: u32,
}

#[derive(Debug)]
struct Status {
    message: Bytes,
    /// The request that it is in, and since when.
    asked: Option<(i32, Instant)>,
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
    /// With so many under way and so many kept, at most.
    pub(super) fn new(most: usize, kept: usize) -> Self {
        let (at, stuck_since) = (Instant::default(), Instant::default());
        Self { queue: Vec::new(), most, kept, at, stuck_since, trusted: false, failures: 0 }
    }

    /// How many are here.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether one more may be under way with those that are here.
    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < self.most()
    }

    const fn most(&self) -> usize {
        if self.trusted && self.failures == 0 { self.most } else { 1 }
    }

    /// Whether so many more push none out, or the place fails, so that pushing out is what is left.
    pub(super) fn takes(&self, more: usize) -> bool {
        self.queue.len() + more <= self.kept || self.failures > 0
    }

    /// Adds a message. Answers the oldest that is not under way if it has to give way.
    pub(super) fn push(&mut self, now: Instant, message: Bytes) -> Option<Bytes> {
        if self.queue.is_empty() {
            (self.at, self.stuck_since, self.failures) = (now, now, 0);
        }
        let is_full = self.queue.len() >= self.kept;
        let oldest = self.queue.iter().position(|status| is_full && status.asked.is_none());
        let oldest = oldest.map(|place| self.queue.remove(place));
        self.queue.push(Status { message, asked: None });
        oldest.map(|oldest| oldest.message)
    }

    /// The next, once there is room for it; it may have to wait.
    fn next(&self) -> Option<usize> {
        let under_way = self.queue.iter().filter(|status| status.asked.is_some()).count();
        if under_way < self.most() { self.queue.iter().position(|status| status.asked.is_none()) } else { None }
    }

    /// The next, if it is to be sent now.
    pub(super) fn due(&self, now: Instant) -> Option<&Bytes> {
        let next = self.next().filter(|_| self.at <= now)?;
        self.queue.get(next).map(|status| &status.message)
    }

    /// The one that was due was sent by this request.
    pub(super) fn sent(&mut self, now: Instant, stream: i32) {
        if let Some(status) = self.queue.iter_mut().find(|status| status.asked.is_none()) {
            status.asked = Some((stream, now));
        }
    }

    fn place(&self, stream: i32) -> Option<usize> {
        self.queue.iter().position(|status| status.asked.is_some_and(|(asked, _)| asked == stream))
    }

    /// Whether this request is for one of them.
    pub(super) fn is_by(&self, stream: i32) -> bool {
        self.place(stream).is_some()
    }

    /// The answer to the request `stream`; `Err`: why the message was not taken.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        stream: i32,
        answer: &Result<(), Fault>,
        jitter: &mut Jitter,
    ) -> Settled {
        let Some(place) = self.place(stream) else { return Settled::Later };
        // What is wrong with one message says nothing of the others.
        let trusted = match answer {
            Err(fault) if !fault.is_for_good(self.trusted && self.failures < DOUBTS) => {
                // Those that were under way with it fail for the same reason.
                if self.failures == 0 || place == 0 {
                    self.failures = self.failures.saturating_add(1);
                }
                self.queue[place].asked = None;
                self.at = now + delay(self.failures, AGAIN.0, AGAIN.1, jitter);
                return Settled::Later;
            }
            Err(fault) => self.trusted && !fault.is_unauthorized(),
            Ok(()) => true,
        };
        let Status { message, .. } = self.queue.remove(place);
        (self.at, self.stuck_since, self.trusted) = (now, now, trusted);
        if answer.is_err() {
            return Settled::Refused(message);
        }
        self.failures = 0;
        Settled::Taken(message)
    }

    /// A new connection begins: what was under way is sent again.
    pub(super) fn restart(&mut self, now: Instant) {
        self.at = now;
        for status in &mut self.queue {
            status.asked = None;
        }
    }

    /// When the next is to be sent, if that is possible (`may_write`), or an answer is overdue.
    pub(super) fn deadline(&self, may_write: bool) -> Option<Instant> {
        let answers = self.queue.iter().filter_map(|status| status.asked.map(|(_, since)| since + ANSWER));
        answers.chain(self.next().filter(|_| may_write).map(|_| self.at)).min()
    }

    /// A request whose answer is overdue.
    pub(super) fn overdue(&self, now: Instant) -> Option<i32> {
        let mut asked = self.queue.iter().filter_map(|status| status.asked);
        asked.find(|(_, since)| *since + ANSWER <= now).map(|(stream, _)| stream)
    }

    /// When messages count as held up, if nothing changes.
    pub(super) fn held_up_at(&self) -> Option<Instant> {
        self.queue.first()?;
        Some(self.stuck_since + STATUS_ACKNOWLEDGED)
    }
}
