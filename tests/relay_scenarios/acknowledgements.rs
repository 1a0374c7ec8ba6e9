//! When publishes are acknowledged, and what comes again after a reconnect.

use std::collections::VecDeque;

use firehose_connector::limits::{PAUSE, PAUSE_ANSWER, RECEIVE_MAXIMUM, UNACKNOWLEDGED, WINDOW_STUCK};
use firehose_connector::relay::message::{BINARY_TOPIC, JSON_TOPIC};
use firehose_connector::relay::{Accepted, Acknowledge};
use serde_json::json;

use crate::support::scenario::{ARN, Broker, DEFAULT, Scenario, Sent, Setup, delivered, rejected};

const WINDOW: u64 = RECEIVE_MAXIMUM as u64;
const STUCK: u64 = PAUSE_ANSWER.as_secs() * 1000;

fn binary(s: &mut Scenario, id: u64) -> Accepted {
    s.receive(&format!("{BINARY_TOPIC}/{id}"), format!("data{id}").as_bytes())
}

fn to(s: &mut Scenario, name: &str, id: u64) -> Accepted {
    let request = json!({"data": format!("{name}{id}"), "delivery_stream_arn": format!("{ARN}{name}")});
    s.receive(JSON_TOPIC, json!({"request": request, "id": id.to_string()}).to_string().as_bytes())
}

#[test]
fn a_publish_is_safe_when_its_record_is_delivered_or_has_failed_in_the_order_of_receipt() {
    let mut s = Scenario::new(Setup::default());
    (0..3).for_each(|id| _ = binary(&mut s, id));
    s.receive(JSON_TOPIC, b"{");
    assert_eq!(s.safe(), 0, "the fourth has failed, behind three that are held");
    s.at(10_000);
    let sent = s.expect_batch(DEFAULT, &["data0", "data1", "data2"]);
    s.answer(
        sent,
        &[delivered("r0"), firehose_connector::relay::outcome::RecordOutcome::Retry, rejected("Code", "words")],
    );
    assert_eq!(s.safe(), 1, "the second is sent again");
    s.wait();
    let sent = s.expect_batch(DEFAULT, &["data1"]);
    s.deliver(sent);
    assert_eq!(s.safe(), 4);
    s.take_statuses();
}

#[test]
fn a_publish_whose_record_is_to_be_held_is_safe_at_once() {
    let mut s = Scenario::new(Setup { acknowledge: Acknowledge::Held, ..Setup::default() });
    binary(&mut s, 0);
    assert_eq!(s.safe(), 1);
    s.at(10_000);
    let sent = s.expect_batch(DEFAULT, &["data0"]);
    s.deliver(sent);
    s.take_statuses();
}

#[test]
fn a_batch_goes_when_the_window_is_nearly_full_however_long_the_interval_is() {
    let mut s = Scenario::new(Setup { interval: 900, ..Setup::default() });
    // By turns, so that no batch is full.
    let mut receive = |id| if id % 2 == 0 { binary(&mut s, id) } else { to(&mut s, "other", id) };
    (0..WINDOW * 3 / 4 - 1).for_each(|id| _ = receive(id));
    s.expect_no_batch();
    binary(&mut s, WINDOW);
    let sent = s.expect_sent(DEFAULT);
    assert_eq!(sent.data.len() as u64, WINDOW * 3 / 8 + 1, "the rest goes when that is not enough");
    s.deliver(sent);
    assert_eq!(s.safe(), 1);
    s.take_statuses();
}

#[test]
fn an_interval_is_kept_however_a_source_pauses() {
    let mut s = Scenario::new(Setup::default());
    for id in 0..3 {
        binary(&mut s, id);
        s.after(3000);
        s.expect_no_batch();
    }
    s.after(1000);
    let sent = s.expect_batch(DEFAULT, &["data0", "data1", "data2"]);
    assert_eq!(sent.at, 10_000);
    s.deliver(sent);
    s.take_statuses();
}

#[test]
fn a_small_window_that_nobody_said_stops_the_input_once_for_ten_seconds_at_most() {
    for interval in [2, 900] {
        let mut s = Scenario::new(Setup { interval, ..Setup::default() });
        (0..20).for_each(|id| _ = binary(&mut s, id));
        let end = 1000 * interval.min(PAUSE.as_secs());
        s.at(end - 1);
        s.expect_no_batch();
        s.at(end);
        let sent = s.expect_sent(DEFAULT);
        assert_eq!(sent.data.len(), 20);
        s.deliver(sent);
        for id in 20..200 {
            binary(&mut s, id);
            while let Some(sent) = s.take_sent() {
                assert_eq!(sent.at, s.now(), "nothing waits any more");
                s.deliver(sent);
            }
            assert!(id + 1 - s.safe() < 20);
        }
        s.take_statuses();
    }
}

