//! Tells the program which commit it is built from: FIREHOSE_CONNECTOR_COMMIT is ` (12 digits)`, or empty without a checkout.
//!
//! The files are read and no git is called: the image that the static binaries are built in has none.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn main() {
    println!("cargo::rerun-if-changed=scripts/build.rs");
    let commit = commit().map(|commit| format!(" ({:.12})", commit.trim())).unwrap_or_default();
    println!("cargo::rustc-env=FIREHOSE_CONNECTOR_COMMIT={commit}");
}

fn commit() -> Option<String> {
    let mut git = PathBuf::from(".git");
    // A second work tree has a file there, which says where its part of the repository is.
    if let Ok(link) = fs::read_to_string(&git) {
        git = link.trim().strip_prefix("gitdir: ")?.into();
    }
    let common = fs::read_to_string(git.join("commondir")).map_or_else(|_| git.clone(), |path| git.join(path.trim()));
    let head = read(&git.join("HEAD"))?;
    let Some(name) = head.trim().strip_prefix("ref: ") else { return Some(head) };
    read(&common.join(name)).or_else(|| {
        let packed = read(&common.join("packed-refs"))?;
        packed.lines().find_map(|line| line.strip_suffix(name)).map(str::to_owned)
    })
}

/// A file whose change calls for a new build; one that is not there would call for it each time.
fn read(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    println!("cargo::rerun-if-changed={}", file.display());
    Some(text)
}
