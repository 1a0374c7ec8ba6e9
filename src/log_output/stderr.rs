//! Writing to standard error without blocking: the reader of a pipe may hang, a terminal may be stopped, a disk may be
//! full.
//!
//! Where possible, standard error is opened again as non-blocking; the flag must not change for other processes that
//! share the inherited file. Where that is not possible (a socket, another user's pipe), polling before each line has
//! to do: a pipe is writable with room for `PIPE_BUF` bytes, a socket when three quarters of its buffer are free.

use core::sync::atomic::{AtomicBool, Ordering};
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

const PATH: &str = "/proc/self/fd/2";

/// Standard error of this process.
#[derive(Debug, Default)]
pub(super) struct StandardError {
    is_journal: bool,
    /// Whether the last line was written only in part.
    torn: AtomicBool,
}

impl StandardError {
    /// Makes standard error non-blocking where possible.
    pub(super) fn take() -> Self {
        let Ok(metadata) = fs::metadata(PATH) else { return Self::default() };
        let kind = metadata.file_type();
        // Not a regular file: it has no reader to wait for, and a new open file would not share its write position.
        if kind.is_fifo() || kind.is_char_device() {
            let mut options = OpenOptions::new();
            options.write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
            // If it is refused, polling has to do.
            let _: io::Result<()> = options.open(PATH).and_then(|own| Ok(rustix::stdio::dup2_stderr(own)?));
        }
        Self { is_journal: is_journal(&metadata), torn: AtomicBool::new(false) }
    }

    /// Whether journald reads it.
    pub(super) const fn is_journal(&self) -> bool {
        self.is_journal
    }

    #[expect(clippy::unused_self, reason = "the question is about standard error")]
    pub(super) fn is_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Writes `line`, which begins and ends with a line feed; the first is left out unless the last line was cut off.
    /// Returns whether all of it was written.
    pub(super) fn write(&self, line: &[u8]) -> bool {
        let mut stderr = io::stderr();
        let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
        let asked = poll(&mut ready, Some(&Timespec::default()));
        if asked.is_err() || !ready[0].revents().contains(PollFlags::OUT) {
            return false;
        }
        let line = if self.torn.load(Ordering::Relaxed) { line } else { line.get(1..).unwrap_or_default() };
        match stderr.write(line) {
            Ok(written) => {
                let torn = written < line.len();
                self.torn.store(torn, Ordering::Relaxed);
                !torn
            }
            Err(_) => false,
        }
    }
}

/// Whether `JOURNAL_STREAM` names this file, by device and inode: processes whose output goes elsewhere inherit it,
/// too.
fn is_journal(metadata: &Metadata) -> bool {
    std::env::var("JOURNAL_STREAM").is_ok_and(|stream| stream == format!("{}:{}", metadata.dev(), metadata.ino()))
}