#[test]
fn the_oldest_publishes_beyond_the_window_are_acknowledged_as_held() {
    let mut s = Scenario::new(Setup { interval: 900, ..Setup::default() });
    for id in 0..2 * UNACKNOWLEDGED as u64 {
        binary(&mut s, id);
        assert!(id + 1 - s.safe() <= UNACKNOWLEDGED as u64);
    }
    let held = s.relay().counters().acknowledged_held;
    assert_eq!(held, s.safe());
    assert!(held >= UNACKNOWLEDGED as u64, "{held}");
    while let Some(sent) = s.take_sent() {
        s.deliver(sent);
    }
    s.take_statuses();
}

#[test]
fn a_stream_that_fails_holds_back_neither_the_others_nor_the_input() {
    let mut s = Scenario::new(Setup::default());
    let (mut good, mut id) = (0, 0);
    to(&mut s, "bad", id);
    for _ in 0..40 {
        for _ in 0..50 {
            id += 1;
            to(&mut s, if id % 5 == 0 { "bad" } else { "good" }, id);
        }
        s.step_unwatched(100);
        while let Some(sent) = s.take_sent() {
            if sent.stream == "bad" {
                s.fail(sent);
            } else {
                good += sent.data.len();
                s.deliver(sent);
            }
        }
        assert!(id + 1 - s.safe() < WINDOW, "the broker may send on");
    }
    assert!(good > 1200, "{good}");
    let counters = s.relay().counters();
    assert!((100..=401).contains(&counters.acknowledged_held), "{counters:?}");
    assert_eq!(s.relay().held() as u64, 2001 - counters.succeeded);
    s.take_statuses();
}

#[test]
fn no_held_record_is_acknowledged_while_the_service_answers_in_time() {
    for (period, latency) in [(20, 500), (3, 900), (1, 200), (1, 900), (20, 1500), (2, 2400)] {
        let mut s = Scenario::new(Setup::default());
        let (mut id, mut under_way) = (0, VecDeque::new());
        for now in 1..20_000 {
            s.step_unwatched(1);
            if now % period == 0 && id - s.safe() < WINDOW {
                binary(&mut s, id);
                id += 1;
            }
            under_way.extend(std::iter::from_fn(|| s.take_sent()));
            while under_way.front().is_some_and(|sent: &Sent| sent.at + latency <= now) {
                s.deliver(under_way.pop_front().unwrap());
            }
        }
        assert_eq!(s.relay().counters().acknowledged_held, 0, "a publish in {period} ms, answers in {latency} ms");
        assert!(s.safe() > 0 && id - s.safe() <= WINDOW);
        s.take_statuses();
    }
}

#[test]
fn a_service_that_says_nothing_stops_the_input_for_some_seconds_once() {
    let mut s = Scenario::new(Setup::default());
    (0..WINDOW).for_each(|id| _ = binary(&mut s, id));
    let sent = s.expect_sent(DEFAULT);
    s.at(STUCK - 1);
    assert_eq!(s.safe(), 0);
    s.at(STUCK);
    assert_eq!(s.safe(), WINDOW / 2, "half of it stays with the broker");
    for id in WINDOW..3 * WINDOW {
        binary(&mut s, id);
        assert!(id + 1 - s.safe() < WINDOW);
    }
    s.deliver(sent);
    while let Some(sent) = s.take_sent() {
        s.deliver(sent);
    }
    let before = s.relay().counters().acknowledged_held;
    (3 * WINDOW..4 * WINDOW).for_each(|id| _ = binary(&mut s, id));
    assert_eq!(s.relay().counters().acknowledged_held, before, "it is well again");
    while let Some(sent) = s.take_sent() {
        s.deliver(sent);
    }
    s.take_statuses();
}

#[test]
fn a_service_that_answered_quickly_until_now_stops_the_input_for_a_second() {
    let mut s = Scenario::new(Setup::default());
    binary(&mut s, 0);
    let sent = s.at(10_000).expect_sent(DEFAULT);
    s.after(100).deliver(sent);
    (1..=WINDOW).for_each(|id| _ = binary(&mut s, id));
    let sent = s.expect_sent(DEFAULT);
    s.after(WINDOW_STUCK.as_secs() * 1000 - 1);
    assert_eq!(s.safe(), 1);
    s.after(1);
    assert_eq!(s.safe(), 1 + WINDOW / 2);
    s.deliver(sent);
    while let Some(sent) = s.take_sent() {
        s.deliver(sent);
    }
    s.take_statuses();
}

