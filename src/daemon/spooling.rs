//! The spool at work: the keeper, which decides without I/O, and the thread that does what it asks of the disk.

use core::future::pending;
use std::path::PathBuf;

use super::report::Report;
use crate::clock::Clock;
use crate::config;
use crate::keeper::Keeper;
use crate::relay::Relay;
use crate::spool::disk::Disk;
use crate::spool::operation::Completion;
use crate::spool::{Counters, Settings};
use crate::time::{Duration, Instant};

/// The keeper, and the disk that it uses.
pub(super) struct Spooling {
    keeper: Keeper,
    disk: Disk,
    directory: PathBuf,
}

impl Spooling {
    /// Starts the thread. There is memory for entries of at most `longest` bytes; longer ones stay on the disk. Publishes
    /// may wait for the disk for `wait`. Without a thread there is no spool, and the log says so.
    pub(super) fn start(config: config::Spool, longest: usize, wait: Duration) -> Option<Self> {
        let settings = Settings::new(config.size * 1024, crate::random::random_number()).with_longest(longest);
        let disk = match Disk::start(config.directory.clone()) {
            Ok(disk) => disk,
            Err(error) => {
                Report::no_spool(&error);
                return None;
            }
        };
        Some(Self { keeper: Keeper::new(settings, wait), disk, directory: config.directory })
    }

    /// Carries records between relay and spool as far as is due, and gives the disk its next operation.
    pub(super) fn exchange(&mut self, clock: &Clock, relay: &mut Relay) {
        if let Some(operation) = self.keeper.poll_operation(clock.now(), seconds(clock), relay) {
            self.disk.send(operation);
        }
    }

    /// Waits for the result of an operation; `None`: the thread has ended. Without a spool none ever comes.
    pub(super) async fn done(this: Option<&mut Self>) -> Option<Completion> {
        match this {
            Some(this) => this.disk.done().await,
            None => pending().await,
        }
    }

    /// Takes the result of an operation.
    pub(super) fn handle(&mut self, now: Instant, done: Completion, relay: &mut Relay) {
        self.keeper.handle(now, done, relay);
    }

    /// When to call [`Spooling::exchange`] again, if nothing happens before.
    pub(super) fn deadline(&self, now: Instant, relay: &Relay) -> Option<Instant> {
        self.keeper.deadline(now, relay)
    }

    /// Whether publishes should wait until the disk has written.
    pub(super) fn holds_up(&self, now: Instant, relay: &Relay) -> bool {
        self.keeper.holds_up(now, relay)
    }

    /// What the spool holds, and what was lost.
    pub(super) fn counters(&self) -> Counters {
        self.keeper.counters()
    }

    /// Logs what has changed: whether the disk works, whether the spool is full, what was lost.
    pub(super) fn report(&self, now: Instant, report: &mut Report) {
        report.spool(now, &self.directory, self.keeper.health(now), &self.keeper.counters());
    }

    /// Writes all that is held, and then the messages `statuses`. Ends when that is done, or cannot be. Returns how
    /// many messages were not written.
    pub(super) async fn write_all(&mut self, clock: &Clock, relay: &mut Relay, statuses: &[&[u8]]) -> usize {
        let mut left = statuses.iter();
        let mut next = left.next();
        self.keeper.hurry();
        loop {
            while let Some(message) = next
                && self.keeper.append_status(clock.now(), seconds(clock), message)
            {
                next = left.next();
            }
            self.exchange(clock, relay);
            let now = clock.now();
            if self.keeper.is_done(now) && (next.is_none() || !self.keeper.takes(now)) {
                return next.into_iter().chain(left).count();
            }
            match self.disk.done().await {
                Some(done) => self.keeper.handle(clock.now(), done, relay),
                None => return next.into_iter().chain(left).count(),
            }
        }
    }
}

/// Seconds since 1970.
fn seconds(clock: &Clock) -> u64 {
    clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}
