//! Numbers, orphans and repetitions; the histories of a whole connector are in `tests/relay_properties`.

use super::*;
use crate::relay::arena::Arena;
use crate::relay::record::RecordWriter;

const NOW: Instant = Instant::from_millis(0);

struct Test {
    receipts: Receipts,
    arena: Arena,
    number: u64,
}

impl Test {
    fn new() -> Self {
        Self { receipts: Receipts::new(), arena: Arena::new(1024 * 1024), number: 0 }
    }

    fn token(&mut self, packet_id: u16, repeated: bool) -> Token {
        self.number += 1;
        Token { number: self.number - 1, packet_id, repeated, exactly_once: false }
    }

    /// What is known of it.
    fn receive(&mut self, packet_id: u16, repeated: bool, looks: u64) -> Option<Known> {
        let token = self.token(packet_id, repeated);
        self.receipts.receive(NOW, token, looks)
    }

    /// A new one, whose record is held.
    fn hold(&mut self, packet_id: u16, looks: u64) -> (u64, Record) {
        assert_eq!(self.receive(packet_id, false, looks), None);
        let record = RecordWriter::new(&mut self.arena, 0).unwrap().finish(NOW);
        self.receipts.hold(self.number - 1, record, 0);
        (self.number - 1, record)
    }

    fn reconnect(&mut self, acknowledged: u64) {
        self.receipts.begin(NOW, Begin { resumed: true, acknowledged, arrived: acknowledged, first: self.number });
    }
}

#[test]
fn what_is_safe_is_told_in_the_order_of_receipt() {
    let mut test = Test::new();
    let numbers: Vec<_> = (1..=4).map(|id| test.hold(id, id.into()).0).collect();
    for (settled, safe) in [(1, 0), (3, 0), (0, 2), (2, 4)] {
        test.receipts.settle(numbers[settled]);
        assert_eq!(test.receipts.safe(), safe);
    }
}

#[test]
fn each_of_three_equal_readings_that_were_not_acknowledged_is_matched_once() {
    let mut test = Test::new();
    let held: Vec<_> = (1..=3).map(|id| test.hold(id, 7)).collect();
    test.receipts.settle(held[0].0);
    test.reconnect(0);
    // Under other packet ids, and not marked.
    assert_eq!(test.receive(11, false, 7), Some(Known::Over));
    assert_eq!(test.receive(12, false, 7), Some(Known::Held(held[1].1)));
    assert_eq!(test.receive(13, false, 7), Some(Known::Held(held[2].1)));
    assert_eq!(test.receive(14, false, 7), None, "a fourth is new");
}

#[test]
fn what_was_acknowledged_for_sure_is_recognised_by_its_mark_and_packet_id_only_and_once() {
    let mut test = Test::new();
    let (number, _) = test.hold(5, 7);
    test.receipts.settle(number);
    test.reconnect(number + 1);
    for (packet_id, repeated) in [(5, false), (6, true)] {
        assert_eq!(test.receive(packet_id, repeated, 7), None, "an equal reading is not lost");
    }
    let mut test = Test::new();
    let (number, _) = test.hold(5, 7);
    test.receipts.settle(number);
    test.reconnect(number + 1);
    assert_eq!(test.receive(5, true, 8), None);
    assert_eq!(test.receive(5, true, 7), Some(Known::Over));
}

#[test]
fn a_session_that_is_new_repeats_nothing_so_that_nothing_is_recognised() {
    let mut test = Test::new();
    let (number, _) = test.hold(5, 7);
    assert!(test.receipts.will_be_redelivered(number));
    test.receipts.begin(NOW, Begin { resumed: false, acknowledged: 0, arrived: 0, first: test.number });
    assert!(!test.receipts.will_be_redelivered(number));
    assert_eq!(test.receive(5, true, 7), None);
}

#[test]
fn a_record_that_ends_before_its_publish_comes_again_is_acknowledged_then() {
    let mut test = Test::new();
    let (number, record) = test.hold(5, 7);
    test.reconnect(0);
    test.receipts.settle(number);
    assert_eq!(test.receipts.outstanding(), 0);
    assert_eq!(test.receive(9, false, 7), Some(Known::Over));
    assert_eq!(test.receipts.safe(), test.number);
    // And one that ends after it has come again.
    let (_, record) = (number, record);
    let (number, held) = test.hold(6, 8);
    assert_ne!(held, record);
    test.reconnect(number);
    assert_eq!(test.receive(6, true, 8), Some(Known::Held(held)));
    assert!(test.receipts.safe() < test.number);
    test.receipts.settle(test.number - 1);
    assert_eq!(test.receipts.safe(), test.number);
}

#[test]
fn what_was_left_is_taken_when_it_comes_again_and_holds_back_those_behind_it() {
    let mut test = Test::new();
    let token = test.token(1, false);
    test.receipts.leave(token);
    let (number, _) = test.hold(2, 7);
    test.receipts.settle(number);
    assert_eq!((test.receipts.safe(), test.receipts.acknowledge_held(0, u32::MAX)), (0, 0));
    test.reconnect(0);
    assert_eq!(test.receive(1, true, 0), None, "it is new");
    assert_eq!(test.receive(2, true, 7), Some(Known::Over));
}

