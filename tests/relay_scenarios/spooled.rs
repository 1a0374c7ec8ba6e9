//! What goes to the spool, when it is acknowledged, and how it comes back.

use core::cell::Cell;
use std::collections::VecDeque;

use firehose_connector::keeper::Keeper;
use firehose_connector::limits::spool::{COMMIT_DELAY, STALL};
use firehose_connector::limits::{PROBES, RECEIVE_MAXIMUM, SPOOL_AFTER, SPOOL_DRAINING, SPOOL_WAITED_FOR};
use firehose_connector::relay::message::{BINARY_TOPIC, JSON_TOPIC};
use firehose_connector::relay::{Accepted, Acknowledge, Settled};
use firehose_connector::spool::{self, operation::Fault};
use firehose_connector::time::{Duration, Instant};
use serde_json::json;

use crate::support::files::Files;
use crate::support::scenario::{ARN, MIB, Scenario, Setup, carry};

const SPOOL: Setup = Setup { spool: Some(64 * 1024), ..Setup::DEFAULT };

fn one(s: &mut Scenario, id: usize) -> Accepted {
    s.receive(&format!("{BINARY_TOPIC}/{id}"), id.to_string().as_bytes())
}

fn long(s: &mut Scenario, id: usize) -> Accepted {
    s.receive(&format!("{BINARY_TOPIC}/{id}"), format!("{id:<1000}").as_bytes())
}

fn to(s: &mut Scenario, name: &str, id: usize) -> Accepted {
    let request = json!({"data": id.to_string(), "delivery_stream_arn": format!("{ARN}{name}")});
    s.receive(JSON_TOPIC, json!({"request": request, "id": id.to_string()}).to_string().as_bytes())
}

/// Moves on by `millis` while the service takes what `takes` says, by the name of the delivery stream. Answers the
/// records.
fn serve(s: &mut Scenario, millis: u64, takes: impl Fn(&str) -> bool) -> Vec<(String, usize)> {
    let mut taken = Vec::new();
    for _ in 0..millis.div_ceil(50) {
        s.step_unwatched(50);
        while let Some(sent) = s.take_sent() {
            if !takes(&sent.stream) {
                s.fail(sent);
                continue;
            }
            let number = |data: &Vec<u8>| str::from_utf8(data).unwrap().trim().parse().unwrap();
            taken.extend(sent.data.iter().map(|data| (sent.stream.clone(), number(data))));
            s.deliver(sent);
        }
    }
    taken
}

/// One request in a fifth of a second.
fn slowly(s: &mut Scenario) -> Vec<(String, usize)> {
    s.step_unwatched(200);
    let Some(sent) = s.take_sent() else { return Vec::new() };
    let taken = sent.data.iter().map(|data| (sent.stream.clone(), str::from_utf8(data).unwrap().parse().unwrap()));
    let taken = taken.collect();
    s.deliver(sent);
    taken
}

fn numbers(taken: &[(String, usize)]) -> Vec<usize> {
    taken.iter().map(|(_, number)| *number).collect()
}

fn down(_: &str) -> bool {
    false
}

fn up(_: &str) -> bool {
    true
}

#[test]
fn with_a_good_uplink_nothing_is_written_whatever_comes() {
    let mut s = Scenario::new(SPOOL);
    for round in 0..100 {
        (0..100).for_each(|id| _ = one(&mut s, round * 100 + id));
        // One request of ten fails.
        let failed = Cell::new(round % 10 != 0);
        serve(&mut s, 1000, |_| failed.replace(true));
    }
    serve(&mut s, 20_000, up);
    assert_eq!((s.safe(), s.files.written, s.files.count()), (10_000, 0, 0));
    s.take_statuses();
}

#[test]
fn a_failing_stream_is_kept_on_disk_and_later_sent_in_order() {
    let mut s = Scenario::new(SPOOL);
    (0..1000).for_each(|id| {
        one(&mut s, id);
        serve(&mut s, 50, down);
    });
    assert!((980..=1000).contains(&s.safe()), "all but those of the last half second");
    serve(&mut s, 1000, down);
    assert_eq!((s.safe(), s.relay().held(), s.relay().counters().acknowledged_held), (1000, PROBES, 0));
    let taken = serve(&mut s, 400_000, up);
    assert_eq!(taken.len(), 1000);
    let numbers = numbers(&taken);
    let later = numbers.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(later <= PROBES, "only those that were tried went to the end: {numbers:?}");
    assert_eq!((s.relay().held(), s.spooled().records, s.files.count()), (0, 0, 0));
    s.take_statuses();
}

