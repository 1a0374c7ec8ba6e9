//! What a source of publishes hands to the relay's side, whatever it speaks. The broker's side is one: [`crate::mqtt`].

use bytes::Bytes;

use crate::relay::TooLong;
pub use crate::relay::window::Token;

/// A publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Where it was published to; not necessarily UTF-8.
    pub topic: Bytes,
    /// What was published.
    pub payload: Bytes,
    /// How its source knows it, if it is to be acknowledged: at QoS 1, not at QoS 0.
    pub token: Option<Token>,
    /// Set when it is above our packet limit: then topic and payload are what was kept of their begin.
    pub too_long: Option<TooLong>,
}

/// What a source may acknowledge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// All tokens with a number below this.
    pub below: u64,
    /// The number behind the first token that was not taken, or zero. None that comes behind it over the same connection is
    /// taken, either.
    pub left_behind: u64,
}
