//! The spool: records that wait on disk while the uplink is away, and statuses that could not be published.
//!
//! # The tour
//!
//! ```text
//!   Spool::append   entries gather ...                   Spool::read_back   oldest first, as there is room
//!        |                                                      ^      |
//!   commit    ... and are written together                    read     v settle
//!        |                                                      ^    marks    what is settled, in the next commit
//!        v                                                      |
//!   operation    create, write, read, delete: one at a time, each done when no power cut can undo it
//!        |                                                      ^
//!        v                                                      |
//!   disk      a thread that does them               (in the tests: a simulated disk that fails and loses power)
//! ```
//!
//! The directory holds segment files ([`mod@format`]). Entries are appended to the newest, the active one. The others
//! are read back, and each is deleted when all its entries are settled, that is delivered or failed for good, in
//! whatever order that happens. Marks in the active segment say which entries of the others are settled.
//!
//! # Why nothing is lost
//!
//! - An entry is safe, and its publish may be acknowledged, at [`Event::Synced`]. Until then the caller keeps the
//!   record, and still has it if [`Event::GivenUp`] comes instead.
//! - Bytes that are synced are never overwritten: each commit is written behind the one before, and after a failure or
//!   a start to a new file. So a torn write hits only what is not yet safe.
//! - A file is deleted when all its entries are settled, and not while it holds the only marks of others.
//! - Damage costs the entries it hits. They are counted, the others delivered (`walk`). A file that cannot be read, or
//!   is of a later version, stays for the next start.
//!
//! Seen from the caller: the relay keeps a record in memory until [`Event::Synced`], and only then lets its publish be
//! acknowledged (`Relay::spooled`). The record then ends only in `Relay::end`, which makes the keeper call
//! [`Spool::settle`]. Whatever happens between the two, the entry is on the disk and not settled, and so is read back.
//!
//! # Why little is repeated
//!
//! - The first commit of a segment holds a snapshot of all marks, later ones what has changed. So after a start only
//!   the newest segments are read, back to one with a snapshot, before records come back. New entries need not wait for
//!   that.
//! - A delivered record is sent again only if power is cut before the next commit, which marks it.
//! - A copy names its original, and so settles it (`copy`).
//!
//! # What it costs
//!
//! - Flash, with records of 1 KiB and a commit every half second (every tenth of a second while the source waits): 1.14
//!   bytes are written for each byte kept at 500 records a second, 1.26 at 50, 3.0 at 10 and 7.2 at one; with an
//!   estimate of the journal of ext4 1.25, 1.74, 3.2 and 7.6 (`tests/spool` counts). A day without uplink writes 2.8 GB
//!   at 10 records a second and 0.7 GB at one. While nothing is kept, nothing is written.
//! - Memory: about 50 bytes for each segment, 2 KiB for each partial one, and two buffers, of a commit and of reads.
//!   These grow for an entry longer than [`COMMIT_BYTES`](crate::limits::spool::COMMIT_BYTES), as long as they hold it.
//!
//! # Why a log of our own
//!
//! No crate for a queue or a table on disk is bounded, safe against power cuts and small at once. The smallest safe one
//! removes only the oldest entry, so that one delivery stream would hold up all others, and is twice the code of this
//! module.

mod append;
mod commit;
mod copy;
pub mod disk;
pub mod format;
mod marks;
pub mod operation;
mod position;
mod read;
mod recover;
mod settings;
mod table;
mod walk;

use crate::limits::spool::BACKOFF;
use crate::time::{Duration, Instant};
pub use append::{New, Refused};

use commit::Active;
use operation::{Completion, Fault, Operation};
pub use position::Position;
use read::Reader;
pub use read::{Answer, Held};
use recover::Stage;
pub use settings::Settings;
use table::Table;
use walk::Step;

/// What became of entries that were appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// All up to this one are safe, except those that were given up before.
    Synced(Position),
    /// The disk failed: all that were not yet safe are not kept.
    GivenUp,
}

/// How the disk failed last, and when it is asked again.
#[derive(Debug, Clone, Copy)]
struct Trouble {
    fault: Fault,
    /// It refused to delete a file.
    keeps_files: bool,
    failures: u32,
    retry_at: Instant,
}

