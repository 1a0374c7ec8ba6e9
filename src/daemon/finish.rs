//! The end: what is left is sent on, kept or answered, within a bounded time.

use tokio::sync::mpsc;
use tokio::time::error::Elapsed;
use tokio::time::timeout_at;

use super::report::Left;
use super::{Daemon, Turn};
use crate::limits::{DRAIN_SPOOL, STATUS_BYTES};
use crate::source::Inbound;

impl Daemon {
    pub(super) fn is_drained(&self) -> bool {
        self.drain_by.is_some_and(|end| self.relay.held() == 0 || end <= self.clock.now())
    }

    /// Keeps what is left or answers it with a fail status, and gives the broker some time to take the last statuses, to come back for them
    /// if need be. Answers whether only another process may be let in.
    pub(super) async fn finish(mut self) -> bool {
        if self.report.session_ends() {
            self.relay.forget_session(self.clock.now());
        }
        self.relay.spool_at_end();
        self.write_all(&[]).await;
        let stopped = self.relay.stop();
        self.acknowledge();
        if self.status_bytes.is_some() || self.untold() > 0 {
            let end = self.clock.at(self.clock.now() + self.broker.peer.drain().1);
            // What is left then is counted below.
            let _: Result<(), Elapsed> = timeout_at(end, self.tell_the_rest()).await;
        }
        let statuses = if self.untold() > 0 { self.keep_statuses().await } else { 0 };
        let left = Left { stopped, statuses };
        self.report.stopped(left, self.relay.counters(), self.relay.lost_statuses());
        self.expelled
    }

    /// Has all that is held written to the spool, and these messages. Answers how many of these were not.
    async fn write_all(&mut self, statuses: &[&[u8]]) -> usize {
        let Some(spooling) = &mut self.spooling else { return statuses.len() };
        let end = self.clock.at(self.clock.now() + DRAIN_SPOOL);
        let written = timeout_at(end, spooling.write_all(&self.clock, &mut self.relay, statuses)).await;
        spooling.report(self.clock.now(), &mut self.report);
        written.unwrap_or(statuses.len())
    }

    /// Has the statuses written that the broker has not acknowledged. Answers how many were not.
    async fn keep_statuses(&mut self) -> usize {
        let (mut message, untold) = (Vec::new(), self.untold());
        if self.spooling.is_none() {
            return untold;
        }
        let mut messages = self.under_way.messages();
        while self.relay.next_status(STATUS_BYTES, &mut message) > 0 {
            messages.push(core::mem::take(&mut message).into());
        }
        let texts: Vec<_> = messages.iter().map(|message| &message[..]).collect();
        if self.write_all(&texts).await == 0 { 0 } else { untold }
    }

    /// Statuses that the broker has not acknowledged.
    fn untold(&self) -> usize {
        self.relay.waiting_statuses() + self.under_way.count()
    }

    /// Ends when the broker has acknowledged all statuses. What still comes in is left to the next process: not taken, not
    /// acknowledged.
    async fn tell_the_rest(&mut self) {
        while self.relay.has_status() {
            let turn = tokio::select! {
                Ok(_) = self.broker.statuses.reserve(), if self.status_bytes.is_some() => Turn::Status,
                inbound = self.broker.inbound.recv() => Turn::Inbound(inbound),
            };
            match turn {
                Turn::Inbound(Some(inbound)) => self.turn_away(inbound).await,
                // The task has ended.
                Turn::Inbound(None) => return,
                _ => self.send_status(),
            }
        }
        // The task ends when there are no more statuses.
        self.broker.statuses = mpsc::channel(1).0;
        while let Some(inbound) = self.broker.inbound.recv().await {
            self.turn_away(inbound).await;
        }
    }

    async fn turn_away(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Publishes(_) => {
                // The task waits for it, unless it has ended.
                let _: Result<(), _> = self.broker.taken.send(Vec::new()).await;
            }
            inbound => self.take(inbound).await,
        }
    }
}
