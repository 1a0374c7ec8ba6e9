//! What the log says: what changed, once. Never payloads, never secrets.
//!
//! Whatever a peer can cause again and again passes a [`Limit`], and what was held back is counted.

use log::{debug, error, info, warn};
use rumqttc::v5::mqttbytes::v5::PubAckReason;

use super::uplink::Done;
use crate::firehose::sign::SignError;
use crate::limits::{LOG_BURST, LOG_INTERVAL};
use crate::net::chain;
use crate::net::mqtt::MqttError;
use crate::relay::Counters;
use crate::time::{Duration, Instant};

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Report {
    broker: Option<String>,
    broker_limit: Limit,
    service_limit: Limit,
    clock_limit: Limit,
    status_limit: Limit,
    statuses_lost: bool,
    topic_said: bool,
    refused_said: Option<String>,
}

impl Report {
    pub(super) fn broker_up(&mut self, now: Instant, resumed: bool) {
        self.broker = None;
        let session = if resumed { "resumed" } else { "new" };
        self.broker_limit.info(now, &format!("broker connected, session {session}"));
    }

    pub(super) fn broker_down(&mut self, now: Instant, error: &MqttError) {
        let text = chain(error);
        if self.broker.as_ref() != Some(&text) {
            self.broker_limit.warn(now, &format!("broker not connected, trying on: {text}"));
            self.broker = Some(text);
        }
    }

    /// Says how a request ended, if that is another way than before. Answers whether the credentials are to be renewed.
    pub(super) fn settled(&mut self, now: Instant, done: &Done) -> bool {
        let name = &done.name;
        if let Some(seconds) = done.clock_corrected {
            let line = match seconds {
                0 => "the system's clock is right again".to_owned(),
                _ => format!("the system's clock is wrong, signatures are corrected by {seconds} s"),
            };
            self.clock_limit.warn(now, &line);
        }
        match (&done.problem, done.failures) {
            (Some(problem), _) if done.settled.failed > 0 => {
                let text = format!("records for delivery stream {name} fail: {problem}");
                if self.refused_said.as_ref() != Some(&text) {
                    self.service_limit.warn(now, &text);
                    self.refused_said = Some(text);
                }
            }
            (Some(problem), (0, 1..)) => {
                self.service_limit.warn(now, &format!("delivery stream {name} waits, trying on: {problem}"));
            }
            (None, (0, 1..)) => {
                let count = done.settled.retried;
                self.service_limit.warn(now, &format!("delivery stream {name} put off {count} records, trying on"));
            }
            (_, (1.., 0)) => self.service_limit.info(now, &format!("delivery stream {name} takes records again")),
            (Some(problem), _) => debug!("delivery stream {name}: {problem}"),
            (None, _) => {}
        }
        if done.settled.succeeded > 0 {
            self.refused_said = None;
        }
        done.renew_credentials
    }

    pub(super) fn not_signed(&mut self, now: Instant, error: &SignError) {
        self.service_limit.warn(now, &chain(error));
    }

    pub(super) fn status_refused(&mut self, now: Instant, reason: PubAckReason) {
        self.status_limit.warn(now, &format!("the broker does not take statuses ({reason:?})"));
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
            self.status_limit.warn(now, &format!("the broker sends publishes of a foreign topic, ignored: {topic:?}"));
        }
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

/// Lets a burst of lines pass, then one in an interval.
#[derive(Debug, Default)]
struct Limit {
    said: u32,
    since: Instant,
    held_back: u64,
}

impl Limit {
    fn warn(&mut self, now: Instant, line: &str) {
        if let Some(note) = self.pass(now) {
            warn!("{line}{note}");
        }
    }

    fn info(&mut self, now: Instant, line: &str) {
        if let Some(note) = self.pass(now) {
            info!("{line}{note}");
        }
    }

    /// A note of what was held back, if a line may be said now.
    fn pass(&mut self, now: Instant) -> Option<String> {
        let intervals = u32::try_from(now.since(self.since).as_millis() / LOG_INTERVAL.as_millis()).unwrap_or(u32::MAX);
        if intervals > 0 {
            self.said = self.said.saturating_sub(intervals);
            self.since = now;
        }
        if self.said >= LOG_BURST {
            self.held_back += 1;
            return None;
        }
        self.said += 1;
        let held_back = core::mem::take(&mut self.held_back);
        Some(if held_back == 0 { String::new() } else { format!(" ({held_back} lines like this were left out)") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_becomes_a_few_and_a_count() {
        let mut limit = Limit::default();
        let at = Instant::from_millis;
        let said = (0..1000).filter(|_| limit.pass(at(5)).is_some()).count();
        assert_eq!(said, LOG_BURST as usize);
        let later = at(5 + u64::try_from(LOG_INTERVAL.as_millis()).unwrap());
        assert_eq!(limit.pass(later).unwrap(), format!(" ({} lines like this were left out)", 1000 - said));
        assert_eq!(limit.pass(later), None);
    }
}
