//! `IsolationMode` `GreengrassContainer`: the process gives up what it has no use for, before the first byte from outside
//! is read. Whoever takes it over from then on finds a process that reads its settings and speaks with its peers: no file
//! written, no program started, no other program reached. What remains open, and why, is in README.md
//! beside this file.
//!
//! Four layers, each of which holds without the others:
//!
//! - rights: no capability, and none to be had again (`no_new_privs`); nobody of the same user looks into this process;
//! - [`files`]: Landlock, files by folder and TCP connections by port;
//! - [`calls`]: seccomp, the system calls that the program makes;
//! - resources: few open files, no core dump. Memory is bounded in any case, see [`crate::memory`].
//!
//! Sockets that the filter of calls has no place for, such as the one to the service manager, are made before.
//!
//! A kernel that lacks one of them has the others. What is missing is said once.

pub mod calls;
pub mod files;
mod needs;
mod reach;
mod way;

pub use needs::Needs;
pub use reach::{explained, resolver_out_of_reach};

use core::fmt::{self, Display};

use caps::{CapSet, Capability, errors::CapsError};

use crate::limits::OPEN_FILES;

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confined {
    /// What is not enforced here, and why; empty: everything is.
    pub missing: Vec<String>,
}

impl Display for Confined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.missing.is_empty() { f.write_str("complete") } else { write!(f, "without {}", self.missing.join(", ")) }
    }
}

/// Confines this thread, and all that it starts, to `needs`. There is no way back.
///
/// To be called while there is one thread only. What the kernel cannot do is left out.
#[must_use]
pub fn confine(needs: &Needs) -> Confined {
    // In this order: the later ones take away what the earlier ones need.
    let steps = [
        missing("capabilities dropped", drop_capabilities()),
        missing("a limit of open files", limit_resources()),
        missing("memory out of reach of others", hide()),
        files::restrict(needs).missing(),
        missing("a filter of system calls", calls::restrict()),
    ];
    Confined { missing: steps.into_iter().flatten().collect() }
}

fn missing(what: &str, step: Result<(), impl Display>) -> Option<String> {
    step.err().map(|why| format!("{what} ({why})"))
}

/// A service that init starts as its own user has none; then nothing is called that a service manager may forbid.
fn drop_capabilities() -> Result<(), CapsError> {
    let held = [CapSet::Permitted, CapSet::Inheritable].map(|set| caps::read(None, set));
    if held.iter().all(|set| set.as_ref().is_ok_and(|set| set.is_empty())) {
        return Ok(());
    }
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        caps::clear(None, CapSet::Bounding)?;
    }
    // The ambient ones fall with these.
    [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable].into_iter().try_for_each(|set| caps::clear(None, set))
}

/// Files that are open: what somebody left open for this process counts against its limit, too.
pub(crate) fn open_files() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64)
}

fn limit_resources() -> std::io::Result<()> {
    for (resource, most) in [(rlimit::Resource::CORE, 0), (rlimit::Resource::NOFILE, open_files() + OPEN_FILES)] {
        let (_, hard) = rlimit::getrlimit(resource)?;
        let limit = most.min(hard);
        rlimit::setrlimit(resource, limit, limit)?;
    }
    Ok(())
}

/// Processes of the same user cannot trace this one, nor read its memory and its environment, where the keys may be.
fn hide() -> rustix::io::Result<()> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
}

#[cfg(test)]
mod tests;
