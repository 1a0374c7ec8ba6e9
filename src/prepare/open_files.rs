//! Room for all that is opened at one time, beside what whoever started this process left open.

use rlimit::{Resource, getrlimit, setrlimit};

use super::fault::Fault;
use crate::limits::OPEN_FILES;
use crate::sandbox::open_files;

/// Raises the limit that is in force to what is needed, if it is lower and the system allows that.
pub(super) fn allow() -> Option<Fault> {
    // A kernel that does not tell is not asked for anything.
    let (soft, allowed) = getrlimit(Resource::NOFILE).ok()?;
    let needed = open_files() + OPEN_FILES;
    if allowed < needed {
        return Some(Fault::OpenFiles { allowed, needed });
    }
    // Every process may.
    let _: std::io::Result<()> = setrlimit(Resource::NOFILE, soft.max(needed), allowed);
    None
}
