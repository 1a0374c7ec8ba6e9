//! Statuses wait for the broker, and records wait for room for their statuses.

use firehose_connector::limits::{STATUS_ACKNOWLEDGED, STATUS_ENTRY_BYTES, STATUS_QUEUE_BYTES, STATUS_QUEUE_BYTES_MIN};
use firehose_connector::relay::Accepted;
use firehose_connector::relay::message::JSON_TOPIC;

use crate::support::scenario::{Broker, DEFAULT, MIB, Scenario, Setup, delivered};

#[test]
fn statuses_wait_for_the_broker_in_their_order() {
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    s.broker(Broker::Away);
    s.publish_json("1", "a");
    s.publish("kinesisfirehose/message", br#"{"id": "2"}"#);
    let batch = s.at(1_000).expect_sent(DEFAULT);
    s.deliver(batch);
    s.at(3_600_000).expect_no_status();
    assert_eq!(s.relay().waiting_statuses(), 2);
    s.broker(Broker::Takes);
    s.expect_status(
        r#"{"response": [{"ErrorCode": "InvalidMessage", "ErrorMessage": "the property request is missing", "id": "2", "status": "fail"},
                         {"firehose_record_id": "r0", "id": "1", "status": "success"}]}"#,
    );
}

#[test]
fn statuses_that_find_no_room_while_the_broker_is_away_are_counted() {
    for (arena, bound) in [(MIB, STATUS_QUEUE_BYTES_MIN), (16 * MIB, 2 * MIB), (64 * MIB, STATUS_QUEUE_BYTES)] {
        let mut s = Scenario::new(Setup { arena, ..Setup::default() });
        s.broker(Broker::Away);
        let entry = r#"{"ErrorCode":"InvalidMessage","ErrorMessage":"the property request is missing","id":"","status":"fail"}"#;
        let most = bound / 256 * 252 / (entry.len() + 1);
        let free = s.relay().arena().free();
        for _ in 0..most + 1_000 {
            assert_eq!(s.publish("kinesisfirehose/message", b"{}"), Accepted::Failed);
        }
        assert_eq!(s.relay().lost_statuses(), 1_000);
        assert!(free - s.relay().arena().free() <= bound / 256);
        s.broker(Broker::Takes);
        assert_eq!(s.take_statuses().iter().map(|message| message.matches("fail").count()).sum::<usize>(), most);
        assert_eq!(s.relay().arena().free(), free);
    }
}

#[test]
fn records_never_take_the_memory_that_statuses_need() {
    let mut s = Scenario::new(Setup { arena: MIB, interval: 900, ..Setup::default() });
    while s.publish_binary("1", &[0; 10_000]) == Accepted::Held {}
    while s.publish_binary("1", b"") == Accepted::Held {
        while s.take_sent().is_some() {}
    }
    s.broker(Broker::Away);
    s.take_statuses();
    for _ in 0..1_000 {
        s.publish("kinesisfirehose/message", b"{}");
    }
    assert_eq!(s.relay().lost_statuses(), 0);
    s.broker(Broker::Takes).take_statuses();
}

#[test]
fn a_batch_waits_for_status_room_while_the_broker_is_busy_and_not_while_it_is_away() {
    let setup = Setup { arena: MIB, interval: 1, ..Setup::default() };
    for broker in [Broker::Busy, Broker::Away] {
        let mut s = Scenario::new(setup);
        s.broker(broker);
        // Less room than the statuses of a full batch need.
        for _ in 0..STATUS_QUEUE_BYTES_MIN / 2 / 100 {
            s.publish("kinesisfirehose/message", b"{}");
        }
        s.publish_json("1", "a");
        s.at(1_000);
        if broker == Broker::Busy {
            s.after(9_000).expect_no_batch();
            s.broker(Broker::Takes).take_statuses();
        }
        s.expect_batch(DEFAULT, &["a"]);
        s.broker(Broker::Takes).take_statuses();
    }
}

/// Records are due, and there is no room for their statuses.
fn without_status_room() -> Scenario {
    let mut s = Scenario::new(Setup { arena: MIB, interval: 1, ..Setup::default() });
    s.broker(Broker::Busy);
    for _ in 0..STATUS_QUEUE_BYTES_MIN / 2 / 100 {
        s.publish("kinesisfirehose/message", b"{}");
    }
    s.publish_json("1", "a");
    s.at(5_000).expect_no_batch();
    s
}

