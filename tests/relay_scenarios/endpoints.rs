//! A delivery stream whose endpoint's host name does not exist: what a wrong region in a message's ARN looks like.

use firehose_connector::limits::{ENDPOINT_MISSING, ENDPOINT_MISSING_TIMES, STREAMS};
use firehose_connector::relay::Accepted;
use firehose_connector::relay::outcome::Outcome;

use crate::support::scenario::{DEFAULT, Scenario, Sent, Setup};

const WRONG: &str = "arn:aws:firehose:eu-nowhere-9:123456789012:deliverystream/wrong";
const BESIDE: &str = "arn:aws:firehose:eu-nowhere-9:123456789012:deliverystream/beside";
const DAY: u64 = 24 * 3600 * 1000;

/// What the world does in answer to a request.
type World<'a> = &'a mut dyn FnMut(&mut Scenario, Sent);

/// Something for the default delivery stream every ten seconds, until `end` holds or milliseconds `until`.
fn run(s: &mut Scenario, until: u64, world: World<'_>, end: impl Fn(&Scenario) -> bool) {
    let mut next = s.now();
    while s.now() < until && !end(s) {
        if s.now() >= next {
            s.publish_json("", "reading");
            next = s.now() + 10_000;
        }
        while let Some(sent) = s.take_sent() {
            world(s, sent);
        }
        let deadline = s.deadline().unwrap_or(next).min(next);
        s.at(deadline.max(s.now()));
    }
}

fn missing(s: &mut Scenario, sent: Sent) {
    s.outcome(sent, Outcome::NoSuchEndpoint);
}

/// The service is there, but for the region of [`WRONG`].
fn only_that_region_is_missing(s: &mut Scenario, sent: Sent) {
    if sent.stream == DEFAULT {
        s.deliver(sent);
    } else {
        missing(s, sent);
    }
}

/// Everything is well again.
fn deliver_all(s: &mut Scenario) {
    while let Some(sent) = s.take_sent() {
        s.deliver(sent);
    }
    s.take_statuses();
}

fn failed(s: &Scenario) -> bool {
    s.relay().counters().failed > 0
}

#[test]
fn records_for_an_unknown_endpoint_fail_when_others_have_answered_long_enough() {
    for seed in 0..50 {
        let mut s = Scenario::new(Setup { interval: 1, seed, ..Setup::default() });
        s.publish_to(WRONG, "7", "lost");
        let mut attempts = 0;
        let world: World<'_> = &mut |s, sent| {
            attempts += u32::from(sent.stream == WRONG);
            only_that_region_is_missing(s, sent);
        };
        run(&mut s, DAY, world, failed);
        assert!(attempts > ENDPOINT_MISSING_TIMES, "{attempts}");
        let least = u64::try_from(ENDPOINT_MISSING.as_millis()).unwrap();
        assert!((least..8 * least).contains(&s.now()), "after {} ms", s.now());
        let fails: Vec<_> = s.take_statuses().into_iter().filter(|status| status.contains("fail")).collect();
        assert_eq!(
            fails,
            [
                r#"{"response":[{"ErrorCode":"EndpointNotFound","ErrorMessage":"the service has no endpoint in region eu-nowhere-9 of partition aws, its host name does not exist: check delivery_stream_arn","id":"7","status":"fail"}]}"#
            ]
        );
        deliver_all(&mut s);
    }
}

#[test]
fn all_records_for_an_unknown_endpoint_fail_and_free_their_place() {
    let mut s = Scenario::new(Setup { interval: 0, ..Setup::default() });
    for _ in 0..100 {
        s.publish_to(WRONG, "", "lost");
    }
    let all = |s: &Scenario| s.relay().counters().failed == 100;
    run(&mut s, DAY, &mut only_that_region_is_missing, failed);
    let first = s.now();
    run(&mut s, DAY, &mut only_that_region_is_missing, all);
    assert!(s.now() - first < 60_000, "once known, no record waits for another half hour: {}", s.now() - first);
    deliver_all(&mut s);
    for number in 1..STREAMS {
        assert_eq!(s.publish_to(&format!("stream-{number}"), "", "x"), Accepted::Held);
    }
    deliver_all(&mut s);
}

#[test]
fn nothing_fails_while_nothing_shows_that_the_network_works() {
    let mut s = Scenario::new(Setup { interval: 1, queue_size: 100_000, ..Setup::default() });
    s.publish_to(WRONG, "7", "kept");
    run(&mut s, 3600 * 1000, &mut |s, sent| missing(s, sent), failed);
    let elsewhere_too: World<'_> = &mut |s, sent| {
        if sent.stream == WRONG {
            missing(s, sent);
        } else {
            s.fail(sent);
        }
    };
    run(&mut s, DAY, elsewhere_too, failed);
    assert_eq!((s.relay().counters().failed, s.relay().counters().succeeded), (0, 0));
    assert!(s.now() >= DAY);
    deliver_all(&mut s);
}

#[test]
fn the_default_delivery_stream_never_fails_for_an_unknown_endpoint() {
    let mut s = Scenario::new(Setup { interval: 1, queue_size: 100_000, ..Setup::default() });
    let world: World<'_> = &mut |s, sent| {
        if sent.stream == DEFAULT {
            missing(s, sent);
            s.publish_to(WRONG, "", "of a region that answers");
        } else {
            s.deliver(sent);
        }
    };
    run(&mut s, DAY, world, failed);
    assert!(s.relay().counters().succeeded > u64::from(ENDPOINT_MISSING_TIMES));
    assert_eq!(s.relay().counters().failed, 0);
    deliver_all(&mut s);
}

#[test]
fn an_answer_from_the_same_endpoint_shows_that_it_exists() {
    let mut s = Scenario::new(Setup { interval: 1, queue_size: 100_000, ..Setup::default() });
    s.publish_to(WRONG, "7", "kept");
    let mut answered = 0;
    let world: World<'_> = &mut |s, sent| {
        if s.now() >= answered + 20 * 60_000 {
            answered = s.now();
            s.publish_to(BESIDE, "", "on a connection kept open");
        }
        if sent.stream == WRONG {
            missing(s, sent);
        } else {
            s.deliver(sent);
        }
    };
    run(&mut s, DAY, world, failed);
    assert_eq!(s.relay().counters().failed, 0);
    run(&mut s, 2 * DAY, &mut only_that_region_is_missing, failed);
    assert_eq!(s.relay().counters().failed, 1);
    deliver_all(&mut s);
}
