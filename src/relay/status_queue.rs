//! Statuses that wait for the broker: a chain in the arena, cut into messages.

use std::io::{self, Write as _};

use super::arena::{Arena, Block, Full, PAYLOAD};
use super::chain::Chain;
use super::json::{cut_quoted, quoted_len};
use super::status::{Entry, Id, Status};
use crate::limits::{BLOCK_BYTES, ERROR_CODE_BYTES};

/// Entries in the order in which records were settled.
#[derive(Debug)]
pub struct StatusQueue {
    version: u8,
    /// The waiting entries, each ended by a line feed, which no JSON text has inside.
    chain: Option<Chain>,
    /// Bytes of the first block already taken.
    read: usize,
    /// Entries waiting.
    waiting: usize,
    /// Blocks in the chain, and how many there may be.
    blocks: usize,
    most: usize,
    lost: u64,
    /// Entries that have left the queue, since the start.
    taken: u64,
}

impl StatusQueue {
    /// A queue of at most `bytes` of arena for connector version `version`.
    #[must_use]
    pub const fn new(version: u8, bytes: usize) -> Self {
        Self { version, chain: None, read: 0, waiting: 0, blocks: 0, most: bytes / BLOCK_BYTES, lost: 0, taken: 0 }
    }

    /// Whether no status waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Statuses that wait.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Statuses that found no room, since the start.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Statuses that have left the queue, since the start.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Blocks of the arena that are kept for statuses to come.
    #[must_use]
    pub const fn reserve(&self) -> usize {
        self.most.saturating_sub(self.blocks)
    }

    /// Blocks of the arena that statuses may take.
    #[must_use]
    pub const fn most(&self) -> usize {
        self.most
    }

