//! Records in order, as a chain through the arena. A queue owns its records and no memory of its own.

use super::arena::Arena;
use super::record::{Header, Record};
use crate::limits::STATUS_ENTRY_BYTES;

/// Bytes around the base64 of one record in a `PutRecordBatch` body: `{"Data":""}` and a comma.
pub const RECORD_OVERHEAD: usize = 12;

/// Bytes that a record of `data_len` bytes takes in a request body.
#[must_use]
pub const fn encoded_len(data_len: usize) -> usize {
    data_len.div_ceil(3) * 4 + RECORD_OVERHEAD
}

impl Header {
    /// Bytes that the record takes in a request body.
    const fn encoded_len(self) -> usize {
        encoded_len(self.data_len)
    }

    /// Bytes that an ordinary status of the record takes.
    pub(super) const fn status_len(self) -> usize {
        STATUS_ENTRY_BYTES + self.id_len
    }
}

/// First in, first out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordQueue {
    head: Record,
    tail: Record,
    count: usize,
    encoded: usize,
    statuses: usize,
}

impl Default for RecordQueue {
    fn default() -> Self {
        Self { head: Record::NONE, tail: Record::NONE, count: 0, encoded: 0, statuses: 0 }
    }
}

impl RecordQueue {
    /// Records in the queue.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that all records together take in request bodies.
    #[must_use]
    pub const fn encoded(&self) -> usize {
        self.encoded
    }

    /// Bytes that the ordinary statuses of all records together take.
    #[must_use]
    pub const fn statuses(&self) -> usize {
        self.statuses
    }

    /// The record that leaves next.
    #[must_use]
    pub fn front(&self) -> Option<Record> {
        (self.count > 0).then_some(self.head)
    }

    /// Appends a record.
    pub fn push(&mut self, arena: &mut Arena, record: Record) {
        record.set_next(arena, Record::NONE);
        if self.count == 0 {
            self.head = record;
        } else {
            self.tail.set_next(arena, record);
        }
        self.tail = record;
        self.count += 1;
        let header = record.header(arena);
        self.encoded += header.encoded_len();
        self.statuses += header.status_len();
    }

    /// Puts a record before the first.
    pub(super) fn push_front(&mut self, arena: &mut Arena, record: Record) {
        let behind = core::mem::take(self);
        self.push(arena, record);
        if behind.count > 0 {
            record.set_next(arena, behind.head);
            self.tail = behind.tail;
            self.count += behind.count;
            self.encoded += behind.encoded;
            self.statuses += behind.statuses;
        }
    }

    /// Takes the first record.
    pub fn pop(&mut self, arena: &Arena) -> Option<Record> {
        let record = self.front()?;
        let header = record.header(arena);
        self.head = header.next;
        self.count -= 1;
        self.encoded -= header.encoded_len();
        self.statuses -= header.status_len();
        Some(record)
    }

    /// Shows each record to `show`, in order, until it answers false; answers so then.
    pub(super) fn each(&self, arena: &mut Arena, show: &mut dyn FnMut(&mut Arena, Record) -> bool) -> bool {
        let mut record = self.head;
        (0..self.count).all(|_| {
            let this = record;
            record = this.header(arena).next;
            show(arena, this)
        })
    }

    /// The records in order.
    pub fn iter<'a>(&self, arena: &'a Arena) -> impl Iterator<Item = Record> + use<'a> {
        let (mut record, mut left) = (self.head, self.count);
        core::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let this = record;
            record = this.header(arena).next;
            Some(this)
        })
    }
}