/// What the spool holds, and what was lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes of all files.
    pub bytes: u64,
    /// Entries that are not settled. Those of a segment count from when it is known how many it has: by its mark, or
    /// when it was read.
    pub records: u64,
    /// When the oldest of them was received, seconds since 1970; zero: unknown, or there is none.
    pub oldest: u32,
    /// Entries lost to damage, since the start of the process.
    pub damaged: u64,
    /// Files left alone because they are of a later version, since the start of the process.
    pub newer: u64,
    /// Files left alone because part of them cannot be read, they have another one's name, are too large or too many, since the
    /// start of the process.
    pub unreadable: u64,
}

/// The records and statuses on disk, and what is known of them in memory.
#[derive(Debug)]
pub struct Spool {
    settings: Settings,
    random: u64,
    table: Table,
    stage: Stage,
    /// An operation is under way.
    is_busy: bool,
    trouble: Option<Trouble>,
    /// Bytes of all files that marks may make necessary: more than the limit, if a start found more.
    most_with_marks: u64,
    /// The number of the next segment; `None`: there is no number left.
    next_number: Option<u32>,
    active: Option<Active>,
    /// Entries for the active segment, not yet written.
    buffer: Vec<u8>,
    /// When they are to be written, or marks.
    due: Option<Instant>,
    /// The segment that holds the latest snapshot.
    snapshot_segment: Option<u32>,
    /// The segment that is being deleted.
    deleting: Option<u32>,
    reader: Reader,
    counters: Counters,
}

impl Counters {
    /// Counts a file that is left alone, if this step says so.
    const fn leave_alone(&mut self, end: Step) {
        match end {
            Step::Newer => self.newer += 1,
            Step::Renamed => self.unreadable += 1,
            _ => {}
        }
    }
}

