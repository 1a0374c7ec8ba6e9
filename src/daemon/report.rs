//! What the log says: what changed, once. Never payloads, never secrets.
//!
//! Whatever a peer can cause again and again passes a [`LogLimit`]. README lists the lines, and a test compares.

use log::{debug, error, info};
use rumqttc::v5::mqttbytes::v5::PubAckReason;

use super::uplink::Done;
use crate::firehose::sign::SignError;
use crate::limits::NAME_BYTES;
use crate::net::chain;
use crate::net::log_limit::LogLimit;
use crate::net::mqtt::MqttError;
use crate::net::words::spelled;
use crate::relay::Counters;
use crate::time::{Duration, Instant};

/// Target of the line that SIGUSR1 asks for, which a log filter should let pass: it was asked for.
pub const COUNTERS: &str = "counters";

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Report {
    broker: Option<String>,
    broker_limit: LogLimit,
    service_limit: LogLimit,
    clock_limit: LogLimit,
    status_limit: LogLimit,
    statuses_lost: bool,
    topic_said: bool,
    /// Delivery stream and reason.
    refused_said: Option<(heapless::String<NAME_BYTES>, String)>,
}

impl Report {
    /// Says what was held back, once it may be said.
    pub(super) fn turn(&mut self, now: Instant) {
        let Self { broker_limit, service_limit, clock_limit, status_limit, .. } = self;
        [broker_limit, service_limit, clock_limit, status_limit].into_iter().for_each(|limit| limit.turn(now));
    }

    /// When [`Report::turn`] has something to say.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let Self { broker_limit, service_limit, clock_limit, status_limit, .. } = self;
        [broker_limit, service_limit, clock_limit, status_limit].into_iter().filter_map(LogLimit::deadline).min()
    }

    pub(super) fn broker_up(&mut self, now: Instant, resumed: bool) {
        self.broker = None;
        let session = if resumed { "resumed" } else { "new" };
        self.broker_limit.info(now, format_args!("broker connected, session {session}"));
    }

    pub(super) fn broker_down(&mut self, now: Instant, error: &MqttError) {
        let text = chain(error);
        if self.broker.as_ref() != Some(&text) {
            self.broker_limit.warn(now, format_args!("broker not connected, trying on: {text}"));
            self.broker = Some(text);
        }
    }

    /// Says how a request ended, if that is another way than before. Answers whether the credentials are to be renewed.
    pub(super) fn settled(&mut self, now: Instant, done: &Done) -> bool {
        let name = &done.name;
        match done.clock_corrected {
            None => {}
            Some(0) => self.clock_limit.info(now, format_args!("the system's clock is right again")),
            Some(seconds) => {
                let limit = &mut self.clock_limit;
                limit.warn(now, format_args!("the system's clock is wrong, signatures are corrected by {seconds} s"));
            }
        }
        if let (Some(problem), 1..) = (&done.problem, done.settled.set_aside) {
            let limit = &mut self.service_limit;
            limit.warn(
                now,
                format_args!("a record for delivery stream {name} waits alone, the others go on: {problem}"),
            );
        }
        match (&done.problem, done.failures) {
            (Some(problem), _) if done.settled.failed > 0 => {
                let refused = (name.clone(), problem.to_string());
                if self.refused_said.as_ref() != Some(&refused) {
                    self.service_limit.warn(now, format_args!("records for delivery stream {name} fail: {problem}"));
                    self.refused_said = Some(refused);
                }
            }
            (Some(problem), (0, 1..)) => {
                self.service_limit.warn(now, format_args!("delivery stream {name} waits, trying on: {problem}"));
            }
            (None, (0, 1..)) => {
                let count = done.settled.retried;
                let limit = &mut self.service_limit;
                limit.warn(now, format_args!("delivery stream {name} put off {count} records, trying on"));
            }
            (_, (1.., 0)) => self.service_limit.info(now, format_args!("delivery stream {name} takes records again")),
            (Some(problem), _) => debug!("delivery stream {name}: {problem}"),
            (None, _) => {}
        }
        if done.settled.succeeded > 0 {
            self.refused_said = None;
        }
        done.renew_credentials
    }

    pub(super) fn not_signed(&mut self, now: Instant, error: &SignError) {
        self.service_limit.warn(now, format_args!("requests wait for other credentials, trying on: {}", chain(error)));
    }

    pub(super) fn status_refused(&mut self, now: Instant, reason: PubAckReason) {
        self.status_limit.warn(now, format_args!("the broker does not take statuses ({})", spelled(&reason)));
    }

    pub(super) fn lost_statuses(&mut self, lost: u64) {
        if lost > 0 && !self.statuses_lost {
            self.statuses_lost = true;
            error!(
                "statuses are lost: the broker takes none, or not as many or as long ones, and there is no room for more"
            );
        }
    }

    pub(super) fn not_ours(&mut self, now: Instant, topic: &[u8]) {
        if !self.topic_said {
            self.topic_said = true;
            let topic = String::from_utf8_lossy(topic.get(..SHOWN).unwrap_or(topic)).into_owned();
            let limit = &mut self.status_limit;
            limit.warn(now, format_args!("the broker sends publishes of a foreign topic, ignored: {topic:?}"));
        }
    }

    pub(super) fn counters_too_long(&mut self, now: Instant) {
        self.status_limit.warn(now, format_args!("the broker takes no message as long as the counters"));
    }

    pub(super) fn counters(json: &str) {
        info!(target: COUNTERS, "counters {json}");
    }

    #[expect(clippy::unused_self, reason = "one object says it all")]
    pub(super) fn draining(&self, held: usize, wait: Duration) {
        info!("stopping, {held} records to send within {:.1} s", wait.as_secs_f32());
    }

    #[expect(clippy::unused_self, reason = "one object says it all")]
    pub(super) fn stopped(&self, left: usize, counters: Counters, lost_statuses: u64, all_told: bool) {
        let Counters { received, succeeded, failed, .. } = counters;
        info!("stopped: {received} received, {succeeded} succeeded, {failed} failed");
        if left > 0 {
            error!("{left} records were not sent");
        }
        if lost_statuses > 0 {
            error!("{lost_statuses} statuses were lost for want of room");
        }
        if !all_told {
            error!("some statuses were not published, the broker did not take them");
        }
    }
}

