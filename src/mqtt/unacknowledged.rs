//! Publishes of this connection that are not acknowledged, at QoS 1 or, from a broker that exceeds what it granted, 2. Acknowledgements leave in the order of receipt, as MQTT 5 wants it
//! (section 4.6). The relay bounds their number to [`UNACKNOWLEDGED`] and a group.

use std::collections::VecDeque;

use crate::limits::{PUBLISHES, UNACKNOWLEDGED};
use crate::source::Begin;

/// Packet ids in the order of receipt, with consecutive numbers that go on over connections.
#[derive(Debug)]
pub(super) struct Unacknowledged {
    /// With whether it came at QoS 2.
    packet_ids: VecDeque<(u16, bool)>,
    /// Number of the first.
    first: u64,
    /// First number of the connection.
    begin: u64,
    /// What was sent behind the acknowledgements of all below a number, and is answered by the broker: a packet id or [`PING`].
    asked: Option<(u16, u64)>,
    /// The broker has the acknowledgements of all below.
    arrived: u64,
}

/// In place of a packet id: a PINGREQ.
pub(super) const PING: u16 = 0;

impl Default for Unacknowledged {
    fn default() -> Self {
        Self {
            packet_ids: VecDeque::with_capacity(UNACKNOWLEDGED + PUBLISHES),
            first: 0,
            begin: 0,
            asked: None,
            arrived: 0,
        }
    }
}

impl Unacknowledged {
    /// A connection begins, with the session of before or a new one.
    pub(super) fn begin(&mut self, resumed: bool) -> Begin {
        let (acknowledged, arrived) = (self.first, self.arrived);
        self.first += self.packet_ids.len() as u64;
        self.packet_ids.clear();
        (self.begin, self.asked, self.arrived) = (self.first, None, self.first);
        Begin { resumed, acknowledged, arrived, first: self.first }
    }

    /// A packet is sent that the broker answers. It takes packets in order, so its answer shows that it has all
    /// acknowledgements from before.
    pub(super) fn ask(&mut self, packet_id: u16) {
        self.asked.get_or_insert((packet_id, self.first));
    }

    /// The broker answered what has this packet id.
    pub(super) fn answered(&mut self, packet_id: u16) {
        if let Some((_, below)) = self.asked.take_if(|(asked, _)| *asked == packet_id) {
            self.arrived = below;
        }
    }

    /// Whether an earlier publish of this connection was left at the broker, so that nothing after it is acknowledged.
    pub(super) const fn is_past(&self, left_behind: u64) -> bool {
        left_behind > self.begin
    }

    /// Publishes that are not acknowledged.
    pub(super) fn len(&self) -> usize {
        self.packet_ids.len()
    }

    /// Adds a publish and returns its number.
    pub(super) fn push(&mut self, packet_id: u16, exactly_once: bool) -> u64 {
        self.packet_ids.push_back((packet_id, exactly_once));
        self.first + self.packet_ids.len() as u64 - 1
    }

    /// Takes the next packet id whose number is below `safe`.
    pub(super) fn pop_below(&mut self, safe: u64) -> Option<(u16, bool)> {
        if self.first >= safe {
            return None;
        }
        let packet_id = self.packet_ids.pop_front()?;
        self.first += 1;
        Some(packet_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_ids_are_taken_in_the_order_of_receipt_up_to_what_is_safe() {
        let mut all = Unacknowledged::default();
        assert_eq!([7, 3, 7].map(|id| all.push(id, false)), [0, 1, 2]);
        assert_eq!(
            [all.pop_below(0), all.pop_below(2), all.pop_below(2), all.pop_below(2)],
            [None, Some((7, false)), Some((3, false)), None]
        );
        assert_eq!(all.pop_below(u64::MAX), Some((7, false)));
        assert_eq!(all.pop_below(u64::MAX), None, "what is not there is not acknowledged");
    }

    #[test]
    fn numbers_go_on_over_connections_and_those_of_an_earlier_one_do_nothing() {
        let mut all = Unacknowledged::default();
        [7, 3, 9].into_iter().for_each(|id| _ = all.push(id, false));
        all.pop_below(1);
        let begin = Begin { resumed: true, acknowledged: 1, arrived: 0, first: 3 };
        assert_eq!(all.begin(true), begin, "one was acknowledged");
        assert_eq!(all.push(3, false), 3);
        assert_eq!(all.pop_below(3), None);
        assert!(!all.is_past(3) && all.is_past(4), "left behind on the connection before, on this one");
        assert_eq!(all.pop_below(4), Some((3, false)));
    }

    #[test]
    fn an_acknowledgement_has_arrived_when_what_was_sent_behind_it_is_answered() {
        let mut all = Unacknowledged::default();
        [7, 3, 9].into_iter().for_each(|id| _ = all.push(id, false));
        all.pop_below(1);
        all.ask(40);
        all.pop_below(2);
        all.ask(41);
        all.answered(41);
        all.answered(PING);
        assert_eq!(all.arrived, 0, "one at a time is waited for");
        all.answered(40);
        assert_eq!(all.arrived, 1);
        all.ask(PING);
        all.answered(PING);
        all.pop_below(3);
        all.ask(42);
        assert_eq!(all.begin(true), Begin { resumed: true, acknowledged: 3, arrived: 2, first: 3 });
        all.answered(42);
        assert_eq!(all.begin(true).arrived, 3, "over the next connection nothing was acknowledged");
    }
}