impl Spool {
    /// A spool of whose directory nothing is known yet. As long as it has no file, it takes next to no memory.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            random: settings.seed,
            table: Table::default(),
            stage: Stage::Unlisted,
            is_busy: false,
            trouble: None,
            most_with_marks: 0,
            next_number: Some(1),
            active: None,
            buffer: Vec::new(),
            due: None,
            snapshot_segment: None,
            deleting: None,
            reader: Reader::default(),
            counters: Counters::default(),
        }
    }

    /// The next operation for the disk, if there is one and none is under way.
    pub fn poll_operation(&mut self, now: Instant) -> Option<Operation> {
        if self.is_busy {
            return None;
        }
        let operation = match self.stage {
            Stage::Unlisted => (!self.is_troubled(now)).then_some(Operation::List),
            Stage::Marks | Stage::Ready => {
                // On a full disk only deleting makes room, so that comes first.
                let has_no_room = self.trouble.is_some_and(|trouble| trouble.fault.is_no_room());
                let delete = if has_no_room { self.poll_delete(now) } else { None };
                delete
                    .or_else(|| self.poll_commit(now))
                    .or_else(|| self.poll_delete(now))
                    .or_else(|| self.poll_copy(now))
                    .or_else(|| self.poll_read())
            }
        };
        self.is_busy = operation.is_some();
        operation
    }

    /// When to ask [`Spool::poll_operation`] again, if nothing else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let retry = self.trouble.map(|trouble| trouble.retry_at);
        match (self.due, retry) {
            _ if self.is_busy => None,
            (Some(due), retry) => Some(due.max(retry.unwrap_or_default())),
            (None, retry) => retry.filter(|_| self.stage == Stage::Unlisted || self.has_done()),
        }
    }

    /// Takes the result of the operation that was under way. Returns what that means for entries that were appended, if
    /// anything.
    pub fn handle(&mut self, now: Instant, done: Completion) -> Option<Event> {
        self.is_busy = false;
        match done {
            Completion::Listed(Ok(files)) => self.listed(&files),
            Completion::Listed(Err(fault)) => self.failed(now, fault, false),
            Completion::Deleted(Err(fault)) => self.failed(now, fault, true),
            Completion::Created(created) => return self.created(now, created),
            Completion::Written(buffer, written) => return self.written(now, buffer, written),
            Completion::Read(buffer, read) => {
                self.reader.filled(buffer, read.ok());
                self.search();
            }
            Completion::Deleted(Ok(())) => self.deleted(),
        }
        None
    }

    /// How the disk failed last, unless it has worked since. It is asked again after a backoff, see
    /// [`Spool::is_troubled`].
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.trouble.map(|trouble| trouble.fault)
    }

    /// Whether the marks of before the start are all read. Until then nothing is read back.
    #[must_use]
    pub fn is_recovered(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// Whether nothing is kept, as far as is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stage == Stage::Ready && self.table.iter().all(|segment| segment.is_ignored)
    }

    /// What the spool holds now, and what was lost.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let records = self.table.iter().map(|segment| u64::from(segment.held())).sum();
        let oldest = self.table.iter().filter(|segment| segment.held() > 0).map(|segment| segment.oldest);
        let oldest = oldest.filter(|oldest| *oldest > 0).min().unwrap_or(0);
        Counters { bytes: self.table.bytes(), records, oldest, ..self.counters }
    }

    /// The entry is delivered, or failed for good. It does not come again, unless power is cut before the next commit.
    pub fn settle(&mut self, now: Instant, position: Position) {
        if let Some(segment) = self.table.of(position) {
            segment.settle(position.number());
            self.due.get_or_insert(now + crate::limits::spool::COMMIT_DELAY);
        }
    }

    /// The caller still has the record of an entry that is safe now, so [`Spool::read_back`] is not to offer it.
    pub fn take(&mut self, position: Position) {
        if let Some(segment) = self.table.of(position).filter(|segment| segment.is_waiting(position.number())) {
            segment.take_out(position.number());
        }
    }

    /// The caller has an entry no longer, though it is not settled. Returns whether it comes again only after
    /// [`Spool::look_again`].
    pub fn give_back(&mut self, position: Position) -> bool {
        if let Some(segment) = self.table.of(position) {
            segment.give_back(position.number());
        }
        self.reader.has_passed(position)
    }

    /// Whether the disk failed and its backoff is not over.
    #[must_use]
    pub fn is_troubled(&self, now: Instant) -> bool {
        self.trouble.is_some_and(|trouble| now < trouble.retry_at)
    }

    fn failed(&mut self, now: Instant, fault: Fault, keeps_files: bool) {
        let failures = self.trouble.map_or(0, |trouble| trouble.failures.saturating_add(1));
        let delay = BACKOFF.0.saturating_mul(1 << failures.min(16)).min(BACKOFF.1);
        self.trouble =
            Some(Trouble { fault, keeps_files, failures, retry_at: now + delay.max(Duration::from_millis(1)) });
    }

    fn has_done(&self) -> bool {
        self.table.iter().any(|segment| segment.is_done())
    }

    /// Deletes a segment whose entries are all settled.
    fn poll_delete(&mut self, now: Instant) -> Option<Operation> {
        // A disk without room need not be waited for: this makes some.
        let may_delete = |trouble: Trouble| trouble.fault.is_no_room() && !trouble.keeps_files;
        if self.stage != Stage::Ready || self.is_troubled(now) && !self.trouble.is_some_and(may_delete) {
            return None;
        }
        self.close_drained();
        let name = self.table.iter().find(|segment| segment.is_done() && self.may_go(segment.name.number))?.name;
        self.reader.leave(name.number);
        self.deleting = Some(name.number);
        Some(Operation::Delete { name })
    }

    /// Whether this segment does not hold the only marks of others.
    fn may_go(&self, number: u32) -> bool {
        let others = || self.table.iter().filter(|segment| segment.name.number != number);
        self.snapshot_segment != Some(number) || !others().any(|segment| segment.has_settled())
    }

    fn deleted(&mut self) {
        self.trouble = None;
        if let Some(number) = self.deleting.take() {
            self.table.remove(number);
        }
        self.reader.may_copy = true;
        if self.table.iter().len() == 0 {
            self.buffer = Vec::new();
            self.reader = Reader::default();
        }
    }
}
