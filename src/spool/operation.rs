//! What the spool asks of the disk, one operation at a time, and the order of steps that makes each of them last.
//!
//! An operation is done when nothing can take it back any more, a power cut included. [`perform`] is all that this depends on; it
//! is the same for the disk and for the simulated one of the tests, which fails and loses power after every step.

use core::fmt;
use std::io;

use super::format::Name;
use crate::error_chain::words::of_system;

/// Why the disk did not do what it was asked: the system's number of the error, in whose words it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault(pub i32);

impl Fault {
    /// The file system is read-only (`EROFS` of Linux, on all that this runs on).
    pub const READ_ONLY: Self = Self(30);

    /// Whether the disk has no room, or the user may take no more of it (`ENOSPC`, `EDQUOT`).
    pub(super) const fn is_no_room(self) -> bool {
        matches!(self.0, 28 | 122)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&of_system(&io::Error::from_raw_os_error(self.0)))
    }
}

impl core::error::Error for Fault {}

/// A file of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// The segment.
    pub name: Name,
    /// Length, bytes.
    pub length: u64,
}

/// What is to be done. Buffers go there and come back, so that they are allocated once.
#[derive(Debug)]
pub enum Operation {
    /// Lists the segments of the directory.
    List,
    /// Makes a file of zeros, whose room on the disk is taken.
    Create {
        /// Its name, which no file has had.
        name: Name,
        /// Length, bytes.
        length: u32,
    },
    /// Writes into a file.
    Write {
        /// The file.
        name: Name,
        /// Offset in the file, bytes.
        offset: u32,
        /// The bytes to write.
        bytes: Vec<u8>,
    },
    /// Reads from a file.
    Read {
        /// The file.
        name: Name,
        /// What a process that ended has left unsynced has to be synced first, as what is read is to be relied on.
        sync: bool,
        /// Offset in the file, bytes.
        offset: u32,
        /// As many bytes as there are, and it is long. What is in it is overwritten.
        buffer: Vec<u8>,
    },
    /// Deletes a file.
    Delete {
        /// The file.
        name: Name,
    },
}

/// What came of an [`Operation`].
#[derive(Debug)]
pub enum Done {
    /// The files whose names are a segment's.
    Listed(Result<Vec<File>, Fault>),
    /// The file will be there.
    Created(Result<(), Fault>),
    /// The bytes will be there; the buffer comes back.
    Written(Vec<u8>, Result<(), Fault>),
    /// So many bytes were read into the buffer.
    Read(Vec<u8>, Result<usize, Fault>),
    /// The file will not be there, nor was it.
    Deleted(Result<(), Fault>),
}

/// Steps on a disk. None but [`Storage::sync`] and [`Storage::sync_directory`] outlives a power cut.
#[expect(clippy::missing_errors_doc, reason = "all fail as the disk does")]
pub trait Storage {
    /// The files whose names are a segment's.
    fn list(&mut self) -> Result<Vec<File>, Fault>;
    /// Makes a file of zeros.
    fn create(&mut self, name: Name, length: u32) -> Result<(), Fault>;
    /// Writes into a file.
    fn write(&mut self, name: Name, offset: u32, bytes: &[u8]) -> Result<(), Fault>;
    /// Has what was written to a file outlive a power cut. Afterwards the same file is written, or none.
    fn sync(&mut self, name: Name) -> Result<(), Fault>;
    /// The same for the making and deleting of files.
    fn sync_directory(&mut self) -> Result<(), Fault>;
    /// Reads from a file, less than the buffer holds at its end only.
    fn read(&mut self, name: Name, offset: u32, buffer: &mut [u8]) -> Result<usize, Fault>;
    /// Deletes a file, if it is there.
    fn delete(&mut self, name: Name) -> Result<(), Fault>;
}

/// Does an operation from begin to end.
pub fn perform(storage: &mut impl Storage, operation: Operation) -> Done {
    match operation {
        // What a process that ended has left unsynced must not come and go.
        Operation::List => Done::Listed(unless_read_only(storage.sync_directory()).and_then(|()| storage.list())),
        Operation::Create { name, length } => {
            let created = storage.create(name, length).and_then(|()| storage.sync(name));
            let created = created.and_then(|()| storage.sync_directory());
            if created.is_err() {
                // A half-made file that stays is empty at the next start, and goes then.
                let _: Result<(), Fault> = storage.delete(name);
            }
            Done::Created(created)
        }
        Operation::Write { name, offset, bytes } => {
            let written = storage.write(name, offset, &bytes).and_then(|()| storage.sync(name));
            Done::Written(bytes, written)
        }
        Operation::Read { name, sync, offset, mut buffer } => {
            let synced = if sync { unless_read_only(storage.sync(name)) } else { Ok(()) };
            let read = synced.and_then(|()| storage.read(name, offset, &mut buffer));
            Done::Read(buffer, read)
        }
        Operation::Delete { name } => Done::Deleted(storage.delete(name).and_then(|()| storage.sync_directory())),
    }
}

/// Where nothing can be written, nothing will be that relies on what could not be synced.
fn unless_read_only(synced: Result<(), Fault>) -> Result<(), Fault> {
    synced.or_else(|fault| if fault == Fault::READ_ONLY { Ok(()) } else { Err(fault) })
}
