//! The process at work: one loop that owns the relay and waits for everything else.
//!
//! Tasks for the broker, for each connection to the service and for the credentials speak with the loop
//! through bounded channels. Each turn of the loop takes one thing that happened, then sends what is due.

mod counters;
mod finish;
mod inlet;
mod notify;
mod report;
pub mod signals;
mod spooling;
mod start;
mod under_way;
mod uplink;

pub use start::{RunError, confine, run};

use tokio::sync::{mpsc, watch};
use tokio::time::{self, sleep_until};

use crate::clock::{Beat, Clock};
use crate::firehose::credentials::Credentials;
use crate::http::Event;
use crate::limits::{DRAIN_SPOOL, GATHER_LATE, REFUSED_DRAINING, STATUS_BYTES, STATUSES_ASKED};
use crate::relay::{Accepted, Relay, status};
use crate::source::{Acknowledged, Again, Channels, Inbound, Received};
use crate::spool::operation;
use crate::time::Instant;
use counters::Counters;
use notify::Notify;
use report::Report;
use signals::{Action, Signals};
use spooling::Spooling;
use under_way::UnderWay;
use uplink::{EndedRequest, Uplink};

/// The loop and everything that it owns.
struct Daemon {
    clock: Clock,
    beat: Beat,
    relay: Box<Relay>,
    broker: Channels,
    uplink: Uplink,
    /// If there is a directory for it.
    spooling: Option<Spooling>,
    events: mpsc::Receiver<Event>,
    credentials: watch::Receiver<Option<Credentials>>,
    /// Asks for new credentials.
    renew: mpsc::Sender<()>,
    /// When the service last refused those that there are.
    refused_at: Option<Instant>,
    counters: Counters,
    report: Report,
    notify: Notify,
    /// Statuses on their way to the broker.
    under_way: UnderWay,
    /// Largest status message for this broker, while there is a session.
    status_bytes: Option<usize>,
    /// Publishes of this session were not taken, because there was no room for their statuses.
    left_behind: bool,
    /// The broker does not send them again.
    forgetful: bool,
    /// What the broker's side is told to acknowledge.
    acknowledged: Acknowledged,
    /// The broker acknowledges no status.
    held_up: bool,
    /// The source lets this process in no more.
    expelled: bool,
    /// Set by the first signal: when what is left is given up.
    drain_by: Option<Instant>,
    /// Not before that is all taken that gathered at the source.
    drained_from: Instant,
}

/// What happened.
enum Turn {
    Signal(Action),
    Event(Option<Event>),
    Inbound(Option<Inbound>),
    /// The broker's task takes a status.
    Status,
    Credentials,
    /// An operation on the disk is over, or its thread.
    Disk(Option<operation::Completion>),
    /// A deadline came.
    Time,
}

impl Daemon {
    /// Runs until a signal comes, or the source lets this process in no more, and what is held is sent or given up. Answers
    /// whether only another process may be let in.
    async fn run(mut self, mut signals: Signals) -> bool {
        self.notify.send_if_due(self.clock.now(), &self.relay);
        while !self.is_drained() {
            match self.wait(&mut signals).await {
                Turn::Signal(action) => self.on_signal(action),
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
                Turn::Disk(done) => self.take_done(done),
                Turn::Credentials => {
                    self.refused_at = None;
                    self.relay.retry_now();
                }
                Turn::Time => {}
                // The tasks end only after this loop.
                Turn::Event(None) | Turn::Inbound(None) => break,
            }
            self.report.lost_statuses(self.relay.lost_statuses());
            self.fetch_left();
            self.spool();
            self.relay.unblock_source(self.clock.now());
            self.acknowledge();
            self.send_due();
            self.publish_counters();
            self.report.flush(self.clock.now());
            self.notify.send_if_due(self.clock.now(), &self.relay);
        }
        self.finish().await
    }

    async fn wait(&mut self, signals: &mut Signals) -> Turn {
        let now = self.clock.now();
        let counters = self.status_bytes.and_then(|_| self.counters.deadline());
        let deadlines = [
            self.relay.unblock_due(now),
            self.drain_by,
            Some(self.drained_from).filter(|from| *from > now),
            self.relay.has_statuses_back().then(|| now + STATUSES_ASKED),
            self.spooling.as_ref().and_then(|spooling| spooling.deadline(now, &self.relay)),
            counters,
            self.report.deadline(now),
            self.notify.deadline(),
        ];
        let exact = deadlines.into_iter().flatten().min().map(|at| self.clock.at(at));
        let deadline = self.send_deadline().map(|at| self.on_the_beat(at)).into_iter().chain(exact).min();
        let takes = self.spooling.as_ref().is_none_or(|spooling| !spooling.holds_up(now, &self.relay));
        let has_status = self.status_bytes.is_some() && self.relay.has_status();
        tokio::select! {
            biased;
            action = signals.next() => Turn::Signal(action),
            event = self.events.recv() => Turn::Event(event),
            Ok(()) = self.credentials.changed() => Turn::Credentials,
            done = Spooling::done(self.spooling.as_mut()) => Turn::Disk(done),
            // Before what comes in: a flood of bad messages must not keep the answers back.
            Ok(_) = self.broker.statuses.reserve(), if has_status => Turn::Status,
            inbound = self.broker.inbound.recv(), if takes => Turn::Inbound(inbound),
            () = sleep_until(deadline.unwrap_or_else(time::Instant::now)), if deadline.is_some() => Turn::Time,
        }
    }

