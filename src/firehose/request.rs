//! The body of a `PutRecord` or `PutRecordBatch` request, produced in chunks from the arena.
//!
//! A body is never held whole. Its length is known beforehand, and it is produced twice: once into
//! SHA-256 for the signature, once for the socket. Records may be accepted in between.

use base64_simd::{AsOut as _, STANDARD};

use crate::limits::DELIMITER_BYTES;
use crate::relay::Batch;
use crate::relay::arena::Arena;
use crate::relay::pack::Packing;
use crate::relay::queue::{RECORD_OVERHEAD, RecordQueue};
use crate::relay::record::{Cursor, Record};

const OPEN: &str = "{\"DeliveryStreamName\":\"";
const RECORD: &str = "\",\"Record\":";
const RECORDS: &str = "\",\"Records\":[";
const DATA: &str = "{\"Data\":\"";
const DATA_END: &str = "\"}";
const NEXT: &str = ",";
/// The most that follows the data of a record: a delimiter as base64, with what was carried, and the text up to the
/// next record.
const DATA_END_BYTES: usize = (DELIMITER_BYTES + 2).div_ceil(3) * 4 + DATA_END.len() + NEXT.len();
const CLOSE: &str = "}";
const CLOSE_RECORDS: &str = "]}";

const _: () = assert!(RECORD_OVERHEAD == DATA.len() + DATA_END.len() + NEXT.len());
const _: () = assert!(
    crate::limits::ENVELOPE_BYTES >= OPEN.len() + crate::limits::NAME_BYTES + RECORDS.len() + CLOSE_RECORDS.len()
);

/// Bytes that the envelope needs. It is never split, so no chunk may be smaller.
pub const TEXT_BYTES: usize = 256;

/// Which of the two calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// One record.
    PutRecord,
    /// Up to 500 records.
    PutRecordBatch,
}

impl Call {
    /// The call that sends `batch`.
    #[must_use]
    pub const fn of(batch: &Batch) -> Self {
        if batch.single { Self::PutRecord } else { Self::PutRecordBatch }
    }

    /// The action's name in IAM policies, after `firehose:`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PutRecord => "PutRecord",
            Self::PutRecordBatch => "PutRecordBatch",
        }
    }

    /// Value of the `X-Amz-Target` header.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Self::PutRecord => "Firehose_20150804.PutRecord",
            Self::PutRecordBatch => "Firehose_20150804.PutRecordBatch",
        }
    }
}

/// A body without records: the service refuses it for that, after it has checked signature and permission.
#[must_use]
pub fn without_records(call: Call, name: &str) -> String {
    match call {
        Call::PutRecord => [OPEN, name, RECORD, "{}", CLOSE].concat(),
        Call::PutRecordBatch => [OPEN, name, RECORDS, CLOSE_RECORDS].concat(),
    }
}

/// Bytes of the whole body for `batch`, sent to the delivery stream `name`.
#[must_use]
pub const fn body_len(name: &str, batch: &Batch) -> usize {
    // The count of each record includes a comma, and the last has none.
    let records = batch.encoded - NEXT.len();
    let envelope = match Call::of(batch) {
        Call::PutRecord => OPEN.len() + RECORD.len() + CLOSE.len(),
        Call::PutRecordBatch => OPEN.len() + RECORDS.len() + CLOSE_RECORDS.len(),
    };
    envelope + name.len() + records
}

/// Where in the body the next chunk begins. Plain numbers, so that nothing is borrowed between two chunks.
#[derive(Debug, Clone, Copy)]
pub struct Encoder {
    call: Call,
    records: RecordQueue,
    packing: Packing,
    /// The delimiter stands at the end of this pack.
    ends: bool,
    carry: Carry,
    state: State,
}

/// Bytes of data that wait for others: base64 has four characters for each three.
#[derive(Debug, Clone, Copy)]
struct Carry {
    bytes: [u8; 3],
    length: usize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Start,
    Record(Record),
    Data(Cursor),
    End,
    Done,
}

impl Encoder {
    /// At the first byte of the body for `batch`.
    #[must_use]
    pub const fn new(batch: &Batch) -> Self {
        let Batch { records, packing, .. } = *batch;
        let carry = Carry { bytes: [0; 3], length: 0 };
        Self { call: Call::of(batch), records, packing, ends: false, carry, state: State::Start }
    }

