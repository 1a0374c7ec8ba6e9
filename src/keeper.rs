//! Carries records and statuses between the relay and the spool. Neither knows the other.
//!
//! The relay decides which records go to the spool and come back ([`crate::relay`], `spooled`); the spool sees that
//! they survive a power cut. A record that is appended stays in the relay until the spool says that it is synced, and
//! one that is read back stays in the spool until the relay says that it ended. So at each moment at least one of the
//! two has it.

use crate::limits::spool::{COMMIT_SOON, STALL};
use crate::relay::arena::Arena;
use crate::relay::record::{Cursor, Record};
use crate::relay::{Ended, Relay, SpoolState, TakenBack};
use crate::spool::format::Kind;
use crate::spool::operation::{Completion, Fault, Operation};
use crate::spool::{Answer, Counters, Event, New, Position, Refused, Settings, Spool};
use crate::time::{Duration, Instant};

/// What an entry is that was appended and is not synced yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// This record, which the relay has, too.
    Record(Record),
    /// A record that has ended since.
    Over,
    /// A status message.
    Status,
}

/// Carries records and statuses between the relay and a spool, which it owns.
#[derive(Debug)]
pub struct Keeper {
    spool: Spool,
    /// Its limit, KB.
    kib: u64,
    /// Entries that are not synced yet, in the order in which they were appended.
    writing: Vec<(Writing, Position)>,
    /// The spool takes no more before the operation under way is done.
    is_busy: bool,
    /// The spool's limit was reached, and nothing was deleted since.
    is_full: bool,
    /// When the operation began that is under way.
    began: Option<Instant>,
    /// The connector is stopping, so nothing waits for more to be written with it.
    is_end: bool,
    /// How long what comes in may wait for an operation.
    wait: Duration,
}

/// Whether the spool works, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It takes records, as far as is known.
    Well,
    /// Its limit is reached.
    Full,
    /// The disk fails.
    Fails(Fault),
    /// The disk has done nothing for [`STALL`].
    Hangs,
}

impl Keeper {
    /// A keeper with a spool of whose directory nothing is known yet. Publishes may wait for `wait`, see
    /// [`Keeper::holds_up`].
    #[must_use]
    pub fn new(settings: Settings, wait: Duration) -> Self {
        let (spool, kib) = (Spool::new(settings), settings.limit / 1024);
        Self { spool, kib, writing: Vec::new(), is_busy: false, is_full: false, began: None, is_end: false, wait }
    }

    /// Carries what is due, and returns the next operation for the disk, if there is one and none is under way. To be
    /// called after every event, before a publish is received, and at [`Keeper::deadline`]. `wall` is in seconds since
    /// 1970.
    pub fn poll_operation(&mut self, now: Instant, wall: u64, relay: &mut Relay) -> Option<Operation> {
        self.settle(now, relay);
        relay.set_spooling(match self.health(now) {
            Health::Full => SpoolState::Full { kib: self.kib },
            _ if self.takes(now) => SpoolState::Takes,
            _ => SpoolState::Off,
        });
        if !self.is_busy {
            self.append(now, wall, relay);
        }
        let spool = &mut self.spool;
        relay.unload(now, &mut |place| spool.give_back(Position::from_u64(place)));
        if self.is_end {
            self.spool.commit_marks();
        }
        if self.is_end || relay.is_nearly_full() {
            self.spool.commit();
        } else if relay.source_waits(now) {
            self.spool.commit_by(now + COMMIT_SOON);
        }
        if relay.looks_again(now) {
            self.spool.look_again();
        }
        self.read_back(now, relay);
        let operation = self.spool.poll_operation(now);
        if operation.is_some() {
            self.began = Some(now);
        }
        operation
    }

    /// Takes the result of the operation that was under way.
    pub fn handle(&mut self, now: Instant, done: Completion, relay: &mut Relay) {
        self.settle(now, relay);
        (self.began, self.is_busy) = (None, false);
        self.is_full &= !matches!(done, Completion::Deleted(Ok(())));
        let Some(event) = self.spool.handle(now, done) else { return };
        let written = core::mem::take(&mut self.writing);
        let records = written.iter().filter_map(|(writing, position)| match writing {
            Writing::Record(record) => Some((*record, position.to_u64())),
            Writing::Over | Writing::Status => None,
        });
        match event {
            Event::Synced(_) => {
                relay.spooled(now, records);
                for (writing, position) in written {
                    match writing {
                        Writing::Record(_) => self.spool.take(position),
                        Writing::Over => self.spool.settle(now, position),
                        Writing::Status => {}
                    }
                }
            }
            Event::GivenUp => relay.not_spooled(records.map(|(record, _)| record)),
        }
    }

    /// When to call [`Keeper::poll_operation`] again, if nothing happens before.
    #[must_use]
    pub fn deadline(&self, now: Instant, relay: &Relay) -> Option<Instant> {
        let hangs = [self.wait, STALL].map(|wait| self.began.map(|began| began + wait).filter(|at| *at > now));
        [self.spool.poll_timeout(), relay.spool_timeout(now)].into_iter().chain(hangs).flatten().min()
    }

