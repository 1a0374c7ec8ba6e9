//! The body of a `PutRecord` or `PutRecordBatch` request, produced in chunks from the arena.
//!
//! A body is never held whole. Its length is known beforehand, and it is produced twice: once into
//! SHA-256 for the signature, once for the socket. Records may be accepted in between.

use base64_simd::{AsOut as _, STANDARD};

use crate::relay::Batch;
use crate::relay::arena::Arena;
use crate::relay::queue::{RECORD_OVERHEAD, RecordQueue};
use crate::relay::record::{Cursor, Record};

const OPEN: &str = "{\"DeliveryStreamName\":\"";
const RECORD: &str = "\",\"Record\":";
const RECORDS: &str = "\",\"Records\":[";
const DATA: &str = "{\"Data\":\"";
const DATA_END: &str = "\"}";
const NEXT: &str = ",";
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
    let records = batch.records.encoded() - NEXT.len();
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
    state: State,
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
        Self { call: Call::of(batch), records: batch.records, state: State::Start }
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
                    State::Data(Cursor::data(record, arena))
                }
                State::Data(mut cursor) => {
                    out.base64(&mut cursor, arena);
                    if cursor.left() > 0 || out.room() < DATA_END.len() + NEXT.len() {
                        self.state = State::Data(cursor);
                        return out.used;
                    }
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
            let written = STANDARD.encode(piece, self.chunk[self.used..].as_out());
            self.used += written.len();
            cursor.advance(arena, piece.len());
        }
    }
}
