//! The daemon's log lines: each change of state, once. Never payloads, never secrets.
//!
//! Every line that a peer can cause again and again passes a [`LogLimit`]. targets/service/README.md lists the lines,
//! and a test compares.

mod spool;

use core::error::Error;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use log::{debug, error, info, warn};

use super::uplink::EndedRequest;
use crate::error_chain::error_chain;
use crate::firehose::sign::SignError;
use crate::foreign::foreign;
use crate::limits::{FOREIGN_TEXT, LOG_RETRY, NAME_BYTES, STATUS_ACKNOWLEDGED, STREAMS};
use crate::log_limit::LogLimit;
use crate::log_output::{self, ALWAYS};
use crate::relay::{Counters, Stopped, TooLong};
use crate::source::{Peer, Terms};
use crate::time::{Duration, Instant};

/// What was logged last, so that only changes are, and the limits.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Who is spoken of.
    peer: Peer,
    /// Why the broker is not connected, if that was logged.
    broker: Option<String>,
    /// Delivery streams that have a problem, with a hash of it (see [`Report::is_new`]). At most [`STREAMS`].
    service: Vec<(heapless::String<NAME_BYTES>, u64)>,
    terms: Terms,
    broker_limit: LogLimit,
    service_limit: LogLimit,
    clock_limit: LogLimit,
    status_limit: LogLimit,
    signal_limit: LogLimit,
    publish_limit: LogLimit,
    statuses_lost: bool,
    topic_said: bool,
    acknowledged_held_said: bool,
    spool: spool::Logged,
    spool_limit: LogLimit,
}

impl Report {
    /// Of a source with this peer.
    pub(super) fn new(peer: Peer) -> Self {
        Self { peer, ..Self::default() }
    }

    fn limits(&mut self) -> [&mut LogLimit; 7] {
        let Self {
            broker_limit,
            service_limit,
            clock_limit,
            status_limit,
            publish_limit,
            signal_limit,
            spool_limit,
            ..
        } = self;
        [broker_limit, service_limit, clock_limit, status_limit, publish_limit, signal_limit, spool_limit]
    }

    /// Logs what the limits held back and now allow, and how many lines could not be written, once one can be.
    pub(super) fn flush(&mut self, now: Instant) {
        self.limits().into_iter().for_each(|limit| limit.flush(now));
        if log_output::has_lost() {
            log::logger().flush();
        }
    }

    /// When [`Report::flush`] has to be called.
    pub(super) fn deadline(&mut self, now: Instant) -> Option<Instant> {
        let again = log_output::has_lost().then(|| now + LOG_RETRY);
        self.limits().into_iter().filter_map(|limit| limit.deadline()).chain(again).min()
    }

    pub(super) fn broker_up(&mut self, now: Instant, resumed: bool, terms: Terms) {
        self.broker = None;
        let session = if resumed { "resumed" } else { "new" };
        match self.peer {
            Peer::Broker => self.broker_limit.info(now, format_args!("broker connected, session {session}")),
            Peer::Nucleus => self.broker_limit.info(now, format_args!("nucleus connected")),
        }
        let before = core::mem::replace(&mut self.terms, terms);
        if terms.mqtt_3 && !before.mqtt_3 {
            self.broker_limit.info(
                now,
                format_args!(
                    "the broker speaks MQTT 3.1.1: no reason codes, and no announced packet size, receive maximum or session \
                     expiry"
                ),
            );
        }
        if before == terms {
            return;
        }
        for loss in terms.losses() {
            self.publish_limit.warn(now, format_args!("{loss}"));
        }
    }

    pub(super) fn broker_down(&mut self, now: Instant, error: &dyn Error) {
        let text = error_chain(error);
        if self.broker.as_ref() != Some(&text) {
            match self.peer {
                Peer::Broker => self.broker_limit.warn(now, format_args!("broker not connected, trying on: {text}")),
                Peer::Nucleus => self.broker_limit.warn(now, format_args!("nucleus not connected, trying on: {text}")),
            }
            self.broker = Some(text);
        }
    }

