//! A record at which the service fails is found, and sent alone, while the others go on.

use firehose_connector::limits::{
    ASIDE_TRIES, ASIDE_UNPROVEN, BACKOFF_BASE, BACKOFF_CAP, BATCH_RECORDS, DRAIN, FAILURES_SPLIT, SIGNATURE_LIFE,
};
use firehose_connector::relay::outcome::Outcome;

use super::failing_service::{Service, next, publish};
use crate::support::scenario::{DEFAULT, Scenario, Setup};

const FAILURES: [Outcome<'_>; 3] = [Outcome::RetrySplit, Outcome::RetrySmaller, Outcome::TooLarge];

#[test]
fn a_record_at_which_the_service_fails_is_found_and_the_others_are_delivered() {
    for failure in FAILURES {
        for place in [0, 1, 249, 250, 333, 499] {
            let mut s = Scenario::new(Setup::default());
            let mut service = Service::new(failure);
            publish(&mut s, "before", place);
            publish(&mut s, "bad", 1);
            publish(&mut s, "after", 499 - place);
            service.run(&mut s, 60_000, 1);
            assert_eq!((s.relay().held(), service.taken.len()), (1, 499), "{failure:?} {place}");
            assert!(service.requests <= 30, "{} requests, {failure:?} {place}", service.requests);
            let end = s.now() + 10_000;
            service.run(&mut s, end, 0);
            assert_eq!(service.reported, 1, "it is reported once that it waits alone");
            assert!(service.taken.values().all(|times| *times == 1));
        }
    }
}

#[test]
fn once_set_aside_it_is_retried_for_ever_while_the_others_go_in_full_batches() {
    let mut s = Scenario::new(Setup::default());
    let mut service = Service::new(Outcome::RetrySplit);
    publish(&mut s, "bad", 1);
    publish(&mut s, "good", 499);
    service.run(&mut s, 60_000, 1);
    service.run(&mut s, 3_600_000, 0);
    service.sizes.clear();
    for round in 0..50 {
        let end = s.now() + 60_000;
        publish(&mut s, &format!("round{round}-"), 1_000);
        service.run(&mut s, end, 0);
        assert_eq!(s.relay().held(), 1);
        s.step_unwatched(end.saturating_sub(s.now()));
    }
    let (alone, others): (Vec<usize>, Vec<usize>) = service.sizes.iter().partition(|size| **size == 1);
    assert_eq!(others, vec![BATCH_RECORDS; 100], "full batches");
    let least = 50 * 60 / usize::try_from(BACKOFF_CAP.as_secs()).unwrap();
    assert!((least..5 * least).contains(&alone.len()), "{} attempts in 50 minutes", alone.len());
    while let Some(sent) = s.take_sent() {
        service.serve(&mut s, sent);
    }
    s.wait();
    let sent = s.expect_batch(DEFAULT, &["bad0"]);
    s.deliver(sent);
    s.take_statuses();
    assert_eq!(s.relay().held(), 0);
}

#[test]
fn it_is_found_in_a_queue_that_is_never_empty() {
    let mut s = Scenario::new(Setup { queue_size: 5_000, ..Setup::default() });
    let mut service = Service::new(Outcome::RetrySplit);
    publish(&mut s, "first", 100);
    publish(&mut s, "bad", 1);
    let mut round = 0;
    while service.reported == 0 {
        round += 1;
        let room = 3_000 - s.relay().held();
        publish(&mut s, &format!("round{round}-"), room);
        let sent = s.take_sent().unwrap_or_else(|| next(&mut s));
        s.step_unwatched(50);
        service.serve(&mut s, sent);
        assert!(round < 400, "{:?}", service.sizes);
    }
    assert!(service.failed < 25, "{} requests failed", service.failed);
    assert!((0..100).all(|number| service.taken.contains_key(format!("first{number}").as_bytes())));
    while s.take_sent().is_some() {}
}

#[test]
fn a_failing_first_record_does_not_delay_the_next_one() {
    for interval in [0, 1] {
        let mut s = Scenario::new(Setup { interval, ..Setup::default() });
        let mut service = Service::new(Outcome::RetrySplit);
        publish(&mut s, "bad", 3);
        service.run(&mut s, 3_600_000, 0);
        for round in 0..100 {
            s.step_unwatched(10_000);
            while let Some(sent) = s.take_sent() {
                service.serve(&mut s, sent);
            }
            let before = s.now();
            publish(&mut s, &format!("good{round}-"), 1);
            while s.relay().held() > 3 {
                match s.take_sent() {
                    Some(sent) => service.serve(&mut s, sent),
                    None => drop(s.wait()),
                }
            }
            assert!(s.now() - before <= 1_000, "{} ms in round {round}", s.now() - before);
        }
        assert_eq!(service.reported, 3);
        while s.take_sent().is_some() {}
    }
}

#[test]
fn an_outage_of_a_day_brings_no_flood_and_full_batches_are_back_at_once() {
    for failure in [Outcome::RetrySplit, Outcome::RetrySmaller] {
        let mut s = Scenario::new(Setup { queue_size: 5_000, ..Setup::default() });
        let mut service = Service::new(failure);
        service.down = true;
        publish(&mut s, "record", 5_000);
        service.run(&mut s, 24 * 3_600_000, 0);
        assert_eq!(s.relay().held(), 5_000);
        assert!(service.requests < 1_000, "{} requests in a day", service.requests);
        assert_eq!(service.reported, 0, "nothing shows that it is the fault of a record");
        (service.down, service.requests, service.failed) = (false, 0, 0);
        service.sizes.clear();
        service.run(&mut s, 25 * 3_600_000, 0);
        assert_eq!((s.relay().held(), service.failed), (0, 0));
        let most = 10 + 5_000 / BATCH_RECORDS + ASIDE_UNPROVEN;
        assert!(service.requests <= most, "{} requests: {:?}", service.requests, service.sizes);
        let alone = service.sizes.iter().filter(|size| **size == 1).count();
        assert_eq!(alone, ASIDE_UNPROVEN + 1, "those and the first batch: {:?}", service.sizes);
    }
}

#[test]
fn one_failure_of_the_service_does_not_make_batches_smaller() {
    let mut s = Scenario::new(Setup::default());
    publish(&mut s, "record", 1_000);
    for size in [500, 500] {
        let sent = s.take_sent().unwrap_or_else(|| next(&mut s));
        assert_eq!(sent.data.len(), size);
        s.outcome(sent, Outcome::RetrySplit);
    }
    let sent = next(&mut s);
    assert_eq!(sent.data.len(), 500);
    s.outcome(sent, Outcome::RetrySplit);
    assert_eq!(next(&mut s).data.len(), 250);
}

#[test]
fn records_set_aside_count_against_the_queue_size_and_are_answered_at_the_end() {
    let mut s = Scenario::new(Setup { interval: 1, queue_size: 2, ..Setup::default() });
    let mut service = Service::new(Outcome::RetrySplit);
    publish(&mut s, "bad", 2);
    service.run(&mut s, 600_000, 0);
    s.publish_binary("third", b"x");
    let statuses = s.take_statuses().concat();
    assert!(statuses.contains("QueueFull") && statuses.contains("third"), "{statuses}");
    while s.take_sent().is_some() {}
    assert_eq!(s.stop(), 2);
    assert_eq!(s.take_statuses().concat().matches("Stopped").count(), 2);
}

#[test]
fn stopping_retries_each_record_that_was_set_aside() {
    for good in [true, false] {
        let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
        let mut service = Service::new(Outcome::RetrySplit);
        publish(&mut s, "bad", 5);
        publish(&mut s, "good", 100);
        service.run(&mut s, 3_600_000, 0);
        assert_eq!((s.relay().held(), service.reported), (5, 5));
        while s.deadline().is_some_and(|at| at < s.now() + 20_000) {
            s.wait();
            let sent = s.take_sent().unwrap();
            service.serve(&mut s, sent);
        }
        s.drain();
        service.sizes.clear();
        let end = s.now() + u64::try_from(DRAIN.as_millis()).unwrap();
        if good {
            while let Some(sent) = s.take_sent() {
                s.deliver(sent);
            }
            s.take_statuses();
            assert_eq!(s.relay().held(), 0, "one after the other, without a pause");
        } else {
            service.run(&mut s, end, 0);
            assert!((15..80).contains(&service.sizes.len()), "{} attempts", service.sizes.len());
            assert_eq!(s.stop(), 5);
            s.take_statuses();
        }
    }
}

#[test]
fn during_the_search_for_a_record_its_stream_does_not_count_as_failing() {
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    let mut service = Service::new(Outcome::RetrySplit);
    publish(&mut s, "before", 20);
    publish(&mut s, "bad", 1);
    publish(&mut s, "after", 20);
    let (mut failing, mut changes) = (false, 0);
    while s.relay().held() > 1 || service.reported == 0 {
        let sent = s.take_sent().unwrap_or_else(|| next(&mut s));
        service.serve(&mut s, sent);
        changes += usize::from((s.relay().failures(0) > 0) != failing);
        failing = s.relay().failures(0) > 0;
    }
    assert_eq!((changes, failing), (2, false), "{:?}", service.sizes);
    while s.take_sent().is_some() {}
}

#[test]
fn an_outage_during_the_search_for_a_record_brings_no_flood() {
    let mut s = Scenario::new(Setup { queue_size: 5_000, ..Setup::default() });
    let mut service = Service::new(Outcome::RetrySplit);
    publish(&mut s, "bad", 100);
    publish(&mut s, "record", 2_400);
    service.run(&mut s, 5_000, 0);
    (service.down, service.requests) = (true, 0);
    service.run(&mut s, 24 * 3_600_000, 0);
    assert!(service.requests < 1_000, "{} requests in a day", service.requests);
    while s.take_sent().is_some() {}
}

#[test]
fn a_record_set_aside_stays_there_through_other_failures() {
    for another in [Outcome::Retry, Outcome::Offline, Outcome::NoSuchEndpoint] {
        let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
        let mut service = Service::new(Outcome::RetrySplit);
        publish(&mut s, "bad", 1);
        service.run(&mut s, 600_000, 0);
        let alone = next(&mut s);
        s.outcome(alone, another);
        publish(&mut s, "good", 2);
        s.after(1_000).expect_batch(DEFAULT, &["good0", "good1"]);
    }
}

#[test]
fn a_failing_record_set_aside_does_not_shrink_the_batches_of_the_others() {
    for failure in FAILURES {
        let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
        publish(&mut s, "bad", 1);
        let mut sent = next(&mut s);
        for others in [1, 1, BATCH_RECORDS] {
            assert_eq!(sent.data.len(), 1);
            publish(&mut s, "other", others);
            s.outcome(sent, failure);
            sent = next(&mut s);
            // The first, which is tried alone at the same time.
            s.take_sent();
        }
        assert_eq!(s.relay().failures(0), FAILURES_SPLIT);
        assert_eq!(sent.data.len(), BATCH_RECORDS, "{failure:?}");
    }
}

#[test]
fn a_slow_record_set_aside_does_not_shrink_the_batches_of_the_others() {
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    let mut service = Service::new(Outcome::RetrySplit);
    publish(&mut s, "bad", 1);
    service.run(&mut s, 600_000, 0);
    let alone = next(&mut s);
    s.after(u64::try_from(SIGNATURE_LIFE.as_millis()).unwrap()).fail(alone);
    publish(&mut s, "good", BATCH_RECORDS);
    assert_eq!(s.expect_sent(DEFAULT).data.len(), BATCH_RECORDS);
}

#[test]
fn when_others_succeed_again_a_record_set_aside_is_retried_soon() {
    let soon = u64::try_from(BACKOFF_BASE.as_millis()).unwrap();
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    let mut service = Service::new(Outcome::RetrySplit);
    publish(&mut s, "bad", 1);
    service.run(&mut s, 3_600_000, 0);
    while s.deadline().unwrap() < s.now() + 60_000 {
        let alone = next(&mut s);
        service.serve(&mut s, alone);
    }
    publish(&mut s, "good", 1);
    let good = s.after(1_000).expect_batch(DEFAULT, &["good0"]);
    service.serve(&mut s, good);
    assert!(s.wait() <= soon);
    let alone = s.expect_batch(DEFAULT, &["bad0"]);
    s.outcome(alone, Outcome::RetrySplit);
    assert!(s.wait() <= soon, "its delays begin again");
    s.expect_batch(DEFAULT, &["bad0"]);
}

#[test]
fn a_good_record_set_aside_by_chance_is_tried_at_once_behind_any_number_of_bad_ones() {
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    let mut service = Service::new(Outcome::RetrySplit);
    publish(&mut s, "bad", 10);
    service.run(&mut s, 3_600_000, 0);
    publish(&mut s, "good", 1);
    let before = s.now();
    let mut failures = 0;
    while failures < ASIDE_TRIES {
        let sent = s.take_sent().unwrap_or_else(|| next(&mut s));
        failures += u32::from(sent.data[0].starts_with(b"good"));
        s.outcome(sent, Outcome::RetrySplit);
    }
    let sent = s.take_sent().unwrap_or_else(|| next(&mut s));
    assert_eq!(sent.data, [b"good0"]);
    s.deliver(sent);
    s.take_statuses();
    assert!(s.now() - before < 5_000, "{} ms", s.now() - before);
    while s.take_sent().is_some() {}
}
