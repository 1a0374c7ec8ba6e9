//! Publishes of this connection that are not acknowledged, at QoS 1 or, from a broker that exceeds what it granted, 2. Acknowledgements leave in the order of receipt, as MQTT 5 wants it
//! (section 4.6). The relay bounds their number to [`UNACKNOWLEDGED`] and a group.

use std::collections::VecDeque;

use crate::limits::{PUBLISHES, UNACKNOWLEDGED};

/// Packet ids in the order of receipt, with consecutive numbers that go on over connections.
#[derive(Debug)]
pub(super) struct Unacknowledged {
    /// With whether it came at QoS 2.
    packet_ids: VecDeque<(u16, bool)>,
    /// Number of the first.
    first: u64,
    /// First number of the connection.
    begin: u64,
}

impl Default for Unacknowledged {
    fn default() -> Self {
        Self { packet_ids: VecDeque::with_capacity(UNACKNOWLEDGED + PUBLISHES), first: 0, begin: 0 }
    }
}

impl Unacknowledged {
    /// A connection begins. Returns the number below which all were acknowledged before, and the next number.
    pub(super) fn begin(&mut self) -> (u64, u64) {
        let acknowledged = self.first;
        self.first += self.packet_ids.len() as u64;
        self.packet_ids.clear();
        self.begin = self.first;
        (acknowledged, self.begin)
    }

    /// Whether an earlier publish of this connection was left at the broker, so that nothing after it is acknowledged.
    pub(super) const fn is_past(&self, left_behind: u64) -> bool {
        left_behind > self.begin
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
        assert_eq!(all.begin(), (1, 3), "one was acknowledged");
        assert_eq!(all.push(3, false), 3);
        assert_eq!(all.pop_below(3), None);
        assert!(!all.is_past(3) && all.is_past(4), "left behind on the connection before, on this one");
        assert_eq!(all.pop_below(4), Some((3, false)));
    }
}
