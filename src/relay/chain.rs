//! Bytes in the arena that grow at their end: what a record and the waiting statuses are made of.

use super::arena::{Arena, Block, Full, PAYLOAD};

/// A chain of blocks and the place where it ends. It must be released, or its blocks are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// First block.
    pub first: Block,
    last: Block,
    /// Bytes used in `last`.
    used: usize,
}

impl Chain {
    /// A chain of one block, of which the first `used` bytes are left to the caller.
    ///
    /// # Errors
    /// No more than `keep` blocks are left.
    pub fn new(arena: &mut Arena, used: usize, keep: usize) -> Result<Self, Full> {
        let first = take(arena, keep)?;
        Ok(Self { first, last: first, used })
    }

    /// Appends `piece`.
    ///
    /// # Errors
    /// No more than `keep` blocks are left; part of `piece` may have been written.
    pub fn append(&mut self, arena: &mut Arena, mut piece: &[u8], keep: usize) -> Result<(), Full> {
        loop {
            let room = &mut arena.bytes_mut(self.last)[self.used..];
            let (now, later) = piece.split_at(piece.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            self.used += now.len();
            if later.is_empty() {
                return Ok(());
            }
            piece = later;
            let block = take(arena, keep)?;
            arena.set_next(self.last, block);
            self.last = block;
            self.used = 0;
        }
    }

    /// Cuts the chain back to where it ended when `earlier` was copied from it.
    pub fn truncate(&mut self, arena: &mut Arena, earlier: Self) {
        arena.release(arena.next(earlier.last));
        arena.set_next(earlier.last, Block::NONE);
        *self = Self { first: self.first, ..earlier };
    }

    /// Gives back the blocks before `block`, which is one of this chain and becomes its first. Answers how many.
    pub fn release_before(&mut self, arena: &mut Arena, block: Block) -> usize {
        let mut count = 0;
        while self.first != block {
            let next = arena.next(self.first);
            arena.set_next(self.first, Block::NONE);
            arena.release(self.first);
            self.first = next;
            count += 1;
        }
        count
    }

    /// The bytes of `block`, which is one of this chain, that are used.
    #[must_use]
    pub fn bytes<'a>(&self, arena: &'a Arena, block: Block) -> &'a [u8] {
        &arena.bytes(block)[..if block == self.last { self.used } else { PAYLOAD }]
    }
}

fn take(arena: &mut Arena, keep: usize) -> Result<Block, Full> {
    if arena.free() <= keep { Err(Full) } else { arena.take() }
}
