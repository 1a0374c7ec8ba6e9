//! How much of the service's message a status keeps when room is short.

use firehose_connector::limits::{STATUS_BYTES, STATUS_ENTRY_BYTES};
use firehose_connector::relay::Accepted;
use firehose_connector::relay::arena::{Arena, PAYLOAD};
use firehose_connector::relay::status::Id;
use firehose_connector::relay::status_queue::StatusQueue;

use crate::support::scenario::{Broker, DEFAULT, MIB, Scenario, Setup};

#[test]
fn long_messages_for_many_records_lose_no_status() {
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
fn the_services_message_is_cut_when_room_is_short_and_every_record_has_its_status() {
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
fn one_record_keeps_the_whole_message_of_the_service() {
    let mut s = Scenario::new(Setup { arena: MIB, interval: 0, ..Setup::default() });
    s.publish_binary("id", b"x");
    let sent = s.expect_sent(DEFAULT);
    let words = "w".repeat(1_024);
    s.reject(sent, "AccessDeniedException", &words);
    assert!(s.take_statuses().concat().contains(&words));
}

#[test]
fn many_records_keep_the_whole_message_when_there_is_room() {
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
fn the_services_message_is_cut_to_the_available_room() {
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
fn the_services_message_costs_no_status_however_little_room_is_left() {
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
