//! How the process ends: what is held goes to the spool or fails, and the last statuses to the broker or the spool,
//! within a bounded time.

use tokio::sync::mpsc;
use tokio::time::error::Elapsed;
use tokio::time::timeout_at;

use super::report::Left;
use super::{Daemon, Turn};
use crate::limits::{DRAIN_SPOOL, STATUS_BYTES};
use crate::source::Inbound;
use crate::time::Instant;

impl Daemon {
    /// Whether nothing is held any more, or the time to send it is over.
    pub(super) fn is_drained(&self) -> bool {
        let now = self.clock.now();
        self.drain_by.is_some_and(|end| self.relay.held() == 0 && self.drained_from <= now || end <= now)
    }

    /// Spools what is held or lets it fail, and gives the source some time to acknowledge the last statuses, with a
    /// reconnect if that is needed. Those that remain go to the spool. Returns whether only another process may be let in.
    pub(super) async fn finish(mut self) -> bool {
        if self.report.session_ends() {
            self.relay.forget_session(self.clock.now());
        }
        self.uplink.take_back(&mut self.relay, self.clock.now());
        self.relay.spool_at_end();
        self.write_all(&[], self.clock.now() + DRAIN_SPOOL).await;
        let stopped = self.relay.stop();
        self.acknowledge();
        if self.status_bytes.is_some() || self.unacknowledged_statuses() > 0 {
            let end = self.clock.at(self.clock.now() + self.broker.peer.drain().1);
            // What remains after that is counted below.
            let _: Result<(), Elapsed> = timeout_at(end, self.send_remaining_statuses()).await;
        }
        let end = self.clock.now() + DRAIN_SPOOL;
        let statuses = if self.unacknowledged_statuses() > 0 { self.keep_statuses(end).await } else { 0 };
        if statuses == 0 {
            // Those that came back from the spool are acknowledged, or written there again.
            self.relay.statuses_acknowledged(u64::MAX);
            self.write_all(&[], end).await;
        }
        let spooled = self.spooling.as_ref().map_or(0, |spooling| spooling.counters().records);
        let left = Left { stopped, statuses, spooled };
        self.report.stopped(left, self.relay.counters(), self.relay.lost_statuses());
        self.expelled
    }

    /// Writes all that is held to the spool, and then the messages `statuses`, until `end`. Returns how many messages
    /// were not written.
    async fn write_all(&mut self, statuses: &[&[u8]], end: Instant) -> usize {
        let Some(spooling) = &mut self.spooling else { return statuses.len() };
        let written = timeout_at(self.clock.at(end), spooling.write_all(&self.clock, &mut self.relay, statuses)).await;
        spooling.report(self.clock.now(), &mut self.report);
        written.unwrap_or(statuses.len())
    }

    /// Writes the statuses to the spool that the broker has not acknowledged, until `end`. Returns how many are lost:
    /// all, unless all were written.
    async fn keep_statuses(&mut self, end: Instant) -> usize {
        let (mut message, unacknowledged_statuses) = (Vec::new(), self.unacknowledged_statuses());
        if self.spooling.is_none() {
            return unacknowledged_statuses;
        }
        let mut messages = self.under_way.messages();
        while self.relay.next_status(STATUS_BYTES, &mut message) > 0 {
            messages.push(core::mem::take(&mut message).into());
        }
        let texts: Vec<_> = messages.iter().map(|message| &message[..]).collect();
        if self.write_all(&texts, end).await == 0 { 0 } else { unacknowledged_statuses }
    }

    /// Statuses that the broker has not acknowledged.
    fn unacknowledged_statuses(&self) -> usize {
        self.relay.waiting_statuses() + self.under_way.count()
    }

    /// Sends the remaining statuses; ends when the broker has acknowledged all. Publishes that still come are neither
    /// taken nor acknowledged, so that the next process receives them.
    async fn send_remaining_statuses(&mut self) {
        while self.relay.has_status() {
            let turn = tokio::select! {
                Ok(_) = self.broker.statuses.reserve(), if self.status_bytes.is_some() => Turn::Status,
                inbound = self.broker.inbound.recv() => Turn::Inbound(inbound),
            };
            match turn {
                Turn::Inbound(Some(inbound)) => self.decline_publishes(inbound).await,
                // The task has ended.
                Turn::Inbound(None) => return,
                _ => self.send_status(),
            }
        }
        // The task ends when there are no more statuses.
        self.broker.statuses = mpsc::channel(1).0;
        while let Some(inbound) = self.broker.inbound.recv().await {
            self.decline_publishes(inbound).await;
        }
    }

    /// Takes what the broker's side says, except publishes.
    async fn decline_publishes(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Publishes(_) => {
                // The task waits for it, unless it has ended.
                let _: Result<(), _> = self.broker.taken.send(Vec::new()).await;
            }
            inbound => self.take(inbound).await,
        }
    }
}
