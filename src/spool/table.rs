//! What is known of each segment, oldest first.

use super::Position;
use super::format::Name;
use super::marks::{Bits, Mark, UNKNOWN};
use crate::limits::spool::ENTRIES;

/// What is known of one segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: Name,
    /// Bytes of the file.
    pub(super) length: u32,
    /// Where its synced entries end, bytes; before that is known, the length.
    pub(super) end: u32,
    /// Records and statuses in it, or [`UNKNOWN`].
    pub(super) entries: u16,
    settled: u16,
    /// Entries that the caller has taken, and neither settled nor given back.
    out: u16,
    /// When its oldest entry was received, seconds since 1970; zero: that is not known.
    pub(super) oldest: u32,
    /// Nothing more is written to it.
    pub(super) is_sealed: bool,
    /// It is certain how many entries it has, by a mark or because this process wrote them. What is missing is damage,
    /// then.
    pub(super) is_counted: bool,
    /// It is neither read nor deleted by this process: it is of a later version, or cannot be read.
    pub(super) is_ignored: bool,
    pub(super) mark: MarkState,
    bits: Option<Box<[Bits; 2]>>,
}

/// Whether what is settled stands in a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MarkState {
    /// All of it stands in a written mark.
    Written,
    /// The mark is in the write that is under way.
    Writing,
    /// Something has been settled since the last mark.
    Due,
}

const SETTLED: usize = 0;
const OUT: usize = 1;

impl Segment {
    pub(super) const fn new(name: Name, length: u32) -> Self {
        Self {
            name,
            length,
            end: length,
            entries: UNKNOWN,
            settled: 0,
            out: 0,
            oldest: 0,
            is_sealed: true,
            is_counted: false,
            is_ignored: false,
            mark: MarkState::Written,
            bits: None,
        }
    }

    /// Whether an entry is neither settled nor taken.
    pub(super) fn is_waiting(&self, number: u16) -> bool {
        !self.bits.as_ref().is_some_and(|bits| bits.iter().any(|bits| bits.has(number)))
    }

    /// Whether there may be entries that are neither settled nor taken.
    pub(super) const fn has_waiting(&self) -> bool {
        !self.is_ignored && (self.entries == UNKNOWN || self.settled + self.out < self.entries)
    }

    /// Entries that are not settled; zero as long as nobody knows how many there are.
    pub(super) const fn held(&self) -> u16 {
        if self.entries == UNKNOWN { 0 } else { self.entries.saturating_sub(self.settled) }
    }

    /// Entries that the caller has taken, and neither settled nor given back.
    pub(super) const fn out(&self) -> u16 {
        self.out
    }

    /// Whether any of its entries is settled.
    pub(super) const fn has_settled(&self) -> bool {
        self.settled > 0
    }

    /// Whether all its entries are settled, so that it can be deleted.
    pub(super) const fn is_done(&self) -> bool {
        self.is_sealed && !self.is_ignored && self.settled == self.entries
    }

    /// Whether any of its entries is settled or taken, so that its bits are in memory.
    pub(super) const fn is_partial(&self) -> bool {
        self.bits.is_some()
    }

    pub(super) fn settle(&mut self, number: u16) {
        if number >= ENTRIES {
            return;
        }
        let bits = self.bits.get_or_insert_default();
        self.out -= u16::from(bits[OUT].clear(number));
        if bits[SETTLED].set(number) {
            self.settled += 1;
            self.mark = MarkState::Due;
        }
    }

    /// Settles an entry that was settled before the start, and is marked as such on the disk.
    pub(super) fn settle_again(&mut self, number: u16) {
        self.settle(number);
        self.mark = MarkState::Written;
    }

    pub(super) fn take_out(&mut self, number: u16) {
        self.out += u16::from(self.bits.get_or_insert_default()[OUT].set(number));
    }

    /// It has an entry that was received at `at`, seconds since 1970.
    pub(super) const fn received(&mut self, at: u32) {
        if at > 0 && (self.oldest == 0 || at < self.oldest) {
            self.oldest = at;
        }
    }

    pub(super) fn give_back(&mut self, number: u16) {
        let was_out = self.bits.as_mut().is_some_and(|bits| bits[OUT].clear(number));
        self.out -= u16::from(was_out);
        if self.out == 0 && self.settled == 0 {
            self.bits = None;
        }
    }

    /// What a mark is to say of it.
    pub(super) fn mark(&self) -> (Mark, Option<&Bits>) {
        let entries = if self.is_sealed { self.entries } else { UNKNOWN };
        let mark = Mark { segment: self.name.number, oldest: self.oldest, entries };
        (mark, self.bits.as_ref().map(|bits| &bits[SETTLED]))
    }

    /// Applies what a mark says of it: one entry that is settled, or, without a `number`, all the rest.
    pub(super) fn apply(&mut self, mark: Mark, number: Option<u16>) {
        self.oldest = if self.oldest == 0 { mark.oldest } else { self.oldest };
        if mark.entries <= ENTRIES && self.entries == UNKNOWN {
            self.entries = mark.entries;
            self.is_counted = true;
        }
        if let Some(number) = number {
            self.settle_again(number);
        }
    }
}

/// All segments, oldest first.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<Segment>);

impl Table {
    /// Forgets all but the newest `count`: the others wait for another start. Answers whether there were more.
    pub(super) fn keep_newest(&mut self, count: usize) -> bool {
        self.0.dedup_by_key(|segment| segment.name.number);
        let excess = self.0.len().saturating_sub(count);
        self.0.drain(..excess);
        excess > 0
    }

    pub(super) fn iter(&self) -> core::slice::Iter<'_, Segment> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> core::slice::IterMut<'_, Segment> {
        self.0.iter_mut()
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut Segment> {
        self.0.last_mut()
    }

    /// Appends a segment that is newer than all others, or will be sorted.
    pub(super) fn push(&mut self, segment: Segment) {
        self.0.push(segment);
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_unstable_by_key(|segment| segment.name);
    }

    pub(super) fn remove(&mut self, number: u32) {
        self.0.retain(|segment| segment.name.number != number);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Segment> {
        let at = self.0.binary_search_by_key(&number, |segment| segment.name.number).ok()?;
        self.0.get_mut(at)
    }

    pub(super) fn get(&self, number: u32) -> Option<&Segment> {
        let at = self.0.binary_search_by_key(&number, |segment| segment.name.number).ok()?;
        self.0.get(at)
    }

    /// The segment of the entry at `position`.
    pub(super) fn of(&mut self, position: Position) -> Option<&mut Segment> {
        self.get_mut(position.segment())
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.iter().map(|segment| u64::from(segment.length)).sum()
    }
}
