//! How large the spool may be, and what follows from that for its segments.

use crate::limits::spool::{PARTIAL, SEGMENT_BYTES, SEGMENTS, SEGMENTS_LEAST};

/// How large the spool may be.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Bytes of all files together, at most.
    pub limit: u64,
    /// Bytes of one segment.
    pub segment: u32,
    /// Partial segments, at most: those that have their bits in memory.
    pub partial: usize,
    /// Bytes of an entry that is read back, at most, for there is memory for no more. A longer one stays on the disk.
    pub longest: u32,
    /// For the random half of segments' names.
    pub seed: u64,
}

impl Settings {
    /// The smallest limit, bytes.
    pub const LEAST: u64 = SEGMENTS_LEAST as u64 * SEGMENT_BYTES as u64;

    /// For at most `limit` bytes on disk.
    #[must_use]
    pub fn new(limit: u64, seed: u64) -> Self {
        let segment = u32::try_from(limit / u64::from(SEGMENTS)).unwrap_or(u32::MAX);
        // Whole blocks, below 4 GiB.
        let segment = segment.clamp(SEGMENT_BYTES, u32::MAX / 2).next_multiple_of(4096);
        Self { limit, segment, partial: PARTIAL, longest: segment, seed }
    }

    /// The same for a process that has memory for entries of at most `bytes`.
    #[must_use]
    pub fn with_longest(self, bytes: usize) -> Self {
        Self { longest: u32::try_from(bytes).unwrap_or(u32::MAX), ..self }
    }
}