    /// When a batch is due. Without credentials nothing can be sent, so there is nothing to wake up for.
    fn send_deadline(&self) -> Option<Instant> {
        let due = self.credentials.borrow().as_ref().and_then(|_| self.relay.poll_timeout())?;
        Some(self.refused_until().map_or(due, |end| due.max(end)))
    }

    /// When a batch that is due `at` some time is sent: where records wait for an interval anyway, with the next beat, and
    /// so with the publishes that are read then.
    fn on_the_beat(&self, at: Instant) -> time::Instant {
        let at = self.clock.at(at);
        let is_exact = !self.relay.gathers() || self.drain_by.is_some() || at <= time::Instant::now();
        if is_exact { at } else { self.beat.after(at) }
    }

    /// While stopping: until when nothing is sent, because the service does not take the credentials.
    fn refused_until(&self) -> Option<Instant> {
        self.drain_by.and(self.refused_at).map(|at| at + REFUSED_DRAINING)
    }

    fn send_due(&mut self) {
        let credentials = self.credentials.borrow();
        let Some(credentials) = credentials.as_ref() else { return };
        let now = self.clock.now();
        if self.refused_until().is_some_and(|end| now < end) {
            return;
        }
        while let Some(batch) = self.relay.poll_send(now) {
            if let Err(error) = self.uplink.send(&mut self.relay, &self.clock, batch, credentials) {
                self.report.not_signed(now, &error);
            }
        }
    }

    /// Carries records to the spool and back.
    fn spool(&mut self) {
        let Some(spooling) = &mut self.spooling else { return };
        if self.relay.has_statuses_back() {
            self.relay.statuses_acknowledged(self.under_way.acknowledged(self.relay.statuses_taken()));
        }
        spooling.exchange(&self.clock, &mut self.relay);
        self.notify.spool(spooling.counters().records);
        spooling.report(self.clock.now(), &mut self.report);
    }

    fn take_done(&mut self, done: Option<operation::Completion>) {
        match (&mut self.spooling, done) {
            (Some(spooling), Some(done)) => spooling.handle(self.clock.now(), done, &mut self.relay),
            _ => {
                self.spooling = None;
                self.relay.set_spooling(crate::relay::SpoolState::Off);
            }
        }
    }

    fn settled(&mut self, done: &EndedRequest) {
        self.notify.settled(done);
        if done.renew_credentials {
            self.refused_at = Some(self.clock.now());
        }
        if self.report.settled(self.clock.now(), done) {
            // Full: a renewal is asked for already.
            let _: Result<(), _> = self.renew.try_send(());
        }
    }

