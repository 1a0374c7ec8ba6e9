//! The source's window: how many publishes it sends before it waits for an acknowledgement. Batches have to be sent
//! before the window is full, or it would wait for the end of their interval.
//!
//! The window is what we announced (`Receive Maximum`), or less: AWS IoT Core has 100, other brokers 20 or 1, and none
//! says so. It is found by watching. A source that pauses with some outstanding waits for us, or has nothing to send.
//! The next acknowledgement tells: if it is followed at once by at least half as many publishes as it acknowledged, the
//! source was waiting, and its window is what was outstanding. If these are only a few, that may be chance, so it has
//! to happen twice. Whenever more are outstanding, the window is larger after all.
//!
//! As a rule the interval's end brings that acknowledgement. When the interval is long, or delivery fails, a pause is
//! ended before, by sending what waits; each time the source was not waiting, the next pause may take twice as long.

use crate::limits::{AT_ONCE, PAUSE, PAUSE_ANSWER, PAUSE_LONGEST, RECEIVE_MAXIMUM};
use crate::time::{Duration, Instant};

const ANNOUNCED: usize = RECEIVE_MAXIMUM as usize;
/// Up to so many publishes may follow an acknowledgement at once by chance.
const FEW: usize = 2;

/// What is known of the source's window, in publishes.
#[derive(Debug)]
pub(super) struct SourceWindow {
    /// Publishes that it sends without an acknowledgement, at most, as far as is known.
    size: usize,
    /// The source seems to have waited once with so many outstanding; zero: it has not.
    suspected: usize,
    /// How long a pause may take until it is ended.
    pause: Duration,
    /// When the last publish came.
    received: Instant,
    /// The acknowledgement after the last pause, while it is open whether the source was waiting.
    answered: Option<Answered>,
}

/// An acknowledgement after a pause.
#[derive(Debug, Clone, Copy)]
struct Answered {
    at: Instant,
    /// Publishes outstanding before it.
    outstanding: usize,
    /// Publishes that have to follow at once to show that the source was waiting.
    wanted: usize,
    /// Publishes that followed.
    came: usize,
    /// The pause was ended by us.
    early: bool,
}

impl SourceWindow {
    pub(super) fn new() -> Self {
        Self { size: ANNOUNCED, suspected: 0, pause: PAUSE, received: Instant::default(), answered: None }
    }

    /// Publishes that it sends without an acknowledgement, at most, as far as is known.
    pub(super) const fn size(&self) -> usize {
        self.size
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
        } else if self.pause_ends(outstanding.saturating_sub(1)).is_some_and(|at| at <= now) {
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

    /// Of so many `outstanding` publishes, `count` may be acknowledged now.
    pub(super) fn acknowledge(&mut self, now: Instant, outstanding: usize, count: usize) {
        let is_answered = self.answered.is_some_and(|last| now.since(last.at) <= AT_ONCE);
        if now.since(self.received) >= AT_ONCE && !is_answered {
            let early = self.pause_ends(outstanding).is_some_and(|at| at <= now);
            self.answered = Some(Answered { at: now, outstanding, wanted: count.div_ceil(2), came: 0, early });
        }
    }

    /// When what waits has to be sent, with so many publishes `outstanding`, of which `in_flight` are on their way to
    /// the service.
    pub(super) fn due(&self, outstanding: usize, in_flight: usize) -> Option<Instant> {
        let waiting = outstanding.saturating_sub(in_flight);
        // With more outstanding than the window, nothing is known of when the source waits.
        let room = self.size.checked_sub(outstanding).map(|_| self.size.saturating_sub(in_flight));
        match room {
            Some(room) if waiting > 0 && waiting >= room * 3 / 4 => Some(Instant::default()),
            _ => self.pause_ends(outstanding),
        }
    }

    /// Whether the source will soon wait with so many `outstanding`, or does already.
    pub(super) fn is_nearly_full(&self, outstanding: usize) -> bool {
        outstanding >= (self.size * 3 / 4).max(1)
    }

    /// From when on the source counts as waiting, with so many `outstanding`: at once with a window nearly full, else
    /// when what was sent at the end of a pause has had [`PAUSE_ANSWER`] to be delivered.
    pub(super) fn waits(&self, outstanding: usize) -> Option<Instant> {
        if self.is_nearly_full(outstanding) {
            return Some(Instant::default());
        }
        self.pause_ends(outstanding).map(|end| end + PAUSE_ANSWER)
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

    /// When the pause is to be ended, if any are `outstanding`.
    fn pause_ends(&self, outstanding: usize) -> Option<Instant> {
        (outstanding > 0).then(|| self.received + self.pause)
    }
}

#[cfg(test)]
mod tests;
