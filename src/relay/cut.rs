//! Taking a batch off a queue: as many records as a request may have, and which of them make up a pack.

use super::arena::Arena;
use super::pack::Packing;
use super::queue::{RecordQueue, encoded_len};
use crate::limits::{BATCH_RECORDS, PACK_RECORDS};

/// A batch that is being cut.
#[derive(Debug)]
pub struct Cut {
    packing: Packing,
    /// Its records, in the order of the request.
    pub records: RecordQueue,
    /// Records of the service that they are packed into.
    pub packs: usize,
    /// Bytes that all packs together take in a request body.
    pub encoded: usize,
    /// Bytes of the last pack.
    last: usize,
    /// Records in it; as many as it may have, when it takes no more.
    last_records: usize,
}

impl Cut {
    /// A batch without records.
    #[must_use]
    pub fn new(packing: Packing) -> Self {
        let records = RecordQueue::default();
        Self { packing, records, packs: 0, encoded: 0, last: 0, last_records: PACK_RECORDS }
    }

    /// Takes the first of `from`, until the batch has `records` of them and what each of them bears as company, `bytes`
    /// encoded, or `statuses` bytes of statuses, and at least one if there is any. A pack is not begun if it would be
    /// cut short by that. Answers how many records their company allows.
    pub fn fill(
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
            let is_alone = self.packing.bytes == 0 || record.has_own_pack(arena);
            let joined = if is_alone { None } else { self.joined(header.data_len) };
            let (packs, encoded, expected) = match joined {
                Some(length) => (self.packs, self.encoded + encoded_len(length) - encoded_len(self.last), 1),
                None => {
                    let expected = if is_alone { 1 } else { self.packing.expected(header.data_len) };
                    (self.packs + 1, self.encoded + encoded_len(self.packing.single(header.data_len)), expected)
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
                    None if is_alone => PACK_RECORDS,
                    None => 1,
                };
            }
        }
        records
    }

    /// Bytes of the last pack with a record of so many, if it has room.
    const fn joined(&self, data_len: usize) -> Option<usize> {
        let length = self.last + self.packing.delimiter.len() + data_len;
        let fits = self.last_records < PACK_RECORDS && length <= self.packing.bytes;
        if fits { Some(length) } else { None }
    }
}
