//! The directory of the spool, and the thread that waits for the disk.
//!
//! The directory is held open and locked. Files are opened relative to it, without following links, and are created
//! with access for the service's user only.

use std::fs::File as OsFile;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use rustix::fs::{AtFlags, Dir, FallocateFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use tokio::sync::mpsc;

use super::format::Name;
use super::operation::{Completion, Fault, File, Operation, Storage, perform};
use crate::limits::spool::{FILES, THREAD_STACK};

/// The connection to the thread. When it is dropped, the thread ends after the operation under way.
#[derive(Debug)]
pub struct Disk {
    operations: mpsc::Sender<Operation>,
    done: mpsc::Receiver<Completion>,
}

impl Disk {
    /// Starts the thread. `directory` need not exist yet: each [`Operation::List`] looks for it.
    ///
    /// # Errors
    /// The system gave no thread.
    pub fn start(directory: PathBuf) -> io::Result<Self> {
        let (operations, mut to_do) = mpsc::channel(1);
        let (to_tell, done) = mpsc::channel(1);
        let mut files = Directory::new(directory);
        std::thread::Builder::new().name("spool".into()).stack_size(THREAD_STACK).spawn(move || {
            while let Some(operation) = to_do.blocking_recv() {
                if to_tell.blocking_send(perform(&mut files, operation)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { operations, done })
    }

    /// Gives the thread an operation. There is one under way at a time, for which the channel has room.
    pub fn send(&self, operation: Operation) {
        let sent = self.operations.try_send(operation);
        debug_assert!(sent.is_ok(), "one operation at a time");
    }

    /// Waits for the result of the operation; `None`: the thread has ended.
    pub async fn done(&mut self) -> Option<Completion> {
        self.done.recv().await
    }
}

/// The directory of the segments.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    directory: Option<OwnedFd>,
    /// The file that was used last, and whether it may be written.
    last: Option<(Name, bool, OsFile)>,
}

impl Directory {
    /// The directory at `path`, which need not be there yet.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path, directory: None, last: None }
    }

    fn directory(&mut self) -> Result<&OwnedFd, Errno> {
        if self.directory.is_none() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let directory = rustix::fs::open(&self.path, flags, Mode::empty())?;
            // Held as long as it is open: no other process uses the same spool.
            rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive)?;
            self.directory = Some(directory);
        }
        self.directory.as_ref().ok_or(Errno::NOENT)
    }

    fn open(&mut self, name: Name, flags: OFlags) -> Result<&OsFile, Errno> {
        let is_writable = !flags.is_empty();
        match self.last {
            Some((last, can_be_written, _)) if last == name && (can_be_written || !is_writable) => {}
            _ => {
                let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
                let mode = Mode::RUSR | Mode::WUSR;
                let file = rustix::fs::openat(self.directory()?, name.to_string(), flags, mode)?;
                self.last = Some((name, is_writable, file.into()));
            }
        }
        self.last.as_ref().map(|(.., file)| file).ok_or(Errno::NOENT)
    }

    fn sizes(&mut self) -> Result<Vec<File>, Errno> {
        // Opened again, because it may not have been there, or was replaced.
        (self.directory, self.last) = (None, None);
        let directory = self.directory()?;
        let mut files = Vec::new();
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().ok().and_then(Name::parse) else { continue };
            let stat = rustix::fs::statat(directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                files.push(File { name, length: u64::try_from(stat.st_size).unwrap_or(0) });
            }
            // One more than are taken shows that there are more.
            if files.len() > FILES + 1
                && let Some(oldest) = (0..files.len()).min_by_key(|at| files[*at].name)
            {
                files.swap_remove(oldest);
            }
        }
        Ok(files)
    }

    fn make(&mut self, name: Name, length: u32) -> Result<(), Errno> {
        self.last = None;
        let file = self.open(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?;
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, length.into()) {
            // This file system cannot reserve room. A full disk then shows at a write.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => rustix::fs::ftruncate(file, length.into()),
            made => made,
        }
    }

    /// After an error, closes the file, so that the next operation opens it again.
    fn judged<T, E: Into<io::Error>>(&mut self, result: Result<T, E>) -> Result<T, Fault> {
        result.map_err(|error| {
            self.last = None;
            Fault(error.into().raw_os_error().unwrap_or(Errno::IO.raw_os_error()))
        })
    }
}

impl Storage for Directory {
    fn list(&mut self) -> Result<Vec<File>, Fault> {
        let listed = self.sizes();
        self.judged(listed)
    }

    fn create(&mut self, name: Name, length: u32) -> Result<(), Fault> {
        let made = self.make(name, length);
        if made.is_err() {
            self.directory = None;
        }
        self.judged(made)
    }

    fn write(&mut self, name: Name, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        let file = self.open(name, OFlags::RDWR).map_err(io::Error::from);
        let written = file.and_then(|file| file.write_all_at(bytes, offset.into()));
        self.judged(written)
    }

    fn sync(&mut self, name: Name) -> Result<(), Fault> {
        let synced = self.open(name, OFlags::empty()).and_then(|file| {
            rustix::fs::fdatasync(file)?;
            // Somebody may have deleted it, or the directory with it: then no start finds what is in it.
            if rustix::fs::fstat(file)?.st_nlink == 0 { Err(Errno::NOENT) } else { Ok(()) }
        });
        self.judged(synced)
    }

    fn sync_directory(&mut self) -> Result<(), Fault> {
        let synced = self.directory().and_then(|directory| rustix::fs::fsync(directory.as_fd()));
        self.judged(synced)
    }

    fn read(&mut self, name: Name, offset: u32, buffer: &mut [u8]) -> Result<usize, Fault> {
        let file = self.open(name, OFlags::empty()).map_err(io::Error::from);
        let read = file.and_then(|file| {
            let mut length = 0;
            while length < buffer.len() {
                match file.read_at(&mut buffer[length..], u64::from(offset) + length as u64) {
                    Ok(0) => break,
                    Ok(more) => length += more,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(length)
        });
        self.judged(read)
    }

    fn delete(&mut self, name: Name) -> Result<(), Fault> {
        self.last = None;
        let deleted = self.directory().and_then(|directory| {
            match rustix::fs::unlinkat(directory, name.to_string(), AtFlags::empty()) {
                Err(Errno::NOENT) => Ok(()),
                deleted => deleted,
            }
        });
        self.judged(deleted)
    }
}

#[cfg(test)]
mod tests;
