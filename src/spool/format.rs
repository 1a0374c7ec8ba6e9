//! The bytes of a segment: a head, then entries, then zeros.
//!
//! ```text
//! file    "fhcspool"  version 4  segment 4  length 4  zero 8  checksum 4
//! entry   checksum of the head 4  checksum of the body 4  length of the body 4  length of the id 4
//!         received 4  number 2  first number of its commit 2  kind 1  length of the delivery stream's ARN 1  flags 1
//!         zero 1, then the body and up to 7 zeros
//! body    (of a copy: where the original is 8)  ARN  id  data
//! ```
//!
//! Numbers are little-endian, lengths in bytes. Each entry begins at a multiple of 8. Its checksums (CRC-32) also cover
//! the version and the segment's name, half of which is random. So what another segment left on the disk is no entry of
//! this one, and nobody who publishes a record can hide an entry in it. The head has a checksum of its own, so that it
//! says where the next entry begins even when the body is damaged.

use core::fmt;

use super::Position;
use crate::checksum::Checksum;
use crate::limits::spool::ENTRIES;

/// Version of this format. A file of a later one is left alone.
pub const VERSION: u32 = 1;
/// Bytes of a file before its first entry.
pub const FILE_HEAD: usize = 32;
/// Bytes of an entry before its body.
pub const ENTRY_HEAD: usize = 28;
/// Each entry begins at a multiple of so many bytes.
pub const ALIGN: u32 = 8;

const MAGIC: [u8; 8] = *b"fhcspool";

/// The name of a segment. It is the file's name, where damage to the content does not reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Which one it is, in the order of creation.
    pub number: u32,
    /// A random number.
    pub salt: u32,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:08x}.spool", self.number, self.salt)
    }
}

impl Name {
    /// The segment that a file's name names; `None`: it is no file of a spool.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, salt) = text.strip_suffix(".spool")?.split_once('-')?;
        let hex = |digits: &str| {
            let is_hex = digits.len() == 8 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            is_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
        };
        Some(Self { number: hex(number)?, salt: hex(salt)? })
    }

    fn checksum_of(self, bytes: &[u8]) -> u32 {
        let own = [VERSION, self.number, self.salt].map(u32::to_le_bytes);
        Checksum::new().and(own.as_flattened()).and(bytes).value()
    }
}

/// The head of a file of `length` bytes.
#[must_use]
pub fn file_head(name: Name, length: u32) -> [u8; FILE_HEAD] {
    let mut head = [0; FILE_HEAD];
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head[12..16].copy_from_slice(&name.number.to_le_bytes());
    head[16..20].copy_from_slice(&length.to_le_bytes());
    let checksum = Checksum::of(&head[..28]);
    head[28..].copy_from_slice(&checksum.to_le_bytes());
    head
}

/// Version and number in the head of a file; `None`: the head is damaged, its entries need not be.
#[must_use]
pub fn read_file_head(head: &[u8]) -> Option<(u32, u32)> {
    let holds = head.len() == FILE_HEAD && head[..8] == MAGIC && Checksum::of(&head[..28]) == u32_at(head, 28);
    holds.then(|| (u32_at(head, 8), u32_at(head, 12)))
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A record that is to be delivered.
    Record,
    /// The text of a status message that is to be published.
    Status,
    /// Which entries of some segments are settled.
    Marks,
    /// The same of all segments, with how many entries each has.
    Snapshot,
}

impl Kind {
    /// Whether it is kept until it is settled: a record or a status.
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Record | Self::Status)
    }
}

/// What stands before the body of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What it is.
    pub kind: Kind,
    /// Counts the records and statuses of its segment; that of marks has no meaning.
    pub number: u16,
    /// The number of the first entry of the same commit.
    pub first: u16,
    /// Whether it is the copy of an entry of an earlier segment.
    pub is_copy: bool,
    /// Bytes of the body.
    pub length: u32,
    /// Bytes of the delivery stream's ARN.
    pub stream: u8,
    /// Bytes of the id.
    pub id: u32,
    /// When it was received, seconds since 1970 by the clock of that time.
    pub received: u32,
    /// The record is not packed with others.
    pub own_pack: bool,
    body_checksum: u32,
}

/// The body of an entry in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Body<'a> {
    /// If this is a copy: the position of the original.
    pub original: Option<Position>,
    /// The ARN of the delivery stream.
    pub stream: &'a str,
    /// The id, as JSON text.
    pub id: &'a [u8],
    /// The record, the status message, or the marks.
    pub data: &'a [u8],
}

