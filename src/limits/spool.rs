//! Bounds of what is kept on disk while the uplink is away.

use super::{ARN_BYTES, ID_JSON_BYTES, RECORD_BYTES};
use core::time::Duration;

/// Bytes of a segment file, at least: room for the longest entry there can be.
pub const SEGMENT_BYTES: u32 = 1280 * 1024;
/// Segments that the limit on bytes is divided into, at most, so that what is known of each (about 48 bytes) stays small.
pub const SEGMENTS: u32 = 1024;
/// Files of the directory that are looked at, at most: those of a limit that was higher, and some. The newest count.
pub const FILES: usize = 2 * SEGMENTS as usize;
/// Segments that may hold no new entries, so that records can be copied forward and settled ones be marked when the limit
/// is reached.
pub const SEGMENTS_KEPT: u32 = 2;
/// Segments the smallest limit has room for.
pub const SEGMENTS_LEAST: u32 = SEGMENTS_KEPT + 2;
/// KB of all files, at least and at most (1 TiB).
pub const SIZE: core::ops::RangeInclusive<u64> =
    (SEGMENTS_LEAST as u64 * SEGMENT_BYTES as u64).div_ceil(1024)..=1024 * 1024 * 1024;
/// KB of all files unless said otherwise: six hours of ten records of 1 KB a second, a small part of the smallest cards.
pub const SIZE_DEFAULT: u64 = 256 * 1024;
/// Entries of a segment, at most: one bit for each in a mark. A segment of short records is full before its bytes are.
pub const ENTRIES: u16 = 8192;
/// Part of a segment that is for marks only: one in this many.
pub const MARKS_SHARE: u32 = 16;
/// Segments of which some entries are settled, or on their way, and some not. For each there are two bits in memory for each
/// entry. With more, what is left in one of them is copied forward.
pub const PARTIAL: usize = 24;
/// How long entries and marks gather before they are written together. A power cut repeats what was delivered since.
pub const COMMIT_DELAY: Duration = Duration::from_millis(500);
/// The same while the source waits for acknowledgements.
pub const COMMIT_SOON: Duration = Duration::from_millis(100);
/// Bytes of entries that are written together, at most, unless a single one is longer.
pub const COMMIT_BYTES: usize = 128 * 1024;
/// A commit of less writes zeros behind itself. In blocks that were allocated and never written, a flush also writes the
/// journal of the file system: about three blocks of 4 KiB with ext4.
pub const ZERO_BELOW: usize = 12 * 1024;
/// Bytes up to which it does so.
pub const ZERO_AHEAD: u32 = 64 * 1024;
/// Bytes read at a time, unless a single entry is longer.
pub const READ_BYTES: u32 = 64 * 1024;
/// Bytes of a block of the file system: what is left out of a file where it cannot be read.
pub const BLOCK: u32 = 4096;
/// First and longest delay until the next attempt after the disk failed; each further failure doubles it.
pub const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// How long the disk may take for an operation until it counts as failing.
pub const STALL: Duration = Duration::from_secs(10);
/// Stack of the thread that waits for the disk, bytes.
pub const THREAD_STACK: usize = 64 * 1024;

/// Bytes around the data of an entry, at most.
const AROUND: usize = 32 + 28 + 8 + ARN_BYTES + ID_JSON_BYTES + 8;
const _: () = assert!(
    AROUND + RECORD_BYTES <= (SEGMENT_BYTES - SEGMENT_BYTES / MARKS_SHARE) as usize,
    "any record fits a segment"
);
const _: () = assert!(
    64 + FILES * 14 + PARTIAL * (ENTRIES as usize / 8) <= (SEGMENT_BYTES / MARKS_SHARE) as usize,
    "all marks fit what is kept for them"
);
