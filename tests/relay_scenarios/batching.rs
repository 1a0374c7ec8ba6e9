//! When a batch goes, and what is in it.

use firehose_connector::limits::{CONNECTIONS, SINGLE_IN_FLIGHT};

use crate::support::scenario::{DEFAULT, Scenario, Setup};

#[test]
fn a_batch_goes_one_interval_after_its_first_record() {
    let mut s = Scenario::new(Setup { interval: 10, ..Setup::default() });
    s.at(500).publish_json("1", "a");
    s.at(9_000).publish_json("2", "b");
    s.at(10_499).expect_no_batch();
    let batch = s.at(10_500).expect_batch(DEFAULT, &["a", "b"]);
    assert!(!batch.single);
    s.at(10_600).deliver(batch);
    s.take_statuses();
    assert_eq!(s.deadline(), None, "an empty queue waits for nothing");
    s.at(11_000).publish_json("3", "c");
    let batch = s.at(21_000).expect_batch(DEFAULT, &["c"]);
    s.deliver(batch);
    s.take_statuses();
}

#[test]
fn the_interval_of_publishes_that_gathered_begins_when_the_source_was_read_last() {
    let mut s = Scenario::new(Setup { interval: 10, ..Setup::default() });
    s.read_at(5_000).publish_json("1", "a");
    let batch = s.at(15_000).expect_batch(DEFAULT, &["a"]);
    s.deliver(batch);
    s.take_statuses();
    // Soon after: it may have come at once after that.
    s.read_at(20_000);
    s.read_at(20_130).publish_json("2", "b");
    s.at(29_999).expect_no_batch();
    let batch = s.at(30_000).expect_batch(DEFAULT, &["b"]);
    s.deliver(batch);
    s.take_statuses();
    // Nothing gathers for longer.
    s.read_at(30_129).publish_json("3", "c");
    s.at(40_128).expect_no_batch();
    s.at(40_129).expect_batch(DEFAULT, &["c"]);
}

#[test]
fn of_what_gathered_all_groups_have_waited_since_the_source_was_read_before() {
    let mut s = Scenario::new(Setup { interval: 10, ..Setup::default() });
    s.read_at(20_000);
    s.read_at(20_128).publish_json("1", "a");
    s.read_at(20_131).publish_to("other", "2", "b");
    s.at(29_999).expect_no_batch();
    s.at(30_000).expect_batch(DEFAULT, &["a"]);
    s.expect_batch("other", &["b"]);
}

#[test]
fn the_longest_interval_is_kept_to_the_millisecond() {
    let mut s = Scenario::new(Setup { interval: 900, ..Setup::default() });
    s.at(1).publish_json("", "a");
    s.at(900_000).expect_no_batch();
    s.at(900_001).expect_batch(DEFAULT, &["a"]);
}

#[test]
fn five_hundred_records_go_at_once() {
    let mut s = Scenario::new(Setup::default());
    for _ in 0..499 {
        s.publish_binary("", b"x");
    }
    s.at(5).expect_no_batch();
    s.publish_binary("", b"x");
    s.publish_binary("", b"later");
    let batch = s.expect_sent(DEFAULT);
    assert_eq!(batch.data.len(), 500);
    s.deliver(batch);
    s.take_statuses();
    s.at(10_005).expect_batch(DEFAULT, &["later"]);
}

#[test]
fn four_mebibytes_of_encoded_body_go_at_once() {
    let mut s = Scenario::new(Setup::default());
    let megabyte = vec![0xff; 1_000_000];
    for _ in 0..3 {
        s.publish_binary("", &megabyte);
        s.after(1).expect_no_batch();
    }
    s.publish_binary("", &megabyte);
    let batch = s.expect_sent(DEFAULT);
    assert_eq!(batch.data.len(), 3, "four would be 5.3 MB");
    s.deliver(batch);
    s.take_statuses();
    assert_eq!(s.deadline(), Some(10_003));
}

#[test]
fn a_body_of_exactly_the_limit_is_one_batch_and_one_byte_more_is_two() {
    // 4 MiB less the envelope are 4,194,200 bytes: four records of 12 bytes and their base64.
    let last = (4_194_200 - 4 * 12 - 3 * 999_999 / 3 * 4) / 4 * 3;
    for (last, sent_at, records) in [(last, 10_000, 4), (last + 1, 0, 3)] {
        let mut s = Scenario::new(Setup { interval: 10, ..Setup::default() });
        for size in [999_999, 999_999, 999_999, last] {
            s.publish_binary("", &vec![7; size]);
        }
        assert_eq!(s.at(sent_at).expect_sent(DEFAULT).data.len(), records);
    }
}

