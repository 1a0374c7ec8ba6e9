//! The memory behind all queues: fixed blocks, chained into records.
//!
//! The arena has a fixed size but is no reservation. It is mapped in at most [`SEGMENTS`] segments: a segment is mapped
//! when its first block is taken and goes back to the kernel when its last block is released, so an idle connector
//! holds no backlog's memory. The lowest free block is taken first: the pages in use stay few and hot, and the blocks
//! of a chain are neighbours more often than not.
//!
//! A block is a link to the next block of its chain and [`PAYLOAD`] bytes. The links of a segment stand together before
//! the payloads, so what neighbours hold is one slice, see [`Arena::run`]. `PAYLOAD` is divisible by 3, so base64 of a
//! chain can be written run by run.

mod groups;

use core::fmt;
use core::ops::Range;

use groups::Groups;
use memmap2::MmapMut;

use crate::limits::{BLOCK_BYTES, SEGMENT_BYTES, SEGMENTS};

const LINK: usize = size_of::<u32>();

/// Bytes that one block holds.
pub const PAYLOAD: usize = BLOCK_BYTES - LINK;
const _: () = assert!(PAYLOAD.is_multiple_of(3));

/// The lowest segment keeps its mapping when it becomes empty, if it touched no more than this: a
/// trickle of records must not map and unmap for each.
const KEEP_BLOCKS: usize = 64 * 1024 / BLOCK_BYTES;

/// Blocks are numbered with 32 bits, two of which mean none and free.
const MOST_BYTES: usize = (1_usize << 31).saturating_mul(BLOCK_BYTES);

/// A block of an [`Arena`], or none. As a link it may also say that its block is free, which is what fresh memory says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block(u32);

impl Block {
    /// The end of a chain.
    pub const NONE: Self = Self(u32::MAX);
    const FREE: Self = Self(0);

    /// Whether this is the end of a chain.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == u32::MAX
    }

    pub(super) const fn to_bytes(self) -> [u8; LINK] {
        self.0.to_le_bytes()
    }

    pub(super) const fn from_bytes(bytes: [u8; LINK]) -> Self {
        Self(u32::from_le_bytes(bytes))
    }
}

/// No block is left, or the kernel gave no memory for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// A pool of fixed blocks, chained into records.
pub struct Arena {
    segments: heapless::Vec<Segment, SEGMENTS>,
    groups: Groups,
    /// Bit n: segment n has a block to give.
    open: u64,
    /// Blocks per segment, as a power of two.
    shift: u32,
    free: usize,
    /// Set by [`Arena::touch`]: what was mapped stays mapped.
    pinned: bool,
}

struct Segment {
    memory: Option<MmapMut>,
    blocks: u32,
    used: u32,
    /// All blocks below are in use.
    lowest: u32,
    /// No block from here on was in use since the segment was last empty.
    fresh: u32,
}

