//! Commits: what has gathered in the buffer is written to the active segment, with marks of what is settled.

use super::format::{ENTRY_HEAD, Head, Kind, Name, seal};
use super::marks;
use super::operation::{Fault, Operation};
use super::recover::Stage;
use super::table::{MarkState, Segment};
use super::{Event, Position, Spool};
use crate::limits::spool::{BACKOFF, COMMIT_DELAY, ZERO_AHEAD, ZERO_BELOW};
use crate::time::Instant;

/// The segment that entries are written to, the last of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Active {
    pub(super) name: Name,
    is_created: bool,
    /// Entries that are synced.
    pub(super) synced: u16,
    /// Bytes of the file that were written so far, zeros included.
    written: u32,
    /// It holds a snapshot that is synced.
    pub(super) has_snapshot: bool,
    under_way: Option<Writing>,
}

/// A write that is under way, or the creation of the file.
#[derive(Debug, Clone, Copy, Default)]
struct Writing {
    /// Bytes of entries and marks, without the zeros behind them.
    length: u32,
    has_snapshot: bool,
    /// It holds copies of all waiting entries of this segment that are below this number.
    copied: Option<(u32, u16)>,
}

impl Active {
    pub(super) const fn new(name: Name) -> Self {
        Self { name, is_created: false, synced: 0, written: 0, has_snapshot: false, under_way: None }
    }

    /// Whether the buffer is being written, or the file created for it.
    pub(super) const fn is_writing(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether copies of entries are being written.
    pub(super) fn writes_copies(&self) -> bool {
        self.under_way.is_some_and(|writing| writing.copied.is_some())
    }
}

impl Spool {
    /// The write that is due, if one is.
    pub(super) fn poll_commit(&mut self, now: Instant) -> Option<Operation> {
        self.due.filter(|due| *due <= now && !self.is_troubled(now))?;
        if self.buffer.is_empty() && !self.has_marks_due() {
            self.due = None;
            return None;
        }
        if self.active.is_none() && self.open(0).is_err() {
            // There is no room for the marks. A segment that is deleted makes some.
            self.due = Some(now + BACKOFF.1);
            return None;
        }
        if !self.active.as_ref()?.is_created {
            let active = self.active.as_mut()?;
            active.under_way = Some(Writing::default());
            return Some(Operation::Create { name: active.name, length: self.settings.segment });
        }
        self.begin();
        let has_snapshot = self.stage == Stage::Ready && !self.active.as_ref()?.has_snapshot;
        let before = self.buffer.len();
        if has_snapshot || self.has_marks_due() {
            self.push_marks(if has_snapshot { Kind::Snapshot } else { Kind::Marks });
        }
        let segment = self.table.last_mut()?;
        if segment.end as usize + self.buffer.len() > segment.length as usize {
            // Entries leave room for marks behind them, so these marks stand alone, and fit an empty segment.
            debug_assert!(segment.end > 0 && before == 0, "marks have room");
            self.buffer.truncate(before);
            self.close();
            return self.open(0).ok().and_then(|()| self.poll_commit(now));
        }
        let (offset, all) = (segment.end, segment.length);
        if self.stage == Stage::Ready {
            let due = self.table.iter_mut().filter(|segment| segment.mark == MarkState::Due);
            due.for_each(|segment| segment.mark = MarkState::Writing);
        }
        let active = self.active.as_mut()?;
        let length = u32::try_from(self.buffer.len()).unwrap_or(0);
        if self.buffer.len() < ZERO_BELOW && offset + length > active.written {
            let zeros = all.min((offset + length).saturating_add(ZERO_AHEAD)) - offset;
            self.buffer.resize(zeros as usize, 0);
        }
        active.written = active.written.max(offset + u32::try_from(self.buffer.len()).unwrap_or(0));
        active.under_way = Some(Writing { length, has_snapshot, copied: self.reader.copied.take() });
        self.due = None;
        Some(Operation::Write { name: active.name, offset, bytes: core::mem::take(&mut self.buffer) })
    }