#[test]
fn interval_0_sends_each_record_on_its_own_with_a_few_requests_in_flight() {
    let mut s = Scenario::new(Setup { interval: 0, ..Setup::default() });
    for number in 0..SINGLE_IN_FLIGHT + 2 {
        s.publish_json("", &number.to_string());
    }
    let mut batches: Vec<_> = (0..SINGLE_IN_FLIGHT).map(|n| s.expect_batch(DEFAULT, &[&n.to_string()])).collect();
    assert!(batches.iter().all(|batch| batch.single));
    s.at(1_000).expect_no_batch();
    s.deliver(batches.remove(2));
    batches.push(s.expect_batch(DEFAULT, &["4"]));
    s.deliver(batches.remove(0));
    batches.push(s.expect_batch(DEFAULT, &["5"]));
    for batch in batches {
        s.deliver(batch);
    }
    s.take_statuses();
}

#[test]
fn version_1_sends_each_record_on_its_own_whatever_the_interval() {
    let mut s = Scenario::new(Setup { version: 1, interval: 10, ..Setup::default() });
    s.publish_json("", "a");
    s.publish_json("", "b");
    assert!(s.expect_batch(DEFAULT, &["a"]).single);
    assert!(s.expect_batch(DEFAULT, &["b"]).single);
}

#[test]
fn records_keep_their_order_while_nothing_fails() {
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    let mut seen = Vec::new();
    for number in 0..1_700_u32 {
        s.after(u64::from(number % 3 == 0)).publish_binary("", &number.to_be_bytes());
        while let Some(batch) = s.take_sent() {
            seen.extend(batch.data.clone());
            s.deliver(batch);
        }
    }
    s.wait();
    let batch = s.expect_sent(DEFAULT);
    seen.extend(batch.data.clone());
    s.deliver(batch);
    s.take_statuses();
    assert_eq!(seen, (0..1_700_u32).map(|number| number.to_be_bytes().to_vec()).collect::<Vec<_>>());
}

#[test]
fn one_batch_of_a_stream_is_in_flight_and_several_streams_send_at_once() {
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    s.publish_json("", "a1");
    s.publish_to("b", "", "b1");
    s.at(1_000);
    let a = s.expect_batch(DEFAULT, &["a1"]);
    let b = s.expect_batch("b", &["b1"]);
    s.publish_json("", "a2");
    s.publish_to("b", "", "b2");
    s.at(60_000).expect_no_batch();
    s.deliver(b);
    let b = s.expect_batch("b", &["b2"]);
    s.at(61_000).deliver(a);
    let a = s.expect_batch(DEFAULT, &["a2"]);
    s.deliver(a);
    s.deliver(b);
    s.take_statuses();
}

#[test]
fn requests_in_flight_are_bounded_over_all_streams() {
    let mut s = Scenario::new(Setup { interval: 1, connections: 99, ..Setup::default() });
    for stream in 0..CONNECTIONS + 1 {
        s.publish_to(&format!("s{stream}"), "", "x");
    }
    s.at(1_000);
    let mut batches: Vec<_> = (0..CONNECTIONS).map(|stream| s.expect_batch(&format!("s{stream}"), &["x"])).collect();
    s.at(2_000).expect_no_batch();
    s.deliver(batches.remove(1));
    s.expect_batch(&format!("s{CONNECTIONS}"), &["x"]);
    s.take_statuses();
}

#[test]
fn a_busy_stream_lets_the_others_have_their_turn() {
    let mut s = Scenario::new(Setup { connections: 1, ..Setup::default() });
    for stream in ["b", "c"] {
        s.publish_to(stream, "", stream);
    }
    s.at(9_999);
    for _ in 0..2_000 {
        s.publish_binary("", b"x");
    }
    let mut turns = vec![s.expect_sent(DEFAULT)];
    s.at(10_000);
    for turn in ["b", "c", DEFAULT, DEFAULT] {
        s.expect_no_batch();
        s.deliver(turns.pop().unwrap());
        turns.push(s.expect_sent(turn));
    }
    s.take_statuses();
}

#[test]
fn draining_waits_for_no_interval() {
    let mut s = Scenario::new(Setup { interval: 900, ..Setup::default() });
    s.publish_json("", "a");
    s.publish_to("b", "", "b");
    s.at(1).drain();
    let a = s.expect_batch(DEFAULT, &["a"]);
    let b = s.expect_batch("b", &["b"]);
    s.publish_json("", "late");
    s.deliver(a);
    let late = s.expect_batch(DEFAULT, &["late"]);
    s.deliver(b);
    s.deliver(late);
    assert_eq!(s.relay().held(), 0);
    s.take_statuses();
}

#[test]
fn a_clock_that_runs_backwards_only_delays() {
    let mut s = Scenario::new(Setup { interval: 10, ..Setup::default() });
    s.at(100_000).publish_json("", "a");
    s.clock_jumps_to(0).publish_json("", "b");
    assert_eq!(s.deadline(), Some(110_000));
    let batch = s.at(110_000).expect_batch(DEFAULT, &["a", "b"]);
    s.clock_jumps_to(50).fail(batch);
    s.wait();
    assert!(s.now() <= 110_000);
    let batch = s.expect_sent(DEFAULT);
    s.clock_jumps_to(3).deliver(batch);
    s.take_statuses();
    assert_eq!(s.relay().held(), 0);
}
