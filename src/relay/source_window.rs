//! When what waits has to go before its time, because the source may send no more until some of it is acknowledged.
//!
//! The source's window is what we announced, or less: AWS IoT Core has 100, others 20 or 1, and none says so. So a source that
//! pauses while some is outstanding may be waiting for us, or have nothing to send. If more comes at once with the next
//! acknowledgement, at least half as many as were acknowledged, it was waiting, and has sent all that its window allows; with a
//! few only, that has to happen twice, for it may be chance. From then on batches go before the window is full. More
//! outstanding than that shows that the window is larger.
//!
//! Such an acknowledgement comes when the interval ends. When it is long, or delivery fails, a pause ends by itself, and the next
//! one, if the source was not waiting, only after twice the time.

use crate::limits::{AT_ONCE, PAUSE, PAUSE_ANSWER, PAUSE_LONGEST, RECEIVE_MAXIMUM};
use crate::time::{Duration, Instant};

const ANNOUNCED: usize = RECEIVE_MAXIMUM as usize;
/// That no more than these follow an acknowledgement at once may be chance.
const FEW: usize = 2;

/// What is known of the source's window. Counts are those of unacknowledged publishes.
#[derive(Debug)]
pub(super) struct SourceWindow {
    /// Publishes that it sends without an acknowledgement, at most, as far as is known.
    size: usize,
    /// The source waited with so many outstanding once.
    suspected: usize,
    /// A pause this long is ended.
    pause: Duration,
    received: Instant,
    answered: Option<Answered>,
}

/// Some were acknowledged after a pause.
#[derive(Debug, Clone, Copy)]
struct Answered {
    at: Instant,
    /// How many were outstanding before.
    outstanding: usize,
    /// How many have to come at once, so that the source was waiting.
    wanted: usize,
    /// How many did.
    came: usize,
    /// The pause before was so long that it was ended.
    early: bool,
}

impl SourceWindow {
    pub(super) fn new() -> Self {
        Self { size: ANNOUNCED, suspected: 0, pause: PAUSE, received: Instant::default(), answered: None }
    }

    /// A new connection: most probably with the window of the last one.
    pub(super) fn begin(&mut self) {
        *self = Self { size: self.size, ..Self::new() };
    }

    /// A publish came; so many are `outstanding` now, it included.
    pub(super) fn receive(&mut self, now: Instant, outstanding: usize) {
        if let Some(answered) = &mut self.answered {
            answered.came += 1;
            let (answered, at_once) = (*answered, now.since(answered.at) <= AT_ONCE);
            if !at_once || answered.came == answered.wanted {
                self.answered = None;
                self.learn(answered, at_once);
            }
        } else if self.early(outstanding.saturating_sub(1)).is_some_and(|at| at <= now) {
            self.has_not_waited();
        }
        if (1..outstanding).contains(&self.suspected) {
            if self.suspected <= FEW {
                self.has_not_waited();
            }
            self.suspected = 0;
        }
        if outstanding > self.size {
            self.size = ANNOUNCED;
        }
        self.received = now;
    }

    /// So many that were outstanding may be acknowledged now, `count` of them.
    pub(super) fn acknowledge(&mut self, now: Instant, outstanding: usize, count: usize) {
        let is_answered = self.answered.is_some_and(|last| now.since(last.at) <= AT_ONCE);
        if now.since(self.received) >= AT_ONCE && !is_answered {
            let early = self.early(outstanding).is_some_and(|at| at <= now);
            self.answered = Some(Answered { at: now, outstanding, wanted: count.div_ceil(2), came: 0, early });
        }
    }

    /// When what waits has to go, with so many outstanding, of which so many are on their way to the service.
    pub(super) fn due(&self, outstanding: usize, in_flight: usize) -> Option<Instant> {
        let waiting = outstanding.saturating_sub(in_flight);
        // A source that keeps to no window fills none.
        let room = self.size.checked_sub(outstanding).map(|_| self.size.saturating_sub(in_flight));
        match room {
            Some(room) if waiting > 0 && waiting >= room * 3 / 4 => Some(Instant::default()),
            _ => self.early(outstanding),
        }
    }

    /// Whether the source stops soon with so many outstanding, or has stopped.
    pub(super) fn is_nearly_full(&self, outstanding: usize) -> bool {
        outstanding >= (self.size * 3 / 4).max(1)
    }

    /// From when on the source must be taken for waiting, with so many outstanding: what went at the end of a pause has had some
    /// time to arrive.
    pub(super) fn waits(&self, outstanding: usize) -> Option<Instant> {
        if self.is_nearly_full(outstanding) {
            return Some(Instant::default());
        }
        self.early(outstanding).map(|end| end + PAUSE_ANSWER)
    }

    fn learn(&mut self, Answered { outstanding, wanted, early, .. }: Answered, at_once: bool) {
        if at_once {
            if wanted > FEW || self.suspected == outstanding {
                self.size = outstanding.min(ANNOUNCED);
            }
            self.suspected = outstanding;
            if wanted > FEW / 2 {
                self.pause = PAUSE;
            }
        } else if early {
            self.has_not_waited();
        }
    }

    fn has_not_waited(&mut self) {
        self.pause = PAUSE_LONGEST.min(self.pause * 2);
    }

    /// When a pause with so many outstanding is long enough.
    fn early(&self, outstanding: usize) -> Option<Instant> {
        (outstanding > 0).then(|| self.received + self.pause)
    }
}

#[cfg(test)]
mod tests;
