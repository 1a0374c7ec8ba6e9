//! Packing: several records of a delivery stream become one of the service, which bills each as if it were
//! [`BILLED_BYTES`](crate::limits::BILLED_BYTES) long or a multiple of that. Here a record is what a publish brought,
//! and a pack is a record of the service, with one or more of them.
//!
//! Packs are made when a batch is cut, and forgotten when it is settled: what comes back is packed anew with what waits
//! then. They follow the order of the queue. Some records get a pack of their own: those longer than a pack, binary
//! ones unless they were asked for, and those that came in a pack that the service refused for good, because only one
//! of them may be the reason.

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
    pub(super) const fn single(&self, data_len: usize) -> usize {
        if self.ends(data_len) { data_len + self.delimiter.len() } else { data_len }
    }

    /// Records of so many bytes that fill a pack.
    pub(super) fn expected(&self, data_len: usize) -> usize {
        (self.bytes / (data_len + self.delimiter.len()).max(1)).clamp(1, PACK_RECORDS)
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
