//! What any source of publishes hands to the daemon, independent of its protocol. [`crate::mqtt`] is such a source.

use bytes::Bytes;

use crate::relay::TooLong;
pub use crate::relay::receipts::{Begin, Token};

/// A publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Topic; not necessarily UTF-8.
    pub topic: Bytes,
    /// Payload.
    pub payload: Bytes,
    /// By what its source acknowledges it. `None`: it needs no acknowledgement (QoS 0).
    pub token: Option<Token>,
    /// Set when it is above the packet limit: topic and payload are then only their first bytes.
    pub too_long: Option<TooLong>,
}

/// Which publishes a source is to acknowledge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// Those whose token has a number below this.
    pub below: u64,
    /// One more than the number of the first token that was left at the broker, or zero. Those after it on the same connection are
    /// left, too.
    pub left_behind: u64,
}
