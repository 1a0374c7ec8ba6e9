//! The folders on the way to a file, link by link. Files are renewed by changing where a link leads, or by renaming a
//! folder. Landlock knows neither names nor links, only folders that existed at the start, so all those that may matter
//! later have to be found.

use std::fs;
use std::path::{Path, PathBuf};

use crate::limits::LINKS;

/// Folders that hold much that the connector has no business with. Allowed only for a file that is directly in them.
const WIDE: [&str; 11] =
    ["/", "/dev", "/home", "/proc", "/root", "/sys", "/tmp", "/usr", "/var", "/var/lib", "/var/tmp"];

/// The folders beneath which `file` is, or will be when a link on the way to it, or its folder, is replaced.
pub(super) fn folders(file: &Path) -> Vec<PathBuf> {
    let mut beside = Vec::new();
    let end = follow(file, &mut beside);
    let folder = nearest(&end);
    // A folder is replaced by renaming one beside it. Not a hidden folder: the one above it is a home, which holds much
    // more.
    if let Some(folder) = &folder
        && end.parent().is_some_and(Path::is_dir)
        && !folder.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
    {
        beside.extend(folder.parent().map(Path::to_owned));
    }
    let beside = beside.iter().filter_map(|folder| folder.canonicalize().ok());
    let narrow = beside.filter(|folder| WIDE.iter().all(|wide| folder != Path::new(wide)));
    narrow.chain(folder.filter(|folder| folder != Path::new("/"))).collect()
}

/// The real folder that holds `file`, or will: the nearest one above it that exists.
pub(super) fn folder(file: &Path) -> Option<PathBuf> {
    nearest(&follow(file, &mut Vec::new()))
}

/// Where `file` is when all links are followed, whether it exists or not. `beside` gets the folders that hold these
/// links, and the folders of what they lead to.
fn follow(file: &Path, beside: &mut Vec<PathBuf>) -> PathBuf {
    let mut end = file.to_owned();
    for _ in 0..LINKS {
        // The first link on the way: what follows it is somewhere else.
        let links = end.ancestors().filter_map(|step| Some((step, step.parent()?, fs::read_link(step).ok()?)));
        let Some((link, holder, to)) = links.last() else { break };
        let to = holder.join(to);
        beside.push(holder.to_owned());
        beside.extend(to.parent().map(Path::to_owned));
        let beyond = end.strip_prefix(link).into_iter().flatten();
        end = to.iter().chain(beyond).collect();
    }
    end
}

fn nearest(end: &Path) -> Option<PathBuf> {
    end.ancestors().skip(1).find_map(|folder| folder.canonicalize().ok())
}

#[cfg(test)]
mod tests;