/// Records wait for room for their statuses, and their publishes for the records.
#[test]
fn without_room_for_statuses_the_window_opens_before_the_broker_is_given_up() {
    let mut s = Scenario::new(Setup { arena: 1024 * 1024, ..Setup::default() });
    s.broker(Broker::Busy);
    let mut id = 0;
    while s.relay().has_status_room() {
        s.receive(&format!("{BINARY_TOPIC}/{}", "x".repeat(60_000)), &vec![b'x'; 1_024_001]);
        id += 1;
        assert!(id < 100);
    }
    for id in 0..WINDOW {
        binary(&mut s, id);
    }
    s.expect_no_batch();
    let before = s.safe();
    s.after(STUCK);
    assert!(s.safe() >= before + WINDOW / 4, "{} {before}", s.safe());
    s.broker(Broker::Takes);
    while let Some(sent) = s.take_sent() {
        s.deliver(sent);
    }
    s.take_statuses();
}

#[test]
fn what_comes_again_after_a_reconnect_is_taken_once() {
    for acknowledge in [Acknowledge::Safe, Acknowledge::Held] {
        let mut s = Scenario::new(Setup { acknowledge, ..Setup::default() });
        (0..3).for_each(|_| _ = s.receive(BINARY_TOPIC, b"21.5"));
        s.reconnect(true, 0);
        (0..3).for_each(|_| assert_eq!(s.receive(BINARY_TOPIC, b"21.5"), Accepted::Known));
        assert_eq!(s.receive(BINARY_TOPIC, b"21.5"), Accepted::Held, "the fourth equal reading is a new one");
        s.wait();
        let sent = s.take_sent().unwrap();
        assert_eq!(sent.data.len(), 4, "three equal readings stay three");
        s.deliver(sent);
        assert_eq!(s.safe(), 7);
        assert_eq!(s.relay().counters().redelivered, 3);
        s.take_statuses();
    }
}

#[test]
fn what_was_delivered_while_the_connection_was_away_is_not_sent_again() {
    let mut s = Scenario::new(Setup::default());
    binary(&mut s, 0);
    s.at(10_000);
    let sent = s.expect_batch(DEFAULT, &["data0"]);
    s.reconnect(true, 0);
    s.deliver(sent);
    assert_eq!(binary(&mut s, 0), Accepted::Known);
    assert_eq!(s.safe(), 2);
    s.take_statuses();
}

#[test]
fn an_acknowledgement_that_was_lost_with_the_connection_repeats_nothing() {
    for acknowledge in [Acknowledge::Safe, Acknowledge::Held] {
        let mut s = Scenario::new(Setup { acknowledge, ..Setup::default() });
        (0..3).for_each(|id| _ = binary(&mut s, id));
        s.wait();
        let sent = s.take_sent().unwrap();
        s.deliver(sent);
        // The broker had shown that it has the first acknowledgement. It marks nothing, and gives new packet ids.
        s.reconnect_unsure(true, 3, 1);
        (1..3).for_each(|id| assert_eq!(binary(&mut s, id), Accepted::Known));
        assert_eq!(binary(&mut s, 0), Accepted::Held, "a new one that is equal");
        assert_eq!(binary(&mut s, 2), Accepted::Held, "behind a new one nothing comes again");
        s.wait();
        let sent = s.take_sent().unwrap();
        s.deliver(sent);
        s.take_statuses();
    }
}

#[test]
fn equal_readings_are_not_taken_for_one_that_comes_again() {
    let mut s = Scenario::new(Setup::default());
    (0..4).for_each(|id| _ = binary(&mut s, id % 2));
    s.wait();
    let sent = s.take_sent().unwrap();
    s.deliver(sent);
    s.reconnect_unsure(true, 4, 0);
    (0..4).for_each(|id| {
        assert_eq!(binary(&mut s, id % 2), Accepted::Held, "to lose one is worse than to send one twice")
    });
    s.wait();
    let sent = s.take_sent().unwrap();
    s.deliver(sent);
    s.take_statuses();
}

#[test]
fn with_a_new_session_held_records_are_delivered_and_what_comes_is_new() {
    let mut s = Scenario::new(Setup::default());
    binary(&mut s, 0);
    s.reconnect(false, 0);
    assert_eq!(binary(&mut s, 0), Accepted::Held);
    s.wait();
    let sent = s.take_sent().unwrap();
    assert_eq!(sent.data.len(), 2);
    s.deliver(sent);
    s.take_statuses();
}

#[test]
fn at_the_end_what_the_broker_sends_again_has_no_status_and_all_else_has() {
    let mut s = Scenario::new(Setup::default());
    binary(&mut s, 0);
    s.publish_binary("at QoS 0", b"x");
    let before = s.relay().counters();
    s.drain();
    let sent = s.take_sent().unwrap();
    assert_eq!(sent.data.len(), 2);
    assert_eq!(s.stop(), 1);
    let statuses = s.take_statuses().concat();
    assert!(statuses.contains("at QoS 0") && !statuses.contains(r#""id":"0""#), "{statuses}");
    assert_eq!((before.received, s.relay().counters().received, s.safe()), (2, 1, 0));
}
