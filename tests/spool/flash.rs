//! How much is written for how much that is kept.
//!
//! Counted are the blocks of 4 KiB that reach the disk with each sync, and, as journal, three blocks for each sync that
//! has blocks never written before: what ext4 takes for a file that was allocated and not written.

use firehose_connector::limits::spool::{COMMIT_DELAY, ENTRIES, MARKS_SHARE, SEGMENT_BYTES};
use firehose_connector::spool::format::Kind;
use firehose_connector::spool::{New, Refused, Settings};

use crate::disk::Disk;
use crate::run::{Run, STREAMS};

const JOURNAL: u64 = 3;
const SECONDS: u64 = 60;

/// Bytes written for each byte of a record of 1 KiB: without the journal, and with it.
fn amplification(per_second: u64, bytes: usize) -> (f64, f64) {
    let mut disk = Disk::new(1);
    disk.counts_blocks = true;
    let mut run = Run::new(Settings::new(1 << 30, 1));
    run.operate(&mut disk);
    let mut journaled = 0;
    let mut records = 0;
    let mut sync = |run: &mut Run, disk: &mut Disk| {
        loop {
            let before = disk.steps;
            if run.operate(disk).is_none() {
                return;
            }
            journaled += u64::from(disk.steps.first > before.first);
        }
    };
    for at in 0..SECONDS * per_second {
        run.now = firehose_connector::time::Instant::from_millis(10 + at * 1000 / per_second);
        sync(&mut run, &mut disk);
        let new = New { kind: Kind::Record, stream: STREAMS[0], id: 16, data: bytes, received: 1, own_pack: false };
        let mut write = |buffer: &mut Vec<u8>| buffer.resize(buffer.len() + 16 + bytes, b'x');
        while let Err(refused) = run.spool.append(run.now, &new, &mut write) {
            assert_eq!(refused, Refused::Busy);
            sync(&mut run, &mut disk);
        }
        records += 1;
    }
    run.spool.commit();
    sync(&mut run, &mut disk);
    let per_byte = |blocks: u64| blocks as f64 * 4096.0 / (records * bytes as u64) as f64;
    (per_byte(disk.steps.blocks), per_byte(disk.steps.blocks + JOURNAL * journaled))
}

#[test]
fn little_more_is_written_than_is_kept() {
    for (per_second, most, most_with_journal) in [(500, 1.2, 1.3), (50, 1.4, 2.5), (10, 3.0, 3.5), (1, 7.5, 8.0)] {
        let (written, with_journal) = amplification(per_second, 1024);
        let a_day = with_journal * 1024.0 * per_second as f64 * 86_400.0 / 1e6;
        println!("{per_second}/s: {written:.2}, with the journal {with_journal:.2}, {a_day:.0} MB a day");
        assert!(written <= most, "{per_second}/s: {written}");
        assert!(with_journal <= most_with_journal, "{per_second}/s: {with_journal}");
    }
}

#[test]
fn with_nothing_to_keep_nothing_is_written() {
    let mut disk = Disk::new(1);
    let mut run = Run::new(Settings::new(1 << 30, 1));
    for _ in 0..100 {
        run.wait(60_000);
        while run.operate(&mut disk).is_some() {}
        run.read_back(10);
    }
    assert_eq!((disk.steps.blocks, disk.steps.creates, disk.files().count()), (0, 0, 0));
}

#[test]
fn a_spool_that_is_full_refuses_what_is_new_and_keeps_what_it_has() {
    let mut disk = Disk::new(1);
    let settings = Settings::new(8 * u64::from(SEGMENT_BYTES), 1);
    let mut run = Run::new(settings);
    run.operate(&mut disk);
    let new = New { kind: Kind::Record, stream: STREAMS[0], id: 0, data: 100_000, received: 1, own_pack: false };
    let mut write = |buffer: &mut Vec<u8>| buffer.resize(buffer.len() + 100_000, b'x');
    let mut records = 0;
    loop {
        match run.spool.append(run.now, &new, &mut write) {
            Ok(_) => records += 1,
            Err(Refused::Busy) => assert!(run.operate(&mut disk).is_some()),
            Err(refused) => break assert_eq!(refused, Refused::Full),
        }
    }
    assert!(run.spool.counters().bytes <= settings.limit);
    let room = (SEGMENT_BYTES - SEGMENT_BYTES / MARKS_SHARE) / 100_100;
    assert_eq!(records, 6 * room, "all but the segments that are kept for marks and copies");
    assert_eq!(run.spool.counters().records, u64::from(records));
}

#[test]
fn after_a_start_the_first_new_record_waits_for_a_list_of_files_only() {
    let mut disk = Disk::new(1);
    let mut run = Run::new(Settings::new(8 * u64::from(SEGMENT_BYTES), 1));
    run.operate(&mut disk);
    let new = New { kind: Kind::Record, stream: STREAMS[0], id: 0, data: 1000, received: 1, own_pack: false };
    let mut write = |buffer: &mut Vec<u8>| buffer.resize(buffer.len() + 1000, b'x');
    for _ in 0..u32::from(ENTRIES) / 2 {
        while run.spool.append(run.now, &new, &mut write).is_err() {
            assert!(run.operate(&mut disk).is_some());
        }
    }
    run.wait(1000);
    while run.operate(&mut disk).is_some() {}
    let mut run = Run::new(Settings::new(8 * u64::from(SEGMENT_BYTES), 2));
    assert_eq!(run.operate(&mut disk), Some("list"));
    run.spool.append(run.now, &new, &mut write).unwrap();
    run.now = run.now + COMMIT_DELAY;
    assert_eq!([run.operate(&mut disk), run.operate(&mut disk)], [Some("create"), Some("write")]);
    assert_eq!(run.events.len(), 1, "it is safe");
    // Only the newest segment is read before the old ones can come back, here in reads of 64 KiB.
    let before = disk.steps.reads;
    while !run.spool.is_recovered() {
        assert_eq!(run.operate(&mut disk), Some("read"));
    }
    assert!(disk.steps.reads - before <= u64::from(SEGMENT_BYTES / 65_536) + 1);
}