    /// Logs how a request ended, if that differs from the one before. Returns whether the credentials have to be
    /// renewed.
    pub(super) fn settled(&mut self, now: Instant, done: &EndedRequest) -> bool {
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
                if self.is_new(name, &format!("fail: {problem}")) {
                    self.service_limit.warn(now, format_args!("records for delivery stream {name} fail: {problem}"));
                }
            }
            (Some(problem), (_, 1..)) => {
                if self.is_new(name, &format!("waits: {problem}")) {
                    self.service_limit.warn(now, format_args!("delivery stream {name} waits, trying on: {problem}"));
                }
            }
            (None, (_, 1..)) => {
                if self.is_new(name, "put off") {
                    let count = done.settled.retried;
                    let limit = &mut self.service_limit;
                    limit.warn(now, format_args!("delivery stream {name} put off {count} records, trying on"));
                }
            }
            (_, (1.., 0)) => self.service_limit.info(now, format_args!("delivery stream {name} takes records again")),
            (Some(problem), _) => debug!("delivery stream {name}: {problem}"),
            (None, _) => {}
        }
        if done.problem.is_none() && done.failures.1 == 0 {
            self.service.retain(|(this, _)| this != name);
        }
        done.renew_credentials
    }

    /// Whether the problem of the delivery stream `name` differs from its last one. Remembers it.
    fn is_new(&mut self, name: &heapless::String<NAME_BYTES>, problem: &str) -> bool {
        let mut hash = DefaultHasher::new();
        problem.hash(&mut hash);
        let problem = hash.finish();
        if let Some((_, last)) = self.service.iter_mut().find(|(this, _)| this == name) {
            return core::mem::replace(last, problem) != problem;
        }
        if self.service.len() >= STREAMS {
            self.service.remove(0);
        }
        self.service.push((name.clone(), problem));
        true
    }

    pub(super) fn not_signed(&mut self, now: Instant, error: &SignError) {
        let reason = error_chain(error);
        // Under an empty name, because it concerns all delivery streams.
        if self.is_new(&heapless::String::new(), &reason) {
            self.service_limit.warn(now, format_args!("requests wait for other credentials, trying on: {reason}"));
        }
    }

    #[expect(clippy::unused_self, reason = "one object says it all")]
    pub(super) fn expelled(&self) {
        error!(
            "the nucleus does not take the token of this process: it ends, so that its next start brings another one"
        );
    }

    pub(super) fn status_refused(&mut self, now: Instant, reason: &str) {
        self.status_limit.warn(now, format_args!("the broker does not take statuses ({reason})"));
    }

    pub(super) fn statuses_held_up(&mut self, now: Instant, held_up: bool) {
        let limit = &mut self.status_limit;
        if held_up {
            let seconds = STATUS_ACKNOWLEDGED.as_secs();
            limit.warn(
                now,
                format_args!(
                    "the broker has acknowledged no status for {seconds} s: records go on, statuses without room are \
                     lost"
                ),
            );
        } else {
            limit.info(now, format_args!("the broker acknowledges statuses again"));
        }
    }

    pub(super) fn lost_statuses(&mut self, lost: u64) {
        if lost > 0 && !self.statuses_lost {
            self.statuses_lost = true;
            error!(
                "statuses are lost: the broker takes none, or not as many or as long ones, and there is no room for \
                 more"
            );
        }
    }

    /// Whether the broker does not keep the session beyond the connection.
    pub(super) fn session_ends(&self) -> bool {
        self.terms.session_seconds == Some(0)
    }

    /// So many publishes were acknowledged although their records are only in memory.
    pub(super) fn acknowledged_held(&mut self, count: u64) {
        if count > 0 && !self.acknowledged_held_said {
            self.acknowledged_held_said = true;
            warn!(
                "the broker's window is nearly full and delivery stalls: publishes are acknowledged whose records are \
                 in memory only, and a power cut loses these until the service takes them"
            );
        }
    }

    pub(super) fn not_ours(&mut self, now: Instant, topic: &[u8]) {
        if !self.topic_said {
            self.topic_said = true;
            let (limit, topic) = (&mut self.publish_limit, shown(topic));
            limit.warn(
                now,
                format_args!("the broker sends publishes on a topic that was not subscribed to, ignored: \"{topic}\""),
            );
        }
    }

    pub(super) fn too_long(&mut self, now: Instant, topic: &[u8], too_long: TooLong) {
        let TooLong { bytes, limit: most, .. } = too_long;
        let (limit, topic) = (&mut self.publish_limit, shown(topic));
        limit.warn(
            now,
            format_args!(
                "a publish of {bytes} bytes failed with RecordTooLarge, MemorySize leaves room for packets of {most}: \
                 {topic}"
            ),
        );
    }

    pub(super) fn counters_too_long(&mut self, now: Instant) {
        self.status_limit.warn(now, format_args!("the broker takes no message as long as the counters"));
    }

    pub(super) fn counters(json: &str) {
        info!(target: ALWAYS, "counters {json}");
    }

    pub(super) fn nothing_to_reload(&mut self, now: Instant) {
        let limit = &mut self.signal_limit;
        limit.info(
            now,
            format_args!("SIGHUP is ignored: keys in files are read again by themselves, all else at a start"),
        );
    }

    pub(super) fn signal_ignored(&mut self, now: Instant, signal: u32) {
        self.signal_limit.info(now, format_args!("signal {signal} is ignored"));
    }

    #[expect(clippy::unused_self, reason = "one object says it all")]
    pub(super) fn draining(&self, held: usize, wait: Duration) {
        info!("stopping, {held} records to send within {:.1} s", wait.as_secs_f32());
    }

    #[expect(clippy::unused_self, reason = "one object says it all")]
    pub(super) fn stopped(&self, left: Left, counters: Counters, lost_statuses: u64) {
        let Counters { received, succeeded, failed, .. } = counters;
        let Left { stopped: Stopped { failed: records, in_flight, left, .. }, statuses, spooled } = left;
        info!("stopped: {received} received, {succeeded} succeeded, {failed} failed");
        if spooled > 0 {
            info!("{spooled} records and statuses are in the spool, for the next start");
        }
        if left > 0 {
            info!("{left} publishes were not acknowledged: the broker keeps them for the next start");
        }
        if records > in_flight {
            error!("{} records were not sent", records - in_flight);
        }
        if in_flight > 0 {
            error!("{in_flight} records were not confirmed by the service and may have been stored");
        }
        if lost_statuses > 0 {
            error!("{lost_statuses} statuses were lost: no room for them, or too long for the broker");
        }
        if statuses > 0 {
            error!("{statuses} statuses were not confirmed by the broker");
        }
    }
}

/// What was unfinished when the process ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    /// Records.
    pub(super) stopped: Stopped,
    /// Statuses that the broker has not acknowledged.
    pub(super) statuses: usize,
    /// Records and statuses in the spool.
    pub(super) spooled: u64,
}

/// The beginning of a topic.
fn shown(topic: &[u8]) -> String {
    foreign(&String::from_utf8_lossy(&topic[..topic.len().min(FOREIGN_TEXT)]))
}

#[cfg(test)]
mod tests;
