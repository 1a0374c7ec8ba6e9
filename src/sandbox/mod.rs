//! `IsolationMode` `GreengrassContainer`: the process drops every privilege it does not need before it reads the first
//! byte from the network. An attacker who takes it over can read its settings and talk to its peers, but cannot write a
//! file outside the spool, start a program, or reach another process. README.md beside this file says what remains
//! open, and why.
//!
//! Four layers, each effective without the others:
//!
//! - privileges: no capabilities, and no way to regain any (`no_new_privs`); no process of the same user can inspect
//!   this one;
//! - [`files`]: Landlock, which files, by folder, and which TCP ports;
//! - [`calls`]: seccomp, which system calls;
//! - resources: few open files, no core dump. Memory is bounded in any case, see [`crate::memory`].
//!
//! Sockets that the filter of system calls does not allow, such as the one to the service manager, have to be created
//! before.
//!
//! Layers that the kernel lacks are left out, and reported once.

pub mod calls;
pub mod files;
mod needs;
mod reach;
mod way;

pub use needs::{HOSTS, Needs, RESOLVER};
pub use reach::{explained, resolver_out_of_reach};

use core::fmt::{self, Display};

use caps::{CapSet, Capability, errors::CapsError};

use crate::limits::OPEN_FILES;

/// The result of [`confine`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confined {
    /// Layers that are not enforced, and why; empty: all are.
    pub missing: Vec<String>,
}

impl Display for Confined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.missing.is_empty() { f.write_str("complete") } else { write!(f, "without {}", self.missing.join(", ")) }
    }
}

/// Confines this thread, and those it starts, to `needs`. This cannot be undone. To be called while there is only one
/// thread.
#[must_use]
pub fn confine(needs: &Needs) -> Confined {
    // In this order: later steps take away what earlier ones need.
    let steps = [
        missing("capabilities dropped", drop_capabilities()),
        missing("a limit of open files", limit_resources()),
        missing("memory out of reach of others", hide()),
        files::restrict(needs).missing(),
        missing("a filter of system calls", calls::restrict(needs.spool.is_some(), needs.unix)),
    ];
    Confined { missing: steps.into_iter().flatten().collect() }
}

fn missing(what: &str, step: Result<(), impl Display>) -> Option<String> {
    step.err().map(|why| format!("{what} ({why})"))
}

/// Does nothing if there are no capabilities, as in a service with a user of its own: its service manager may forbid
/// the calls.
fn drop_capabilities() -> Result<(), CapsError> {
    let held = [CapSet::Permitted, CapSet::Inheritable].map(|set| caps::read(None, set));
    if held.iter().all(|set| set.as_ref().is_ok_and(|set| set.is_empty())) {
        return Ok(());
    }
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        caps::clear(None, CapSet::Bounding)?;
    }
    // With these the kernel clears the ambient set, too.
    [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable].into_iter().try_for_each(|set| caps::clear(None, set))
}

/// How many files are open. Inherited ones count against the limit, too.
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
