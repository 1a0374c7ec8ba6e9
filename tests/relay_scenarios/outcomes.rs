//! What an answer means for each record, and what is retried when.

use firehose_connector::limits::{BACKOFF_BASE, BACKOFF_CAP, BACKOFF_FLOOR, BACKOFF_OFFLINE, BACKOFF_PUT_OFF};
use firehose_connector::relay::Settled;
use firehose_connector::relay::outcome::{Outcome, RecordOutcome};

use crate::support::scenario::{DEFAULT, Scenario, Setup, delivered, rejected};

pub(super) fn batch_of_three() -> Scenario {
    let mut s = Scenario::new(Setup::default());
    for (id, data) in [("1", "a"), ("2", "b"), ("3", "c")] {
        s.publish_json(id, data);
    }
    s.at(10_000);
    s
}

#[test]
fn a_partial_failure_resends_only_the_failed_records_at_the_end_of_the_queue() {
    let mut s = batch_of_three();
    let batch = s.expect_batch(DEFAULT, &["a", "b", "c"]);
    s.publish_json("4", "d");
    let settled = s.answer(batch, &[RecordOutcome::Retry, delivered("xyz"), RecordOutcome::Retry]);
    assert_eq!(settled, Settled { succeeded: 1, retried: 2, ..Settled::default() });
    s.expect_status(r#"{"response": [{"firehose_record_id": "xyz", "id": "2", "status": "success"}]}"#);
    let batch = s.at(20_000).expect_batch(DEFAULT, &["d", "a", "c"]);
    s.answer(batch, &[delivered("p"), delivered("q"), delivered("r")]);
    s.expect_status(
        r#"{"response": [{"firehose_record_id": "p", "id": "4", "status": "success"},
                         {"firehose_record_id": "q", "id": "1", "status": "success"},
                         {"firehose_record_id": "r", "id": "3", "status": "success"}]}"#,
    );
    assert_eq!(s.relay().counters().retried, 2);
    assert_eq!(s.relay().counters().succeeded, 4);
}

#[test]
fn a_permanently_rejected_record_fails_alone_with_the_services_code_and_message() {
    let mut s = batch_of_three();
    let batch = s.expect_sent(DEFAULT);
    let settled = s.answer(batch, &[delivered("x"), rejected("SomeException", "no, \"never\""), delivered("z")]);
    assert_eq!(settled, Settled { succeeded: 2, failed: 1, ..Settled::default() });
    s.expect_status(
        r#"{"response": [{"firehose_record_id": "x", "id": "1", "status": "success"},
                         {"ErrorCode": "SomeException", "ErrorMessage": "no, \"never\"", "id": "2", "status": "fail"},
                         {"firehose_record_id": "z", "id": "3", "status": "success"}]}"#,
    );
    assert_eq!(s.deadline(), None);
}

