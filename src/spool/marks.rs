//! Which entries of a segment are settled: a bit for each, in memory and in marks on the disk.
//!
//! A mark lists all entries of one segment that are settled, not only what is new, so the latest mark is enough. As no
//! entry is ever unsettled, marks can be read in any order and put together: the result is the latest.
//!
//! ```text
//! segment 4  oldest receipt 4  entries 2  settled from the first on 2  length 2  bits of those behind them
//! ```

use crate::limits::spool::ENTRIES;

/// A bit for each entry of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bits([u8; ENTRIES as usize / 8]);

impl Default for Bits {
    fn default() -> Self {
        Self([0; ENTRIES as usize / 8])
    }
}

impl Bits {
    pub(super) fn has(&self, number: u16) -> bool {
        self.0.get(usize::from(number / 8)).is_some_and(|byte| byte & (1 << (number % 8)) != 0)
    }

    /// Returns whether it was not set before.
    pub(super) fn set(&mut self, number: u16) -> bool {
        let Some(byte) = self.0.get_mut(usize::from(number / 8)) else { return false };
        let bit = 1 << (number % 8);
        let is_new = *byte & bit == 0;
        *byte |= bit;
        is_new
    }

    /// Returns whether it was set before.
    pub(super) fn clear(&mut self, number: u16) -> bool {
        let was_set = self.has(number);
        if was_set {
            self.0[usize::from(number / 8)] &= !(1 << (number % 8));
        }
        was_set
    }

    /// How many are set from the first on, without a gap.
    fn run(&self) -> u16 {
        (0..ENTRIES).find(|number| !self.has(*number)).unwrap_or(ENTRIES)
    }
}

/// The number of entries of a segment that may get more.
pub(super) const UNKNOWN: u16 = u16::MAX;
const MARK: usize = 14;

/// What a mark says besides the bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) segment: u32,
    pub(super) oldest: u32,
    /// How many entries it has, or [`UNKNOWN`].
    pub(super) entries: u16,
}

/// Appends a mark.
pub(super) fn encode(mark: Mark, settled: Option<&Bits>, buffer: &mut Vec<u8>) {
    let run = settled.map_or(0, Bits::run);
    let behind = settled.map_or(&[][..], |settled| &settled.0[usize::from(run / 8)..]);
    let length = behind.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    buffer.extend_from_slice(&mark.segment.to_le_bytes());
    buffer.extend_from_slice(&mark.oldest.to_le_bytes());
    buffer.extend_from_slice(&mark.entries.to_le_bytes());
    buffer.extend_from_slice(&run.to_le_bytes());
    buffer.extend_from_slice(&u16::try_from(length).unwrap_or(0).to_le_bytes());
    buffer.extend_from_slice(&behind[..length]);
}

/// Reads the next mark: calls `settle` once without a number, then with each entry that is settled; `None`: there is no
/// other mark.
pub(super) fn decode(bytes: &mut &[u8], settle: &mut dyn FnMut(Mark, Option<u16>)) -> Option<()> {
    let (head, rest) = bytes.split_first_chunk::<MARK>()?;
    let u16_at = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
    let mark = Mark { segment: u32_at(0), oldest: u32_at(4), entries: u16_at(8) };
    let run = u16_at(10);
    let (bits, rest) = rest.split_at_checked(u16_at(12).into())?;
    *bytes = rest;
    settle(mark, None);
    (0..run.min(ENTRIES)).for_each(|number| settle(mark, Some(number)));
    let numbers =
        (run / 8 * 8..ENTRIES).zip(bits.iter().flat_map(|byte| (0..8).map(move |bit| byte & (1 << bit) != 0)));
    numbers.filter(|(_, is_set)| *is_set).for_each(|(number, _)| settle(mark, Some(number)));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_says_exactly_what_is_settled() {
        for settled in [&[][..], &[0], &[0, 1, 2, 7, 8], &[5], &[8191], &[0, 1, 2, 3, 4, 5, 6, 7, 9, 8190]] {
            let mut bits = Bits::default();
            assert!(settled.iter().all(|number| bits.set(*number)));
            let mark = Mark { segment: 7, oldest: 99, entries: 300 };
            let mut bytes = Vec::new();
            encode(mark, Some(&bits), &mut bytes);
            encode(Mark { segment: 8, ..mark }, None, &mut bytes);
            let (mut read, mut rest, mut others) = (Bits::default(), &bytes[..], 0);
            while decode(&mut rest, &mut |found, number| match number {
                None => others += u32::from(found.segment == 8),
                Some(number) => {
                    assert_eq!(found, mark);
                    read.set(number);
                }
            })
            .is_some()
            {}
            assert!(rest.is_empty());
            assert_eq!((read, others), (bits, 1));
        }
    }

    #[test]
    fn a_mark_that_ends_early_is_none() {
        let mut bits = Bits::default();
        bits.set(40);
        let mut bytes = Vec::new();
        encode(Mark { segment: 7, oldest: 0, entries: 41 }, Some(&bits), &mut bytes);
        for length in 0..bytes.len() {
            assert_eq!(decode(&mut &bytes[..length], &mut |_, _| panic!("nothing is told")), None);
        }
    }

    #[test]
    fn a_bit_that_is_cleared_was_set() {
        let mut bits = Bits::default();
        assert!(bits.set(9) && !bits.set(9) && bits.has(9) && bits.clear(9) && !bits.clear(9) && !bits.has(9));
        assert!(!bits.set(ENTRIES) && !bits.has(ENTRIES), "there is no such entry");
    }
}
