//! In which order entries come back, and what a delivery stream or a disk that takes nothing does to the others.

use firehose_connector::limits::spool::COMMIT_DELAY;
use firehose_connector::spool::operation::Fault;
use firehose_connector::spool::{Refused, Settings};

use crate::disk::Disk;
use crate::history::SETTINGS;
use crate::run::{Plain, Run, STREAMS};

/// Keeps so many entries.
fn filled(settings: Settings, count: u32) -> (Run, Disk) {
    let (mut run, mut disk) = (Run::new(settings), Disk::new(1));
    for number in 0..count {
        append(&mut run, &mut disk, number);
    }
    run.spool.commit();
    while run.operate(&mut disk).is_some() {}
    (run, disk)
}

fn append(run: &mut Run, disk: &mut Disk, number: u32) {
    while let Err(refused) = Plain::new(number).append(&mut run.spool, run.now) {
        assert_eq!(refused, Refused::Busy, "{number}");
        run.operate(disk);
    }
}

/// Reads and settles until nothing comes.
fn drain(run: &mut Run, disk: &mut Disk) -> Vec<u32> {
    let mut all = Vec::new();
    loop {
        let read = run.read_all(disk);
        if read.is_empty() {
            return all;
        }
        read.iter().for_each(|number| run.settle(*number));
        all.extend(read);
    }
}

#[test]
fn the_oldest_comes_first_before_a_start_and_after() {
    let (mut run, mut disk) = filled(SETTINGS, 60);
    let mut all = Vec::new();
    for _ in 0..100 {
        run.read_back(3);
        run.operate(&mut disk);
        all.append(&mut run.read);
        all.iter().for_each(|number| run.settle(*number));
    }
    assert_eq!(all, (0..60).collect::<Vec<_>>());

    let (_, mut disk) = filled(SETTINGS, 60);
    assert_eq!(drain(&mut Run::new(SETTINGS), &mut disk), (0..60).collect::<Vec<_>>());
}

#[test]
fn what_was_left_or_given_back_comes_in_another_pass() {
    let (mut run, mut disk) = filled(Settings { partial: 64, ..SETTINGS }, 60);
    run.bad.insert(STREAMS[0]);
    let first = run.read_all(&mut disk);
    assert!(first.iter().all(|number| Plain::new(*number).stream != STREAMS[0]));
    assert!(run.read_all(&mut disk).is_empty(), "there is no other pass by itself");
    let back = first[5];
    run.spool.give_back(run.out.remove(&back).unwrap());
    run.bad.clear();
    run.spool.look_again();
    let second = run.read_all(&mut disk);
    assert!(second.contains(&back) && second.is_sorted());
    assert_eq!(first.len() + second.len(), 61, "all, and the one that was given back");
}

#[test]
fn a_stream_that_takes_nothing_holds_up_no_other_and_no_room() {
    let (mut run, mut disk) = filled(SETTINGS, 50);
    run.bad.insert(STREAMS[0]);
    let mut kept: Vec<u32> = Vec::new();
    for number in 50..1500 {
        if Plain::new(number).stream == STREAMS[0] && number % 10 != 0 {
            continue;
        }
        kept.extend((Plain::new(number).stream == STREAMS[0]).then_some(number));
        append(&mut run, &mut disk, number);
        if number % 10 == 0 {
            drain(&mut run, &mut disk);
        }
    }
    let left = (0..50).filter(|number| Plain::new(*number).stream == STREAMS[0]).chain(kept);
    drain(&mut run, &mut disk);
    let bytes: u64 = left.clone().map(|number| 150 + Plain::new(number).data.len() as u64).sum();
    let files = run.spool.counters().bytes;
    assert!(files <= 2 * bytes + 6 * 8192, "{files} bytes of files for {bytes} bytes of entries");
    run.bad.clear();
    run.spool.look_again();
    let mut back = drain(&mut run, &mut disk);
    back.sort_unstable();
    assert_eq!(back, left.collect::<Vec<_>>());
    assert_eq!(disk.files().count(), 0);
}

#[test]
fn a_disk_that_fails_is_asked_again_later_and_what_was_not_safe_stays_with_the_caller() {
    let (mut run, mut disk) = filled(SETTINGS, 10);
    run.events.clear();
    disk.fails = 1;
    append(&mut run, &mut disk, 10);
    run.spool.commit();
    assert_eq!(run.operate(&mut disk), Some("write"));
    assert_eq!(run.events, [firehose_connector::spool::Event::GivenUp]);
    let fault = run.spool.fault().unwrap();
    assert!([Fault(28), Fault(19), Fault(5)].contains(&fault));
    assert_eq!(Plain::new(10).append(&mut run.spool, run.now), Err(Refused::Failing));
    disk.fails = 0;
    run.wait(1000);
    append(&mut run, &mut disk, 11);
    run.spool.commit();
    while run.operate(&mut disk).is_some() {}
    assert_eq!(run.spool.fault(), None, "it is well");
    assert_eq!(drain(&mut run, &mut disk), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11]);
}

#[test]
fn the_delay_between_attempts_grows_up_to_five_minutes() {
    let (mut run, mut disk) = (Run::new(SETTINGS), Disk::new(1));
    disk.fails = 1;
    let mut delays = Vec::new();
    for _ in 0..12 {
        assert_eq!(run.operate(&mut disk), Some("list"));
        assert_eq!(run.operate(&mut disk), None);
        let next = run.spool.poll_timeout().unwrap();
        delays.push(next.since(run.now).as_secs());
        run.now = next;
    }
    assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
}

#[test]
fn counters_tell_what_is_kept_and_since_when() {
    let (mut run, mut disk) = filled(SETTINGS, 10);
    let counters = run.spool.counters();
    assert_eq!((counters.records, counters.oldest), (10, 1_800_000_000));
    assert_eq!(counters.bytes, disk.files().map(|(_, bytes)| bytes.len() as u64).sum::<u64>());
    drain(&mut run, &mut disk);
    assert_eq!(run.spool.counters(), firehose_connector::spool::Counters::default());
}

#[test]
fn a_disk_without_room_has_some_again_when_all_is_delivered() {
    let (mut run, mut disk) = filled(Settings { partial: 64, ..SETTINGS }, 60);
    disk.most = disk.files().count();
    let mut number = 60;
    while run.spool.fault().is_none() {
        if Plain::new(number).append(&mut run.spool, run.now).is_ok() {
            number += 1;
        }
        run.spool.commit();
        run.operate(&mut disk);
    }
    // All is delivered before the disk is asked again; then marks are due, too, for which it has no room.
    while run.read_back(usize::MAX) > 0 || run.operate(&mut disk).is_some() {}
    (0..number).for_each(|number| run.settle(number));
    // What is deleted needs no room, so it need not wait for that.
    for _ in 0..4 {
        run.now = run.now + COMMIT_DELAY;
        while run.operate(&mut disk).is_some() {}
    }
    assert_eq!((disk.files().count(), run.spool.fault()), (0, None));
}
