//! The arena against a list of chains.

use firehose_connector::limits::{BLOCK_BYTES, SEGMENT_BYTES};
use firehose_connector::relay::arena::{Arena, Block, PAYLOAD};
use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Debug, Clone)]
enum Operation {
    /// Takes a chain of this many blocks.
    Take(usize),
    /// Gives back one of the chains.
    Release(Index),
    /// Cuts a chain in two after its first block.
    Cut(Index),
    /// Gives all back.
    ReleaseAll,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (1..10_usize).prop_map(Operation::Take),
        2 => (10..700_usize).prop_map(Operation::Take),
        4 => any::<Index>().prop_map(Operation::Release),
        1 => any::<Index>().prop_map(Operation::Cut),
        1 => Just(Operation::ReleaseAll),
    ]
}

/// Chains as lists of their blocks and of what was written into each.
struct Model {
    arena: Arena,
    chains: Vec<Vec<(Block, u64)>>,
    blocks: usize,
    stamps: u64,
}

impl Model {
    fn used(&self) -> usize {
        self.chains.iter().map(Vec::len).sum()
    }

    fn take(&mut self, blocks: usize) {
        let mut chain: Vec<(Block, u64)> = Vec::new();
        for _ in 0..blocks {
            let full = self.used() + chain.len() == self.blocks;
            let taken = self.arena.take();
            assert_eq!(taken.is_err(), full, "an arena is full when all blocks are in use, and only then");
            let Ok(block) = taken else { break };
            assert!(self.arena.next(block).is_none());
            self.stamps += 1;
            self.arena.bytes_mut(block)[..8].copy_from_slice(&self.stamps.to_le_bytes());
            self.arena.bytes_mut(block)[PAYLOAD - 8..].copy_from_slice(&self.stamps.to_le_bytes());
            if let Some((last, _)) = chain.last() {
                self.arena.set_next(*last, block);
            }
            chain.push((block, self.stamps));
        }
        if !chain.is_empty() {
            self.chains.push(chain);
        }
    }

    fn release(&mut self, at: usize) {
        let chain = self.chains.swap_remove(at);
        self.arena.release(chain[0].0);
    }

    fn cut(&mut self, at: usize) {
        if self.chains[at].len() > 1 {
            let rest = self.chains[at].split_off(1);
            self.arena.set_next(self.chains[at][0].0, Block::NONE);
            self.chains.push(rest);
        }
    }

    fn check(&self) {
        assert_eq!(self.arena.free(), self.blocks - self.used());
        assert!(self.arena.mapped() <= self.blocks * BLOCK_BYTES);
        assert!(self.arena.mapped() >= self.used() * BLOCK_BYTES);
        for chain in &self.chains {
            let mut block = chain[0].0;
            for (expected, stamp) in chain {
                assert_eq!(block, *expected, "the chain is intact");
                let bytes = self.arena.bytes(block);
                assert!(bytes.starts_with(&stamp.to_le_bytes()) && bytes.ends_with(&stamp.to_le_bytes()));
                block = self.arena.next(block);
            }
            assert!(block.is_none());
        }
        if self.chains.is_empty() {
            assert!(self.arena.mapped() <= SEGMENT_BYTES, "{} bytes mapped for nothing", self.arena.mapped());
        }
    }
}

proptest! {
    #![proptest_config(crate::cases(200))]
    #[test]
    fn no_block_is_used_twice_none_is_lost_and_memory_goes_back(
        bytes in 1..400_000_usize,
        operations in proptest::collection::vec(operation(), 1..60),
    ) {
        let blocks = bytes / BLOCK_BYTES;
        let mut model = Model { arena: Arena::new(bytes), chains: Vec::new(), blocks, stamps: 0 };
        for operation in operations {
            match operation {
                Operation::Take(blocks) => model.take(blocks),
                Operation::Release(index) if !model.chains.is_empty() => model.release(index.index(model.chains.len())),
                Operation::Cut(index) if !model.chains.is_empty() => model.cut(index.index(model.chains.len())),
                Operation::ReleaseAll => while !model.chains.is_empty() {
                    model.release(0);
                },
                Operation::Release(_) | Operation::Cut(_) => {}
            }
            model.check();
        }
        while !model.chains.is_empty() {
            model.release(0);
        }
        model.check();
    }
}