#[test]
fn a_short_loss_of_the_broker_loses_no_status() {
    let mut s = Scenario::new(Setup { arena: 2 * MIB, interval: 1, ..Setup::default() });
    for number in 0..2_000 {
        assert_eq!(s.publish_binary(&format!("{number:0204}"), b"x"), Accepted::Held);
    }
    s.broker(Broker::Lost);
    for _ in 0..10 {
        s.step_unwatched(900);
        while let Some(sent) = s.take_sent() {
            s.deliver(sent);
        }
    }
    assert!(s.relay().held() > 0, "there is no room for the statuses of all");
    s.broker(Broker::Takes);
    while let Some(sent) = s.take_sent() {
        s.deliver(sent);
    }
    s.take_statuses();
    assert_eq!((s.relay().held(), s.relay().lost_statuses()), (0, 0));
}

#[test]
fn records_wait_as_long_for_a_lost_broker_as_for_one_that_acknowledges_nothing() {
    let grace = u64::try_from(STATUS_ACKNOWLEDGED.as_millis()).unwrap();
    let mut s = without_status_room();
    s.broker(Broker::Lost);
    assert_eq!(s.deadline(), Some(5_000 + grace));
    s.after(grace).expect_batch(DEFAULT, &["a"]);

    // One that comes and goes and takes nothing is away all the while.
    let mut s = without_status_room();
    s.broker(Broker::Lost).after(grace / 2).broker(Broker::Busy).after(1_000).broker(Broker::Lost);
    assert_eq!(s.deadline(), Some(5_000 + grace));
    s.at(5_000 + grace).expect_batch(DEFAULT, &["a"]);
    s.broker(Broker::Busy).publish_to("b", "2", "b");
    s.after(60_000).expect_no_batch();
    s.broker(Broker::Lost).expect_batch("b", &["b"]);
    s.broker(Broker::Takes).take_statuses();

    // One that has taken statuses in between is waited for again.
    let mut s = without_status_room();
    s.broker(Broker::Lost).after(grace / 2).broker(Broker::Busy).next_status(&mut Vec::new());
    while s.relay().has_status_room() {
        s.publish("kinesisfirehose/message", b"{}");
    }
    s.expect_batch(DEFAULT, &["a"]);
    s.publish_to("b", "2", "b");
    s.after(1_000).broker(Broker::Lost);
    assert_eq!(s.deadline(), Some(s.now() + grace));
    s.broker(Broker::Takes).take_statuses();
    s.expect_batch("b", &["b"]);

    // So is one that nothing waited for when it was back.
    s.broker(Broker::Lost).broker(Broker::Takes).after(3_600_000).broker(Broker::Busy);
    while s.relay().has_status_room() {
        s.publish("kinesisfirehose/message", b"{}");
    }
    s.publish_to("c", "3", "c");
    s.after(1_000).broker(Broker::Lost);
    assert_eq!(s.deadline(), Some(s.now() + grace));
    s.broker(Broker::Takes).take_statuses();
    s.expect_batch("c", &["c"]);
}

#[test]
fn records_do_not_wait_for_a_silent_broker_nor_for_any_while_stopping() {
    let mut s = without_status_room();
    s.broker(Broker::Away).expect_batch(DEFAULT, &["a"]);
    s.publish_to("b", "2", "b");
    s.broker(Broker::Lost).after(1_000).expect_batch("b", &["b"]);
    s.broker(Broker::Takes).take_statuses();

    let mut s = without_status_room();
    s.broker(Broker::Lost).drain().expect_batch(DEFAULT, &["a"]);
    s.broker(Broker::Takes).take_statuses();

    let mut s = without_status_room();
    s.drain().expect_no_batch();
    s.broker(Broker::Lost).expect_batch(DEFAULT, &["a"]);
    s.broker(Broker::Takes).take_statuses();
}

#[test]
fn no_status_is_lost_by_a_broker_that_takes_them_slowly() {
    let record_id = "r".repeat(224);
    for (id_length, records) in [(20, 8_000), (2_000, 4_000), (60_000, 200)] {
        let id = "i".repeat(id_length);
        let mut s = Scenario::new(Setup { arena: 2 * MIB, interval: 1, ..Setup::default() });
        let mut in_flight = Vec::new();
        let mut held = 0;
        for round in 1..=records {
            held += usize::from(s.publish_to(&format!("s{}", round % 4), &id, "x") == Accepted::Held);
            in_flight.extend(s.take_sent());
            if round % (records / 4) == 0 {
                s.broker(Broker::Busy);
                s.relay().poll_timeout().map(|_| s.wait());
                in_flight.extend(core::iter::from_fn(|| s.take_sent()));
                for sent in in_flight.drain(..) {
                    let records = vec![delivered(&record_id); sent.data.len()];
                    s.answer(sent, &records);
                }
                in_flight.extend(core::iter::from_fn(|| s.take_sent()));
                s.broker(Broker::Takes).take_statuses();
                in_flight.extend(core::iter::from_fn(|| s.take_sent()));
            }
        }
        assert!(held > 20);
        assert_eq!(s.relay().lost_statuses(), 0, "ids of {id_length} bytes");
    }
}

