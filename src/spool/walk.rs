//! From one entry of a segment to the next, past what is damaged.
//!
//! Where no entry begins, the next is searched at every eighth byte. A head whose checksum holds says where its entry
//! ends, even when the body is damaged. What cannot be read is skipped block by block.

use super::Position;
use super::format::{ALIGN, Body, ENTRY_HEAD, FILE_HEAD, Head, Name, VERSION, read_file_head};
use super::table::Segment;
use crate::limits::spool::{BLOCK, READ_BYTES};

/// A place in a segment, and the part of the segment that was read.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) name: Name,
    /// Where the next entry is searched, bytes.
    at: u32,
    /// Where the segment ends, or the part of it that is synced, bytes.
    pub(super) end: u32,
    /// Bytes of an entry, at most: there is memory for no more.
    longest: u32,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were read.
    filled: usize,
    /// Where in the segment the buffer begins, bytes.
    begin: u32,
    /// Bytes that have to be read from `at` on.
    need: Option<u32>,
    /// These are being read, into the buffer.
    is_reading: bool,
    /// The file ends before the segment should.
    is_short: bool,
    /// A read failed, so reading goes on in small pieces.
    is_careful: bool,
    /// Some bytes could not be read at all.
    pub(super) has_holes: bool,
    /// The number that the next entry should have.
    expected: u16,
    /// The first number of the commit that the last entry was of.
    first: u16,
    /// Entries missing of that commit. Perhaps they never were on the disk.
    unsure: u64,
}

/// What [`Walk::step`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// An entry whose checksums hold. [`Walk::pass`] goes past it.
    Entry(Head),
    /// More has to be read first, see [`Walk::take_need`].
    Need,
    /// The end of the segment, or of what is synced of it.
    End,
    /// The file is of a later version.
    Newer,
    /// The file was renamed: its entries belong to another name.
    Renamed,
}

impl Walk {
    /// Stands at the beginning of the segment.
    pub(super) fn new(name: Name, end: u32, longest: u32, buffer: Vec<u8>) -> Self {
        Self {
            name,
            at: 0,
            end,
            longest,
            buffer,
            filled: 0,
            begin: 0,
            need: None,
            is_reading: false,
            is_short: false,
            is_careful: false,
            has_holes: false,
            expected: 0,
            first: 0,
            unsure: 0,
        }
    }

    /// The buffer, for another walk.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Finds the next entry, at this place or after it.
    pub(super) fn step(&mut self) -> Step {
        if self.at == 0 {
            match self.bytes(0, FILE_HEAD) {
                None if self.end as usize >= FILE_HEAD => return self.need(0),
                None => return Step::End,
                Some(head) => match read_file_head(head) {
                    Some((version, _)) if version > VERSION => return Step::Newer,
                    Some((_, number)) if number != self.name.number => return Step::Renamed,
                    // With a damaged head, too: its entries need not be.
                    _ => self.skip(FILE_HEAD as u64),
                },
            }
        }
        loop {
            if self.left() < ENTRY_HEAD as u64 {
                return Step::End;
            }
            let Some(bytes) = self.bytes(self.at, ENTRY_HEAD) else { return self.need(ENTRY_HEAD as u64) };
            let Some(head) = Head::decode(self.name, bytes).filter(|head| head.span() <= self.left()) else {
                self.at = self.at.saturating_add(ALIGN);
                continue;
            };
            if head.span() > u64::from(self.longest) {
                self.has_holes = true;
                self.skip(head.span());
                continue;
            }
            let Some(body) = self.body_bytes(&head) else { return self.need(head.span()) };
            if head.body(self.name, body).is_some() {
                return Step::Entry(head);
            }
            self.skip(head.span());
        }
    }

