//! Which groups of blocks are in use to the last one. With it the lowest free block of a segment is found in a few steps,
//! however many are in use.

use core::ops::Range;

use crate::limits::SEGMENTS;

/// Of 64 groups each, for a segment.
const WORDS: usize = 4;
/// Groups of a segment, at most.
const GROUPS: u32 = 64 * 4;
/// Blocks of a group, at least: so many links are looked at in no time.
const BLOCKS: u32 = 64;

/// A bit for each group of each segment: all of its blocks are in use.
#[derive(Debug)]
pub(super) struct Groups {
    full: [[u64; WORDS]; SEGMENTS],
    /// Blocks of a group, as a power of two.
    shift: u32,
}

impl Groups {
    /// For segments of so many blocks, a power of two.
    pub(super) const fn new(blocks: u32) -> Self {
        let group = blocks / GROUPS;
        let group = if group < BLOCKS { BLOCKS } else { group };
        Self { full: [[0; WORDS]; SEGMENTS], shift: group.trailing_zeros() }
    }

    /// The blocks of the first group with a free one. Of a segment that is full they may not exist.
    pub(super) fn first(&self, segment: usize) -> Option<Range<u32>> {
        let words = self.full.get(segment)?;
        let group = (0..)
            .zip(words)
            .find_map(|(place, word)| (*word != u64::MAX).then(|| place * 64 + word.trailing_ones()))?;
        Some(group << self.shift..(group + 1) << self.shift)
    }

    /// Says whether all blocks of the group with this one are in use.
    pub(super) fn set(&mut self, segment: usize, block: u32, full: bool) {
        let group = block >> self.shift;
        if let Some(word) = self.full.get_mut(segment).and_then(|words| words.get_mut(group as usize / 64)) {
            let bit = 1 << (group % 64);
            *word = if full { *word | bit } else { *word & !bit };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_group_with_a_free_block_is_found_in_a_segment_of_any_size() {
        for blocks in [64, 256, 4096, 64 * 64 * 64, 1 << 25] {
            let mut groups = Groups::new(blocks);
            let mut found = 0;
            while let Some(group) = groups.first(1).filter(|group| group.start < blocks) {
                assert_eq!(group.start, found, "{blocks} blocks");
                found = group.end;
                groups.set(1, group.end - 1, true);
            }
            assert_eq!(found, blocks);
            for block in [blocks - 1, 0] {
                groups.set(1, block, false);
                assert!(groups.first(1).is_some_and(|group| group.contains(&block)), "{blocks} blocks");
            }
            assert_eq!(groups.first(0).map(|group| group.start), Some(0), "each segment for itself");
        }
    }
}
