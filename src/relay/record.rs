//! A record in the arena: one chain of blocks holding a header, the data, and the id.
//!
//! The data begins at a fixed place and is followed by the id, so that each block holds a number
//! of data bytes divisible by 3 and base64 needs no carry between blocks. The id is kept as JSON
//! text with its quotes: it goes into the status exactly as it came.

use std::io;

use super::arena::{Arena, Block, Full, PAYLOAD};
use super::chain::Chain;
use super::message::DataSink;
use crate::limits::RECORD_BYTES;
use crate::time::Instant;

/// Bytes before the data in the first block: next record 4, data length 3, how it is packed 1, id length 4, time of
/// receipt 8, what is known of its failures 4, and where its receipt is kept 9: a kind and a number.
const HEADER: usize = 33;
const RECEIPT: usize = 24;
/// The highest byte of the data's length, which is always zero there: how the record is packed.
const PACKED: usize = 7;
const _: () = assert!(RECORD_BYTES < 1 << 24);
/// It goes in a pack of its own.
const OWN_PACK: u8 = 1;
/// In the batch that it is in, it is in one pack with the record before it.
const JOINED: u8 = 2;
/// How often the service has put it off in a pack with others, up to three times, in two bits.
const PUT_OFF: u8 = 4;
/// Kinds of receipts: none, the number of a publish, a place in the spool.
const NO_RECEIPT: u8 = 0;
const NUMBER: u8 = 1;
const SPOOLED: u8 = 2;
/// Beside one of the first two: the record is on its way to the spool.
const WRITING: u8 = 0x80;
const _: () = assert!(HEADER.is_multiple_of(3));

/// Why a record cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteError {
    /// The arena is full.
    Full,
    /// The data is longer than the service takes.
    TooLarge,
}

impl From<Full> for WriteError {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

/// The data of a record, written before it is known whether there is to be one. It must be released, or its blocks are lost.
#[derive(Debug, Default)]
pub struct Draft {
    chain: Option<Chain>,
    data_len: usize,
}

impl Draft {
    /// Gives its blocks back.
    pub fn release(&mut self, arena: &mut Arena) {
        if let Some(chain) = core::mem::take(self).chain {
            arena.release(chain.first);
        }
    }
}

/// Writes one record: data in any number of pieces, then the id, then [`RecordWriter::finish`].
/// Dropped unfinished, it gives its blocks back.
#[derive(Debug)]
pub struct RecordWriter<'a> {
    arena: &'a mut Arena,
    chain: Chain,
    /// Blocks that are not for records.
    keep: usize,
    data_len: usize,
    id_len: usize,
}

impl<'a> RecordWriter<'a> {
    /// Takes the first block, leaving at least `keep` blocks to others.
    ///
    /// # Errors
    /// The arena is full.
    pub fn new(arena: &'a mut Arena, keep: usize) -> Result<Self, Full> {
        let chain = Chain::new(arena, HEADER, keep)?;
        Ok(Self { arena, chain, keep, data_len: 0, id_len: 0 })
    }

    /// Goes on behind the data of a draft, which is empty then.
    ///
    /// # Errors
    /// The draft has no block, and the arena is full.
    pub fn resume(arena: &'a mut Arena, keep: usize, draft: &mut Draft) -> Result<Self, Full> {
        let Draft { chain, data_len } = core::mem::take(draft);
        let chain = chain.map_or_else(|| Chain::new(arena, HEADER, keep), Ok)?;
        Ok(Self { arena, chain, keep, data_len, id_len: 0 })
    }

    /// Leaves what was written to `draft`, to be gone on with later.
    pub fn pause(mut self, draft: &mut Draft) {
        draft.data_len = self.data_len;
        draft.chain = Some(self.chain);
        self.chain.first = Block::NONE;
    }

    /// Appends data. Must not follow [`RecordWriter::id`].
    ///
    /// # Errors
    /// The record would be larger than the service takes, or the arena is full.
    pub fn data(&mut self, piece: &[u8]) -> Result<(), WriteError> {
        debug_assert_eq!(self.id_len, 0, "the data stands before the id");
        if self.data_len + piece.len() > RECORD_BYTES {
            return Err(WriteError::TooLarge);
        }
        self.chain.append(self.arena, piece, self.keep)?;
        self.data_len += piece.len();
        Ok(())
    }

    /// Appends to the id, which is JSON text.
    ///
    /// # Errors
    /// The arena is full.
    pub fn id(&mut self, piece: &[u8]) -> Result<(), Full> {
        self.chain.append(self.arena, piece, self.keep)?;
        self.id_len += piece.len();
        Ok(())
    }

