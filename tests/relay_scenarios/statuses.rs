//! The statuses: their text, their size, and where they wait.

use firehose_connector::foreign::Secret;
use firehose_connector::limits::{
    RECORD_BYTES, STATUS_ACKNOWLEDGED, STATUS_BYTES, STATUS_ENTRY_BYTES, STATUS_QUEUE_BYTES, STATUS_QUEUE_BYTES_MIN,
};
use firehose_connector::relay::Accepted;
use firehose_connector::relay::arena::{Arena, PAYLOAD};
use firehose_connector::relay::status::Id;
use firehose_connector::relay::status_queue::StatusQueue;

use crate::support::scenario::{Broker, DEFAULT, MIB, Scenario, Setup, delivered, rejected};

#[test]
fn a_batch_is_answered_with_one_array_as_the_document_shows_it() {
    let mut s = Scenario::new(Setup::default());
    for id in ["request123", "request456", "request890"] {
        s.publish_json(id, "x");
    }
    let batch = s.at(10_000).expect_sent(DEFAULT);
    s.answer(batch, &[rejected("error", "test error"), delivered("xyz2"), delivered("xyz3")]);
    s.expect_status(
        r#"{ "response": [ { "ErrorCode": "error", "ErrorMessage": "test error", "id": "request123", "status": "fail" }, { "firehose_record_id": "xyz2", "id": "request456", "status": "success" }, { "firehose_record_id": "xyz3", "id": "request890", "status": "success" } ] }"#,
    );
}

#[test]
fn version_1_answers_each_record_with_one_object_as_the_document_shows_it() {
    let mut s = Scenario::new(Setup { version: 1, interval: 0, ..Setup::default() });
    s.publish_json("request123", "x");
    let batch = s.expect_sent(DEFAULT);
    s.answer(batch, &[delivered("1lxfuuuFomkpJYzt/34ZU/r8JYPf8Wyf7AXqlXm")]);
    s.expect_status(
        r#"{ "response": { "firehose_record_id": "1lxfuuuFomkpJYzt/34ZU/r8JYPf8Wyf7AXqlXm", "status": "success" }, "id": "request123" }"#,
    );
    s.publish_json("request123", "x");
    let batch = s.expect_sent(DEFAULT);
    s.reject(batch, "ResourceNotFoundException", "Firehose test1 not found under account 123456789012.");
    s.expect_status(
        r#"{ "response" : { "error": "ResourceNotFoundException", "error_message": "An error occurred (ResourceNotFoundException) when calling the PutRecord operation: Firehose test1 not found under account 123456789012.", "status": "fail" }, "id": "request123" }"#,
    );
}

#[test]
fn a_refusal_that_repeats_the_session_token_does_not_publish_it() {
    const TOKEN: &str = "IQoJb3JpZ2luX2VjEPT//////////wEaCXVzLWVhc3QtMSJHMEUCIQD3xyz";
    let _in_use = Secret::new(TOKEN);
    let message = format!("should have been\n'x-amz-security-token:{TOKEN}\n'");
    let mut s = Scenario::new(Setup { interval: 0, ..Setup::default() });
    s.publish_json("1", "x");
    let batch = s.expect_sent(DEFAULT);
    s.answer(batch, &[rejected("error", &message)]);
    s.expect_status(
        r#"{"response": [{"ErrorCode": "error", "ErrorMessage": "should have been\n'x-amz-security-token:[secret]\n'", "id": "1", "status": "fail"}]}"#,
    );
    let mut s = Scenario::new(Setup { version: 1, interval: 0, ..Setup::default() });
    s.publish_json("1", "x");
    let batch = s.expect_sent(DEFAULT);
    s.reject(batch, "error", TOKEN);
    s.expect_status(
        r#"{"response": {"error": "error", "error_message": "An error occurred (error) when calling the PutRecord operation: [secret]", "status": "fail"}, "id": "1"}"#,
    );
}