const COPY: u8 = 0x80;
/// A flag, which earlier versions wrote as zero and do not read.
const OWN_PACK: u8 = 1;

impl Head {
    /// A head for [`seal`], which fills in the rest.
    #[must_use]
    pub const fn new(kind: Kind, number: u16, received: u32) -> Self {
        let (is_copy, own_pack) = (false, false);
        let (length, stream, id, body_checksum) = (0, 0, 0, 0);
        Self { kind, number, first: number, is_copy, length, stream, id, received, own_pack, body_checksum }
    }

    /// Reads the head of an entry of the segment `name`; `None`: these bytes are none.
    #[must_use]
    pub fn decode(name: Name, bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; ENTRY_HEAD] = bytes.first_chunk()?;
        let kind = match bytes[24] & !COPY {
            1 => Kind::Record,
            2 => Kind::Status,
            3 => Kind::Marks,
            4 => Kind::Snapshot,
            _ => return None,
        };
        let head = Self {
            kind,
            number: u16::from_le_bytes([bytes[20], bytes[21]]),
            first: u16::from_le_bytes([bytes[22], bytes[23]]),
            is_copy: bytes[24] & COPY != 0,
            length: u32_at(bytes, 8),
            stream: bytes[25],
            id: u32_at(bytes, 12),
            received: u32_at(bytes, 16),
            own_pack: bytes[26] & OWN_PACK != 0,
            body_checksum: u32_at(bytes, 4),
        };
        (head.number < ENTRIES && name.checksum_of(&bytes[4..]) == u32_at(bytes, 0)).then_some(head)
    }

    /// Bytes of the entry with the zeros that fill it up.
    #[must_use]
    pub const fn span(&self) -> u64 {
        (ENTRY_HEAD as u64 + self.length as u64).next_multiple_of(ALIGN as u64)
    }

    /// The parts of the body; `None`: it is damaged.
    #[must_use]
    pub fn body<'a>(&self, name: Name, bytes: &'a [u8]) -> Option<Body<'a>> {
        if name.checksum_of(bytes) != self.body_checksum {
            return None;
        }
        let (original, rest) = match self.is_copy {
            true => {
                let (original, rest) = bytes.split_first_chunk()?;
                (Some(Position::from_u64(u64::from_le_bytes(*original))), rest)
            }
            false => (None, bytes),
        };
        let (stream, rest) = rest.split_at_checked(self.stream.into())?;
        let (id, data) = rest.split_at_checked(usize::try_from(self.id).ok()?)?;
        Some(Body { original, stream: str::from_utf8(stream).ok()?, id, data })
    }
}

/// Completes the entry at `begin` of `buffer`: writes its head into the first [`ENTRY_HEAD`] bytes, before the body
/// that is there already, and fills the entry up.
pub fn seal(name: Name, mut head: Head, buffer: &mut Vec<u8>, begin: usize) {
    // A body is shorter than a segment, whose length has 32 bits.
    head.length = u32::try_from(buffer.len() - begin - ENTRY_HEAD).unwrap_or(u32::MAX);
    let kind = match head.kind {
        Kind::Record => 1,
        Kind::Status => 2,
        Kind::Marks => 3,
        Kind::Snapshot => 4,
    };
    let (bytes, body) = buffer[begin..].split_at_mut(ENTRY_HEAD);
    bytes[4..8].copy_from_slice(&name.checksum_of(body).to_le_bytes());
    bytes[8..12].copy_from_slice(&head.length.to_le_bytes());
    bytes[12..16].copy_from_slice(&head.id.to_le_bytes());
    bytes[16..20].copy_from_slice(&head.received.to_le_bytes());
    bytes[20..22].copy_from_slice(&head.number.to_le_bytes());
    bytes[22..24].copy_from_slice(&head.first.to_le_bytes());
    bytes[24] = kind | if head.is_copy { COPY } else { 0 };
    bytes[25] = head.stream;
    bytes[26] = if head.own_pack { OWN_PACK } else { 0 };
    let checksum = name.checksum_of(&bytes[4..]);
    bytes[..4].copy_from_slice(&checksum.to_le_bytes());
    buffer.resize(buffer.len().next_multiple_of(ALIGN as usize), 0);
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