    /// Seals the record.
    #[must_use]
    pub fn finish(mut self, received_at: Instant) -> Record {
        let record = Record(core::mem::replace(&mut self.chain.first, Block::NONE));
        let header = &mut self.arena.bytes_mut(record.0)[..HEADER];
        header.fill(0);
        header[..4].copy_from_slice(&Block::NONE.to_bytes());
        // Both lengths are bounded far below 4 GiB: by RECORD_BYTES and by ID_JSON_BYTES.
        header[4..8].copy_from_slice(&u32::try_from(self.data_len).unwrap_or(u32::MAX).to_le_bytes());
        header[8..12].copy_from_slice(&u32::try_from(self.id_len).unwrap_or(u32::MAX).to_le_bytes());
        header[12..20].copy_from_slice(&received_at.as_millis().to_le_bytes());
        record
    }
}

impl Drop for RecordWriter<'_> {
    fn drop(&mut self) {
        self.arena.release(self.chain.first);
    }
}

/// Writes a draft while the message is read.
#[derive(Debug)]
pub(super) struct Drafting<'a> {
    pub(super) arena: &'a mut Arena,
    /// Blocks that are not for records.
    pub(super) keep: usize,
    pub(super) draft: &'a mut Draft,
}

impl DataSink for Drafting<'_> {
    fn begin(&mut self) {
        self.draft.release(self.arena);
    }

    fn piece(&mut self, piece: &[u8]) -> bool {
        let Ok(mut writer) = RecordWriter::resume(self.arena, self.keep, self.draft) else { return false };
        let is_written = writer.data(piece).is_ok();
        if is_written {
            writer.pause(self.draft);
        }
        is_written
    }
}

/// Lets `serde_json` write the id.
impl io::Write for RecordWriter<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.id(piece).map_err(|Full| io::Error::from(io::ErrorKind::OutOfMemory))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where a record is beside the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the arena only.
    Memory,
    /// On its way to the spool.
    Writing,
    /// At this place of the spool.
    Spooled(u64),
}

/// What stands before the data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    /// The record behind it in its queue.
    pub(super) next: Record,
    pub(super) data_len: usize,
    pub(super) id_len: usize,
    received_at: Instant,
    pub(super) suspicion: Suspicion,
}

/// What failed requests say about a record that was in them. Zero in a new one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Suspicion {
    /// Records in a batch with this one, at most; zero: as many as fit.
    pub(super) company: u16,
    /// How many requests of its delivery stream had succeeded when one with it failed last; zero: none has failed.
    pub(super) failed_at: u16,
}

/// A sealed record. It must be released once, or its blocks are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record(Block);

impl Record {
    /// No record: the end of a queue.
    pub const NONE: Self = Self(Block::NONE);

    /// Bytes of data.
    #[must_use]
    pub fn data_len(self, arena: &Arena) -> usize {
        self.header(arena).data_len
    }

    /// Bytes of the id's JSON text; zero: the record came without an id.
    #[must_use]
    pub fn id_len(self, arena: &Arena) -> usize {
        self.header(arena).id_len
    }

    /// When the record was received.
    #[must_use]
    pub fn received_at(self, arena: &Arena) -> Instant {
        self.header(arena).received_at
    }

    /// The number of the publish that waits for the record's end to be acknowledged, if one does.
    #[must_use]
    pub(super) fn receipt(self, arena: &Arena) -> Option<u64> {
        let bytes = &arena.bytes(self.0)[RECEIPT..];
        (bytes[0] & !WRITING == NUMBER).then(|| u64::from_le_bytes(field(bytes, 1)))
    }

    pub(super) fn set_receipt(self, arena: &mut Arena, number: Option<u64>) {
        let bytes = &mut arena.bytes_mut(self.0)[RECEIPT..HEADER];
        bytes[0] = bytes[0] & WRITING | if number.is_some() { NUMBER } else { NO_RECEIPT };
        bytes[1..].copy_from_slice(&number.unwrap_or_default().to_le_bytes());
    }

    /// Where the record is, besides here.
    #[must_use]
    pub fn place(self, arena: &Arena) -> Place {
        let bytes = &arena.bytes(self.0)[RECEIPT..];
        match bytes[0] {
            SPOOLED => Place::Spooled(u64::from_le_bytes(field(bytes, 1))),
            kind if kind & WRITING != 0 => Place::Writing,
            _ => Place::Memory,
        }
    }

    pub(super) fn set_writing(self, arena: &mut Arena, writing: bool) {
        let kind = &mut arena.bytes_mut(self.0)[RECEIPT];
        *kind = *kind & !WRITING | if writing { WRITING } else { 0 };
    }

