//! Statuses on their way to the broker: given to its task, and not yet acknowledged.
//!
//! A message counts its statuses for as long as there is a copy of it, and the broker's task lets go of one when it is
//! acknowledged, refused, or sent where there are no acknowledgements.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    /// How many statuses they are.
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// `message`, which speaks of so many `statuses`.
    pub(super) fn count_in(&self, message: Vec<u8>, statuses: usize) -> Bytes {
        self.0.fetch_add(statuses, Ordering::Relaxed);
        Bytes::from_owner(Counted { message, statuses, under_way: Arc::clone(&self.0) })
    }
}

struct Counted {
    message: Vec<u8>,
    statuses: usize,
    under_way: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.message
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.under_way.fetch_sub(self.statuses, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_count_until_the_last_copy_of_their_message_is_gone() {
        let under_way = UnderWay::default();
        let one = under_way.count_in(b"one".to_vec(), 500);
        let (other, copy) = (under_way.count_in(b"other".to_vec(), 1), one.clone());
        assert_eq!((under_way.count(), &one[..]), (501, &b"one"[..]));
        drop(one);
        drop(other);
        assert_eq!(under_way.count(), 500);
        drop(copy);
        assert_eq!(under_way.count(), 0);
    }
}