#[test]
fn version_1_answers_what_it_refuses_itself_in_the_same_shape() {
    let mut s = Scenario::new(Setup { version: 1, interval: 0, ..Setup::default() });
    s.publish("kinesisfirehose/message", b"{}");
    s.expect_status(
        r#"{"response": {"error": "InvalidMessage", "error_message": "the property request is missing", "status": "fail"}, "id": ""}"#,
    );
}

#[test]
fn version_1_never_puts_two_records_in_a_message() {
    let mut s = Scenario::new(Setup { version: 1, interval: 0, ..Setup::default() });
    s.broker(Broker::Away);
    for id in ["1", "2", "3"] {
        s.publish_json(id, "x");
    }
    while let Some(sent) = s.take_sent() {
        s.deliver(sent);
    }
    s.broker(Broker::Takes);
    for id in 1..=3 {
        s.expect_status(&format!(
            r#"{{"response": {{"firehose_record_id": "r0", "status": "success"}}, "id": "{id}"}}"#
        ));
    }
}

#[test]
fn the_statuses_of_a_batch_are_split_at_128_kib_in_its_order() {
    let mut s = Scenario::new(Setup::default());
    let ids: Vec<_> = (0..500).map(|number| format!("{number:03}{}", "i".repeat(600))).collect();
    for id in &ids {
        s.publish_json(id, "x");
    }
    let batch = s.expect_sent(DEFAULT);
    s.deliver(batch);
    let messages = s.take_statuses();
    assert_eq!(messages.len(), 3);
    assert!(messages[..2].iter().all(|message| message.len() > STATUS_BYTES - 1000), "as full as they may be");
    let mut seen = Vec::new();
    for message in messages {
        let message: serde_json::Value = serde_json::from_str(&message).unwrap();
        seen.extend(
            message["response"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(seen, ids);
}

#[test]
fn a_message_takes_no_more_memory_than_its_bytes_however_many_wait() {
    for (version, interval) in [(1, 0), (5, 0), (5, 1)] {
        let mut s = Scenario::new(Setup { version, interval, ..Setup::default() });
        s.broker(Broker::Away);
        for round in 0..2_000 {
            s.publish_binary(&"i".repeat(round % 300), b"x");
            while let Some(sent) = s.take_sent() {
                s.deliver(sent);
            }
        }
        let (mut messages, mut bytes) = (0, 0);
        loop {
            let mut message = Vec::new();
            if s.next_status(&mut message) == 0 {
                break;
            }
            assert_eq!(message.capacity(), message.len());
            (messages, bytes) = (messages + 1, bytes + message.len());
        }
        assert!(messages > 1 && bytes > 2 * STATUS_BYTES, "{messages} messages of {bytes} bytes");
    }
}

#[test]
fn a_message_may_be_exactly_as_long_as_the_limit() {
    let entry = r#"{"firehose_record_id":"r0","id":"","status":"success"}"#;
    let both = r#"{"response":[,]}"#.len() + 2 * entry.len();
    for (limit, messages) in [(both, 1), (both - 1, 2)] {
        let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
        s.publish_json("", "a");
        s.publish_json("", "b");
        let batch = s.status_limit(limit).at(1_000).expect_sent(DEFAULT);
        s.deliver(batch);
        assert_eq!(s.take_statuses().len(), messages);
    }
}

#[test]
fn a_status_longer_than_the_brokers_own_limit_is_counted_and_the_rest_go_on() {
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    s.broker(Broker::Away).status_limit(200);
    s.publish_json("1", "a");
    s.publish_json(&"i".repeat(200), "b");
    s.publish_json("3", "c");
    let batch = s.at(1_000).expect_sent(DEFAULT);
    s.deliver(batch);
    s.broker(Broker::Takes);
    s.expect_status(r#"{"response": [{"firehose_record_id": "r0", "id": "1", "status": "success"}]}"#);
    s.expect_status(r#"{"response": [{"firehose_record_id": "r2", "id": "3", "status": "success"}]}"#);
    assert_eq!(s.relay().lost_statuses(), 1);
}

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
fn a_connection_to_the_broker_that_drops_and_is_soon_back_costs_no_status() {
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
fn records_wait_for_a_broker_that_was_lost_as_long_as_for_one_that_acknowledges_nothing() {
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

    // One that has taken statuses in between is waited for anew.
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
fn records_wait_for_no_broker_that_acknowledged_nothing_before_it_was_lost_nor_for_any_while_stopping() {
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
fn no_status_is_lost_while_the_broker_takes_them_however_slowly() {
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
fn the_statuses_of_batches_in_flight_have_their_room_even_when_records_take_all_other_memory() {
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
fn a_service_with_many_words_for_each_of_many_records_loses_no_status() {
    let mut s = Scenario::new(Setup { arena: 2 * MIB, interval: 1, queue_size: 2000, ..Setup::default() });
    let streams = ["a", "b", "c", "d"];
    for round in 0..1_600 {
        s.publish_to(streams[round % 4], "some id", &"x".repeat(500));
    }
    s.at(1_000).broker(Broker::Busy);
    while let Some(sent) = s.take_sent() {
        s.reject(sent, "AccessDeniedException", &"w".repeat(1_000));
    }
    s.broker(Broker::Takes).take_statuses();
    while let Some(sent) = s.take_sent() {
        s.reject(sent, "AccessDeniedException", &"w".repeat(1_000));
        s.take_statuses();
    }
    assert_eq!((s.relay().held(), s.relay().lost_statuses()), (0, 0));
}

#[test]
fn the_words_of_a_service_are_cut_where_room_is_short_and_every_record_has_its_status() {
    for (version, interval) in [(1, 0), (2, 2), (5, 2)] {
        for words in ["\x01", "w", "\u{1f980}"] {
            let mut s = Scenario::new(Setup { arena: 1_500_000, version, interval, ..Setup::default() });
            let mut held = 0;
            while held < 500 && s.publish_binary(&format!("{held:0100}"), b"x") == Accepted::Held {
                held += 1;
            }
            s.broker(Broker::Busy);
            while s.relay().held() > 0 {
                match s.take_sent() {
                    Some(sent) => drop(s.reject(sent, "AccessDeniedException", &words.repeat(1_024 / words.len()))),
                    None => break,
                }
            }
            s.broker(Broker::Takes);
            while let Some(sent) = s.take_sent() {
                s.reject(sent, "AccessDeniedException", &words.repeat(1_024 / words.len()));
            }
            let statuses = s.take_statuses().concat();
            assert_eq!((s.relay().lost_statuses(), s.relay().held()), (0, 0), "version {version} {words:?}");
            assert_eq!(statuses.matches("AccessDeniedException\"").count(), 500);
            let word = serde_json::to_string(words).unwrap();
            assert!(statuses.matches(word.trim_matches('"')).count() > 5 * 500, "some words are left");
        }
    }
}

#[test]
fn one_record_keeps_all_the_words_of_the_service() {
    let mut s = Scenario::new(Setup { arena: MIB, interval: 0, ..Setup::default() });
    s.publish_binary("id", b"x");
    let sent = s.expect_sent(DEFAULT);
    let words = "w".repeat(1_024);
    s.reject(sent, "AccessDeniedException", &words);
    assert!(s.take_statuses().concat().contains(&words));
}

#[test]
fn many_records_keep_all_the_words_of_the_service_where_there_is_room() {
    let mut s = Scenario::new(Setup { arena: 2 * MIB, interval: 1, ..Setup::default() });
    for stream in ["a", "b"] {
        for _ in 0..100 {
            s.publish_to(stream, &"i".repeat(60), "x");
        }
    }
    let sent = s.at(1_000).expect_sent("a");
    let beside = s.expect_sent("b");
    let words = "w".repeat(1_024);
    s.reject(sent, "AccessDeniedException", &words);
    assert_eq!(s.take_statuses().concat().matches(&words).count(), 100);
    s.deliver(beside);
    s.take_statuses();
}

#[test]
fn the_words_of_a_service_are_cut_to_the_room_there_is() {
    for version in [1, 5] {
        for (most, code) in [(320, "AccessDeniedException"), (400, "A"), (500, "a \"code\"\n")] {
            let mut arena = Arena::new(MIB);
            let mut statuses = StatusQueue::new(version, MIB);
            let words = "w".repeat(1_024);
            statuses.push(&mut arena, Id::Json(""), statuses.rejected(code, &words, most));
            let mut message = Vec::new();
            statuses.next_message(&mut arena, STATUS_BYTES, &mut message);
            let entry = message.len() - if version == 1 { 0 } else { r#"{"response":[]}"#.len() };
            assert!((most - 10..=most).contains(&entry), "{entry} of {most}");
        }
    }
}

#[test]
fn the_words_of_a_service_cost_no_status_however_little_room_is_left() {
    for records in [1, 8] {
        let enough = (records * STATUS_ENTRY_BYTES).div_ceil(PAYLOAD);
        for free in (enough..enough + 10).chain([0]) {
            let mut s = Scenario::new(Setup { arena: MIB, interval: 1, connections: 1, ..Setup::default() });
            for _ in 0..records {
                s.publish_binary("", b"x");
            }
            let sent = s.at(1_000).broker(Broker::Busy).expect_sent(DEFAULT);
            while s.publish_binary("", &[0; 200]) == Accepted::Held {}
            while s.relay().arena().free() > free {
                s.publish("kinesisfirehose/message", b"{}");
            }
            s.reject(sent, "AccessDeniedException", &"w".repeat(1_024));
            assert_eq!(s.relay().lost_statuses() > 0, free == 0, "{records} records, {free} free blocks");
            s.broker(Broker::Takes).take_statuses();
            while s.take_sent().is_some() {}
        }
    }
}

#[test]
fn a_publish_that_can_be_neither_held_nor_answered_is_left_until_statuses_have_gone() {
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

#[test]
fn while_the_broker_is_away_nothing_is_left_to_it() {
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

#[test]
fn a_message_that_became_too_long_is_told_again_in_shorter_ones() {
    for version in [1, 5] {
        let mut s = Scenario::new(Setup { version, ..Setup::default() });
        let ids = ["a", r#"},{"#, r#"","status":"success"},{"#, r#"\",\"status\":\"fail\"},{\""#, "\n", "\u{e9}"];
        s.broker(Broker::Away);
        for id in ids {
            s.publish_binary(id, &vec![0; RECORD_BYTES + 1]);
        }
        s.broker(Broker::Takes);
        let told = s.take_statuses();
        s.status_limit(400);
        told.iter().for_each(|message| s.give_back(message));
        let again = s.take_statuses();
        assert_eq!((told.len(), again.len()), if version == 1 { (6, 6) } else { (1, 3) });
        let ids_of = |messages: &[String]| -> Vec<String> {
            let parsed = messages.iter().map(|message| serde_json::from_str::<serde_json::Value>(message).unwrap());
            let entries = parsed.flat_map(|message| match &message["response"] {
                serde_json::Value::Array(entries) => entries.clone(),
                _ => vec![message],
            });
            entries.map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(ids_of(&again), ids);
        assert_eq!(ids_of(&told), ids);
        assert_eq!(s.relay().lost_statuses(), 0);
    }
}

#[test]
fn a_status_that_is_longer_than_the_broker_of_now_takes_is_counted_as_lost() {
    let mut s = Scenario::new(Setup::default());
    s.publish_binary(&"i".repeat(1000), &vec![0; RECORD_BYTES + 1]);
    let told = s.take_statuses();
    s.status_limit(300);
    s.give_back(&told[0]);
    assert_eq!(s.take_statuses(), Vec::<String>::new());
    assert_eq!(s.relay().lost_statuses(), 1);
}

#[test]
fn a_status_that_comes_back_and_finds_no_room_is_counted_as_lost() {
    let mut s = Scenario::new(Setup { arena: MIB, ..Setup::default() });
    s.publish_binary("id", &vec![0; RECORD_BYTES + 1]);
    let told = s.take_statuses();
    s.broker(Broker::Away);
    while s.relay().lost_statuses() == 0 {
        s.publish("kinesisfirehose/message", b"{}");
    }
    s.give_back(&told[0]);
    assert_eq!(s.relay().lost_statuses(), 2);
    s.broker(Broker::Takes).take_statuses();
}