impl Arena {
    /// An arena of at most `bytes`, rounded down to whole blocks. Nothing is mapped yet.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let bytes = bytes.min(MOST_BYTES);
        let segment_bytes = bytes.div_ceil(SEGMENTS).next_power_of_two().max(SEGMENT_BYTES);
        let shift = (segment_bytes / BLOCK_BYTES).trailing_zeros();
        let mut left = u32::try_from(bytes / BLOCK_BYTES).unwrap_or(u32::MAX);
        let (segments, groups) = (heapless::Vec::new(), Groups::new(1 << shift));
        let mut arena = Self { segments, groups, open: 0, shift, free: left as usize, pinned: false };
        while left > 0 {
            let blocks = left.min(1 << shift);
            arena.open |= 1 << arena.segments.len();
            let segment = Segment { memory: None, blocks, used: 0, lowest: 0, fresh: 0 };
            if arena.segments.push(segment).is_err() {
                break; // cannot be: SEGMENTS segments of this size hold `bytes`
            }
            left -= blocks;
        }
        arena
    }

    /// Blocks that can still be taken.
    #[must_use]
    pub const fn free(&self) -> usize {
        self.free
    }

    /// Blocks that there are.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.segments.iter().map(|segment| segment.blocks as usize).sum()
    }

    /// Bytes mapped from the kernel at this time.
    #[must_use]
    pub fn mapped(&self) -> usize {
        self.segments.iter().filter_map(|segment| segment.memory.as_ref()).map(|memory| memory.len()).sum()
    }

    /// Maps the whole arena and touches each page, so that a device short of memory shows it now, and
    /// keeps it mapped. Only before the first block is taken: it writes over what there is.
    ///
    /// # Errors
    /// The kernel gave no memory.
    pub fn touch(&mut self) -> Result<(), Full> {
        const PAGE: usize = 4096;
        self.pinned = true;
        for segment in &mut self.segments {
            segment.map()?.chunks_mut(PAGE).for_each(|page| page.fill(0));
        }
        Ok(())
    }

    /// Takes a block; its link is [`Block::NONE`], its bytes are whatever was in them. Looks at 64 words and 64 links at
    /// worst, in an arena of up to 4 GiB.
    ///
    /// # Errors
    /// All blocks are in use, or the kernel gave no memory for a new segment.
    pub fn take(&mut self) -> Result<Block, Full> {
        let index = self.open.trailing_zeros();
        let segment = self.segments.get_mut(index as usize).ok_or(Full)?;
        segment.map()?;
        let group = self.groups.first(index as usize, segment.lowest).ok_or(Full)?;
        let (within, last) = segment.lowest_free(&group).ok_or(Full)?;
        segment.set_link(within, Block::NONE);
        segment.lowest = within + 1;
        if last {
            self.groups.set(index as usize, within, true);
        }
        segment.fresh = segment.fresh.max(within + 1);
        segment.used += 1;
        if segment.used == segment.blocks {
            self.open &= !(1 << index);
        }
        self.free -= 1;
        Ok(Block(((index << self.shift) | within) + 1))
    }

    /// Gives a whole chain back.
    pub fn release(&mut self, first: Block) {
        let mut block = first;
        while !block.is_none() {
            let (index, within) = self.locate(block);
            let segment = &mut self.segments[index];
            block = segment.link(within);
            segment.set_link(within, Block::FREE);
            segment.lowest = segment.lowest.min(within);
            self.groups.set(index, within, false);
            segment.used -= 1;
            self.open |= 1 << index;
            self.free += 1;
            if segment.used == 0 {
                segment.empty(self.pinned || index == 0 && segment.fresh as usize <= KEEP_BLOCKS);
            }
        }
    }

    /// The block that follows `block` in its chain.
    #[must_use]
    pub fn next(&self, block: Block) -> Block {
        let (index, within) = self.locate(block);
        self.segments[index].link(within)
    }

    /// Makes `next` follow `block`.
    pub fn set_next(&mut self, block: Block, next: Block) {
        let (index, within) = self.locate(block);
        self.segments[index].set_link(within, next);
    }

    /// What a block holds.
    #[must_use]
    pub fn bytes(&self, block: Block) -> &[u8] {
        let (index, within) = self.locate(block);
        &self.segments[index].payloads(within)[..PAYLOAD]
    }

    /// What a block holds, to be written.
    pub fn bytes_mut(&mut self, block: Block) -> &mut [u8] {
        let (index, within) = self.locate(block);
        &mut self.segments[index].payloads_mut(within)[..PAYLOAD]
    }

    /// What a chain holds from `place` in `block` on, as far as its blocks are neighbours, but at most `most` bytes.
    #[must_use]
    pub fn run(&self, block: Block, place: usize, most: usize) -> &[u8] {
        let (index, within) = self.locate(block);
        let segment = &self.segments[index];
        let last = self.last_in_row(block, (place + most).div_ceil(PAYLOAD).saturating_sub(1));
        let end = (last.0 - block.0 + 1) as usize * PAYLOAD;
        &segment.payloads(within)[place..end.min(place + most)]
    }

    /// The block that is `count` links behind `block` in its chain.
    pub(super) fn nth(&self, mut block: Block, mut count: usize) -> Block {
        while count > 0 {
            let last = self.last_in_row(block, count);
            count -= (last.0 - block.0) as usize;
            block = last;
            if count > 0 {
                block = self.next(block);
                count -= 1;
            }
        }
        block
    }

    /// The last of the blocks behind `block` in its chain, at most `most`, that stand one behind the other; `block` itself if the
    /// next one is elsewhere.
    fn last_in_row(&self, block: Block, most: usize) -> Block {
        let (index, within) = self.locate(block);
        let segment = &self.segments[index];
        let most = most.min((segment.blocks - within - 1) as usize);
        // The blocks of a segment have numbers in a row.
        let links = segment.links()[within as usize..].iter().take(most);
        let row = links.zip(block.0 + 1..).take_while(|(link, next)| **link == next.to_le_bytes());
        Block(row.map(|(_, next)| next).last().unwrap_or(block.0))
    }

    const fn locate(&self, block: Block) -> (usize, u32) {
        let number = block.0 - 1;
        ((number >> self.shift) as usize, number & ((1 << self.shift) - 1))
    }
}

impl Segment {
    fn map(&mut self) -> Result<&mut MmapMut, Full> {
        if self.memory.is_none() {
            self.memory = Some(MmapMut::map_anon(self.blocks as usize * BLOCK_BYTES).map_err(|_| Full)?);
        }
        self.memory.as_mut().ok_or(Full)
    }

    /// All blocks are free: begin again at the lowest pages.
    fn empty(&mut self, keep: bool) {
        if !keep {
            self.memory = None;
        }
        self.fresh = 0;
    }

    /// The lowest free block of those in `group`, and whether it was the last one there.
    fn lowest_free(&self, group: &Range<u32>) -> Option<(u32, bool)> {
        let (from, to) = (group.start.max(self.lowest), group.end.min(self.blocks));
        let links = self.links().get(from as usize..to as usize)?;
        let mut free = (from..).zip(links).filter(|(_, link)| **link == Block::FREE.to_bytes());
        Some((free.next()?.0, free.next().is_none()))
    }

    // A block in use lies in a mapped segment, so the empty slices below are never indexed.

    /// The links of all blocks, and more.
    fn links(&self) -> &[[u8; LINK]] {
        self.memory.as_deref().unwrap_or_default().as_chunks().0
    }

    fn link(&self, within: u32) -> Block {
        Block::from_bytes(self.links()[within as usize])
    }

    fn set_link(&mut self, within: u32, next: Block) {
        let links = self.memory.as_deref_mut().unwrap_or_default().as_chunks_mut().0;
        links[within as usize] = next.to_bytes();
    }

    /// What the block `within` and those after it hold.
    fn payloads(&self, within: u32) -> &[u8] {
        let start = self.start(within);
        &self.memory.as_deref().unwrap_or_default()[start..]
    }

    fn payloads_mut(&mut self, within: u32) -> &mut [u8] {
        let start = self.start(within);
        &mut self.memory.as_deref_mut().unwrap_or_default()[start..]
    }

    const fn start(&self, within: u32) -> usize {
        self.blocks as usize * LINK + within as usize * PAYLOAD
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").field("free", &self.free).field("mapped", &self.mapped()).finish_non_exhaustive()
    }
}