/// Bytes of a foreign topic that are shown.
const SHOWN: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::uplink::Problem;
    use crate::limits::{LOG_BURST, LOG_INTERVAL};
    use crate::net::http::SendError;
    use crate::net::test_support::log_lines;
    use crate::relay::Settled;

    fn done(problem: Option<SendError>, failures: (u32, u32)) -> Done {
        Done {
            name: "telemetry".try_into().unwrap(),
            settled: Settled::default(),
            problem: problem.map(Problem::Send),
            failures,
            clock_corrected: None,
            renew_credentials: false,
        }
    }

    #[test]
    fn a_year_of_a_broker_and_a_service_that_come_and_go_leaves_a_bounded_log_whose_last_lines_are_true() {
        const STEP: Duration = Duration::from_secs(100);
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        log_lines();
        let mut report = Report::default();
        let start = Instant::from_millis(1);
        let mut now = start;
        let mut count = 0;
        let mut last = Vec::new();
        while now.since(start) < YEAR {
            report.broker_down(now, &MqttError::Silent);
            report.settled(now, &done(Some(SendError::Stalled), (0, 1)));
            report.settled(now, &done(None, (1, 0)));
            report.broker_up(now, true);
            now = now + STEP;
            report.turn(now);
            last = log_lines();
            count += last.len();
        }
        let most_of_a_kind = u128::from(LOG_BURST) + YEAR.as_millis() / LOG_INTERVAL.as_millis();
        assert!(count as u128 <= 2 * most_of_a_kind, "{count}");
        if let Some(later) = report.deadline() {
            report.turn(later);
            last = log_lines();
        }
        let [broker, service] = &last[..] else { panic!("{last:?}") };
        assert!(broker.starts_with("info: broker connected, session resumed"), "{broker}");
        assert!(service.starts_with("info: delivery stream telemetry takes records again"), "{service}");
        assert_eq!(report.deadline(), None);
    }
}