    /// The parts of the entry that [`Walk::step`] found.
    pub(super) fn body(&self, head: &Head) -> Option<Body<'_>> {
        head.body(self.name, self.body_bytes(head)?)
    }

    /// Goes past the entry that [`Walk::step`] found.
    pub(super) fn pass(&mut self, head: &Head) {
        if head.kind.is_held() {
            self.expected = self.expected.max(head.number + 1);
        }
        self.skip(head.span());
    }

    /// The read that [`Walk::step`] needs, if it is not under way: the offset, and a buffer as long as what is to be
    /// read.
    pub(super) fn take_need(&mut self) -> Option<(u32, Vec<u8>)> {
        let length = self.need.filter(|_| !self.is_reading)?;
        self.is_reading = true;
        self.filled = 0;
        self.buffer.resize(length as usize, 0);
        Some((self.at, core::mem::take(&mut self.buffer)))
    }

    /// Takes the result of the read: `length` bytes of the buffer; `None`: it failed.
    pub(super) fn filled(&mut self, buffer: Vec<u8>, length: Option<usize>) {
        let asked = self.need.take().unwrap_or(0);
        self.is_reading = false;
        self.buffer = buffer;
        self.filled = length.unwrap_or(0).min(self.buffer.len());
        self.begin = self.at;
        match length {
            Some(length) if length < asked as usize => {
                self.is_short = true;
                self.end = self.end.min(self.at.saturating_add(u32::try_from(length).unwrap_or(u32::MAX)));
            }
            Some(_) => {}
            None if !self.is_careful => self.is_careful = true,
            None => {
                self.has_holes = true;
                // A head across two blocks may be no head, and the next entry may begin in the second block.
                self.skip(u64::from(if asked as usize > ENTRY_HEAD { asked } else { ALIGN }));
            }
        }
    }

    /// The position of the entry that is expected next.
    pub(super) const fn place(&self) -> Position {
        Position::new(self.name.number, self.expected)
    }

    /// Whether a read is under way, which has the buffer.
    pub(super) const fn is_reading(&self) -> bool {
        self.is_reading
    }

    /// The segment is synced up to the byte `end` by now.
    pub(super) const fn reach(&mut self, end: u32) {
        if !self.is_short {
            self.end = end;
        }
    }

    /// The entry `number` was found, of the commit that begins with `first`. Settles those before it that are missing.
    /// Returns how many were certainly lost to damage: those of the last commit perhaps never were on the disk.
    pub(super) fn missing(&mut self, segment: &mut Segment, number: u16, first: u16) -> u64 {
        let mut lost = 0;
        if first > self.first {
            // There is a later commit, so the one before was synced.
            lost += core::mem::take(&mut self.unsure);
            self.first = first;
        }
        let expected = self.expected;
        self.expected = expected.max(number);
        for missing in expected..number {
            if !self.has_holes && segment.is_waiting(missing) {
                segment.settle(missing);
                *if missing < first { &mut lost } else { &mut self.unsure } += 1;
            }
        }
        lost
    }

    /// The same for the entries that are missing at the end of the segment.
    pub(super) fn missing_at_end(&mut self, segment: &mut Segment) -> u64 {
        if segment.is_counted {
            return self.missing(segment, segment.entries, segment.entries);
        }
        if !self.has_holes {
            segment.entries = self.expected;
        }
        0
    }

    fn left(&self) -> u64 {
        u64::from(self.end.saturating_sub(self.at))
    }

    fn skip(&mut self, bytes: u64) {
        self.at = u32::try_from(bytes.min(self.left())).map_or(self.end, |bytes| self.at + bytes);
    }

    fn need(&mut self, bytes: u64) -> Step {
        let at_once = u64::from(if self.is_careful { BLOCK - self.at % BLOCK } else { READ_BYTES });
        // What is left has 32 bits.
        self.need = u32::try_from(at_once.max(bytes).min(self.left())).ok();
        Step::Need
    }

    fn body_bytes(&self, head: &Head) -> Option<&[u8]> {
        self.bytes(self.at, ENTRY_HEAD.checked_add(head.length as usize)?)?.get(ENTRY_HEAD..)
    }

    fn bytes(&self, at: u32, length: usize) -> Option<&[u8]> {
        let from = at.checked_sub(self.begin)? as usize;
        self.buffer[..self.filled].get(from..from.checked_add(length)?)
    }
}
