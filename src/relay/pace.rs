//! When what waits has to go before its time, because the source may send no more until some of it is acknowledged.
//!
//! The source's window is what we announced, or less: AWS IoT Core has 100, others 20 or 1, and none says so. So it is found out.
//! A source that stops with as much outstanding as it ever had may be waiting for us, or have nothing to send. What waits goes
//! out early then: if more comes at once with the acknowledgement, twice with as many outstanding, that is the window, and from
//! then on batches go before it is full. If not, the next pause of this kind has to be twice as long. More outstanding than
//! a window that was found shows that it was none.

use crate::limits::{PAUSE, PAUSE_LONGEST, PAUSE_SURE, RECEIVE_MAXIMUM};
use crate::time::{Duration, Instant};

/// See the module. Counts are those of unacknowledged publishes.
#[derive(Debug)]
pub(super) struct Pace {
    window: usize,
    /// Most outstanding over this connection.
    highest: usize,
    /// The source waited with so many outstanding once.
    suspected: usize,
    /// A pause that is shorter means nothing.
    pause: Duration,
    received: Instant,
    acknowledged: Option<Acknowledged>,
}

#[derive(Debug, Clone, Copy)]
struct Acknowledged {
    at: Instant,
    /// How many were outstanding before.
    outstanding: usize,
    /// The pause before was so long that it was ended early.
    early: bool,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            window: RECEIVE_MAXIMUM.into(),
            highest: 0,
            suspected: 0,
            pause: PAUSE,
            received: Instant::default(),
            acknowledged: None,
        }
    }

    /// A new connection: most probably with the window of the last one.
    pub(super) fn begin(&mut self) {
        *self = Self { window: self.window, ..Self::new() };
    }

    /// A publish came; so many are `outstanding` now, it included.
    pub(super) fn receive(&mut self, now: Instant, outstanding: usize) {
        if let Some(Acknowledged { at, outstanding, early }) = self.acknowledged.take() {
            let at_once = now.since(at) <= PAUSE;
            if at_once && outstanding >= self.highest {
                if self.suspected == outstanding {
                    self.window = outstanding;
                }
                self.suspected = outstanding;
            } else if early && !at_once {
                self.pause = PAUSE_LONGEST.min(self.pause * 2);
            }
        } else if self.early(outstanding.saturating_sub(1)).is_some_and(|at| at <= now) {
            self.pause = PAUSE_LONGEST.min(self.pause * 2);
        }
        if (1..outstanding).contains(&self.suspected) {
            // It only seemed to wait.
            self.suspected = 0;
            self.pause = PAUSE_LONGEST.min(self.pause * 2);
        }
        self.highest = self.highest.max(outstanding);
        if self.highest > self.window {
            self.window = RECEIVE_MAXIMUM.into();
        }
        self.received = now;
    }

    /// Some that were outstanding may be acknowledged now.
    pub(super) fn acknowledge(&mut self, now: Instant, outstanding: usize) {
        let is_answered = self.acknowledged.is_some_and(|last| now.since(last.at) <= PAUSE);
        if now.since(self.received) >= PAUSE && !is_answered {
            let early = self.early(outstanding).is_some_and(|at| at <= now);
            self.acknowledged = Some(Acknowledged { at: now, outstanding, early });
        }
    }

    /// When what waits has to go, with so many outstanding, of which so many are on their way to the service.
    pub(super) fn due(&self, outstanding: usize, in_flight: usize) -> Option<Instant> {
        let in_flight = in_flight.min(outstanding);
        let room = self.window.saturating_sub(in_flight);
        if outstanding > in_flight && outstanding - in_flight >= (room * 3 / 4).max(1) {
            return Some(Instant::default());
        }
        self.early(outstanding)
    }

    /// When a pause with so many outstanding is long enough to mean something.
    fn early(&self, outstanding: usize) -> Option<Instant> {
        let pause = if self.suspected > 0 { self.pause.max(PAUSE_SURE) } else { self.pause };
        (outstanding > 0 && outstanding >= self.highest).then(|| self.received + pause)
    }
}

#[cfg(test)]
mod tests;
