//! Statuses sent to the broker and not yet acknowledged.
//!
//! They are kept across connections, because a broker that lost the session has lost them, too.

use bytes::Bytes;

use crate::limits::{STATUS_ACKNOWLEDGED, STATUS_IN_FLIGHT, STATUS_IN_FLIGHT_FULL, STATUS_REPEATED};
use crate::time::Duration;

/// Status messages in the order in which they were first sent.
#[derive(Debug)]
pub(super) struct InFlight {
    messages: heapless::Vec<(u16, Bytes), STATUS_IN_FLIGHT>,
    bytes: usize,
    last_id: u16,
    /// How many of them, from the first, were sent over the current connection.
    sent: usize,
    /// It was reported that the broker acknowledges none. Lasts over reconnects, until it acknowledges one.
    pub(super) held_up: bool,
    /// How long the broker may acknowledge none before they are sent again over a new connection.
    repeated_after: Duration,
}

impl Default for InFlight {
    fn default() -> Self {
        Self {
            messages: heapless::Vec::new(),
            bytes: 0,
            last_id: 0,
            sent: 0,
            held_up: false,
            repeated_after: STATUS_REPEATED.0,
        }
    }
}

impl InFlight {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// A connection begins, over which nothing was sent yet.
    pub(super) fn start_again(&mut self) {
        self.sent = 0;
    }

    /// The next message of an earlier connection, if `receive_maximum` leaves room for it.
    pub(super) fn send_again(&mut self, receive_maximum: u16) -> Option<(u16, Bytes)> {
        let again = self.messages.get(self.sent).filter(|_| self.sent < receive_maximum.into()).cloned()?;
        self.sent += 1;
        Some(again)
    }

    /// Whether a new message may be sent. `largest`: bytes of a full message.
    pub(super) fn has_room(&self, receive_maximum: u16, largest: usize) -> bool {
        self.sent == self.messages.len()
            && self.sent < STATUS_IN_FLIGHT.min(receive_maximum.into())
            && self.bytes + largest <= STATUS_IN_FLIGHT_FULL * largest
    }

    /// Bytes of the longest that was sent over the current connection; zero: there is none.
    pub(super) fn longest_sent(&self) -> usize {
        self.messages.iter().take(self.sent).map(|(_, message)| message.len()).max().unwrap_or(0)
    }

    /// Adds `message`, which is sent now, and returns its packet id. `None`: there is no room.
    pub(super) fn insert(&mut self, message: Bytes) -> Option<u16> {
        // Far more ids than places, so the next id is never in use.
        self.last_id = if self.last_id >= LAST_ID { 1 } else { self.last_id + 1 };
        let bytes = message.len();
        self.messages.push((self.last_id, message)).ok()?;
        self.bytes += bytes;
        self.sent += 1;
        Some(self.last_id)
    }

    /// How long the broker may acknowledge none until that is reported, and then until all are sent again over a new connection.
    pub(super) fn patience(&self) -> Duration {
        if self.held_up { self.repeated_after } else { STATUS_ACKNOWLEDGED }
    }

    /// All are sent again over a new connection; the next time after twice as long.
    pub(super) fn give_up(&mut self) {
        self.repeated_after = STATUS_REPEATED.1.min(self.repeated_after * 2);
    }

    /// The broker acknowledges statuses, or none needs it. Returns whether the opposite was reported.
    pub(super) fn flows(&mut self) -> bool {
        self.repeated_after = STATUS_REPEATED.0;
        core::mem::take(&mut self.held_up)
    }

    /// Removes and returns the message with this packet id.
    pub(super) fn settle(&mut self, id: u16) -> Option<Bytes> {
        let place = self.messages.iter().position(|(this, _)| *this == id)?;
        let (_, message) = self.messages.remove(place);
        self.bytes -= message.len();
        self.sent -= usize::from(place < self.sent);
        Some(message)
    }
}

/// Ids above are left for subscriptions.
const LAST_ID: u16 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: usize = 1000;

    #[test]
    fn a_message_stays_until_it_is_acknowledged() {
        let mut in_flight = InFlight::default();
        let ids: Vec<_> = (0..3).map(|_| in_flight.insert(Bytes::from_static(b"x")).unwrap()).collect();
        assert!(in_flight.settle(ids[1]).is_some());
        assert!(in_flight.settle(ids[1]).is_none(), "only once");
        in_flight.start_again();
        assert!(!in_flight.has_room(u16::MAX, FULL), "what is to be repeated goes first");
        assert_eq!(in_flight.send_again(1).unwrap().0, ids[0]);
        assert_eq!(in_flight.send_again(1), None, "the broker takes one at a time");
        assert_eq!(in_flight.send_again(2).unwrap().0, ids[2]);
        assert_eq!(in_flight.send_again(3), None);
        assert!(in_flight.settle(ids[0]).is_some() && in_flight.settle(ids[2]).is_some() && in_flight.is_empty());
    }

    #[test]
    fn a_status_that_is_acknowledged_before_it_is_repeated_is_left_out() {
        let mut in_flight = InFlight::default();
        let ids: Vec<_> = (0..2).map(|_| in_flight.insert(Bytes::from_static(b"x")).unwrap()).collect();
        in_flight.start_again();
        assert!(in_flight.settle(ids[0]).is_some());
        assert_eq!(in_flight.send_again(1).unwrap().0, ids[1]);
        assert_eq!(in_flight.send_again(2), None);
    }

    #[test]
    fn count_and_bytes_are_bounded() {
        let mut in_flight = InFlight::default();
        while in_flight.has_room(u16::MAX, FULL) {
            in_flight.insert(Bytes::from_static(b"small")).unwrap();
        }
        assert_eq!(in_flight.messages.len(), STATUS_IN_FLIGHT);
        let mut in_flight = InFlight::default();
        while in_flight.has_room(u16::MAX, FULL) {
            in_flight.insert(Bytes::from(vec![0; FULL])).unwrap();
        }
        assert_eq!(in_flight.bytes, STATUS_IN_FLIGHT_FULL * FULL);
        assert!(!InFlight::default().has_room(0, FULL), "the broker's receive maximum counts, too");
    }
}