#[test]
fn a_permanently_rejected_request_fails_each_of_its_records_at_once() {
    let mut s = batch_of_three();
    let batch = s.expect_sent(DEFAULT);
    s.reject(batch, "ResourceNotFoundException", "Firehose test1 not found under account 123456789012.");
    let entry = |id| {
        format!(
            r#"{{"ErrorCode": "ResourceNotFoundException",
                "ErrorMessage": "Firehose test1 not found under account 123456789012.", "id": "{id}", "status": "fail"}}"#
        )
    };
    s.expect_status(&format!(r#"{{"response": [{}, {}, {}]}}"#, entry(1), entry(2), entry(3)));
    assert_eq!(s.relay().counters().failed, 3);
    s.publish_json("4", "d");
    s.at(20_000).expect_batch(DEFAULT, &["d"]);
}

#[test]
fn failures_are_counted_by_their_kind() {
    let mut s = Scenario::new(Setup { queue_size: 2000, ..Setup::default() });
    let counts = |s: &Scenario| {
        let all = s.relay().counters();
        (all.failed, all.failed_invalid, all.failed_full, all.failed_undelivered)
    };
    s.publish_raw(b"kinesisfirehose/message", b"no JSON");
    s.publish_binary("", &vec![b'x'; 1_024_001]);
    assert_eq!(counts(&s), (2, 2, 0, 0));
    for _ in 0..2003 {
        s.publish_binary("", b"x");
    }
    assert_eq!(counts(&s), (5, 2, 3, 0));
    let batch = s.expect_sent(DEFAULT);
    s.reject(batch, "ResourceNotFoundException", "no");
    assert_eq!(counts(&s), (505, 2, 3, 500));
    assert_eq!(s.stop(), 1500);
    assert_eq!(counts(&s), (2005, 2, 3, 2000));
    s.take_statuses();
}

#[test]
fn an_answer_for_another_number_of_records_is_ignored() {
    for answer in [&[][..], &[delivered("x"); 2][..], &[delivered("x"); 4][..]] {
        let mut s = batch_of_three();
        let batch = s.expect_sent(DEFAULT);
        assert_eq!(s.answer(batch, answer), Settled { retried: 3, ..Settled::default() });
        s.expect_no_status();
        s.wait();
        s.expect_batch(DEFAULT, &["a", "b", "c"]);
    }
}

#[test]
fn a_failed_request_is_retried_for_ever_with_backoff_and_jitter() {
    let mut longest = [0; 14];
    for seed in 0..200 {
        let mut s = Scenario::new(Setup { seed, interval: 1, ..Setup::default() });
        s.publish_json("", "a");
        s.at(1_000);
        for (failures, longest) in longest.iter_mut().enumerate() {
            let batch = s.expect_batch(DEFAULT, &["a"]);
            s.after(20).fail(batch);
            let delay = s.wait();
            let most = (BACKOFF_BASE * (1 << failures.min(20))).min(BACKOFF_CAP).as_millis();
            assert!((BACKOFF_FLOOR.as_millis()..=most).contains(&u128::from(delay)), "{delay} after {failures}");
            *longest = delay.max(*longest);
        }
        for _ in 0..50 {
            let batch = s.expect_sent(DEFAULT);
            s.fail(batch);
            s.wait();
        }
        assert!(s.now() > 3_600_000, "hours have passed: {}", s.now());
        let batch = s.expect_sent(DEFAULT);
        s.deliver(batch);
        s.take_statuses();
    }
    // Of 200 random delays up to a bound the longest is close to it.
    let bounds = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000, 300_000];
    for (longest, bound) in longest.into_iter().zip(bounds) {
        assert!((bound * 9 / 10..=bound).contains(&longest), "{longest} of {bound}");
    }
}

#[test]
fn without_a_network_the_delays_stay_short_and_do_not_count_later() {
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    s.publish_json("", "a");
    s.at(1_000);
    for _ in 0..100 {
        let batch = s.expect_sent(DEFAULT);
        s.outcome(batch, Outcome::Offline);
        assert!(u128::from(s.wait()) <= BACKOFF_OFFLINE.as_millis());
    }
    let batch = s.expect_sent(DEFAULT);
    s.fail(batch);
    assert!(u128::from(s.wait()) <= 2 * BACKOFF_BASE.as_millis());
    s.expect_sent(DEFAULT);
}

#[test]
fn a_full_batch_does_not_cut_a_backoff_short() {
    let mut s = Scenario::new(Setup { queue_size: 5000, ..Setup::default() });
    for _ in 0..1_500 {
        s.publish_binary("", b"x");
    }
    let batch = s.expect_sent(DEFAULT);
    s.fail(batch);
    assert!(s.wait() >= 50);
    s.expect_sent(DEFAULT);
}

#[test]
fn after_a_success_the_backoff_starts_again() {
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    s.publish_json("", "a");
    s.at(1_000);
    for _ in 0..12 {
        let batch = s.expect_sent(DEFAULT);
        s.fail(batch);
        s.wait();
    }
    let batch = s.expect_sent(DEFAULT);
    s.deliver(batch);
    s.take_statuses();
    s.publish_json("", "b");
    assert_eq!(s.wait(), 1_000);
    let batch = s.expect_sent(DEFAULT);
    s.fail(batch);
    assert!(s.wait() <= 500);
    s.expect_sent(DEFAULT);
}

