//! What is known of each segment, oldest first.

use super::Position;
use super::format::Name;
use super::marks::{Bits, Mark, UNKNOWN};
use crate::limits::spool::ENTRIES;

/// What is known of one.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: Name,
    /// Bytes of the file.
    pub(super) length: u32,
    /// Where its synced entries end, as far as that is known.
    pub(super) end: u32,
    /// Entries, or [`UNKNOWN`].
    pub(super) entries: u16,
    settled: u16,
    /// Entries that were read back, and are neither settled nor given back.
    out: u16,
    /// When its oldest entry was received, seconds since 1970; zero: that is not known.
    pub(super) oldest: u32,
    /// No more is written to it.
    pub(super) is_sealed: bool,
    /// A mark says how many entries it has, or this run does: none of them is of a commit that failed.
    pub(super) is_counted: bool,
    /// It is not read in this run, and not deleted either.
    pub(super) is_ignored: bool,
    pub(super) mark: MarkState,
    bits: Option<Box<[Bits; 2]>>,
}

/// Whether what is settled stands in a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MarkState {
    /// It does.
    Written,
    /// It will, when the write that is under way is done.
    Writing,
    /// It does not.
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

    /// Whether an entry is neither settled nor out.
    pub(super) fn is_waiting(&self, number: u16) -> bool {
        !self.bits.as_ref().is_some_and(|bits| bits.iter().any(|bits| bits.has(number)))
    }

    /// Whether there are entries that are neither settled nor out, as far as that is known.
    pub(super) const fn has_waiting(&self) -> bool {
        !self.is_ignored && (self.entries == UNKNOWN || self.settled + self.out < self.entries)
    }

    /// Entries that are not settled, as far as that is known.
    pub(super) const fn held(&self) -> u16 {
        if self.entries == UNKNOWN { 0 } else { self.entries.saturating_sub(self.settled) }
    }

    /// Entries that were read back and are neither settled nor given back.
    pub(super) const fn out(&self) -> u16 {
        self.out
    }

    /// Whether something in it is settled.
    pub(super) const fn has_settled(&self) -> bool {
        self.settled > 0
    }

    /// Whether it is good for nothing any more.
    pub(super) const fn is_done(&self) -> bool {
        self.is_sealed && !self.is_ignored && self.settled == self.entries
    }

    /// Whether bits of it are in memory.
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

    /// Settles what was settled before the start, and is marked.
    pub(super) fn settle_again(&mut self, number: u16) {
        self.settle(number);
        self.mark = MarkState::Written;
    }

    pub(super) fn take_out(&mut self, number: u16) {
        self.out += u16::from(self.bits.get_or_insert_default()[OUT].set(number));
    }

    /// It has an entry that was received then, seconds since 1970.
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

    /// What is to be told of it in a mark.
    pub(super) fn mark(&self) -> (Mark, Option<&Bits>) {
        let entries = if self.is_sealed { self.entries } else { UNKNOWN };
        let mark = Mark { segment: self.name.number, oldest: self.oldest, entries };
        (mark, self.bits.as_ref().map(|bits| &bits[SETTLED]))
    }

    /// Takes what a mark tells of it: an entry that is settled, or all the rest.
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

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<Segment>);

impl Table {
    /// All but so many of the newest are none of ours: they wait for another start.
    pub(super) fn keep_newest(&mut self, count: usize) {
        self.0.dedup_by_key(|segment| segment.name.number);
        let excess = self.0.len().saturating_sub(count);
        self.0.drain(..excess);
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

    /// One more, newer than all, or on its way to be sorted.
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

    /// The segment of an entry.
    pub(super) fn of(&mut self, position: Position) -> Option<&mut Segment> {
        self.get_mut(position.segment())
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.iter().map(|segment| u64::from(segment.length)).sum()
    }
}
