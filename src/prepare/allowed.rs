//! What the system allows the process: open files, beside those that whoever started it left open, and stack.

use rlimit::{Resource, getrlimit, setrlimit};

use super::fault::Fault;
use crate::limits::{OPEN_FILES, memory::STACK};
use crate::sandbox::open_files;

/// Raises the limits that are in force to what is needed, if they are lower and the system allows that.
pub(super) fn raise() -> impl Iterator<Item = Fault> {
    let files = allow(Resource::NOFILE, open_files() + OPEN_FILES);
    // The kernel lets the main thread's stack grow by the limit at that time.
    let stack = allow(Resource::STACK, STACK as u64);
    let files = files.map(|(allowed, needed)| Fault::OpenFiles { allowed, needed });
    files.into_iter().chain(stack.map(|(allowed, needed)| Fault::Stack { allowed, needed }))
}

/// What is allowed and `needed`, if that is too little.
fn allow(resource: Resource, needed: u64) -> Option<(u64, u64)> {
    // A kernel that does not tell is not asked for anything.
    let (soft, allowed) = getrlimit(resource).ok()?;
    if allowed < needed {
        return Some((allowed, needed));
    }
    // Every process may.
    let _: std::io::Result<()> = setrlimit(resource, soft.max(needed), allowed);
    None
}