    /// Whether publishes should not be taken for a moment, until what is being written is synced and makes room.
    #[must_use]
    pub fn holds_up(&self, now: Instant, relay: &Relay) -> bool {
        let waits = self.began.is_none_or(|began| now.since(began) < self.wait);
        waits && (self.is_busy || !self.writing.is_empty()) && self.takes(now) && relay.is_nearly_full()
    }

    /// The connector is stopping: from now on nothing waits for more to be written with it.
    pub const fn hurry(&mut self) {
        self.is_end = true;
    }

    /// Whether all that was appended is synced, or cannot be.
    #[must_use]
    pub fn is_done(&self, now: Instant) -> bool {
        !self.takes(now) || self.writing.is_empty() && !self.is_busy && self.spool.is_written()
    }

    /// Appends a status message that could not be published. Returns whether it was taken; if not, and the spool
    /// [takes](Keeper::takes) records, ask again when an operation is done.
    pub fn append_status(&mut self, now: Instant, wall: u64, message: &[u8]) -> bool {
        let received = u32::try_from(wall).unwrap_or(u32::MAX);
        let new = New { kind: Kind::Status, stream: "", id: 0, data: message.len(), received, own_pack: false };
        self.append_one(now, &new, Writing::Status, &mut |buffer| buffer.extend_from_slice(message))
    }

    /// Whether the spool works.
    #[must_use]
    pub fn health(&self, now: Instant) -> Health {
        match self.spool.fault() {
            _ if self.hangs(now) => Health::Hangs,
            Some(fault) => Health::Fails(fault),
            _ if self.is_full => Health::Full,
            _ => Health::Well,
        }
    }

    /// Whether the spool takes records, as far as is known.
    #[must_use]
    pub fn takes(&self, now: Instant) -> bool {
        !self.hangs(now) && !self.is_full && !self.spool.is_troubled(now)
    }

    fn hangs(&self, now: Instant) -> bool {
        self.began.is_some_and(|began| now.since(began) >= STALL)
    }

    /// What the spool holds, and what was lost.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.spool.counters()
    }

    /// Tells the spool which records ended.
    fn settle(&mut self, now: Instant, relay: &mut Relay) {
        for ended in relay.ended() {
            match ended {
                Ended::Spooled(place) => self.spool.settle(now, Position::from_u64(place)),
                Ended::Writing(record) => {
                    let entry = self.writing.iter_mut().find(|(writing, _)| *writing == Writing::Record(record));
                    if let Some((writing, _)) = entry {
                        *writing = Writing::Over;
                    }
                }
            }
        }
    }

    fn append(&mut self, now: Instant, wall: u64, relay: &mut Relay) {
        relay.spool_due(now, &mut |arena, stream, record| {
            let age = now.since(record.received_at(arena)).as_secs();
            let received = u32::try_from(wall.saturating_sub(age)).unwrap_or(u32::MAX);
            let (id, data) = (record.id_len(arena), record.data_len(arena));
            let own_pack = record.has_own_pack(arena);
            let new = New { kind: Kind::Record, stream, id, data, received, own_pack };
            self.append_one(now, &new, Writing::Record(record), &mut |buffer| {
                copy(Cursor::id(record, arena), arena, buffer);
                copy(Cursor::data(record, arena), arena, buffer);
            })
        });
    }

    fn append_one(
        &mut self,
        now: Instant,
        new: &New<'_>,
        writing: Writing,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> bool {
        let appended = self.spool.append(now, new, write);
        match appended {
            Ok(position) => self.writing.push((writing, position)),
            Err(Refused::Busy) => self.is_busy = true,
            Err(Refused::Full) => self.is_full = true,
            // No record is longer than a segment, and a failure shows as the spool's fault.
            Err(Refused::TooLarge | Refused::Failing) => {}
        }
        appended.is_ok()
    }

    fn read_back(&mut self, now: Instant, relay: &mut Relay) {
        let mut over = Vec::new();
        self.spool.read_back(&mut |held| {
            let place = held.position.to_u64();
            let back = match held.kind {
                Kind::Status if relay.take_status_back(held.data, place) => TakenBack::Held,
                Kind::Status => TakenBack::Left,
                _ => relay.take_back(now, held.stream, held.id, held.data, held.own_pack, place),
            };
            match back {
                TakenBack::Held => Answer::Take,
                TakenBack::Left => Answer::Leave,
                TakenBack::NoRoom => Answer::Stop,
                TakenBack::Failed => {
                    over.push(held.position);
                    Answer::Take
                }
            }
        });
        over.into_iter().for_each(|position| self.spool.settle(now, position));
    }
}

fn copy(mut cursor: Cursor, arena: &Arena, buffer: &mut Vec<u8>) {
    while cursor.left() > 0 {
        let piece = cursor.piece(arena, cursor.left());
        buffer.extend_from_slice(piece);
        cursor.advance(arena, piece.len());
    }
}