#[test]
fn an_arena_of_any_size_gives_exactly_the_blocks_it_has() {
    let sizes = [0, 255, 256, 257, 65_535, 65_536, 64 * 65_536 - 256, 64 * 65_536, 64 * 65_536 + 256, 9_999_999];
    for bytes in sizes {
        let mut arena = Arena::new(bytes);
        let mut taken = 0;
        while arena.take().is_ok() {
            taken += 1;
        }
        assert_eq!(taken, bytes / BLOCK_BYTES, "{bytes}");
    }
}

fn chain(arena: &mut Arena, blocks: usize) -> Block {
    let first = arena.take().unwrap();
    (1..blocks).fold(first, |last, _| {
        let block = arena.take().unwrap();
        arena.set_next(last, block);
        block
    });
    first
}

/// How many slices a chain of this many blocks has.
fn runs(arena: &Arena, mut block: Block, blocks: usize) -> usize {
    let (mut left, mut runs) = (blocks * PAYLOAD, 0);
    while left > 0 {
        let run = arena.run(block, 0, left).len();
        (0..run / PAYLOAD).for_each(|_| block = arena.next(block));
        left -= run;
        runs += 1;
    }
    runs
}

#[test]
fn the_lowest_free_block_is_taken_and_neighbours_are_read_as_one() {
    let mut arena = Arena::new(SEGMENT_BYTES);
    let [low, hole, high] = [5, 1, 4].map(|blocks| chain(&mut arena, blocks));
    assert_eq!([runs(&arena, low, 5), runs(&arena, high, 4)], [1, 1]);
    assert_eq!(arena.run(low, 10, 100).len(), 100, "no more than is asked for");
    arena.release(hole);
    let again = chain(&mut arena, 3);
    assert_eq!(again, hole);
    assert_eq!(runs(&arena, again, 3), 2, "what is between them is another's");
}

#[test]
fn chains_stay_whole_however_long_a_queue_is_in_use() {
    let mut arena = Arena::new(40 * SEGMENT_BYTES);
    let mut queue = std::collections::VecDeque::new();
    let (mut read, mut chains) = (0, 0);
    for number in 0..200_000_usize {
        let blocks = 1 + (number % 9).pow(2) % 9;
        let first = chain(&mut arena, blocks);
        // Something that is there for a shorter time, as a status is.
        let short = chain(&mut arena, 1);
        read += runs(&arena, first, blocks);
        chains += 1;
        queue.push_back(first);
        if queue.len() > 1_000 {
            queue.drain(..number % 3).for_each(|first| arena.release(first));
        }
        arena.release(short);
    }
    assert!(2 * read < 3 * chains, "{read} runs of {chains} chains");
}

/// Its segments have so many blocks that which of them are free is looked up in more than one step.
#[test]
fn of_a_large_arena_the_lowest_free_block_is_taken_first() {
    let mut arena = Arena::new(1 << 30);
    let blocks: Vec<Block> = (0..70_000).map(|_| arena.take().unwrap()).collect();
    // One of each group of neighbours, whole groups, and one of many, in no order.
    for step in [64, 4096, 9973] {
        let free = |place: &usize| place % step == step / 2 || step == 4096 && place / 64 % 128 == 1;
        let places: Vec<usize> = (0..blocks.len()).filter(free).collect();
        places.iter().rev().step_by(2).for_each(|place| arena.release(blocks[*place]));
        places.iter().rev().skip(1).step_by(2).for_each(|place| arena.release(blocks[*place]));
        for place in places {
            assert_eq!(arena.take(), Ok(blocks[place]), "block {place} of those with step {step}");
        }
    }
    assert_eq!(arena.free(), (1 << 30) / BLOCK_BYTES - blocks.len());
}
