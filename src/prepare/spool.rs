//! The spool's directory, as a start would find it.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{Access, access};

use super::warnings::{About, Warning};
use crate::config::{Config, Spool};
use crate::error_chain::words::of_system;
use crate::foreign::file_name;
use crate::spool::format::Name;

/// What the spool is and holds, in a few words; `None`: there is none.
#[must_use]
pub fn spool(config: &Config) -> Option<String> {
    let Spool { directory, size } = config.spool.as_ref()?;
    let (files, bytes) = segments(directory).unwrap_or_default();
    Some(format!("{}, at most {size} KB, now {files} files with {} KB", file_name(directory), bytes / 1024))
}

/// Whether it cannot be used, as far as can be seen without writing.
pub(super) fn spool_warning(config: &Config) -> Option<Warning> {
    let directory = &config.spool.as_ref()?.directory;
    let usable =
        segments(directory).and_then(|_| Ok(access(directory, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)?));
    usable.err().map(|error| Warning {
        found: format!("FIREHOSE_CONNECTOR_SPOOL: {} cannot be used: {}", file_name(directory), of_system(&error)),
        advice: "make it a directory of the connector's user that can be written; without it records are held in \
            memory only",
        about: About::Configuration,
    })
}

fn segments(directory: &Path) -> io::Result<(usize, u64)> {
    let is_ours = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(|name| Name::parse(name).is_some());
    let entries = fs::read_dir(directory)?.filter_map(Result::ok).filter(is_ours);
    Ok(entries
        .filter_map(|entry| entry.metadata().ok())
        .fold((0, 0), |(files, bytes), file| (files + 1, bytes + file.len())))
}