#[test]
fn it_is_kept_no_sooner_than_it_must_be() {
    let mut s = Scenario::new(SPOOL);
    (0..800).for_each(|id| _ = one(&mut s, id));
    serve(&mut s, SPOOL_WAITED_FOR.as_secs() * 1000, down);
    assert_eq!(s.files.written, 0);
    serve(&mut s, 2000, down);
    assert_eq!(s.safe(), 800, "the broker soon sends no more");

    let mut s = Scenario::new(Setup { acknowledge: Acknowledge::Held, interval: 1, ..SPOOL });
    (0..10).for_each(|id| _ = one(&mut s, id));
    serve(&mut s, SPOOL_AFTER.as_secs() * 1000, down);
    assert_eq!(s.files.written, 0, "nobody waits for it");
    serve(&mut s, 2000, down);
    assert_eq!(s.spooled().records, 10, "it survives a power cut now");
}

#[test]
fn old_and_new_records_go_out_half_and_half() {
    let mut s = Scenario::new(SPOOL);
    for id in 0..4000 {
        one(&mut s, id);
        serve(&mut s, 50, down);
    }
    let mut taken = Vec::new();
    while taken.is_empty() {
        taken = slowly(&mut s);
    }
    for round in 0..4000 {
        // Half of what the service takes.
        (0..250).for_each(|id| _ = one(&mut s, 10_000 + round * 250 + id));
        taken.extend(slowly(&mut s));
        let old = taken.iter().filter(|(_, number)| *number < 10_000).count();
        let new = taken.len() - old;
        if old == 4000 {
            assert!((3000..=4500).contains(&new), "{new}");
            break;
        }
    }
    taken.extend(serve(&mut s, 60_000, up));
    let new: Vec<_> = numbers(&taken).into_iter().filter(|number| *number >= 10_000).collect();
    assert!(new.is_sorted());
    assert_eq!(taken.len() as u64, s.relay().counters().received);
    s.take_statuses();
}

#[test]
fn one_bad_stream_is_kept_and_holds_up_no_other() {
    let mut s = Scenario::new(SPOOL);
    let mut good = Vec::new();
    for id in 0..2000 {
        to(&mut s, if id % 4 == 0 { "good" } else { "bad" }, id);
        good.extend(serve(&mut s, 50, |name| name == "good"));
    }
    good.extend(serve(&mut s, 20_000, |name| name == "good"));
    assert_eq!((good.len(), s.safe()), (500, 2000));
    assert_eq!(s.relay().held(), PROBES);
    s.take_statuses();
    let (files, left) = s.end();
    assert_eq!(left, 0);

    // The good one has none, then some behind those of the bad one.
    let mut s = Scenario::with_files(SPOOL, files);
    serve(&mut s, 30_000, down);
    for id in 0..100 {
        to(&mut s, "good", id);
    }
    serve(&mut s, 30_000, down);
    let (files, left) = s.end();
    assert_eq!(left, 0);
    let mut s = Scenario::with_files(SPOOL, files);
    let good = serve(&mut s, 600_000, |name| name == "good");
    assert_eq!(good.len(), 100);
    assert_eq!(s.spooled().records, 1500);
    let bad = serve(&mut s, 600_000, up);
    assert_eq!(bad.len(), 1500);
    s.take_statuses();
}

#[test]
fn what_is_left_at_the_end_is_sent_after_the_next_start() {
    let mut s = Scenario::new(Setup { acknowledge: Acknowledge::Held, ..SPOOL });
    (0..700).for_each(|id| _ = one(&mut s, id));
    s.drain();
    serve(&mut s, SPOOL_DRAINING.as_secs() * 1000 - 100, down);
    assert_eq!(s.files.written, 0, "there is hope yet");
    serve(&mut s, 1000, down);
    let (files, left) = s.end();
    assert_eq!(left, 0, "no record has the status Stopped");
    let mut s = Scenario::with_files(SPOOL, files);
    let mut sent = numbers(&serve(&mut s, 10_000, up));
    sent.sort_unstable();
    assert_eq!(sent, (0..700).collect::<Vec<_>>());
    assert_eq!(s.relay().counters().read_back, 700);
    assert_eq!(s.files.count(), 0);
    s.take_statuses();
}

