//! When to ping, and when a broker that says nothing counts as gone. It has no clock and no socket.
//!
//! Only what is heard tells that the other side is there: the kernel takes what is written to a dead link for minutes.
//! Silence is counted in steps, so that a process that was stopped for an hour takes one step of its own absence for the
//! broker's, and then listens on.

use tokio::time::{Duration, Instant};

use crate::limits::{MQTT_BYTES_PER_SECOND, MQTT_STEP_MIN};

/// Steps of silence after which a ping is sent, and after which without an answer the broker is gone. A step is a quarter
/// of the keep-alive.
const PING: u32 = 3;
const GONE: u32 = 6;

/// See the module.
#[derive(Debug)]
pub(super) struct Pulse {
    keep_alive: Duration,
    /// Start of the step that is on: when something was heard, or when the step before ended.
    since: Instant,
    /// Steps without a word.
    silent: u32,
    wrote: Instant,
    /// A ping is on its way, and nothing was heard since.
    asked: bool,
}

/// What the end of a step means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing yet.
    Listen,
    /// A packet is on its way, fast enough.
    Growing,
    /// A ping is to be sent.
    Ping,
    /// The broker is gone.
    Gone,
}

impl Pulse {
    /// `keep_alive` is the one in force.
    pub(super) fn new(keep_alive: Duration, now: Instant) -> Self {
        Self { keep_alive, since: now, silent: 0, wrote: now, asked: false }
    }

    /// The one in force.
    pub(super) const fn keep_alive(&self) -> Duration {
        self.keep_alive
    }

    /// From the last word to the end of a session, when nothing is heard.
    pub(super) fn patience(&self) -> Duration {
        self.quarter() * PING + self.step() * (GONE - PING)
    }

    /// The other side gave a sign of life.
    pub(super) const fn heard(&mut self, now: Instant) {
        (self.since, self.silent, self.asked) = (now, 0, false);
    }

    /// A packet goes out, which is what the broker judges us by.
    pub(super) const fn wrote(&mut self, now: Instant) {
        self.wrote = now;
    }

    /// When [`Pulse::beat`] is due.
    pub(super) fn next(&self) -> Instant {
        (self.since + self.step()).min(self.wrote + self.quarter() * PING)
    }

    /// When the broker is gone if nothing is heard until then; not before a step from `now`.
    pub(super) fn gone_by(&self, now: Instant) -> Instant {
        let quarters = PING.saturating_sub(self.silent);
        let steps = GONE.saturating_sub(PING.max(self.silent));
        (self.since + self.quarter() * quarters + self.step() * steps).max(now + self.step())
    }

    /// Ends the step if it is time. `read` counts the bytes that came in it and made no whole packet yet, the last of
    /// them at `last`.
    pub(super) fn beat(&mut self, now: Instant, read: &mut usize, last: Instant) -> Beat {
        if now >= self.since + self.step() {
            if core::mem::take(read) as u128 > u128::from(MQTT_BYTES_PER_SECOND) * self.step().as_millis() / 1000 {
                self.heard(last);
                return Beat::Growing;
            }
            self.silent += 1;
            self.since = now;
            if self.silent >= GONE {
                return Beat::Gone;
            }
        }
        if self.silent >= PING && !self.asked || now >= self.wrote + self.quarter() * PING {
            self.asked = true;
            return Beat::Ping;
        }
        Beat::Listen
    }

    fn quarter(&self) -> Duration {
        self.keep_alive / 4
    }

    /// While an answer is waited for a step is no shorter than a packet may need there and back.
    fn step(&self) -> Duration {
        if self.silent < PING { self.quarter() } else { self.quarter().max(MQTT_STEP_MIN) }
    }
}
