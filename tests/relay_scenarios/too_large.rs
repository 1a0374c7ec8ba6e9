//! Requests that are too large for a proxy.

use firehose_connector::limits::{BATCH_RECORDS, FAILURES_SPLIT, TOO_LARGE_KEPT};
use firehose_connector::relay::outcome::Outcome;

use super::failing_service::{Service, next, publish};
use crate::support::scenario::{Scenario, Setup};

#[test]
fn a_proxys_limit_is_learned_and_not_exceeded_each_time() {
    let mut s = Scenario::new(Setup { queue_size: 5_000, ..Setup::default() });
    let mut service = Service::new(Outcome::TooLarge);
    service.most_bytes = 1_000_000;
    let data = "x".repeat(4_000);
    for round in 0..20 {
        for number in 0..1_000 {
            s.publish_binary("", format!("{round}-{number}{data}").as_bytes());
        }
        service.run(&mut s, u64::MAX, 0);
    }
    assert!(s.now() < u64::try_from(TOO_LARGE_KEPT.as_millis()).unwrap());
    assert_eq!((s.relay().held(), service.taken.len()), (0, 20_000));
    assert!(service.failed <= 3, "{} of {} requests were too large", service.failed, service.requests);
    assert!(service.requests < 20_000 * 5_400 / 500_000 + 10, "no smaller than half of what passes");
    s.step_unwatched(u64::try_from(TOO_LARGE_KEPT.as_millis()).unwrap());
    service.most_bytes = usize::MAX;
    service.sizes.clear();
    for number in 0..4_000 {
        s.publish_binary("", format!("later-{number}{data}").as_bytes());
    }
    service.run(&mut s, u64::MAX, 0);
    assert!(service.sizes.contains(&BATCH_RECORDS), "{:?}", service.sizes);
}

#[test]
fn a_record_too_large_for_a_proxy_waits_alone() {
    let mut s = Scenario::new(Setup::default());
    let mut service = Service::new(Outcome::TooLarge);
    service.most_bytes = 1_000_000;
    publish(&mut s, "small", 200);
    s.publish_binary("", &vec![b'l'; 900_000]);
    publish(&mut s, "other", 200);
    service.run(&mut s, 60_000, 1);
    assert_eq!((s.relay().held(), service.taken.len()), (1, 400));
    assert!(service.requests <= 12, "{:?}", service.sizes);
    let end = s.now() + 3_600_000;
    service.run(&mut s, end, 0);
    assert_eq!((s.relay().held(), service.reported), (1, 1));
    service.most_bytes = usize::MAX;
    service.run(&mut s, end + 600_000, 0);
    assert_eq!(s.relay().held(), 0);
}

#[test]
fn after_a_413_for_an_accepted_length_batches_do_not_stay_small() {
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    let mut service = Service::new(Outcome::TooLarge);
    let data = "x".repeat(4_000);
    publish(&mut s, &data, BATCH_RECORDS);
    let first = s.take_sent().unwrap();
    service.serve(&mut s, first);
    publish(&mut s, &data, 2_500);
    for _ in 0..FAILURES_SPLIT {
        let sent = s.take_sent().unwrap_or_else(|| next(&mut s));
        s.outcome(sent, Outcome::TooLarge);
    }
    service.sizes.clear();
    service.run(&mut s, 60_000, 0);
    assert_eq!(s.relay().held(), 0);
    assert!(service.sizes.contains(&BATCH_RECORDS), "{:?}", service.sizes);
}
