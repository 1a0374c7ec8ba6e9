//! Taking entries: each goes into the buffer of the next commit.

use super::commit::Active;
use super::format::{ALIGN, ENTRY_HEAD, Head, Kind, Name, file_head, seal};
use super::recover::Stage;
use super::table::Segment;
use super::{Position, Spool};
use crate::limits::spool::{COMMIT_BYTES, COMMIT_DELAY, ENTRIES, MARKS_SHARE, SEGMENTS_KEPT};
use crate::time::Instant;

/// An entry to append: all but its bytes.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// [`Kind::Record`] or [`Kind::Status`].
    pub kind: Kind,
    /// The ARN of the delivery stream, at most 255 bytes.
    pub stream: &'a str,
    /// Bytes of the id's JSON text.
    pub id: usize,
    /// Bytes of the record or of the status message.
    pub data: usize,
    /// When it was received, seconds since 1970.
    pub received: u32,
    /// The record is not packed with others.
    pub own_pack: bool,
}

/// Why an entry is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The buffer is full or being written: ask again when the operation under way is done.
    Busy,
    /// The limit on bytes is reached: until something is delivered, nothing new is taken.
    Full,
    /// It does not fit a segment.
    TooLarge,
    /// The disk failed lately, see [`Spool::fault`].
    Failing,
}

impl Spool {
    /// Takes an entry. `write` appends its id and then its data, exactly as many bytes as `new` says. The entry is safe
    /// when [`super::Event::Synced`] names its position or a later one.
    ///
    /// # Errors
    /// The entry was not taken, for this reason.
    pub fn append(
        &mut self,
        now: Instant,
        new: &New<'_>,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<Position, Refused> {
        if self.is_troubled(now) {
            return Err(Refused::Failing);
        }
        let (Ok(stream), Ok(id)) = (u8::try_from(new.stream.len()), u32::try_from(new.id)) else {
            return Err(Refused::TooLarge);
        };
        let mut head = Head::new(new.kind, 0, new.received);
        (head.stream, head.id, head.own_pack) = (stream, id, new.own_pack);
        self.push(now, SEGMENTS_KEPT, head, new.stream.len() + new.id + new.data, &mut |buffer| {
            buffer.extend_from_slice(new.stream.as_bytes());
            write(buffer);
        })
    }

    /// Writes what was appended at once, as before a stop.
    pub fn commit(&mut self) {
        self.commit_by(Instant::default());
    }

    /// Writes what was appended no later than `at`, as when the source waits for acknowledgements.
    pub fn commit_by(&mut self, at: Instant) {
        if !self.buffer.is_empty() {
            self.due = Some(self.due.map_or(at, |due| due.min(at)));
        }
    }

    /// Has what is settled marked at once, as before a stop.
    pub fn commit_marks(&mut self) {
        if self.has_marks_due() {
            self.due = Some(Instant::default());
        }
    }

    /// Whether all that was appended and settled is on the disk.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.buffer.is_empty() && !self.has_marks_due() && !self.active.as_ref().is_some_and(Active::is_writing)
    }

    /// Appends an entry with a body of `length` bytes. A new segment for it has to leave room for `kept` others within
    /// the limit.
    pub(super) fn push(
        &mut self,
        now: Instant,
        kept: u32,
        mut head: Head,
        length: usize,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<Position, Refused> {
        if self.stage == Stage::Unlisted || self.active.as_ref().is_some_and(Active::is_writing) {
            return Err(Refused::Busy);
        }
        let span = (ENTRY_HEAD + length).next_multiple_of(ALIGN as usize);
        if span > room_of(self.settings.segment, file_head(Name { number: 0, salt: 0 }, 0).len()) {
            return Err(Refused::TooLarge);
        }
        if !self.buffer.is_empty() && (self.buffer.len() + span > COMMIT_BYTES || !self.fits(span)) {
            self.commit();
            return Err(Refused::Busy);
        }
        if !self.fits(span) {
            self.close();
            self.open(kept)?;
        }
        self.begin();
        let Some(segment) = self.table.last_mut() else { return Err(Refused::Full) };
        let begin = self.buffer.len();
        // In one step, because a vector that grows takes twice its size for a moment.
        if self.buffer.capacity() < begin + span {
            self.buffer.reserve_exact(span.max(COMMIT_BYTES.saturating_sub(begin)));
        }
        head.number = segment.entries;
        head.first = self.active.as_ref().map_or(0, |active| active.synced);
        self.buffer.resize(begin + ENTRY_HEAD, 0);
        write(&mut self.buffer);
        debug_assert_eq!(self.buffer.len(), begin + ENTRY_HEAD + length, "as many bytes as were announced");
        if self.buffer.len() != begin + ENTRY_HEAD + length {
            self.buffer.truncate(begin);
            return Err(Refused::TooLarge);
        }
        seal(segment.name, head, &mut self.buffer, begin);
        segment.entries += 1;
        segment.received(head.received);
        let position = Position::new(segment.name.number, head.number);
        self.due.get_or_insert(now + COMMIT_DELAY);
        Ok(position)
    }

    /// Whether one more entry of `span` bytes fits the active segment.
    fn fits(&self, span: usize) -> bool {
        let Some(segment) = self.active.as_ref().and_then(|active| self.table.get(active.name.number)) else {
            return false;
        };
        let used = segment.end as usize + self.buffer.len();
        segment.entries < ENTRIES && span <= room_of(segment.length, used)
    }

    /// Puts the head of the file into the buffer, if the active segment has none yet.
    pub(super) fn begin(&mut self) {
        if let Some(segment) = self.table.last_mut().filter(|segment| self.buffer.is_empty() && segment.end == 0) {
            self.buffer.extend_from_slice(&file_head(segment.name, segment.length));
        }
    }

    /// Makes a new segment the active one, if the limit has room for it and `kept` others.
    pub(super) fn open(&mut self, kept: u32) -> Result<(), Refused> {
        let length = self.settings.segment;
        // The last number is never used: a start could not count on behind it.
        let number = self.next_number.filter(|number| *number < u32::MAX).ok_or(Refused::Full)?;
        // Marks and copies are what makes room again, also where there has been more than the limit since the start.
        let most = if kept == 0 { self.settings.limit.max(self.most_with_marks) } else { self.settings.limit };
        if self.table.bytes() + u64::from(length) * u64::from(1 + kept) > most {
            return Err(Refused::Full);
        }
        self.next_number = number.checked_add(1);
        let name = Name { number, salt: self.salt() };
        let mut segment = Segment::new(name, length);
        (segment.end, segment.entries, segment.is_sealed, segment.is_counted) = (0, 0, false, true);
        self.table.push(segment);
        self.active = Some(Active::new(name));
        Ok(())
    }

    /// Ends the active segment: nothing more is written to it. The buffer has to be empty.
    pub(super) fn close(&mut self) {
        if let Some(segment) = self.active.take().and_then(|active| self.table.get_mut(active.name.number)) {
            segment.is_sealed = true;
        }
    }

    /// A random number (splitmix64).
    fn salt(&mut self) -> u32 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from(mixed >> 32).unwrap_or(0)
    }
}

/// Bytes that are left for entries in a segment of `length` bytes, of which `used` are used and a share is for marks.
const fn room_of(length: u32, used: usize) -> usize {
    ((length - length / MARKS_SHARE) as usize).saturating_sub(used)
}
