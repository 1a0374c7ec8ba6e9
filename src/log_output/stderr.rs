//! Standard error, written to without waiting: the reader of a pipe may hang, a terminal may be stopped, a disk may be full.
//!
//! Where the kernel lets us, standard error becomes an open file of our own that does not block; whoever else writes there
//! must not find theirs changed. Elsewhere, on a socket or where the pipe is another user's, the kernel is asked before each line
//! whether it takes one: it says so of a pipe that has room for `PIPE_BUF` bytes, and of a socket that is three quarters empty.

use core::sync::atomic::{AtomicBool, Ordering};
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

const PATH: &str = "/proc/self/fd/2";

/// See the module.
#[derive(Debug, Default)]
pub(super) struct StandardError {
    is_journal: bool,
    /// The last line was written in part.
    torn: AtomicBool,
}

impl StandardError {
    /// Sees to it that what the process writes there from here on does not block, as far as that can be had.
    pub(super) fn take() -> Self {
        let Ok(metadata) = fs::metadata(PATH) else { return Self::default() };
        let kind = metadata.file_type();
        // A file has a place where the next line goes, which an open file of our own would not share, and no reader.
        if kind.is_fifo() || kind.is_char_device() {
            let mut options = OpenOptions::new();
            options.write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
            // Refused: it stays as it is, see the module.
            let _: io::Result<()> = options.open(PATH).and_then(|own| Ok(rustix::stdio::dup2_stderr(own)?));
        }
        Self { is_journal: is_journal(&metadata), torn: AtomicBool::new(false) }
    }

    /// Whether journald reads it.
    pub(super) const fn is_journal(&self) -> bool {
        self.is_journal
    }

    #[expect(clippy::unused_self, reason = "it is what is asked")]
    pub(super) fn is_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Writes `line`, which begins and ends with a line feed; the first one is for what was torn before. Answers whether all of
    /// it was written.
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

/// `JOURNAL_STREAM` is device and inode of what journald reads. It is inherited by processes whose output goes elsewhere.
fn is_journal(metadata: &Metadata) -> bool {
    std::env::var("JOURNAL_STREAM").is_ok_and(|stream| stream == format!("{}:{}", metadata.dev(), metadata.ino()))
}
