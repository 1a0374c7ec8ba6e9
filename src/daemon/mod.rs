//! The process at work: one loop that owns the relay and waits for everything else.
//!
//! Tasks for the broker, for each connection to the service and for the credentials speak with the loop
//! through bounded channels. Each turn of the loop takes one thing that happened, then sends what is due.

mod counters;
mod notify;
mod report;
mod start;
mod uplink;

pub use report::COUNTERS;
pub use start::{RunError, confine, run};

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Publish;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout_at};

use crate::firehose::credentials::Credentials;
use crate::limits::{DRAIN, DRAIN_STATUSES, STATUS_BYTES};
use crate::net::clock::Clock;
use crate::net::http::Event;
use crate::net::mqtt::{Again, Broker, Inbound};
use crate::relay::{Accepted, Relay};
use crate::time::Instant;
use counters::Counters;
use notify::Notify;
use report::Report;
use uplink::{Done, Uplink};

/// See the module.
struct Daemon {
    clock: Clock,
    relay: Box<Relay>,
    broker: Broker,
    broker_task: JoinHandle<()>,
    uplink: Uplink,
    events: mpsc::Receiver<Event>,
    credentials: watch::Receiver<Option<Credentials>>,
    /// Asks for new credentials.
    renew: mpsc::Sender<()>,
    counters: Counters,
    report: Report,
    notify: Notify,
    /// Largest status message for this broker, while there is a session.
    status_bytes: Option<usize>,
    /// Publishes of this session were not taken, because there was no room for their statuses.
    left_behind: bool,
    /// The broker does not send them again.
    forgetful: bool,
    /// Set by the first signal: when what is left is given up.
    drain_by: Option<Instant>,
}

/// What the process is told from outside.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// SIGUSR1
    counters: Signal,
}

/// What happened.
enum Turn {
    Signal,
    /// Somebody wants to see the counters.
    Asked,
    Event(Option<Event>),
    Inbound(Option<Inbound>),
    /// The broker's task takes a status.
    Status,
    Credentials,
    /// A deadline came.
    Time,
}

impl Daemon {
    /// Runs until a signal comes and what is held is sent or given up.
    async fn run(mut self, mut signals: Signals) {
        self.notify.turn(self.clock.now(), &self.relay);
        while !self.is_drained() {
            match self.wait(&mut signals).await {
                Turn::Signal => self.drain(),
                Turn::Asked => Report::counters(&self.count()),
                Turn::Event(Some(Event::WantsChunk { number })) => {
                    self.uplink.send_chunk(&self.relay, self.clock.now(), number)
                }
                Turn::Event(Some(Event::Done { number, result })) => {
                    if let Some(done) = self.uplink.finish(&mut self.relay, &self.clock, number, result) {
                        self.settled(&done);
                    }
                }
                Turn::Inbound(Some(inbound)) => self.take(inbound).await,
                Turn::Status => self.send_status(),
                Turn::Credentials | Turn::Time => {}
                // The tasks end only after this loop.
                Turn::Event(None) | Turn::Inbound(None) => break,
            }
            self.report.lost_statuses(self.relay.lost_statuses());
            self.fetch_left();
            self.send_due();
            self.publish_counters();
            self.report.turn(self.clock.now());
            self.notify.turn(self.clock.now(), &self.relay);
        }
        self.finish().await;
    }

    async fn wait(&mut self, signals: &mut Signals) -> Turn {
        let counters = self.status_bytes.and_then(|_| self.counters.deadline());
        let deadlines = [self.send_deadline(), self.drain_by, counters, self.report.deadline(), self.notify.deadline()];
        let deadline = deadlines.into_iter().flatten().min();
        let has_status = self.status_bytes.is_some() && self.relay.has_status();
        tokio::select! {
            biased;
            _ = signals.terminate.recv() => Turn::Signal,
            _ = signals.interrupt.recv() => Turn::Signal,
            _ = signals.counters.recv() => Turn::Asked,
            event = self.events.recv() => Turn::Event(event),
            Ok(()) = self.credentials.changed() => Turn::Credentials,
            // Before what comes in: a flood of bad messages must not keep the answers back.
            Ok(_) = self.broker.statuses.reserve(), if has_status => Turn::Status,
            inbound = self.broker.inbound.recv() => Turn::Inbound(inbound),
            () = sleep_until(self.clock.at(deadline.unwrap_or_default())), if deadline.is_some() => Turn::Time,
        }
    }

    /// When a batch is due. Without credentials nothing can be sent, so there is nothing to wake up for.
    fn send_deadline(&self) -> Option<Instant> {
        self.credentials.borrow().as_ref().and_then(|_| self.relay.poll_timeout())
    }

    fn send_due(&mut self) {
        let credentials = self.credentials.borrow();
        let Some(credentials) = credentials.as_ref() else { return };
        let now = self.clock.now();
        while let Some(batch) = self.relay.poll_send(now) {
            if let Err(error) = self.uplink.send(&mut self.relay, &self.clock, batch, credentials) {
                self.report.not_signed(now, &error);
            }
        }
    }

    fn settled(&mut self, done: &Done) {
        self.notify.settled(done);
        if self.report.settled(self.clock.now(), done) {
            // Full: a renewal is asked for already.
            let _: Result<(), _> = self.renew.try_send(());
        }
    }

