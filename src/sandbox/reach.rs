//! Finds out whether isolation is the reason that a file cannot be read, so that nobody searches its permissions for
//! the fault.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{needs::RESOLVER, way};
use crate::foreign::foreign;

/// The folders beneath which Landlock allows reading, as it knows them: by device and inode. Empty before it is
/// enforced.
static OPEN: OnceLock<Vec<(u64, u64)>> = OnceLock::new();

/// Remembers the folders that isolation allows. Only the first call has an effect.
pub(super) fn remember(folders: &[PathBuf]) {
    let _: Result<(), Vec<_>> = OPEN.set(folders.iter().filter_map(|folder| identity(folder)).collect());
}

fn identity(folder: &Path) -> Option<(u64, u64)> {
    fs::metadata(folder).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Turns the `error` of opening `file`, if isolation is its cause, into one that names the folder and the way out.
#[must_use]
pub fn explained(file: &Path, error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error;
    }
    let (Some(open), Some(folder)) = (OPEN.get(), way::folder(file)) else { return error };
    if folder.ancestors().filter_map(identity).any(|identity| open.contains(&identity)) {
        return error;
    }
    let folder = foreign(&folder.to_string_lossy());
    let text = format!(
        "isolation lets only folders be read that were there at the start and on the way to it, and {folder} is in \
         none of them: restart the connector, or set IsolationMode to NoContainer"
    );
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

/// Why no name can be resolved, if isolation prevents that `/etc/resolv.conf` is read.
#[must_use]
pub fn resolver_out_of_reach() -> Option<io::Error> {
    OPEN.get()?;
    let refused = File::open(RESOLVER).err()?;
    let why = explained(Path::new(RESOLVER), refused);
    // Another error is the resolver's own business.
    why.get_ref()?;
    Some(io::Error::other(format!("{RESOLVER} cannot be read: {why}")))
}

#[cfg(test)]
mod tests;
