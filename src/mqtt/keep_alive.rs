//! When to ping, and when a silent broker counts as gone. It has no clock and no socket.
//!
//! Only received bytes show that the broker is there: the kernel accepts what is written to a dead link for minutes.
//! Silence is counted in steps, so that a process that was suspended for an hour counts one step of silence, and not an hour.

use tokio::time::{Duration, Instant};

use crate::limits::{MQTT_BYTES_PER_SECOND, MQTT_STEP_MIN};

/// Steps of silence after which a ping is sent, and after which without an answer the broker is gone. A step is a quarter
/// of the keep-alive.
const PING: u32 = 3;
const GONE: u32 = 6;

/// The keep-alive of one connection.
#[derive(Debug)]
pub(super) struct KeepAlive {
    interval: Duration,
    /// Start of the current step: when something was received, or the last step ended.
    since: Instant,
    /// Steps in a row without anything received.
    silent: u32,
    /// When the last packet was written.
    wrote: Instant,
    /// A ping was sent, and nothing was received since.
    asked: bool,
}

/// What [`KeepAlive::check`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Liveness {
    /// Nothing to do.
    Listen,
    /// A packet is arriving, fast enough.
    Growing,
    /// A ping is to be sent.
    Ping,
    /// The broker is gone.
    Gone,
}

impl KeepAlive {
    /// `interval`: the keep-alive in force.
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self { interval, since: now, silent: 0, wrote: now, asked: false }
    }

    /// The keep-alive in force.
    pub(super) const fn interval(&self) -> Duration {
        self.interval
    }

    /// From the last received byte to the end of the connection, when nothing more is received.
    pub(super) fn patience(&self) -> Duration {
        self.quarter() * PING + self.answer_step() * (GONE - PING)
    }

    /// The broker gave a sign of life.
    pub(super) const fn heard(&mut self, now: Instant) {
        (self.since, self.silent, self.asked) = (now, 0, false);
    }

    /// A packet is written, by which the broker knows that we are there.
    pub(super) const fn wrote(&mut self, now: Instant) {
        self.wrote = now;
    }

    /// When [`KeepAlive::check`] is due.
    pub(super) fn next(&self) -> Instant {
        (self.since + self.step()).min(self.wrote + self.quarter() * PING)
    }

    /// When the broker counts as gone if nothing is received until then; not before an answer to what is sent `now` could arrive.
    pub(super) fn gone_by(&self, now: Instant) -> Instant {
        let quarters = PING.saturating_sub(self.silent);
        let steps = GONE.saturating_sub(PING.max(self.silent));
        (self.since + self.quarter() * quarters + self.answer_step() * steps).max(now + self.answer_step())
    }

    /// Ends the step if that is due. `read`: bytes of an unfinished packet that arrived in this step, the last of them at `last`.
    pub(super) fn check(&mut self, now: Instant, read: &mut usize, last: Instant) -> Liveness {
        if now >= self.since + self.step() {
            if core::mem::take(read) as u128 > u128::from(MQTT_BYTES_PER_SECOND) * self.step().as_millis() / 1000 {
                self.heard(last);
                return Liveness::Growing;
            }
            self.silent += 1;
            self.since = now;
            if self.silent >= GONE {
                return Liveness::Gone;
            }
        }
        if self.silent >= PING && !self.asked || now >= self.wrote + self.quarter() * PING {
            self.asked = true;
            return Liveness::Ping;
        }
        Liveness::Listen
    }

    fn quarter(&self) -> Duration {
        self.interval / 4
    }

    /// A step while an answer is waited for: not shorter than a round trip.
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

    /// The results for a silent broker, each with the time since the start.
    fn silence(interval: Duration) -> Vec<(Duration, Liveness)> {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(interval, start);
        let mut checks = Vec::new();
        loop {
            let now = keep_alive.next();
            assert_eq!(keep_alive.gone_by(start), start + keep_alive.patience(), "the same at each step");
            assert_eq!(keep_alive.check(now - SECOND / 1000, &mut 0, start), Liveness::Listen, "before it is due");
            checks.push((now - start, keep_alive.check(now, &mut 0, start)));
            assert!(keep_alive.gone_by(now + MINUTE) >= now + MINUTE + MQTT_STEP_MIN, "an answer has its time");
            match checks.last() {
                Some((patience, Liveness::Gone)) => {
                    assert_eq!((*patience, interval), (keep_alive.patience(), keep_alive.interval()));
                    return checks;
                }
                Some((_, Liveness::Ping)) => keep_alive.wrote(now),
                _ => {}
            }
        }
    }

    #[test]
    fn silence_leads_to_one_ping_and_then_to_the_end() {
        let checks =
            [Liveness::Listen, Liveness::Listen, Liveness::Ping, Liveness::Listen, Liveness::Listen, Liveness::Gone];
        let long: Vec<_> = (1..).map(|step| MINUTE * step).zip(checks).collect();
        assert_eq!(silence(4 * MINUTE), long);
        let after: Vec<_> = silence(SECOND).into_iter().map(|(after, _)| after).collect();
        let asked = SECOND * 3 / 4;
        assert_eq!(after[..3], [SECOND / 4, SECOND / 2, asked]);
        assert_eq!(after.last(), Some(&(asked + MQTT_STEP_MIN * 3)), "an answer has its time");
    }

    #[test]
    fn a_broker_that_sends_is_pinged_when_nothing_else_was_written() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(4 * MINUTE, start);
        keep_alive.heard(start + 2 * MINUTE);
        keep_alive.wrote(start + MINUTE);
        assert_eq!(keep_alive.next(), start + 3 * MINUTE);
        assert_eq!(keep_alive.check(start + 3 * MINUTE, &mut 0, start), Liveness::Listen);
        keep_alive.heard(start + 4 * MINUTE);
        assert_eq!(keep_alive.next(), start + 4 * MINUTE);
        assert_eq!(keep_alive.check(start + 4 * MINUTE, &mut 0, start), Liveness::Ping);
        keep_alive.wrote(start + 4 * MINUTE);
        assert_eq!(keep_alive.check(start + 4 * MINUTE, &mut 0, start), Liveness::Listen);
        assert_eq!(keep_alive.next(), start + 5 * MINUTE);
    }

    #[test]
    fn a_packet_that_comes_fast_enough_is_a_sign_of_life() {
        let start = Instant::now();
        let enough = usize::try_from(60 * MQTT_BYTES_PER_SECOND).unwrap();
        for (bytes, liveness) in [(enough, Liveness::Listen), (enough + 1, Liveness::Growing)] {
            let mut keep_alive = KeepAlive::new(4 * MINUTE, start);
            let mut read = bytes;
            assert_eq!(keep_alive.check(start + MINUTE, &mut read, start + MINUTE / 2), liveness);
            assert_eq!(read, 0, "each step counts for itself");
            let since = if liveness == Liveness::Growing { MINUTE / 2 } else { MINUTE };
            assert_eq!(keep_alive.next(), start + since + MINUTE);
        }
    }
}