    async fn take(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Begins(begin) => {
                self.relay.begin_session(self.clock.now(), begin);
                self.forgetful |= self.left_behind && !begin.resumed;
                self.left_behind = false;
            }
            Inbound::Publishes(mut publishes) => {
                // One time for all: they are the group that was read then.
                let now = self.clock.now();
                self.relay.source_is_read(now);
                publishes.drain(..).for_each(|received| self.accept(now, &received));
                self.acknowledge();
                // The task waits for it, unless it has ended; then nobody wants it.
                let _: Result<(), _> = self.broker.taken.send(publishes).await;
            }
            Inbound::Up { status_bytes, resumed, terms } => {
                self.report.broker_up(self.clock.now(), resumed, terms);
                self.notify.broker(true);
                self.counters.broker_up();
                self.status_bytes = Some(status_bytes);
                self.relay.set_broker_takes_statuses(!self.held_up);
            }
            Inbound::Down(error) => {
                self.report.broker_down(self.clock.now(), &*error);
                self.notify.broker(false);
                self.status_bytes = None;
                self.relay.broker_lost(self.clock.now());
                self.broker.again.send_replace(Again::No);
            }
            Inbound::Expelled => {
                self.expelled = true;
                if self.drain_by.is_none() {
                    self.report.expelled();
                    self.drain();
                }
            }
            Inbound::StatusRefused(reason, message) => {
                self.counters.statuses_refused += status::entries(&message).count() as u64;
                self.report.status_refused(self.clock.now(), &reason);
            }
            Inbound::StatusTooLong(message) => self.relay.requeue_statuses(&message),
            Inbound::StatusesHeldUp(held_up) => {
                self.held_up = held_up;
                if self.status_bytes.is_some() {
                    self.relay.set_broker_takes_statuses(!held_up);
                }
                self.report.statuses_held_up(self.clock.now(), held_up);
            }
        }
    }

    /// Takes a publish into the relay. While draining, those that the broker will deliver again to the next process are
    /// left to it. So are, for a while, those that can be neither held nor answered; and with them those behind them,
    /// which keeps their order.
    fn accept(&mut self, now: Instant, received: &Received) {
        let Received { topic, payload, token, too_long } = received;
        if let Some(token) = token
            && (self.drain_by.is_some() || self.left_behind && self.relay.waits_for_room(now))
        {
            return self.relay.leave(*token);
        }
        self.relay.set_source_redelivers(token.is_some() && !self.forgetful);
        match (self.relay.receive(now, topic, payload, *too_long, *token), too_long) {
            (Accepted::NotNow, _) => {
                self.left_behind = true;
                self.acknowledged.left_behind = token.map_or(0, |token| token.number + 1);
            }
            (Accepted::NotOurs, _) => self.report.not_ours(now, topic),
            (Accepted::Failed, Some(too_long)) => self.report.too_long(now, topic, *too_long),
            (Accepted::Held | Accepted::Failed | Accepted::Known, _) => {}
        }
    }

    /// Tells the broker's side what may be acknowledged.
    fn acknowledge(&mut self) {
        let Acknowledged { below, left_behind, window } = &mut self.acknowledged;
        *below = self.relay.safe();
        *window = self.relay.window();
        if self.drain_by.is_some() {
            *left_behind = u64::MAX;
        }
        let now = self.acknowledged;
        self.broker.acknowledged.send_if_modified(|before| core::mem::replace(before, now) != now);
        self.report.acknowledged_held(self.relay.counters().acknowledged_held);
    }

    /// Has the broker send again what was left with it, when there is room for statuses again, or they do not leave any
    /// more.
    fn fetch_left(&mut self) {
        if !self.left_behind || self.status_bytes.is_none() || self.drain_by.is_some() {
            return;
        }
        let again = match self.relay.broker_takes_statuses() {
            false => Again::Now,
            true if self.relay.has_status_room() && !self.relay.has_status() => Again::Soon,
            true => Again::No,
        };
        self.broker.again.send_if_modified(|before| core::mem::replace(before, again) != again);
    }

    fn send_status(&mut self) {
        let mut message = Vec::new();
        let limit = self.status_bytes.unwrap_or(STATUS_BYTES);
        let statuses = self.relay.next_status(limit, &mut message);
        if statuses > 0 {
            // Room was reserved; the task may have ended since, and the process with it.
            let message = self.under_way.count_in(message, statuses, self.relay.statuses_taken());
            let _: Result<(), _> = self.broker.statuses.try_send(message);
        }
    }

    /// While the broker is away nothing is published; then it is due as soon as it is back.
    fn publish_counters(&mut self) {
        let Some(limit) = self.status_bytes else { return };
        let now = self.clock.now();
        if !self.counters.take_due(now) {
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
        let spool = self.spooling.as_ref().map(Spooling::counters).unwrap_or_default();
        let now = self.clock.now();
        self.counters.json(now, &self.relay, &spool, self.uplink.traffic(), &self.clock)
    }

    fn on_signal(&mut self, action: Action) {
        match action {
            Action::Drain => self.drain(),
            Action::LogCounters => Report::counters(&self.count()),
            Action::ExplainReload => self.report.nothing_to_reload(self.clock.now()),
            Action::Ignore(signal) => self.report.signal_ignored(self.clock.now(), signal),
        }
    }

    /// The first signal ends waiting for intervals, the second ends waiting at all.
    fn drain(&mut self) {
        let now = self.clock.now();
        let records = self.broker.peer.drain().0;
        let wait = match (self.drain_by, &self.spooling) {
            (Some(_), _) => core::time::Duration::ZERO,
            (None, None) => records,
            // Once for records and once for statuses.
            (None, Some(_)) => records.saturating_sub(2 * DRAIN_SPOOL),
        };
        self.relay.spool_before_end(now);
        self.report.draining(self.relay.held(), wait);
        // The statuses need it, and there is no time to wait as long as one may otherwise.
        self.broker.hurry.send_replace(true);
        self.notify.stopping();
        if self.drain_by.is_none() && self.relay.gathers() {
            self.drained_from = now + GATHER_LATE;
        }
        self.drain_by = Some(now + wait);
        self.relay.drain();
    }
}