    /// Bytes that can still be queued.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.reserve() * PAYLOAD
    }

    /// Queues the status of a record. Without room it is counted as lost.
    pub fn push(&mut self, arena: &mut Arena, id: Id<'_>, status: Status<'_>) {
        let queued = self.offer(arena, 0, id, status);
        self.lost += u64::from(!queued);
    }

    /// As [`StatusQueue::push`], with all memory that is free: for a record that is about to give its own back.
    pub fn push_anywhere(&mut self, arena: &mut Arena, id: Id<'_>, status: Status<'_>) {
        let queued = self.push_keeping(0, arena, id, status);
        self.lost += u64::from(!queued);
    }

    /// Queues the status of a record, if then there is still room for the `promised` bytes. Returns whether there was.
    pub fn offer(&mut self, arena: &mut Arena, promised: usize, id: Id<'_>, status: Status<'_>) -> bool {
        let room = self.reserve().saturating_sub(promised.div_ceil(PAYLOAD));
        self.push_keeping(arena.free().saturating_sub(room), arena, id, status)
    }

    /// The status of a record that the service refused, with its words cut so that it is no longer than `most` bytes,
    /// its id aside.
    #[must_use]
    pub fn rejected<'a>(&self, code: &'a str, message: &'a str, most: usize) -> Status<'a> {
        let code = cut_quoted(code, ERROR_CODE_BYTES);
        let around = if self.version == 1 { 130 + 2 * quoted_len(code) } else { 60 + quoted_len(code) };
        Status::Rejected { code, message: cut_quoted(message, most.saturating_sub(around)) }
    }

    /// Queues an entry of an earlier message as it stands there. Without room it is counted as lost.
    pub fn push_again(&mut self, arena: &mut Arena, text: &[u8]) {
        let keep = arena.free().saturating_sub(self.reserve());
        let queued = self.write_keeping(keep, arena, &mut |entry| {
            entry.write_all(text)?;
            entry.text("\n")
        });
        self.lost += u64::from(!queued);
    }

    fn push_keeping(&mut self, keep: usize, arena: &mut Arena, id: Id<'_>, status: Status<'_>) -> bool {
        let version = self.version;
        self.write_keeping(keep, arena, &mut |entry| entry.write_line(version, id, status))
    }

    /// Returns whether there was room.
    fn write_keeping(
        &mut self,
        keep: usize,
        arena: &mut Arena,
        write: &mut dyn FnMut(&mut Entry<'_>) -> io::Result<()>,
    ) -> bool {
        let (before, free) = (self.chain, arena.free());
        let written = self.chain.map_or_else(|| Chain::new(arena, 0, keep), Ok).and_then(|chain| {
            let mut entry = Entry { arena, chain, keep };
            let written = write(&mut entry);
            self.chain = Some(entry.chain);
            written.map_err(|_| Full)
        });
        if written.is_ok() {
            self.blocks += free - arena.free();
            self.waiting += 1;
            return true;
        }
        match (self.chain, before) {
            (Some(mut chain), Some(earlier)) => chain.truncate(arena, earlier),
            (Some(chain), None) => arena.release(chain.first),
            (None, _) => {}
        }
        self.chain = before;
        false
    }

    /// Moves entries into `message`, which is cleared first, until they are all there or it would be longer
    /// than `limit`. An entry that alone is longer is lost. Answers how many entries the message has.
    pub fn next_message(&mut self, arena: &mut Arena, limit: usize, message: &mut Vec<u8>) -> usize {
        message.clear();
        let (open, close): (&[u8], &[u8]) = if self.version == 1 { (b"", b"") } else { (b"{\"response\":[", b"]}") };
        let (entries, length) = loop {
            let fit = self.fit(arena, limit, open.len() + close.len());
            if fit.0 > 0 || self.waiting == 0 {
                break fit;
            }
            self.lost += 1;
            self.pass_line(arena, |_| {});
        };
        if entries > 0 {
            // At once, because a vector that grows takes twice its size for a moment; and no more, because the broker's
            // side keeps it until it is acknowledged.
            message.reserve_exact(length);
            message.extend_from_slice(open);
            for entry in 0..entries {
                if entry > 0 {
                    message.push(b',');
                }
                self.pass_line(arena, |piece| message.extend_from_slice(piece));
            }
            message.extend_from_slice(close);
        }
        if self.waiting == 0 {
            self.clear(arena);
        }
        entries
    }

    /// How many entries fit a message of at most `limit` bytes, of which `envelope` are not entries, and how long it is
    /// then.
    fn fit(&self, arena: &Arena, limit: usize, envelope: usize) -> (usize, usize) {
        let Some(chain) = self.chain else { return (0, envelope) };
        let most = if self.version == 1 { self.waiting.min(1) } else { self.waiting };
        let (mut entries, mut length) = (0, envelope);
        let (mut block, mut read) = (chain.first, self.read);
        while entries < most {
            let line = end_of_line(arena, chain, block, read);
            let longer = length + usize::from(entries > 0) + line.length;
            if longer > limit {
                break;
            }
            (entries, length) = (entries + 1, longer);
            (block, read) = (line.block, line.read);
        }
        (entries, length)
    }

    /// Takes the first line off, and gives its text away piece by piece.
    fn pass_line(&mut self, arena: &mut Arena, mut take: impl FnMut(&[u8])) {
        let Some(mut chain) = self.chain else { return };
        let Line { block, read, length } = end_of_line(arena, chain, chain.first, self.read);
        let (mut from, mut place, mut left) = (chain.first, self.read, length);
        while left > 0 {
            let bytes = &chain.bytes(arena, from)[place..];
            let bytes = &bytes[..bytes.len().min(left)];
            take(bytes);
            left -= bytes.len();
            (from, place) = (arena.next(from), 0);
        }
        self.waiting -= 1;
        self.taken += 1;
        self.read = read;
        self.blocks -= chain.release_before(arena, block);
        self.chain = Some(chain);
    }

    fn clear(&mut self, arena: &mut Arena) {
        if let Some(chain) = self.chain.take() {
            arena.release(chain.first);
        }
        (self.read, self.blocks) = (0, 0);
    }
}

/// One line of the chain.
struct Line {
    /// Where the next one begins.
    block: Block,
    read: usize,
    /// Bytes before the line feed.
    length: usize,
}

/// The line that begins at `read` in `block`.
fn end_of_line(arena: &Arena, chain: Chain, mut block: Block, read: usize) -> Line {
    let (mut place, mut length) = (read, 0);
    loop {
        let bytes = &chain.bytes(arena, block)[place..];
        if let Some(end) = memchr::memchr(b'\n', bytes) {
            return Line { block, read: place + end + 1, length: length + end };
        }
        length += bytes.len();
        (block, place) = (arena.next(block), 0);
    }
}
