//! How long publishes may gather unread, so that wake-ups do not follow their rate. It has no clock and no socket.
//!
//! A single publish is read at once. When more follow, a rest is as long as the source needs at its present rate to fill
//! half of what it may send before it has to wait: for acknowledgements, or for room in the kernel's buffer. At full rate
//! that is too short for a rest. A source that has had to wait is read at once until it is seen to keep its own rate again.

use tokio::time::{Duration, Instant};

use crate::clock::Beat;
use crate::limits::{GATHER, GATHER_BUFFER_SHARE, GATHER_LEAST};

/// What was read since the last rest, and at which rate.
#[derive(Debug)]
pub(super) struct Gather {
    /// With which rests end; `None`: there are none.
    beat: Option<Beat>,
    /// When all had been read last.
    since: Instant,
    read: Read,
    /// From publish to publish, as it was the time before.
    before: Option<Duration>,
    /// The broker waited for acknowledgements, so when it sends next says nothing about its rate.
    was_full: bool,
}

#[derive(Debug, Default)]
struct Read {
    publishes: u32,
    bytes: usize,
    /// The broker waits for acknowledgements of some.
    waits: bool,
}

/// What the broker may send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Publishes without an acknowledgement, as far as is known, and how many there are now.
    pub(super) window: usize,
    pub(super) outstanding: usize,
    /// Bytes of the kernel's receive buffer.
    pub(super) buffer: usize,
}

impl Gather {
    pub(super) fn new(beat: Option<Beat>, now: Instant) -> Self {
        Self { beat, since: now, read: Read::default(), before: None, was_full: false }
    }

    /// A publish of so many `bytes` was read. `waits`: the broker waits for its acknowledgement.
    pub(super) const fn read(&mut self, bytes: usize, waits: bool) {
        self.read.publishes = self.read.publishes.saturating_add(1);
        self.read.bytes = self.read.bytes.saturating_add(bytes);
        self.read.waits |= waits;
    }

    /// All that there was has been read. Answers until when nothing needs to be read, if that is worth a rest.
    pub(super) fn rest(&mut self, now: Instant, room: Room) -> Option<Instant> {
        if self.read.publishes == 0 {
            return None;
        }
        let Read { publishes, bytes, waits } = core::mem::take(&mut self.read);
        let took = now - core::mem::replace(&mut self.since, now);
        let was_full = core::mem::replace(&mut self.was_full, waits && room.is_full());
        if was_full || self.was_full {
            // What waited comes at once now, and is to be acknowledged soon.
            self.before = None;
            return None;
        }
        // Of two the faster one: a source that paused, because it was waiting for something, goes on as fast as before.
        let each = took / publishes;
        let each = each.min(self.before.replace(each).unwrap_or(each));
        let most = (room.buffer / GATHER_BUFFER_SHARE).saturating_mul(publishes as usize) / bytes.max(1);
        let most = if waits { most.min(room.publishes()) } else { most };
        let longest = GATHER.min(each.saturating_mul(u32::try_from(most).unwrap_or(u32::MAX)));
        let end = self.beat?.end_of_rest(now, longest);
        // A rest in which nothing comes would be one wake-up more.
        (end - now >= GATHER_LEAST.max(each * 3 / 4)).then_some(end)
    }
}

impl Room {
    /// Whether the broker waits, or will after a few publishes more.
    const fn is_full(self) -> bool {
        self.outstanding + self.window / 16 >= self.window
    }

    /// Publishes that may gather: what is missing to three quarters of the window, where batches are sent before their
    /// interval ends. From there on, until the answer comes, as many as leave room for a few more.
    fn publishes(self) -> usize {
        let left = self.window.saturating_sub(self.outstanding);
        left.saturating_sub(self.window / 4).max(left.min(self.window * 3 / 10)).max(self.window / 8)
    }
}

#[cfg(test)]
mod tests;
