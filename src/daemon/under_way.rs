//! Counts the statuses that were handed to the broker's task and are not yet acknowledged.
//!
//! A message counts as long as a copy of it exists. The broker's task drops its copy when the message is acknowledged
//! or refused, or, with QoS 0, when it is sent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;

/// The statuses on their way to the broker.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    /// Shared with the messages.
    count: Arc<AtomicUsize>,
    /// The messages of which copies exist.
    messages: Vec<Weak<Counted>>,
}

impl UnderWay {
    /// Statuses that are not yet acknowledged.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// `message` as bytes that count as this many `statuses` until their last copy is dropped.
    pub(super) fn count_in(&mut self, message: Vec<u8>, statuses: usize) -> Bytes {
        self.count.fetch_add(statuses, Ordering::Relaxed);
        let message = Arc::new(Counted { message, statuses, under_way: Arc::clone(&self.count) });
        self.messages.retain(|message| message.strong_count() > 0);
        self.messages.push(Arc::downgrade(&message));
        Bytes::from_owner(Shared(message))
    }

    /// The messages that are not yet acknowledged, oldest first.
    pub(super) fn messages(&self) -> Vec<Bytes> {
        self.messages.iter().filter_map(Weak::upgrade).map(|message| Bytes::from_owner(Shared(message))).collect()
    }
}

struct Shared(Arc<Counted>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0.message
    }
}

#[derive(Debug)]
struct Counted {
    message: Vec<u8>,
    statuses: usize,
    under_way: Arc<AtomicUsize>,
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
        let mut under_way = UnderWay::default();
        let one = under_way.count_in(b"one".to_vec(), 500);
        let (other, copy) = (under_way.count_in(b"other".to_vec(), 1), one.clone());
        assert_eq!((under_way.count(), &one[..]), (501, &b"one"[..]));
        drop(one);
        drop(other);
        assert_eq!((under_way.count(), under_way.messages()), (500, vec![copy.clone()]));
        drop(copy);
        assert_eq!((under_way.count(), under_way.messages().len()), (0, 0));
    }
}
