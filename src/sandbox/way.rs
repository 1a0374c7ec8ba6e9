//! The way to a file, link by link: files that are renewed are put in place by a link that leads elsewhere from then on, or by a
//! folder that takes another's name. Landlock knows neither names nor links, only folders that were there at the start.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::limits::LINKS;

/// Folders that hold what is nobody's business here. Needed only for a file that lies directly in them.
const WIDE: [&str; 11] =
    ["/", "/dev", "/home", "/proc", "/root", "/sys", "/tmp", "/usr", "/var", "/var/lib", "/var/tmp"];

/// The folders beneath which `file` is, or will be when a link of its way, or its folder, has been replaced.
pub(super) fn folders(file: &Path) -> Vec<PathBuf> {
    let (end, mut folders) = follow(file);
    let folder = nearest(&end);
    // A folder is replaced by renaming, so the new one lies beside it. A hidden one lies in a home, which holds more than that.
    let is_hidden = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
    if let Some(folder) = folder.as_deref().filter(|folder| !folder.file_name().is_none_or(is_hidden))
        && end.parent().is_some_and(Path::is_dir)
    {
        folders.extend(folder.parent().map(Path::to_owned));
    }
    folders.retain(|folder| WIDE.iter().all(|wide| folder != Path::new(wide)));
    folders.extend(folder.filter(|folder| folder != Path::new("/")));
    folders
}

/// The real folder that holds `file`, or will: the next one above it that there is.
pub(super) fn folder(file: &Path) -> Option<PathBuf> {
    nearest(&follow(file).0)
}

/// Where `file` leads to without any link, there or not; and the folders that hold those links, and what they lead to.
fn follow(file: &Path) -> (PathBuf, Vec<PathBuf>) {
    let mut end = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let mut folders = Vec::new();
    for _ in 0..LINKS {
        let steps: Vec<_> = end.ancestors().collect();
        let link = steps.iter().rev().find_map(|step| Some((*step, step.parent()?, fs::read_link(step).ok()?)));
        let Some((link, holder, to)) = link else { break };
        let to = holder.join(to);
        folders.extend(
            [holder, to.parent().unwrap_or(holder)].into_iter().filter_map(|folder| folder.canonicalize().ok()),
        );
        // Joined one by one: to join nothing would make a folder of it.
        end = end.strip_prefix(link).into_iter().flatten().fold(to, |end, step| end.join(step));
    }
    (end, folders)
}

fn nearest(end: &Path) -> Option<PathBuf> {
    end.ancestors().skip(1).find_map(|folder| folder.canonicalize().ok())
}

#[cfg(test)]
#[path = "way_tests.rs"]
mod tests;
