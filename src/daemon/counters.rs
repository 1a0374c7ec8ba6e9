//! Counters by which an operator monitors a device, as one line of JSON: published at an interval, and logged on
//! SIGUSR1.
//!
//! targets/service/README.md says what each figure means, and a test compares. Only current figures are published:
//! while the broker is disconnected none are queued, and the first message follows as soon as it is connected.

use serde::Serialize;

use super::uplink::Traffic;
use crate::clock::Clock;
use crate::http::tally::Tally;
use crate::limits::BLOCK_BYTES;
use crate::relay::{self, Relay};
use crate::spool;
use crate::time::{Duration, Instant};

/// What is counted outside the relay, and when the counters are next published.
#[derive(Debug)]
pub(super) struct Counters {
    client_id: String,
    /// Between two publishes; `None`: the counters are not published.
    interval: Option<Duration>,
    due: Instant,
    broker_connections: u64,
    /// Statuses that the broker refused.
    pub(super) statuses_refused: u64,
    /// Connections to the service that were established.
    pub(super) service_connections: Tally,
    /// Failed attempts to get credentials.
    pub(super) credentials_failed: Tally,
}

impl Counters {
    /// For the connector with this MQTT `client_id`. The first publish is due at once.
    pub(super) fn new(client_id: String, interval: Option<Duration>) -> Self {
        Self {
            client_id,
            interval,
            due: Instant::default(),
            broker_connections: 0,
            statuses_refused: 0,
            service_connections: Tally::default(),
            credentials_failed: Tally::default(),
        }
    }

    pub(super) const fn broker_up(&mut self) {
        self.broker_connections += 1;
    }

    /// When the counters are next due; `None`: never.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.interval.map(|_| self.due)
    }

    /// Whether the counters are due; if so, they are next due an interval after `now`.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        match self.interval {
            Some(interval) if self.due <= now => {
                self.due = now + interval;
                true
            }
            _ => false,
        }
    }

    /// All counters, as one line of JSON.
    pub(super) fn json(
        &self,
        now: Instant,
        relay: &Relay,
        spool: &spool::Counters,
        traffic: Traffic,
        clock: &Clock,
    ) -> String {
        let relay::Counters {
            received,
            succeeded,
            failed,
            failed_invalid,
            failed_full,
            failed_undelivered,
            retried,
            redelivered,
            acknowledged_held,
            spooled,
            read_back,
            packs,
        } = relay.counters();
        let wall = clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        let (blocks, free) = (relay.arena().blocks(), relay.arena().free());
        Snapshot {
            client_id: &self.client_id,
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: now.as_millis() / 1000,
            received,
            succeeded,
            failed,
            held: relay.held() as u64,
            failed_invalid,
            failed_full,
            failed_undelivered,
            retried,
            redelivered,
            acknowledged_held,
            memory_bytes: (blocks * BLOCK_BYTES) as u64,
            memory_used_bytes: ((blocks - free) * BLOCK_BYTES) as u64,
            spooled,
            read_back,
            spool_records: spool.records,
            spool_bytes: spool.bytes,
            spool_oldest_s: if spool.oldest == 0 { 0 } else { wall.saturating_sub(spool.oldest.into()) },
            spool_damaged: spool.damaged,
            statuses_waiting: relay.waiting_statuses() as u64,
            statuses_lost: relay.lost_statuses(),
            statuses_refused: self.statuses_refused,
            service_records: packs,
            requests: traffic.requests,
            requests_failed: traffic.requests_failed,
            request_bytes: traffic.bytes,
            service_connections: self.service_connections.total(),
            broker_connections: self.broker_connections,
            credentials_failed: self.credentials_failed.total(),
            clock_correction_s: clock.correction(),
        }
        .json()
    }
}

/// All counters at one moment, in the order of the JSON.
#[derive(Debug, Serialize)]
struct Snapshot<'a> {
    client_id: &'a str,
    version: &'a str,
    uptime_s: u64,
    received: u64,
    succeeded: u64,
    failed: u64,
    held: u64,
    failed_invalid: u64,
    failed_full: u64,
    failed_undelivered: u64,
    retried: u64,
    redelivered: u64,
    acknowledged_held: u64,
    memory_bytes: u64,
    memory_used_bytes: u64,
    spooled: u64,
    read_back: u64,
    spool_records: u64,
    spool_bytes: u64,
    spool_oldest_s: u64,
    spool_damaged: u64,
    statuses_waiting: u64,
    statuses_lost: u64,
    statuses_refused: u64,
    service_records: u64,
    requests: u64,
    requests_failed: u64,
    request_bytes: u64,
    service_connections: u64,
    broker_connections: u64,
    credentials_failed: u64,
    clock_correction_s: i64,
}

impl Snapshot<'_> {
    fn json(&self) -> String {
        // Strings and numbers always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = include_str!("../../tests/golden/counters.json");

    #[test]
    fn the_json_is_one_line_whatever_the_client_id_and_as_documented() {
        let snapshot = Snapshot {
            client_id: "gateway \"17\"\n",
            version: "1.2.3",
            uptime_s: 31_536_000,
            received: u64::MAX,
            succeeded: u64::MAX - 110,
            failed: 60,
            held: 50,
            failed_invalid: 10,
            failed_full: 20,
            failed_undelivered: 30,
            retried: 7,
            redelivered: 5,
            acknowledged_held: 400,
            memory_bytes: 50_000_128,
            memory_used_bytes: 256,
            spooled: 70,
            read_back: 30,
            spool_records: 40,
            spool_bytes: 1_310_720,
            spool_oldest_s: 3600,
            spool_damaged: 1,
            statuses_waiting: 3,
            statuses_lost: 2,
            statuses_refused: 4,
            service_records: 1_000_000,
            requests: 900,
            requests_failed: 9,
            request_bytes: 123_456_789_012,
            service_connections: 11,
            broker_connections: 1,
            credentials_failed: 0,
            clock_correction_s: -1_700_000_000,
        };
        assert_eq!(snapshot.json() + "\n", GOLDEN);
    }

    #[test]
    fn they_are_due_at_once_and_then_once_in_an_interval_however_late_they_are_taken() {
        let mut counters = Counters::new(String::new(), Some(Duration::from_secs(60)));
        let at = |seconds| Instant::default() + Duration::from_secs(seconds);
        let due: Vec<_> =
            [0, 1, 59, 60, 61, 1000, 1001, 1059, 1060].into_iter().filter(|s| counters.take_due(at(*s))).collect();
        assert_eq!(due, [0, 60, 1000, 1060]);
        assert_eq!(counters.deadline(), Some(at(1120)));
    }

    #[test]
    fn without_an_interval_they_are_never_due() {
        let mut counters = Counters::new(String::new(), None);
        assert_eq!(counters.deadline(), None);
        assert!(!counters.take_due(Instant::from_millis(u64::MAX)));
    }
}
