//! Packing: several records of a delivery stream become one of the service, which bills each as if it were
//! [`BILLED_BYTES`](crate::limits::BILLED_BYTES) long or a multiple of that. Here a record is what a publish brought,
//! and a pack is a record of the service, with one or more of them.
//!
//! Packs are made when a batch is cut, and forgotten when it is settled: what comes back is packed anew with what waits
//! then. They follow the order of the queue. Some records get a pack of their own: those longer than a pack, binary
//! ones unless they were asked for, and those that came in a pack that the service refused for good, because only one
//! of them may be the reason.

use super::arena::Arena;
use super::queue::{RecordQueue, encoded_len};
use super::record::Header;
use crate::limits::{BATCH_PACKED, BATCH_RECORDS, DELIMITER_BYTES, PACK_RECORDS, RECORD_BYTES};

/// How records are packed, and what separates them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Packing {
    /// Bytes that a pack of several records may have; zero: each record is a pack of its own.
    pub bytes: usize,
    /// Binary publishes are packed, too.
    pub binary: bool,
    /// What stands between the records of a pack.
    pub delimiter: Delimiter,
    /// It also stands at the end of each pack, even of one record; a record that leaves no room for it goes without.
    pub at_end: bool,
}

impl Packing {
    /// Each record is a pack of its own, as it is.
    pub const OFF: Self = Self {
        bytes: 0,
        binary: false,
        delimiter: Delimiter { bytes: [0; DELIMITER_BYTES], length: 0 },
        at_end: false,
    };

    /// Whether anything is done to records at all.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.bytes == 0 && !self.at_end
    }

    /// Records in a batch, at most.
    pub(super) const fn batch_records(&self) -> usize {
        if self.bytes == 0 { BATCH_RECORDS } else { BATCH_PACKED }
    }

    /// Whether the delimiter stands behind a single record of so many bytes.
    #[must_use]
    pub const fn ends(&self, data_len: usize) -> bool {
        self.at_end && data_len + self.delimiter.len() <= RECORD_BYTES
    }

    /// Bytes of a pack with one record of so many.
    const fn single(&self, data_len: usize) -> usize {
        if self.ends(data_len) { data_len + self.delimiter.len() } else { data_len }
    }

    /// Records like this one that fill a pack.
    fn expected(&self, header: &Header) -> usize {
        if self.bytes == 0 || header.own_pack {
            return 1;
        }
        (self.bytes / (header.data_len + self.delimiter.len()).max(1)).clamp(1, PACK_RECORDS)
    }
}

/// A few bytes, none by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delimiter {
    bytes: [u8; DELIMITER_BYTES],
    length: u8,
}

impl Delimiter {
    /// `None`: longer than [`DELIMITER_BYTES`].
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; DELIMITER_BYTES];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { bytes, length: u8::try_from(text.len()).ok()? })
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len()]
    }

    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length as usize
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }
}

/// A batch that is being cut.
#[derive(Debug)]
pub(super) struct Cut {
    packing: Packing,
    pub(super) records: RecordQueue,
    pub(super) packs: usize,
    /// Bytes that all packs together take in a request body.
    pub(super) encoded: usize,
    /// Bytes of the last pack.
    last: usize,
    /// Records in it; as many as it may have, when it takes no more.
    last_records: usize,
}

impl Cut {
    pub(super) fn new(packing: Packing) -> Self {
        let records = RecordQueue::default();
        Self { packing, records, packs: 0, encoded: 0, last: 0, last_records: PACK_RECORDS }
    }

    /// Takes the first of `from`, until the batch has `records` of them and what each of them bears as company, `bytes`
    /// encoded, or `statuses` bytes of statuses, and at least one if there is any. A pack is not begun if it would be
    /// cut short by that. Answers how many records their company allows.
    pub(super) fn fill(
        &mut self,
        from: &mut RecordQueue,
        arena: &mut Arena,
        mut records: usize,
        bytes: usize,
        statuses: usize,
    ) -> usize {
        while let Some(record) = from.front() {
            let header = record.header(arena);
            if header.suspicion.company > 0 {
                records = records.min(header.suspicion.company.into());
            }
            let joined = self.joined(&header);
            let (packs, encoded, expected) = match joined {
                Some(length) => (self.packs, self.encoded + encoded_len(length) - encoded_len(self.last), 1),
                None => {
                    let length = self.packing.single(header.data_len);
                    (self.packs + 1, self.encoded + encoded_len(length), self.packing.expected(&header))
                }
            };
            let count = self.records.len() + expected;
            let answered = self.records.statuses() + expected * header.status_len();
            let is_full = count > records || packs > BATCH_RECORDS || encoded > bytes || answered > statuses;
            if is_full && !self.records.is_empty() {
                break;
            }
            from.pop(arena);
            self.records.push(arena, record);
            (self.packs, self.encoded) = (packs, encoded);
            if self.packing.bytes > 0 {
                record.set_joined(arena, joined.is_some());
                self.last = joined.unwrap_or_else(|| self.packing.single(header.data_len));
                self.last_records = match joined {
                    Some(_) => self.last_records + 1,
                    None if header.own_pack => PACK_RECORDS,
                    None => 1,
                };
            }
        }
        records
    }

    /// Bytes of the last pack with this record, if it has room.
    const fn joined(&self, header: &Header) -> Option<usize> {
        let length = self.last + self.packing.delimiter.len() + header.data_len;
        let fits = self.last_records < PACK_RECORDS && !header.own_pack && length <= self.packing.bytes;
        if fits { Some(length) } else { None }
    }
}
