//! A counter that a task increments and the daemon's loop reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A count since the start of the process. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<AtomicU64>);

impl Tally {
    /// Counts one more.
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The count since the start.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
