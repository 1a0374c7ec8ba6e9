//! The spool's directory, as a start would find it.

use std::fs;
use std::io;
use std::path::Path;

use crate::config::{Config, Spool};
use crate::foreign::file_name;
use crate::spool::format::Name;

/// What the spool is and holds, in a few words; `None`: there is none.
#[must_use]
pub fn spool(config: &Config) -> Option<String> {
    let Spool { directory, size } = config.spool.as_ref()?;
    let (files, bytes) = segments(directory).unwrap_or_default();
    Some(format!("{}, at most {size} KB, now {files} files with {} KB", file_name(directory), bytes / 1024))
}

/// How many files of ours it has, and their bytes.
pub(super) fn segments(directory: &Path) -> io::Result<(usize, u64)> {
    let is_ours = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(|name| Name::parse(name).is_some());
    let entries = fs::read_dir(directory)?.filter_map(Result::ok).filter(is_ours);
    Ok(entries
        .filter_map(|entry| entry.metadata().ok())
        .fold((0, 0), |(files, bytes), file| (files + 1, bytes + file.len())))
}