#[test]
fn statuses_of_batches_in_flight_keep_their_room_when_records_take_the_rest() {
    let mut s = Scenario::new(Setup { arena: 2 * MIB, interval: 900, ..Setup::default() });
    s.broker(Broker::Busy);
    let streams = ["a", "b", "c", "d"];
    let fill = |s: &mut Scenario| {
        while s.publish_to("other", "id", &"x".repeat(5_000)) == Accepted::Held {}
        while s.publish_to("other", "id", "") == Accepted::Held {}
    };
    for round in 0..2_000 {
        s.publish_to(streams[round % 4], "id", "x");
    }
    fill(&mut s);
    let lost = s.relay().lost_statuses();
    let record_id = "r".repeat(224);
    while let Some(sent) = s.take_sent() {
        let records = vec![delivered(&record_id); sent.data.len()];
        s.answer(sent, &records);
        fill(&mut s);
    }
    assert_eq!(s.relay().lost_statuses(), lost);
    s.broker(Broker::Takes).take_statuses();
    while s.take_sent().is_some() {}
}

#[test]
fn a_publish_that_can_be_neither_held_nor_answered_is_left_until_there_is_room() {
    for publish in ["bad JSON, and as long as an id of some length makes it, so that there is soon no room", "x"] {
        let mut s = Scenario::new(Setup { arena: MIB, interval: 900, ..Setup::default() });
        s.publishes_come_again().broker(Broker::Busy);
        let id = "i".repeat(1_000);
        let (topic, payload) = match publish {
            "x" => (format!("kinesisfirehose/message/binary/{id}"), "x".to_owned()),
            _ => ("kinesisfirehose/message".to_owned(), format!(r#"{{"id": "{id}"}}"#)),
        };
        let mut left = 3_000;
        let mut in_flight = Vec::new();
        for _ in 0..10_000 {
            if left == 0 {
                break;
            }
            match s.publish(&topic, payload.as_bytes()) {
                Accepted::NotNow => {
                    assert!(!s.relay().has_status_room() || s.relay().has_status());
                    for sent in in_flight.drain(..) {
                        s.deliver(sent);
                    }
                    s.broker(Broker::Takes).take_statuses();
                    s.broker(Broker::Busy);
                    in_flight.extend(s.take_sent());
                }
                _ => left -= 1,
            }
            in_flight.extend(s.take_sent());
            if in_flight.len() > 2 {
                s.deliver(in_flight.remove(0));
            }
        }
        assert_eq!((left, s.relay().lost_statuses()), (0, 0));
        s.broker(Broker::Takes).take_statuses();
        while s.take_sent().is_some() {}
    }
}

/// A broker that keeps the session sends publishes before it has granted the subscription.
#[test]
fn a_publish_without_room_for_its_answer_is_left_to_the_broker_that_is_away() {
    let mut s = Scenario::new(Setup { arena: MIB, ..Setup::default() });
    s.publishes_come_again().broker(Broker::Busy).broker(Broker::Lost);
    let is_left = (0..10_000).any(|_| s.publish("kinesisfirehose/message", b"{}") == Accepted::NotNow);
    assert!(is_left, "statuses are lost");
    assert_eq!(s.publish_too_long(JSON_TOPIC.as_bytes(), false, b"{", 200_000), Accepted::NotNow);
    assert_eq!(s.relay().lost_statuses(), 0);
    s.after(STATUS_ACKNOWLEDGED.as_secs() * 1000);
    assert_eq!(s.publish("kinesisfirehose/message", b"{}"), Accepted::Failed, "it is away");
    assert_eq!(s.relay().lost_statuses(), 1);
    s.broker(Broker::Takes).take_statuses();
}

#[test]
fn nothing_is_left_to_a_broker_that_is_away() {
    let mut s = Scenario::new(Setup { arena: MIB, ..Setup::default() });
    s.publishes_come_again().broker(Broker::Away);
    for _ in 0..10_000 {
        assert_eq!(s.publish("kinesisfirehose/message", b"{}"), Accepted::Failed);
    }
    assert!(s.relay().lost_statuses() > 0);
    s.broker(Broker::Takes).take_statuses();
}

#[test]
fn stopping_with_a_full_queue_answers_every_record() {
    let mut s = Scenario::new(Setup { arena: 2 * MIB, queue_size: 5000, interval: 900, ..Setup::default() });
    s.broker(Broker::Busy);
    let mut held = 0;
    while s.publish_binary("an id of some length", b"x") == Accepted::Held {
        held += 1;
    }
    while s.take_sent().is_some() {}
    assert!(held * STATUS_ENTRY_BYTES > STATUS_QUEUE_BYTES_MIN, "more than statuses have room for at other times");
    assert_eq!(s.stop(), held);
    assert_eq!(s.relay().lost_statuses(), 0);
    s.broker(Broker::Takes).take_statuses();
}
