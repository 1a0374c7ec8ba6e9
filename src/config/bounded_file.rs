//! Reads files of users and other programs, with a limit.
//!
//! Only regular files: opening a named pipe could wait for ever.

use std::{
    fs::{self, File},
    io::{self, Read, Take},
    path::Path,
};

/// The byte order mark that editors on Windows put in front of a text.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Whether the name of a file with a secret may be shown in a message. A user may have given the secret instead of the file's
/// name, so the name has to begin with a folder that exists.
#[must_use]
pub fn is_a_name(path: &Path) -> bool {
    let top = path.components().nth(1).filter(|_| path.is_absolute());
    path.exists() || top.is_some_and(|top| Path::new("/").join(top).is_dir())
}

/// Opens a regular file of at most `limit` bytes; reading stops there even if it grows meanwhile.
///
/// # Errors
/// Those of the file system, and one each for what is not a regular file and what is larger than `limit`.
pub fn open(path: &Path, limit: u64) -> io::Result<Take<File>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if metadata.len() > limit {
        let text = format!("{} bytes, at most {limit} are read", metadata.len());
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(File::open(path)?.take(limit))
}

/// Reads a text file of at most `limit` bytes.
///
/// # Errors
/// As [`open`], and one for bytes that are not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let mut file = open(path, limit)?;
    // Allocated at once, because a growing vector briefly takes twice its size.
    let mut bytes =
        Vec::with_capacity(usize::try_from(file.get_ref().metadata()?.len().min(limit)).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|error| {
        let text = format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to());
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_limit_is_refused_unread() {
        let file = std::env::current_exe().unwrap();
        assert_eq!(open(&file, 10).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_folder_is_not_a_file() {
        let error = open(&std::env::temp_dir(), 10).unwrap_err();
        assert_eq!(error.to_string(), "not a regular file");
    }
}
