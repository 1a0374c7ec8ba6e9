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

/// The keep-alive of one session.
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
        self.quarter() * PING + self.answer_step() * (GONE - PING)
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

    /// When the broker is gone if nothing is heard until then; not before an answer from `now` could be here.
    pub(super) fn gone_by(&self, now: Instant) -> Instant {
        let quarters = PING.saturating_sub(self.silent);
        let steps = GONE.saturating_sub(PING.max(self.silent));
        (self.since + self.quarter() * quarters + self.answer_step() * steps).max(now + self.answer_step())
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
    fn answer_step(&self) -> Duration {
        self.quarter().max(MQTT_STEP_MIN)
    }

    fn step(&self) -> Duration {
        if self.silent < PING { self.quarter() } else { self.answer_step() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    /// What is said of a broker that says nothing, and after what time.
    fn silence(keep_alive: Duration) -> Vec<(Duration, Beat)> {
        let start = Instant::now();
        let mut pulse = Pulse::new(keep_alive, start);
        let mut beats = Vec::new();
        loop {
            let now = pulse.next();
            assert_eq!(pulse.gone_by(start), start + pulse.patience(), "the same at each step");
            assert_eq!(pulse.beat(now - SECOND / 1000, &mut 0, start), Beat::Listen, "before it is due");
            beats.push((now - start, pulse.beat(now, &mut 0, start)));
            assert!(pulse.gone_by(now + MINUTE) >= now + MINUTE + MQTT_STEP_MIN, "an answer has its time");
            match beats.last() {
                Some((patience, Beat::Gone)) => {
                    assert_eq!((*patience, keep_alive), (pulse.patience(), pulse.keep_alive()));
                    return beats;
                }
                Some((_, Beat::Ping)) => pulse.wrote(now),
                _ => {}
            }
        }
    }

    #[test]
    fn silence_leads_to_one_ping_and_then_to_the_end() {
        let beats = [Beat::Listen, Beat::Listen, Beat::Ping, Beat::Listen, Beat::Listen, Beat::Gone];
        let long: Vec<_> = (1..).map(|step| MINUTE * step).zip(beats).collect();
        assert_eq!(silence(4 * MINUTE), long);
        let after: Vec<_> = silence(SECOND).into_iter().map(|(after, _)| after).collect();
        let asked = SECOND * 3 / 4;
        assert_eq!(after[..3], [SECOND / 4, SECOND / 2, asked]);
        assert_eq!(after.last(), Some(&(asked + MQTT_STEP_MIN * 3)), "an answer has its time");
    }

    #[test]
    fn a_broker_that_sends_is_pinged_when_nothing_else_was_written() {
        let start = Instant::now();
        let mut pulse = Pulse::new(4 * MINUTE, start);
        pulse.heard(start + 2 * MINUTE);
        pulse.wrote(start + MINUTE);
        assert_eq!(pulse.next(), start + 3 * MINUTE);
        assert_eq!(pulse.beat(start + 3 * MINUTE, &mut 0, start), Beat::Listen);
        pulse.heard(start + 4 * MINUTE);
        assert_eq!(pulse.next(), start + 4 * MINUTE);
        assert_eq!(pulse.beat(start + 4 * MINUTE, &mut 0, start), Beat::Ping);
        pulse.wrote(start + 4 * MINUTE);
        assert_eq!(pulse.beat(start + 4 * MINUTE, &mut 0, start), Beat::Listen);
        assert_eq!(pulse.next(), start + 5 * MINUTE);
    }

    #[test]
    fn a_packet_that_comes_fast_enough_is_a_sign_of_life() {
        let start = Instant::now();
        let enough = usize::try_from(60 * MQTT_BYTES_PER_SECOND).unwrap();
        for (bytes, beat) in [(enough, Beat::Listen), (enough + 1, Beat::Growing)] {
            let mut pulse = Pulse::new(4 * MINUTE, start);
            let mut read = bytes;
            assert_eq!(pulse.beat(start + MINUTE, &mut read, start + MINUTE / 2), beat);
            assert_eq!(read, 0, "each step counts for itself");
            let since = if beat == Beat::Growing { MINUTE / 2 } else { MINUTE };
            assert_eq!(pulse.next(), start + since + MINUTE);
        }
    }
}
