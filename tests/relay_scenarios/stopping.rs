//! What a stop sends, and what it ends without an answer.

use firehose_connector::limits::{BACKOFF_DRAINING, BACKOFF_FLOOR, DRAIN};
use firehose_connector::relay::Settled;
use firehose_connector::relay::outcome::Outcome;
use firehose_connector::time::Duration;

use super::outcomes::batch_of_three;
use crate::support::scenario::{DEFAULT, Scenario, Setup, delivered};

#[test]
fn stopping_retries_at_once_what_waits_after_failures() {
    for outcome in [Outcome::Retry, Outcome::Offline, Outcome::RetrySplit] {
        let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
        s.publish_json("", "a");
        s.at(1_000);
        let sent = s.expect_sent(DEFAULT);
        s.outcome(sent, outcome);
        while s.deadline().unwrap() < s.now() + 2_000 {
            s.wait();
            let sent = s.expect_sent(DEFAULT);
            s.outcome(sent, outcome);
        }
        s.drain();
        let end = s.now() + u64::try_from(DRAIN.as_millis()).unwrap();
        let mut requests = 0;
        while s.now() < end {
            let sent = s.expect_batch(DEFAULT, &["a"]);
            s.outcome(sent, outcome);
            requests += 1;
            let delay = Duration::from_millis(s.wait());
            assert!((BACKOFF_FLOOR..=BACKOFF_DRAINING).contains(&delay), "{delay:?} after {outcome:?}");
        }
        assert!((15..60).contains(&requests), "{requests} requests after {outcome:?}");
        s.expect_sent(DEFAULT);
    }
}

#[test]
fn stopping_ends_every_record_and_counts_those_that_may_have_been_delivered() {
    let mut s = batch_of_three();
    s.expect_sent(DEFAULT);
    s.publish_to("b", "4", "d");
    assert_eq!(s.stop(), 4);
    let entry = |id, words| {
        format!(
            r#"{{"ErrorCode": "Stopped", "ErrorMessage": "the connector stopped {words}", "id": "{id}", "status": "fail"}}"#
        )
    };
    let in_flight = "while the record was being sent, it may have been delivered";
    s.expect_status(&format!(
        r#"{{"response": [{}, {}, {}, {}]}}"#,
        entry(1, in_flight),
        entry(2, in_flight),
        entry(3, in_flight),
        entry(4, "before the record was sent"),
    ));
    assert_eq!((s.relay().held(), s.deadline(), s.stop()), (0, None, 0));
}

#[test]
fn an_answer_that_comes_after_the_stop_changes_nothing() {
    let mut s = Scenario::new(Setup { interval: 0, ..Setup::default() });
    s.publish_json("", "a");
    let batch = s.expect_sent(DEFAULT);
    s.stop();
    s.take_statuses();
    let settled = s.late(batch, Outcome::Records(&[delivered("r")]));
    assert_eq!(settled, Settled::default());
}