    pub(super) fn set_spooled(self, arena: &mut Arena, place: u64) {
        let bytes = &mut arena.bytes_mut(self.0)[RECEIPT..HEADER];
        bytes[0] = SPOOLED;
        bytes[1..].copy_from_slice(&place.to_le_bytes());
    }

    /// Gives the record's memory back.
    pub fn release(self, arena: &mut Arena) {
        arena.release(self.0);
    }

    pub(super) fn header(self, arena: &Arena) -> Header {
        let bytes = arena.bytes(self.0);
        Header {
            next: Self(Block::from_bytes(field(bytes, 0))),
            data_len: (u32::from_le_bytes(field(bytes, 4)) & 0xff_ffff) as usize,
            id_len: u32::from_le_bytes(field(bytes, 8)) as usize,
            received_at: Instant::from_millis(u64::from_le_bytes(field(bytes, 12))),
            suspicion: Suspicion {
                company: u16::from_le_bytes(field(bytes, 20)),
                failed_at: u16::from_le_bytes(field(bytes, 22)),
            },
        }
    }

    pub(super) fn suspect(self, arena: &mut Arena, Suspicion { company, failed_at }: Suspicion) {
        let header = arena.bytes_mut(self.0);
        header[20..22].copy_from_slice(&company.to_le_bytes());
        header[22..24].copy_from_slice(&failed_at.to_le_bytes());
    }

    /// Whether the record goes in a pack of its own.
    #[must_use]
    pub fn has_own_pack(self, arena: &Arena) -> bool {
        arena.bytes(self.0)[PACKED] & OWN_PACK != 0
    }

    /// Whether the record is in one pack with the one before it, in the batch that it is in.
    #[must_use]
    pub fn is_joined(self, arena: &Arena) -> bool {
        arena.bytes(self.0)[PACKED] & JOINED != 0
    }

    pub(super) fn set_own_pack(self, arena: &mut Arena) {
        arena.bytes_mut(self.0)[PACKED] |= OWN_PACK;
    }

    /// The service has put it off, in a pack with others. The third time it gets a pack of its own: one of the others may be the
    /// reason.
    pub(super) fn put_off_in_pack(self, arena: &mut Arena) {
        let packed = &mut arena.bytes_mut(self.0)[PACKED];
        if *packed >= 2 * PUT_OFF {
            *packed |= OWN_PACK;
        } else {
            *packed += PUT_OFF;
        }
    }

    pub(super) fn set_joined(self, arena: &mut Arena, joined: bool) {
        let packed = &mut arena.bytes_mut(self.0)[PACKED];
        *packed = *packed & !JOINED | if joined { JOINED } else { 0 };
    }

    pub(super) fn set_next(self, arena: &mut Arena, next: Self) {
        arena.bytes_mut(self.0)[..4].copy_from_slice(&next.0.to_bytes());
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

/// Reads the data or the id of one record piece by piece. Plain numbers, so that it can be kept between two
/// reads while records come in.
#[derive(Debug, Clone, Copy)]
pub struct Cursor {
    block: Block,
    place: usize,
    left: usize,
}

impl Cursor {
    /// At the first byte of `record`'s data.
    #[must_use]
    pub fn data(record: Record, arena: &Arena) -> Self {
        Self { block: record.0, place: HEADER, left: record.data_len(arena) }
    }

    /// At the first byte of the JSON text of `record`'s id.
    #[must_use]
    pub fn id(record: Record, arena: &Arena) -> Self {
        let Header { data_len, id_len, .. } = record.header(arena);
        let mut cursor = Self { block: record.0, place: HEADER, left: data_len + id_len };
        cursor.advance(arena, data_len);
        cursor
    }

    /// Bytes before the end.
    #[must_use]
    pub const fn left(self) -> usize {
        self.left
    }

    /// The bytes at hand, at most `most`, not empty before the end. All pieces of data but a record's last have a
    /// length divisible by 3, as long as `most` is and [`Cursor::advance`] is called with multiples of 3.
    #[must_use]
    pub fn piece(self, arena: &Arena, most: usize) -> &[u8] {
        if self.left == 0 {
            return &[];
        }
        arena.run(self.block, self.place, self.left.min(most))
    }

    /// Moves on by `count` bytes, at most as many as are left.
    pub fn advance(&mut self, arena: &Arena, count: usize) {
        self.place += count;
        self.left -= count;
        if self.place >= PAYLOAD {
            self.block = arena.nth(self.block, self.place / PAYLOAD);
            self.place %= PAYLOAD;
        }
    }
}