    pub(super) fn has_marks_due(&self) -> bool {
        self.stage == Stage::Ready && self.table.iter().any(|segment| segment.mark == MarkState::Due)
    }

    /// Appends the marks that are due, or those of all segments for a snapshot.
    fn push_marks(&mut self, kind: Kind) {
        let Some(Active { name, synced, .. }) = self.active else { return };
        let begin = self.buffer.len();
        self.buffer.resize(begin + ENTRY_HEAD, 0);
        for segment in self.table.iter().filter(|segment| kind == Kind::Snapshot || segment.mark == MarkState::Due) {
            let (mark, settled) = segment.mark();
            marks::encode(mark, settled, &mut self.buffer);
        }
        seal(name, Head::new(kind, synced, 0), &mut self.buffer, begin);
    }

    pub(super) fn created(&mut self, now: Instant, created: Result<(), Fault>) -> Option<Event> {
        let active = self.active.as_mut()?;
        active.under_way = None;
        match created {
            Ok(()) => {
                active.is_created = true;
                None
            }
            Err(fault) => {
                let number = active.name.number;
                self.active = None;
                self.table.remove(number);
                Some(self.give_up(now, fault))
            }
        }
    }

    pub(super) fn written(&mut self, now: Instant, mut buffer: Vec<u8>, written: Result<(), Fault>) -> Option<Event> {
        buffer.clear();
        buffer.shrink_to(crate::limits::spool::COMMIT_BYTES);
        self.buffer = buffer;
        let active = self.active.as_mut()?;
        let writing = active.under_way.take()?;
        let segment = self.table.get_mut(active.name.number)?;
        if let Err(fault) = written {
            // Nobody knows how much of it is on the disk. So its entries count as settled, and the next commit goes to
            // a new file.
            (active.synced..segment.entries).for_each(|number| segment.settle(number));
            self.table.iter_mut().filter(|segment| segment.mark == MarkState::Writing).for_each(|segment| {
                segment.mark = MarkState::Due;
            });
            self.close();
            return Some(self.give_up(now, fault));
        }
        segment.end += writing.length;
        let is_more = active.synced < segment.entries;
        active.synced = segment.entries;
        active.has_snapshot |= writing.has_snapshot;
        if active.has_snapshot {
            self.snapshot_segment = Some(active.name.number);
        }
        let last = Position::new(active.name.number, active.synced.saturating_sub(1));
        self.trouble = None;
        self.reader.may_copy = true;
        self.table.iter_mut().filter(|segment| segment.mark == MarkState::Writing).for_each(|segment| {
            segment.mark = MarkState::Written;
        });
        if let Some((original, below)) = writing.copied.and_then(|(at, below)| Some((self.table.get_mut(at)?, below))) {
            for number in 0..below {
                if original.is_waiting(number) {
                    original.settle(number);
                }
            }
            self.due.get_or_insert(now + COMMIT_DELAY);
        }
        is_more.then_some(Event::Synced(last))
    }

    /// Nothing of the commit is safe.
    fn give_up(&mut self, now: Instant, fault: Fault) -> Event {
        self.buffer.clear();
        self.reader.copied = None;
        self.stop_copying();
        self.failed(now, fault, false);
        if self.has_marks_due() {
            self.due.get_or_insert(now + COMMIT_DELAY);
        }
        Event::GivenUp
    }

    /// Ends the active segment when all its entries are settled, so that it can be deleted; not while it holds marks of
    /// others.
    pub(super) fn close_drained(&mut self) {
        let Some(active) = self.active.as_ref().filter(|active| !active.is_writing()) else { return };
        let number = active.name.number;
        let is_drained = |segment: &Segment| segment.held() == 0 && segment.out() == 0;
        let others = || self.table.iter().filter(|segment| segment.name.number != number);
        if self.buffer.is_empty()
            && self.table.get(number).is_some_and(is_drained)
            && !others().any(|segment| segment.has_settled())
        {
            self.close();
        }
    }
}
