//! What the spool asks of the disk, one operation at a time, and the steps that make each of them survive a power cut.
//!
//! An operation is done when nothing can undo it any more, not even a power cut. That depends on [`perform`] alone,
//! which is the same for the disk and for the simulated one of the tests, which fails and loses power after every step.

use core::fmt;
use std::io;

use super::format::Name;
use crate::error_chain::words::of_system;

/// Why an operation failed: the system's number of the error (`errno`). Its text is the system's, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault(pub i32);

impl Fault {
    /// The file system is read-only (`EROFS` of Linux, on all that this runs on).
    pub const READ_ONLY: Self = Self(30);

    /// Whether the disk is full, or the user's quota (`ENOSPC`, `EDQUOT`).
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

/// What is to be done. Buffers go with it and come back with [`Completion`], so that they are allocated once.
#[derive(Debug)]
pub enum Operation {
    /// Lists the segments of the directory.
    List,
    /// Creates a file of zeros, and reserves its room on the disk.
    Create {
        /// Its name, which no file had before.
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
        /// Sync the file first: an earlier process may have left it unsynced, and what is read must not vanish later.
        sync: bool,
        /// Offset in the file, bytes.
        offset: u32,
        /// What is read overwrites it: as many bytes as it is long, or as there are.
        buffer: Vec<u8>,
    },
    /// Deletes a file.
    Delete {
        /// The file.
        name: Name,
    },
}

/// The result of an [`Operation`].
#[derive(Debug)]
pub enum Completion {
    /// The files whose names are a segment's.
    Listed(Result<Vec<File>, Fault>),
    /// The file is there, also after a power cut.
    Created(Result<(), Fault>),
    /// The buffer of the operation; its bytes are in the file, also after a power cut.
    Written(Vec<u8>, Result<(), Fault>),
    /// The buffer of the operation, and how many bytes were read into it.
    Read(Vec<u8>, Result<usize, Fault>),
    /// The file is gone, also after a power cut, or never was there.
    Deleted(Result<(), Fault>),
}

/// Single steps on a disk. What they change survives a power cut only after [`Storage::sync`] or
/// [`Storage::sync_directory`].
#[expect(clippy::missing_errors_doc, reason = "all fail as the disk does")]
pub trait Storage {
    /// The files whose names are a segment's.
    fn list(&mut self) -> Result<Vec<File>, Fault>;
    /// Makes a file of zeros.
    fn create(&mut self, name: Name, length: u32) -> Result<(), Fault>;
    /// Writes into a file.
    fn write(&mut self, name: Name, offset: u32, bytes: &[u8]) -> Result<(), Fault>;
    /// Makes what was written to a file survive a power cut.
    fn sync(&mut self, name: Name) -> Result<(), Fault>;
    /// The same for the making and deleting of files.
    fn sync_directory(&mut self) -> Result<(), Fault>;
    /// Reads from a file; less than the buffer holds only at the file's end.
    fn read(&mut self, name: Name, offset: u32, buffer: &mut [u8]) -> Result<usize, Fault>;
    /// Deletes a file, if it is there.
    fn delete(&mut self, name: Name) -> Result<(), Fault>;
}

/// Does an operation with all its steps.
pub fn perform(storage: &mut impl Storage, operation: Operation) -> Completion {
    match operation {
        // Synced first: a file that an earlier process left unsynced must not be listed now and gone after a power cut.
        Operation::List => Completion::Listed(unless_read_only(storage.sync_directory()).and_then(|()| storage.list())),
        Operation::Create { name, length } => {
            let created = storage.create(name, length).and_then(|()| storage.sync(name));
            let created = created.and_then(|()| storage.sync_directory());
            if created.is_err() {
                // If this fails, too, the file is empty at the next start, and deleted then.
                let _: Result<(), Fault> = storage.delete(name);
            }
            Completion::Created(created)
        }
        Operation::Write { name, offset, bytes } => {
            let written = storage.write(name, offset, &bytes).and_then(|()| storage.sync(name));
            Completion::Written(bytes, written)
        }
        Operation::Read { name, sync, offset, mut buffer } => {
            let synced = if sync { unless_read_only(storage.sync(name)) } else { Ok(()) };
            let read = synced.and_then(|()| storage.read(name, offset, &mut buffer));
            Completion::Read(buffer, read)
        }
        Operation::Delete { name } => Completion::Deleted(storage.delete(name).and_then(|()| storage.sync_directory())),
    }
}

/// A read-only file system cannot sync, and need not: nothing that relies on it can be written.
fn unless_read_only(synced: Result<(), Fault>) -> Result<(), Fault> {
    synced.or_else(|fault| if fault == Fault::READ_ONLY { Ok(()) } else { Err(fault) })
}