#[test]
fn a_repetition_over_the_same_connection_is_acknowledged_behind_the_first() {
    let mut test = Test::new();
    let (number, _) = test.hold(5, 7);
    assert_eq!(test.receive(5, true, 7), Some(Known::Over));
    assert_eq!(test.receipts.safe(), 0);
    test.receipts.settle(number);
    assert_eq!(test.receipts.safe(), 2);
}

#[test]
fn publishes_that_did_not_come_again_are_forgotten_after_an_hour() {
    let mut test = Test::new();
    test.hold(5, 7);
    test.reconnect(0);
    let token = test.token(6, false);
    assert_eq!(test.receipts.receive(NOW + REDELIVERY, token, 7), None, "an equal reading is not lost");
}

#[test]
fn the_oldest_of_streams_that_wait_are_let_go_until_enough_are() {
    let mut test = Test::new();
    for id in 0..8 {
        let (number, record) = test.hold(id, id.into());
        test.receipts.hold(number, record, usize::from(id % 2));
    }
    assert_eq!(test.receipts.acknowledge_held(4, 0b10), 2, "of the first four");
    assert_eq!(test.receipts.safe(), 0, "a record of the other stream stands before them");
    test.receipts.settle(0);
    assert_eq!(test.receipts.safe(), 2);
    assert_eq!((test.receipts.acknowledge_held(0, u32::MAX), test.receipts.outstanding()), (5, 0));
}

#[test]
fn no_more_is_remembered_than_there_are_slots() {
    let mut test = Test::new();
    for round in 0..3 * SLOTS as u64 {
        let (number, record) = test.hold(1, round);
        record.release(&mut test.arena);
        test.receipts.settle(number);
        if round % 100 == 0 {
            test.reconnect(0);
        }
    }
    assert_eq!((test.receipts.slots.len(), test.receipts.slots.capacity()), (SLOTS, SLOTS));
}

#[test]
fn a_packet_id_that_was_used_again_names_the_last_publish_that_had_it() {
    let mut test = Test::new();
    for (looks, safe) in [(1, 1), (2, 2)] {
        let (number, _) = test.hold(1, looks);
        test.receipts.settle(number);
        assert_eq!(test.receipts.safe(), safe);
    }
    test.reconnect(2);
    assert_eq!(test.receive(1, true, 1), None, "on, off, on: the third is a new reading, however it is marked");
}

#[test]
fn a_source_that_marks_repetitions_sends_a_new_reading_without_the_mark() {
    let mut test = Test::new();
    (1..=2).for_each(|id| _ = test.hold(id, 7));
    test.reconnect(0);
    assert!(test.receive(1, true, 7).is_some());
    assert_eq!(test.receive(3, false, 7), None, "equal to what the source has forgotten");
    assert!(test.receive(2, true, 7).is_some(), "and that comes all the same");
}

#[test]
fn a_source_that_uses_packet_ids_again_at_once_may_mean_a_reading_that_never_got_here() {
    let mut test = Test::new();
    for (looks, safe) in [(7, 1), (8, 2), (7, 3)] {
        let (number, _) = test.hold(1, looks);
        test.receipts.settle(number);
        assert_eq!(test.receipts.safe(), safe);
    }
    test.reconnect(3);
    assert_eq!(test.receive(1, true, 7), None, "the fourth was lost with the connection");
}

#[test]
fn an_acknowledgement_has_arrived_where_something_new_came_over_a_later_connection() {
    let mut test = Test::new();
    let (number, _) = test.hold(1, 7);
    test.receipts.settle(number);
    test.receipts.begin(NOW, Begin { resumed: true, acknowledged: 1, arrived: 0, first: 1 });
    let (number, _) = test.hold(2, 8);
    test.receipts.settle(number);
    test.reconnect(2);
    assert_eq!(test.receive(3, false, 7), None, "an equal reading, the first of the third connection");
}

#[test]
fn a_marked_publish_that_never_got_here_is_not_taken_for_an_equal_one_with_another_packet_id() {
    for reuses_ids in [false, true] {
        let mut test = Test::new();
        for (packet_id, looks) in [(if reuses_ids { 5 } else { 4 }, 6), (5, 7)] {
            let (number, _) = test.hold(packet_id, looks);
            test.receipts.settle(number);
        }
        test.receipts.begin(NOW, Begin { resumed: true, acknowledged: 2, arrived: 0, first: 2 });
        assert_eq!(test.receive(9, true, 7), None);
        test.receipts.begin(NOW, Begin { resumed: true, acknowledged: 2, arrived: 0, first: 3 });
        assert_eq!(test.receive(5, true, 7), if reuses_ids { None } else { Some(Known::Over) });
    }
}