    /// Writes the next chunk to the front of `chunk`, which has at least [`TEXT_BYTES`] bytes, and returns its length
    /// in bytes; zero: the body is complete.
    ///
    /// `name` and `arena` must be the same for all chunks of a body.
    pub fn encode(&mut self, name: &str, arena: &Arena, chunk: &mut [u8]) -> usize {
        debug_assert!(chunk.len() >= TEXT_BYTES, "a chunk holds the envelope");
        let mut out = Out { chunk, used: 0 };
        loop {
            self.state = match self.state {
                State::Start if out.room() >= TEXT_BYTES => {
                    out.text(OPEN);
                    out.text(name);
                    out.text(if self.call == Call::PutRecord { RECORD } else { RECORDS });
                    self.next_record(arena)
                }
                State::Record(record) if out.room() >= RECORD_OVERHEAD => {
                    out.text(DATA);
                    let data = Cursor::data(record, arena);
                    self.ends = self.packing.ends(data.left());
                    State::Data(data)
                }
                State::Data(mut cursor) => {
                    if self.packing.is_off() {
                        out.base64(&mut cursor, arena);
                    } else {
                        out.part(&mut self.carry, &mut cursor, arena);
                    }
                    if cursor.left() > 0 || out.room() < DATA_END_BYTES {
                        self.state = State::Data(cursor);
                        return out.used;
                    }
                    if self.is_joined(arena)
                        && let Some(record) = self.records.pop(arena)
                    {
                        out.join(&mut self.carry, self.packing.delimiter.as_bytes());
                        self.state = State::Data(Cursor::data(record, arena));
                        continue;
                    }
                    if self.ends {
                        out.join(&mut self.carry, self.packing.delimiter.as_bytes());
                    }
                    out.pad(&mut self.carry);
                    out.text(DATA_END);
                    let next = self.next_record(arena);
                    if matches!(next, State::Record(_)) {
                        out.text(NEXT);
                    }
                    next
                }
                State::End if out.room() >= CLOSE_RECORDS.len() => {
                    out.text(if self.call == Call::PutRecord { CLOSE } else { CLOSE_RECORDS });
                    State::Done
                }
                State::Start | State::Record(_) | State::End | State::Done => return out.used,
            };
        }
    }

    /// Whether the next record is in the same pack.
    fn is_joined(&self, arena: &Arena) -> bool {
        self.packing.bytes > 0 && self.records.front().is_some_and(|next| next.is_joined(arena))
    }

    fn next_record(&mut self, arena: &Arena) -> State {
        self.records.pop(arena).map_or(State::End, State::Record)
    }
}

struct Out<'a> {
    chunk: &'a mut [u8],
    used: usize,
}

impl Out<'_> {
    const fn room(&self) -> usize {
        self.chunk.len() - self.used
    }

    fn text(&mut self, text: &str) {
        self.chunk[self.used..self.used + text.len()].copy_from_slice(text.as_bytes());
        self.used += text.len();
    }

    /// Writes as much of the record as there is room for.
    fn base64(&mut self, cursor: &mut Cursor, arena: &Arena) {
        loop {
            let piece = cursor.piece(arena, self.room() / 4 * 3);
            if piece.is_empty() {
                return;
            }
            // Only the last piece of a record has a length not divisible by 3, so there is padding
            // at the end alone; and `room` was counted, so the slice is never too small.
            self.encoded(piece);
            cursor.advance(arena, piece.len());
        }
    }

    /// The same for a record in a pack with others: what is left of its end waits for what follows. That takes no more
    /// room, as it is less than three bytes.
    fn part(&mut self, carry: &mut Carry, cursor: &mut Cursor, arena: &Arena) {
        loop {
            let piece = cursor.piece(arena, self.room() / 4 * 3);
            if piece.is_empty() {
                return;
            }
            self.join(carry, piece);
            cursor.advance(arena, piece.len());
        }
    }

    /// Writes `bytes`, for which there is room, up to the last one or two that are left over.
    fn join(&mut self, carry: &mut Carry, mut bytes: &[u8]) {
        if carry.length > 0 {
            let (first, rest) = bytes.split_at(bytes.len().min(3 - carry.length));
            carry.bytes[carry.length..][..first.len()].copy_from_slice(first);
            carry.length += first.len();
            if carry.length < 3 {
                return;
            }
            self.encoded(&carry.bytes);
            bytes = rest;
        }
        let (whole, rest) = bytes.split_at(bytes.len() / 3 * 3);
        self.encoded(whole);
        carry.bytes[..rest.len()].copy_from_slice(rest);
        carry.length = rest.len();
    }

    /// Writes what is left over at the end of a pack.
    fn pad(&mut self, carry: &mut Carry) {
        if carry.length > 0 {
            self.encoded(&carry.bytes[..carry.length]);
            carry.length = 0;
        }
    }

    fn encoded(&mut self, bytes: &[u8]) {
        let written = STANDARD.encode(bytes, self.chunk[self.used..].as_out());
        self.used += written.len();
    }
}