    async fn take(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Publishes(publishes) => {
                let taken = self.accept(publishes);
                // The task waits for it, unless it has ended; then nobody wants it.
                let _: Result<(), _> = self.broker.taken.send(taken).await;
            }
            Inbound::Up { status_bytes, resumed } => {
                self.report.broker_up(self.clock.now(), resumed);
                self.notify.broker(true);
                self.counters.broker_up();
                self.forgetful |= self.left_behind && !resumed;
                self.left_behind = false;
                self.status_bytes = Some(status_bytes);
                self.relay.statuses_leave(true);
            }
            Inbound::Down(error) => {
                self.report.broker_down(self.clock.now(), &error);
                self.notify.broker(false);
                self.status_bytes = None;
                self.relay.statuses_leave(false);
                self.broker.again.send_replace(Again::No);
            }
            Inbound::StatusRefused(reason) => self.report.status_refused(self.clock.now(), reason),
        }
    }

    /// Takes publishes into the relay and answers those that are to be acknowledged. While draining, those that the broker
    /// will deliver again to the next process are left to it. So are, for a while, those that can be neither held nor answered;
    /// and with them those behind them, which keeps their order.
    fn accept(&mut self, mut publishes: Vec<Publish>) -> Vec<Publish> {
        let now = self.clock.now();
        publishes.retain(|publish| {
            let comes_again = publish.qos != QoS::AtMostOnce;
            if comes_again && (self.drain_by.is_some() || self.left_behind && self.relay.do_statuses_leave()) {
                return false;
            }
            self.relay.may_come_again(comes_again && !self.forgetful);
            match self.relay.accept(now, &publish.topic, &publish.payload) {
                Accepted::NotNow => {
                    self.left_behind = true;
                    return false;
                }
                Accepted::NotOurs => self.report.not_ours(now, &publish.topic),
                Accepted::Held | Accepted::Failed => {}
            }
            true
        });
        publishes
    }

    /// Has the broker send again what was left with it, when there is room for statuses again, or they do not leave any more.
    fn fetch_left(&mut self) {
        if !self.left_behind || self.status_bytes.is_none() || self.drain_by.is_some() {
            return;
        }
        let again = match self.relay.do_statuses_leave() {
            false => Again::Now,
            true if self.relay.has_status_room() && !self.relay.has_status() => Again::Soon,
            true => Again::No,
        };
        self.broker.again.send_if_modified(|before| core::mem::replace(before, again) != again);
    }

    fn send_status(&mut self) {
        let mut message = Vec::new();
        let limit = self.status_bytes.unwrap_or(STATUS_BYTES);
        if self.relay.next_status(limit, &mut message) > 0 {
            // Room was reserved; the task may have ended since, and the process with it.
            let _: Result<(), _> = self.broker.statuses.try_send(Bytes::from(message));
        }
    }

    /// While the broker is away nothing is published; then it is due as soon as it is back.
    fn publish_counters(&mut self) {
        let Some(limit) = self.status_bytes else { return };
        let now = self.clock.now();
        if !self.counters.turn(now) {
            return;
        }
        let counters = self.count();
        if counters.len() <= limit {
            self.broker.counters.send_replace(counters.into());
        } else {
            self.report.counters_too_long(now);
        }
    }

    fn count(&self) -> String {
        self.counters.json(self.clock.now(), &self.relay, self.uplink.traffic(), self.clock.correction())
    }

    /// The first signal ends waiting for intervals, the second ends waiting at all.
    fn drain(&mut self) {
        let now = self.clock.now();
        let wait = if self.drain_by.is_none() { DRAIN } else { core::time::Duration::ZERO };
        self.report.draining(self.relay.held(), wait);
        self.notify.stopping();
        self.drain_by = Some(now + wait);
        self.relay.drain();
    }

    fn is_drained(&self) -> bool {
        self.drain_by.is_some_and(|end| self.relay.held() == 0 || end <= self.clock.now())
    }

    /// Answers what is left with a fail status, and gives the broker some time to take the last statuses.
    async fn finish(mut self) {
        let left = self.relay.stop();
        let end = self.clock.at(self.clock.now() + DRAIN_STATUSES);
        let Broker { inbound: mut unread, taken, statuses, .. } = self.broker;
        let mut all_told = !self.relay.has_status();
        if let Some(limit) = self.status_bytes {
            all_told = true;
            let mut message = Vec::new();
            while self.relay.next_status(limit, &mut message) > 0 {
                let message = Bytes::from(core::mem::take(&mut message));
                tokio::select! {
                    sent = statuses.send(message) => all_told &= sent.is_ok(),
                    () = sleep_until(end) => all_told = false,
                    // What still comes in is left to the next process: not taken, not acknowledged.
                    () = turn_away(&mut unread, &taken) => all_told = false,
                }
                if !all_told {
                    break;
                }
            }
            drop(statuses);
            // The task ends when the broker has acknowledged all of them.
            tokio::select! {
                // Its channel ends with the task, which is no reason to doubt it.
                biased;
                ended = timeout_at(end, self.broker_task) => all_told &= ended.is_ok(),
                () = turn_away(&mut unread, &taken) => all_told = false,
            }
        }
        self.report.stopped(left, self.relay.counters(), self.relay.lost_statuses(), all_told);
    }
}

/// Takes nothing that comes in any more. Ends when the broker's task does.
async fn turn_away(inbound: &mut mpsc::Receiver<Inbound>, taken: &mpsc::Sender<Vec<Publish>>) {
    while let Some(message) = inbound.recv().await {
        if matches!(message, Inbound::Publishes(_)) && taken.send(Vec::new()).await.is_err() {
            return;
        }
        if matches!(message, Inbound::Down(_)) {
            return;
        }
    }
}