#[test]
fn with_a_good_uplink_the_end_writes_nothing() {
    let mut s = Scenario::new(SPOOL);
    (0..400).for_each(|id| _ = one(&mut s, id));
    s.drain();
    serve(&mut s, 1000, up);
    s.take_statuses();
    let (files, left) = s.end();
    assert_eq!((files.written, left), (0, 0));
}

#[test]
fn when_memory_is_short_the_disk_takes_the_rest() {
    let mut s = Scenario::new(Setup { arena: 2 * MIB, interval: 900, ..SPOOL });
    for id in 0..20_000 {
        assert_eq!(long(&mut s, id), Accepted::Held, "{id}");
        if id % 10 == 0 {
            serve(&mut s, 50, down);
        }
    }
    assert_eq!(s.relay().counters().failed, 0);
    let mut all = serve(&mut s, 400_000, up);
    all.sort_unstable();
    assert_eq!(numbers(&all), (0..20_000).collect::<Vec<_>>());
    s.take_statuses();
}

#[test]
fn a_spool_that_is_full_keeps_what_it_has_and_what_is_new_fails() {
    let mut s = Scenario::new(Setup { spool: Some(5120), arena: 2 * MIB, ..SPOOL });
    for id in 0..10_000 {
        long(&mut s, id);
        serve(&mut s, 50, down);
    }
    let counters = s.relay().counters();
    assert!(counters.failed > 2000 && counters.failed == counters.failed_full, "{counters:?}");
    assert_eq!(counters.acknowledged_held, 0);
    assert!(s.take_statuses().iter().all(|status| status.contains("SpoolFull")));
    let taken = serve(&mut s, 600_000, up).len();
    assert!(taken > 2000 && taken as u64 + s.relay().counters().failed == 10_000);
    assert_eq!(s.relay().held(), 0);
    s.take_statuses();
}

#[test]
fn without_a_disk_that_works_memory_serves_as_without_a_spool() {
    let mut s = Scenario::new(SPOOL);
    s.files.fault = Some(Fault(5));
    for id in 0..2000 {
        one(&mut s, id);
        serve(&mut s, 50, down);
        assert!(id as u64 + 1 - s.safe() < u64::from(RECEIVE_MAXIMUM), "the input never stops");
    }
    assert!(s.relay().counters().acknowledged_held > 400);
    s.files.fault = None;
    serve(&mut s, 400_000, down);
    assert_eq!(s.spooled().records, 2000, "it is tried again");
    assert_eq!(serve(&mut s, 600_000, up).len(), 2000);
    s.take_statuses();
}

#[test]
fn windows_of_any_size_are_not_in_the_way_while_nothing_is_delivered() {
    for window in [1, 20, 100, 500] {
        let mut s = Scenario::new(SPOOL);
        // That a window is small is found by waiting, for ten seconds at most.
        let (end, least) = if window == 1 { (60_000, 40) } else { (20_000, window * 10) };
        let (mut sent, mut at) = (0, 0);
        while at < end {
            while sent - s.safe() < window && sent < 100_000 {
                one(&mut s, usize::try_from(sent).unwrap());
                sent += 1;
            }
            serve(&mut s, 50, down);
            at += 50;
        }
        assert!(sent >= least, "{sent} with a window of {window}");
        assert_eq!(s.relay().counters().acknowledged_held, 0);
    }
}

#[test]
fn a_record_that_is_delivered_while_it_is_being_written_is_not_sent_again() {
    let mut s = Scenario::new(SPOOL);
    (0..100).for_each(|id| _ = one(&mut s, id));
    s.drain();
    serve(&mut s, SPOOL_DRAINING.as_secs() * 1000, down);
    assert!(s.spooled().records == 100 && s.files.written == 0, "they are in the buffer of the next commit");
    let taken = serve(&mut s, 30_000, up);
    assert_eq!(taken.len(), 100);
    assert_eq!((s.relay().held(), s.spooled().records, s.files.count()), (0, 0, 0));
    s.take_statuses();
    let (files, left) = s.end();
    assert_eq!(left, 0);
    let mut s = Scenario::with_files(SPOOL, files);
    assert!(serve(&mut s, 30_000, up).is_empty());
}

