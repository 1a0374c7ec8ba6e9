//! Which groups of blocks are in use to the last one. With it the lowest free block of a segment is found in a few steps,
//! however many are in use.

use core::ops::Range;

use crate::limits::SEGMENTS;

/// Of 64 groups each, for a segment, without an allocation: enough for an arena of 256 MiB.
const WORDS: usize = 4;
/// Groups of a segment, at most.
const GROUPS: u32 = 64 * 64;
/// Blocks of a group, at least: so many links are looked at in no time.
const BLOCKS: u32 = 64;

/// A bit for each group of each segment: all of its blocks are in use.
#[derive(Debug)]
pub(super) struct Groups {
    full: [[u64; WORDS]; SEGMENTS],
    /// Instead of these so many words for each segment, if it has more than [`WORDS`].
    more: (Vec<u64>, usize),
    /// Blocks of a group, as a power of two.
    shift: u32,
}

impl Groups {
    /// For segments of so many blocks, a power of two.
    pub(super) fn new(blocks: u32) -> Self {
        let group = (blocks / GROUPS).max(BLOCKS);
        let words = (blocks / group / 64) as usize;
        let more = if words > WORDS { vec![0; SEGMENTS * words] } else { Vec::new() };
        Self { full: [[0; WORDS]; SEGMENTS], more: (more, words), shift: group.trailing_zeros() }
    }

    /// The blocks of the first group with a free one, if all blocks below `lowest` are in use. Of a segment that is full
    /// they may not exist.
    pub(super) fn first(&self, segment: usize, lowest: u32) -> Option<Range<u32>> {
        let from = lowest >> self.shift >> 6;
        let words = match &self.more {
            (more, _) if more.is_empty() => self.full.get(segment)?,
            (more, words) => more.get(segment * words..)?.get(..*words)?,
        };
        let group = (from..)
            .zip(words.get(from as usize..)?)
            .find_map(|(place, word)| (*word != u64::MAX).then(|| place * 64 + word.trailing_ones()))?;
        Some(group << self.shift..(group + 1) << self.shift)
    }

    /// Says whether all blocks of the group with this one are in use.
    pub(super) fn set(&mut self, segment: usize, block: u32, full: bool) {
        let group = block >> self.shift;
        let place = group as usize / 64;
        let word = match &mut self.more {
            (more, _) if more.is_empty() => self.full.get_mut(segment).and_then(|words| words.get_mut(place)),
            (more, words) => more.get_mut(segment * *words + place),
        };
        if let Some(word) = word {
            let bit = 1 << (group % 64);
            *word = if full { *word | bit } else { *word & !bit };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of a segment, where all have 4 GiB.
    const OF_4_GIB: u32 = 1 << 18;

    #[test]
    fn of_a_segment_of_any_size_64_blocks_with_a_free_one_are_found_up_to_4_gib_in_all() {
        for blocks in [64, 256, 4096, OF_4_GIB / 16, OF_4_GIB, 1 << 25] {
            let mut groups = Groups::new(blocks);
            assert!(groups.more.0.is_empty() || blocks > OF_4_GIB / 16, "up to 256 MiB nothing is allocated");
            let mut found = 0;
            while let Some(group) = groups.first(1, found).filter(|group| group.start < blocks) {
                assert_eq!(group.start, found, "{blocks} blocks");
                assert!(group.len() == 64 || blocks > OF_4_GIB, "links are looked at: {} of {blocks}", group.len());
                found = group.end;
                groups.set(1, group.end - 1, true);
            }
            assert_eq!(found, blocks);
            for block in [blocks - 1, 0] {
                groups.set(1, block, false);
                assert!(groups.first(1, 0).is_some_and(|group| group.contains(&block)), "{blocks} blocks");
            }
            assert_eq!(groups.first(0, 0).map(|group| group.start), Some(0), "each segment for itself");
        }
    }
}
