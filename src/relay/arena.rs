//! The memory behind all queues: fixed blocks, chained into records.
//!
//! The arena has a fixed size but is no reservation. It is mapped in at most [`SEGMENTS`]
//! segments: a segment is mapped when its first block is taken and goes back to the kernel when
//! its last block is released, so an idle connector holds no backlog's memory. Blocks are taken from the lowest
//! segment that has one, and within it the most recently released first: the pages in use stay few
//! and hot.
//!
//! A block is a link to the next block of its chain and [`PAYLOAD`] bytes. `PAYLOAD` is divisible
//! by 3, so base64 of a chain can be written block by block.

use core::fmt;

use memmap2::MmapMut;

use crate::limits::{BLOCK_BYTES, SEGMENT_BYTES, SEGMENTS};

const LINK: usize = size_of::<u32>();

/// Bytes that one block holds.
pub const PAYLOAD: usize = BLOCK_BYTES - LINK;
const _: () = assert!(PAYLOAD.is_multiple_of(3));

/// The lowest segment keeps its mapping when it becomes empty, if it touched no more than this: a
/// trickle of records must not map and unmap for each.
const KEEP_BLOCKS: usize = 64 * 1024 / BLOCK_BYTES;

/// Blocks are numbered with 32 bits, one of which means none.
const MOST_BYTES: usize = (1_usize << 31).saturating_mul(BLOCK_BYTES);

/// A block of an [`Arena`], or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block(u32);

impl Block {
    /// The end of a chain.
    pub const NONE: Self = Self(u32::MAX);

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

/// See the module.
pub struct Arena {
    segments: heapless::Vec<Segment, SEGMENTS>,
    /// Bit n: segment n has a block to give.
    open: u64,
    /// Blocks per segment, as a power of two.
    shift: u32,
    free: usize,
    /// Set by [`Arena::touch`]: what was mapped stays mapped.
    pinned: bool,
}

/// Blocks below `fresh` were handed out at some time and are in use or on the free chain; those
/// above were never touched.
struct Segment {
    memory: Option<MmapMut>,
    blocks: u32,
    fresh: u32,
    used: u32,
    released: Block,
}

impl Arena {
    /// An arena of at most `bytes`, rounded down to whole blocks. Nothing is mapped yet.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let bytes = bytes.min(MOST_BYTES);
        let segment_bytes = bytes.div_ceil(SEGMENTS).next_power_of_two().max(SEGMENT_BYTES);
        let shift = (segment_bytes / BLOCK_BYTES).trailing_zeros();
        let mut left = u32::try_from(bytes / BLOCK_BYTES).unwrap_or(u32::MAX);
        let mut arena = Self { segments: heapless::Vec::new(), open: 0, shift, free: left as usize, pinned: false };
        while left > 0 {
            let blocks = left.min(1 << shift);
            arena.open |= 1 << arena.segments.len();
            let segment = Segment { memory: None, blocks, fresh: 0, used: 0, released: Block::NONE };
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
    /// keeps it mapped.
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

    /// Takes a block; its link is [`Block::NONE`], its bytes are whatever was in them.
    ///
    /// # Errors
    /// All blocks are in use, or the kernel gave no memory for a new segment.
    pub fn take(&mut self) -> Result<Block, Full> {
        let index = self.open.trailing_zeros();
        let segment = self.segments.get_mut(index as usize).ok_or(Full)?;
        segment.map()?;
        let within = if segment.released.is_none() {
            segment.fresh += 1;
            segment.fresh - 1
        } else {
            let within = segment.released.0;
            segment.released = segment.link(within);
            within
        };
        segment.set_link(within, Block::NONE);
        segment.used += 1;
        if segment.used == segment.blocks {
            self.open &= !(1 << index);
        }
        self.free -= 1;
        Ok(Block((index << self.shift) | within))
    }

    /// Gives a whole chain back.
    pub fn release(&mut self, first: Block) {
        let mut block = first;
        while !block.is_none() {
            let next = self.next(block);
            let (index, within) = self.locate(block);
            let segment = &mut self.segments[index];
            segment.set_link(within, segment.released);
            segment.released = Block(within);
            segment.used -= 1;
            self.open |= 1 << index;
            self.free += 1;
            if segment.used == 0 {
                segment.empty(self.pinned || index == 0 && segment.fresh as usize <= KEEP_BLOCKS);
            }
            block = next;
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
        &self.segments[index].block(within)[LINK..]
    }

    /// What a block holds, to be written.
    pub fn bytes_mut(&mut self, block: Block) -> &mut [u8] {
        let (index, within) = self.locate(block);
        &mut self.segments[index].block_mut(within)[LINK..]
    }

    const fn locate(&self, block: Block) -> (usize, u32) {
        ((block.0 >> self.shift) as usize, block.0 & ((1 << self.shift) - 1))
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
        self.released = Block::NONE;
    }

    // A block in use lies in a mapped segment, so the empty slice below is never indexed.
    fn block(&self, within: u32) -> &[u8] {
        let start = within as usize * BLOCK_BYTES;
        &self.memory.as_deref().unwrap_or_default()[start..start + BLOCK_BYTES]
    }

    fn block_mut(&mut self, within: u32) -> &mut [u8] {
        let start = within as usize * BLOCK_BYTES;
        &mut self.memory.as_deref_mut().unwrap_or_default()[start..start + BLOCK_BYTES]
    }

    fn link(&self, within: u32) -> Block {
        let mut link = [0; LINK];
        link.copy_from_slice(&self.block(within)[..LINK]);
        Block::from_bytes(link)
    }

    fn set_link(&mut self, within: u32, next: Block) {
        self.block_mut(within)[..LINK].copy_from_slice(&next.to_bytes());
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").field("free", &self.free).field("mapped", &self.mapped()).finish_non_exhaustive()
    }
}
