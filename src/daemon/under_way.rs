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
    /// The messages of which copies exist, and how many statuses the relay had given before.
    messages: Vec<(u64, Weak<Message>)>,
}

impl UnderWay {
    /// Statuses that are not yet acknowledged.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// `message` as bytes that count as this many `statuses` until their last copy is dropped. They are the last of
    /// those that the relay has given, so many since the start (`taken`).
    pub(super) fn count_in(&mut self, message: Vec<u8>, statuses: usize, taken: u64) -> Bytes {
        self.count.fetch_add(statuses, Ordering::Relaxed);
        let message = Arc::new(Message { message, statuses, under_way: Arc::clone(&self.count) });
        self.messages.retain(|(_, message)| message.strong_count() > 0);
        self.messages.push((taken - statuses as u64, Arc::downgrade(&message)));
        Bytes::from_owner(Shared(message))
    }

    /// How many of the `taken` that the relay has given since the start are acknowledged, with all before them.
    pub(super) fn acknowledged(&self, taken: u64) -> u64 {
        let waits = |message: &&(u64, Weak<Message>)| message.1.strong_count() > 0;
        self.messages.iter().find(waits).map_or(taken, |(before, _)| *before)
    }

    /// The messages that are not yet acknowledged, oldest first.
    pub(super) fn messages(&self) -> Vec<Bytes> {
        self.messages
            .iter()
            .filter_map(|(_, message)| message.upgrade())
            .map(|message| Bytes::from_owner(Shared(message)))
            .collect()
    }
}

struct Shared(Arc<Message>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0.message
    }
}

#[derive(Debug)]
struct Message {
    message: Vec<u8>,
    statuses: usize,
    under_way: Arc<AtomicUsize>,
}

impl Drop for Message {
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
        let one = under_way.count_in(b"one".to_vec(), 500, 502);
        let (other, copy) = (under_way.count_in(b"other".to_vec(), 1, 503), one.clone());
        assert_eq!((under_way.count(), &one[..]), (501, &b"one"[..]));
        drop(one);
        drop(other);
        assert_eq!((under_way.count(), under_way.messages()), (500, vec![copy.clone()]));
        assert_eq!(under_way.acknowledged(503), 2, "before the first that is not acknowledged");
        drop(copy);
        assert_eq!((under_way.count(), under_way.messages().len(), under_way.acknowledged(503)), (0, 0, 503));
    }
}