#[test]
fn a_status_stays_on_disk_until_the_broker_has_it() {
    const MESSAGE: &[u8] = br#"{"response":[{"id":"7","status":"success"}]}"#;
    let mut files = Files::default();
    let start = || (Keeper::new(spool::Settings::new(4096 * 1024, 1), STALL), SPOOL.relay());
    let (mut keeper, mut relay) = start();
    let mut now = Instant::from_millis(1000);
    carry(&mut keeper, now, &mut relay, &mut files);
    assert!(keeper.append_status(now, 0, MESSAGE));
    keeper.hurry();
    carry(&mut keeper, now, &mut relay, &mut files);
    assert!(keeper.is_done(now));
    for told in [false, false, true] {
        // After a power cut, if it is not the first time.
        (keeper, relay) = start();
        let mut message = Vec::new();
        for _ in 0..10 {
            carry(&mut keeper, now, &mut relay, &mut files);
            message.clear();
            relay.next_status(1000, &mut message);
            if !message.is_empty() {
                break;
            }
        }
        assert_eq!(message, MESSAGE);
        // A broker that takes shorter messages only gets it again.
        relay.requeue_statuses(&message);
        relay.statuses_acknowledged(1);
        assert!(relay.has_statuses_back());
        assert_eq!(relay.next_status(1000, &mut message), 1);
        relay.statuses_acknowledged(if told { relay.statuses_taken() } else { 1 });
        for _ in 0..4 {
            now = now + COMMIT_DELAY;
            carry(&mut keeper, now, &mut relay, &mut files);
        }
    }
    assert_eq!(files.count(), 0);
    let (mut keeper, mut relay) = start();
    carry(&mut keeper, now, &mut relay, &mut files);
    assert!(!relay.has_status());
}

#[test]
fn a_slow_disk_holds_up_what_comes_in_no_longer_than_its_source_may_wait() {
    let wait = Duration::from_secs(1);
    let mut relay = Setup { arena: MIB, ..SPOOL }.relay();
    let mut keeper = Keeper::new(spool::Settings::new(64 * MIB as u64, 7), wait);
    let start = Instant::default();
    let first = keeper.poll_operation(start, 0, &mut relay).expect("what is in the directory is asked for");
    assert!(!keeper.holds_up(start, &relay), "there is room");
    while !relay.is_nearly_full() {
        relay.accept(start, BINARY_TOPIC.as_bytes(), &[0; 1000]);
    }
    assert!(keeper.poll_operation(start, 0, &mut relay).is_none(), "the disk is at {first:?}");
    assert!(keeper.holds_up(start, &relay));
    assert_eq!(keeper.deadline(start, &relay), Some(start + wait));
    assert!(!keeper.holds_up(start + wait, &relay));
}

#[test]
fn after_an_outage_nothing_is_written_again_however_slowly_the_service_answers() {
    let mut s = Scenario::new(Setup { interval: 1, ..SPOOL });
    // A source that publishes once a second and has one on its way at a time; the service answers after 0.7 s.
    let (mut published, mut sent, mut under_way) = (0, 0, VecDeque::new());
    let mut second = |s: &mut Scenario, takes: bool| {
        published += 1;
        for _ in 0..20 {
            if s.safe() == sent && sent < published {
                one(s, usize::try_from(sent).unwrap());
                sent += 1;
            }
            s.step_unwatched(50);
            while let Some(request) = s.take_sent() {
                under_way.push_back((s.now() + 700, request));
            }
            while under_way.front().is_some_and(|(at, _)| *at <= s.now()) {
                let (_, request) = under_way.pop_front().unwrap();
                let _: Settled = if takes { s.deliver(request) } else { s.fail(request) };
            }
        }
    };
    (0..40).for_each(|_| second(&mut s, true));
    assert_eq!(s.files.written, 0);
    (0..30).for_each(|_| second(&mut s, false));
    assert!(s.files.written > 0);
    (0..60).for_each(|_| second(&mut s, true));
    let written = s.files.written;
    (0..60).for_each(|_| second(&mut s, true));
    assert_eq!(s.files.written, written, "the uplink is good again");
    under_way.into_iter().for_each(|(_, request)| _ = s.deliver(request));
    s.take_statuses();
}
