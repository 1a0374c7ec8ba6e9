//! Bounds of the spool.

use super::{ARN_BYTES, ID_JSON_BYTES, RECORD_BYTES};
use core::time::Duration;

/// Bytes of a segment file, at least: room for the longest possible entry.
pub const SEGMENT_BYTES: u32 = 1280 * 1024;
/// Segments that the spool's limit is divided into, at most: each takes about 48 bytes of memory.
pub const SEGMENTS: u32 = 1024;
/// Files of the directory that are used, at most, the newest ones. Twice as many as there should be, in case the limit
/// was higher before.
pub const FILES: usize = 2 * SEGMENTS as usize;
/// Segments within the limit that take no new entries, so that marks and copies have room when the limit is reached.
pub const SEGMENTS_KEPT: u32 = 2;
/// Segments that the smallest limit has room for.
pub const SEGMENTS_LEAST: u32 = SEGMENTS_KEPT + 2;
/// KB of all files, at least and at most (1 TiB).
pub const SIZE: core::ops::RangeInclusive<u64> =
    (SEGMENTS_LEAST as u64 * SEGMENT_BYTES as u64).div_ceil(1024)..=1024 * 1024 * 1024;
/// KB of all files unless said otherwise: six hours of ten records of 1 KB a second, a small part of the smallest
/// cards.
pub const SIZE_DEFAULT: u64 = 256 * 1024;
/// Entries of a segment, at most: a mark has one bit for each. A segment of short records is full by this, not by its
/// bytes.
pub const ENTRIES: u16 = 8192;
/// Share of a segment that only marks may use: one part in this many.
pub const MARKS_SHARE: u32 = 16;
/// Partial segments, at most: those with some entries settled or taken, and others not. Each takes 2 KiB of memory, two
/// bits for each possible entry. With more, the entries that are left in one of them are copied forward.
pub const PARTIAL: usize = 24;
/// How long entries and marks gather before they are written together. After a power cut, what was delivered in that
/// time is sent again.
pub const COMMIT_DELAY: Duration = Duration::from_millis(500);
/// How long entries and marks gather before they are written together, while the source waits for acknowledgements.
pub const COMMIT_SOON: Duration = Duration::from_millis(100);
/// Bytes of entries that are written together, at most, unless a single one is longer.
pub const COMMIT_BYTES: usize = 128 * 1024;
/// A commit of fewer bytes also writes zeros behind itself. The first write to an allocated block also costs the file
/// system a journal entry at the next flush: about three blocks of 4 KiB with ext4.
pub const ZERO_BELOW: usize = 12 * 1024;
/// Zeros that a commit of fewer bytes than [`ZERO_BELOW`] writes behind itself, bytes, at most.
pub const ZERO_AHEAD: u32 = 64 * 1024;
/// Bytes read at a time, unless a single entry is longer.
pub const READ_BYTES: u32 = 64 * 1024;
/// Bytes of a block of the file system: where a file cannot be read, so many are skipped.
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