#[test]
fn requests_that_were_in_flight_together_fail_as_one() {
    let mut longest = 0;
    for seed in 0..100 {
        let mut s = Scenario::new(Setup { interval: 0, seed, ..Setup::default() });
        for data in ["a", "b", "c", "d"] {
            s.publish_json("", data);
        }
        let batches = ["a", "b", "c", "d"].map(|data| s.expect_batch(DEFAULT, &[data]));
        for batch in batches {
            s.fail(batch);
        }
        longest = s.wait().max(longest);
        for data in ["a", "b", "c", "d"] {
            s.expect_batch(DEFAULT, &[data]);
        }
    }
    assert!((450..=500).contains(&longest), "{longest}: four failures would wait up to 4,000");
}

#[test]
fn one_streams_failures_do_not_hold_up_another() {
    let mut s = Scenario::new(Setup { interval: 0, connections: 2, ..Setup::default() });
    s.publish_to("down", "", "x");
    for number in 0..100 {
        while let Some(sent) = s.take_sent() {
            s.fail(sent);
        }
        s.publish_json("", &number.to_string());
        let batch = s.expect_batch(DEFAULT, &[&number.to_string()]);
        s.deliver(batch);
        s.take_statuses();
        s.wait();
    }
    assert!(s.now() > 3_600_000);
    s.expect_batch("down", &["x"]);
}

#[test]
fn failures_are_reported_for_a_stream_until_it_is_gone() {
    let mut s = Scenario::new(Setup { interval: 0, ..Setup::default() });
    s.publish_json("", "a");
    s.publish_to("b", "", "b");
    s.publish_to("down", "", "x");
    let (a, b, down) = (s.expect_sent(DEFAULT), s.expect_sent("b"), s.expect_sent("down"));
    let places = [a.index, b.index, down.index];
    let failures = |s: &Scenario| places.map(|place| s.relay().failures(place));
    s.deliver(a);
    s.deliver(b);
    s.fail(down);
    assert_eq!(failures(&s), [0, 0, 1]);
    s.wait();
    let down = s.expect_sent("down");
    s.fail(down);
    assert_eq!(failures(&s), [0, 0, 2]);
    s.stop();
    s.take_statuses();
    s.publish_to("other", "", "x");
    let other = s.expect_sent("other");
    s.deliver(other);
    s.take_statuses();
    assert_eq!(failures(&s)[..2], [0, 0]);
}

#[test]
fn a_stream_that_throttles_a_few_records_gets_a_short_pause() {
    let mut s = Scenario::new(Setup::default());
    for _ in 0..1_000 {
        s.publish_binary("", b"x");
    }
    let sent = s.expect_sent(DEFAULT);
    let mut answer = vec![delivered("r"); 500];
    answer[7] = RecordOutcome::Retry;
    s.answer(sent, &answer);
    s.expect_no_batch();
    let pause = u128::from(s.wait());
    assert!((BACKOFF_FLOOR.as_millis()..=BACKOFF_PUT_OFF.as_millis()).contains(&pause), "{pause}");
    s.expect_sent(DEFAULT);
    s.take_statuses();
}

#[test]
fn new_credentials_end_the_wait_after_a_refusal() {
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    s.publish_json("1", "a");
    let mut sent = s.at(1_000).expect_sent(DEFAULT);
    for _ in 0..8 {
        s.fail(sent);
        s.wait();
        sent = s.expect_sent(DEFAULT);
    }
    s.fail(sent);
    assert!(s.deadline().unwrap() > s.now() + 30_000);
    s.retry_now();
    let sent = s.expect_batch(DEFAULT, &["a"]);
    s.deliver(sent);
    s.take_statuses();
}
