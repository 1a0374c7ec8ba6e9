//! Files that were damaged, and files of earlier and later versions.
//!
//! `tests/golden/spool/` holds what the first version wrote; `SPOOL_GOLDEN=write` writes it for a new version.

use std::path::PathBuf;

use firehose_connector::spool::format::{FILE_HEAD, Name, VERSION, file_head, read_file_head};
use firehose_connector::spool::{Refused, Settings};

use crate::disk::Disk;
use crate::history::SETTINGS;
use crate::run::{Plain, Run, STREAMS};

const SMALL: Settings = Settings { segment: 2048, partial: 64, ..SETTINGS };

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/spool")
}

/// Two segments of short entries, some of them settled, and a third with the last marks.
fn made() -> Disk {
    let mut disk = Disk::new(1);
    let mut run = Run::new(SMALL);
    run.operate(&mut disk);
    for number in (0..100).filter(|number| Plain::new(*number).data.len() < 50).take(28) {
        while Plain::new(number).append(&mut run.spool, run.now).is_err() {
            run.spool.commit();
            assert!(run.operate(&mut disk).is_some(), "{number} is taken");
        }
    }
    run.spool.commit();
    while run.operate(&mut disk).is_some() {}
    run.bad.insert(STREAMS[0]);
    while run.read_back(usize::MAX) > 0 || run.operate(&mut disk).is_some() {}
    for number in run.out.keys().copied().collect::<Vec<_>>().into_iter().step_by(2) {
        run.settle(number);
    }
    run.wait(1000);
    while run.operate(&mut disk).is_some() {}
    disk
}

fn stored() -> Vec<(Name, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(golden())
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            Some((Name::parse(path.file_name()?.to_str()?)?, std::fs::read(path).unwrap()))
        })
        .collect();
    files.sort();
    files
}

fn read(files: impl IntoIterator<Item = (Name, Vec<u8>)>) -> (Vec<u32>, Run) {
    let mut run = Run::new(SMALL);
    let read = run.read_all(&mut Disk::with(files));
    (read, run)
}

#[test]
fn what_the_first_version_wrote_is_read() {
    let expected = golden().join("entries");
    if std::env::var("SPOOL_GOLDEN").is_ok_and(|value| value == "write") {
        stored().iter().for_each(|(name, _)| std::fs::remove_file(golden().join(name.to_string())).unwrap());
        let files: Vec<_> = made().files().map(|(name, bytes)| (name, bytes.to_vec())).collect();
        files.iter().for_each(|(name, bytes)| std::fs::write(golden().join(name.to_string()), bytes).unwrap());
        let numbers: Vec<String> = read(files).0.iter().map(u32::to_string).collect();
        std::fs::write(expected, numbers.join("\n") + "\n").unwrap();
        return;
    }
    let expected: Vec<u32> =
        std::fs::read_to_string(expected).unwrap().lines().map(|line| line.parse().unwrap()).collect();
    assert!(expected.len() > 10, "the golden files hold something");
    let (entries, run) = read(stored());
    assert_eq!(entries, expected);
    assert_eq!(run.spool.counters().damaged, 0);
}

#[test]
fn the_first_version_is_written_as_ever() {
    let now: Vec<_> = made().files().map(|(name, bytes)| (name, bytes.to_vec())).collect();
    assert!(now == stored(), "another format needs another version");
}

#[test]
fn a_bit_that_flips_takes_away_the_entry_it_hits_and_nothing_else() {
    let files = stored();
    let (all, _) = read(files.clone());
    for at in 0..files.len() {
        for bit in 0..files[at].1.len() * 8 {
            let mut damaged = files.clone();
            damaged[at].1[bit / 8] ^= 1 << (bit % 8);
            // Each that comes back is compared with what was appended.
            let (left, run) = read(damaged);
            let missing = all.iter().filter(|number| !left.contains(*number)).count();
            assert!(missing <= 1, "bit {bit} of {} takes {missing} entries away", files[at].0);
            let counters = run.spool.counters();
            assert!(counters.damaged <= 1, "bit {bit} of {}: {counters:?}", files[at].0);
            assert_eq!(counters.newer, 0);
        }
    }
}

#[test]
fn a_block_that_is_lost_takes_away_what_touches_it_and_is_counted() {
    let files = stored();
    let (all, _) = read(files.clone());
    let mut counted = 0;
    for start in (0..files[0].1.len()).step_by(512) {
        for fill in [0x00, 0xff, 0x55] {
            let mut damaged = files.clone();
            damaged[0].1[start..start + 512].fill(fill);
            let (left, run) = read(damaged);
            let missing = all.iter().filter(|number| !left.contains(*number)).count() as u64;
            counted += missing;
            // Damage also hits what is settled and not marked where it is found.
            assert!(run.spool.counters().damaged >= missing, "{start} {fill}: {missing}");
        }
    }
    assert!(counted > 20, "some were hit: {counted}");
}

#[test]
fn a_file_of_a_later_version_is_left_alone_and_the_others_are_read() {
    let mut files = stored();
    let (all, _) = read(files.clone());
    let newer = Name { number: 900, salt: 3 };
    let mut head = file_head(newer, 4096);
    head[8..12].copy_from_slice(&(VERSION + 1).to_le_bytes());
    let checksum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&head[..28]);
    head[28..].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(read_file_head(&head), Some((VERSION + 1, newer.number)));
    let mut bytes = vec![7; 4096];
    bytes[..FILE_HEAD].copy_from_slice(&head);
    files.push((newer, bytes.clone()));
    let mut disk = Disk::with(files);
    let mut run = Run::new(SMALL);
    assert_eq!(run.read_all(&mut disk), all);
    assert_eq!(run.spool.counters().newer, 1);
    for number in all {
        run.settle(number);
    }
    run.read_all(&mut disk);
    assert!(run.spool.is_empty());
    assert_eq!(disk.files().collect::<Vec<_>>(), [(newer, &bytes[..])], "it is as it was");
}

#[test]
fn bytes_that_are_no_segment_are_none() {
    let mut random = crate::disk::Random(5);
    for length in [0, 1, 31, 32, 33, 4096, 5000] {
        let noise = (0..length).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        let (entries, run) = read([(Name { number: 3, salt: 4 }, noise)]);
        assert!(entries.is_empty() && run.spool.is_empty(), "{length}");
    }
}

#[test]
fn a_file_under_the_name_of_another_is_left_alone_until_it_has_its_own() {
    let files = stored();
    let renamed = |number| {
        let to = Name { number: number + 100, salt: 9 };
        files
            .iter()
            .map(|(name, bytes)| (if name.number == number { to } else { *name }, bytes.clone()))
            .collect::<Vec<_>>()
    };
    for number in files.iter().map(|(name, _)| name.number) {
        let mut disk = Disk::with(renamed(number));
        let mut run = Run::new(SMALL);
        run.read_all(&mut disk);
        assert_eq!(run.spool.counters().unreadable, 1, "{number}");
        let (_, bytes) = files.iter().find(|(name, _)| name.number == number).unwrap();
        assert!(disk.files().any(|(name, now)| name.number == number + 100 && now == bytes), "{number} is as it was");
    }
    // What is sealed has the salt of the name in it, too.
    let moved = files.iter().map(|(name, bytes)| (Name { salt: name.salt ^ 1, ..*name }, bytes.clone()));
    let (entries, _) = read(moved.collect::<Vec<_>>());
    assert!(entries.is_empty());
}

#[test]
fn the_last_number_is_not_used_because_no_start_would_read_it() {
    let last = Name { number: u32::MAX - 1, salt: 1 };
    let mut run = Run::new(SMALL);
    let mut disk = Disk::with([(last, vec![])]);
    run.operate(&mut disk);
    assert_eq!(Plain::new(1).append(&mut run.spool, run.now), Err(Refused::Full));
}

#[test]
fn with_a_limit_below_what_there_is_marks_are_written_all_the_same() {
    let limit = Settings { limit: 4096, ..SMALL };
    let mut disk = Disk::with(stored());
    let mut run = Run::new(limit);
    let all = run.read_all(&mut disk);
    for number in &all[1..] {
        run.settle(*number);
    }
    run.wait(1000);
    while run.operate(&mut disk).is_some() {}
    assert_eq!(Run::new(limit).read_all(&mut disk), all[..1], "the next start knows");
    let bytes: usize = disk.files().map(|(_, bytes)| bytes.len()).sum();
    let before: usize = stored().iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes <= before + 2 * 2048, "{bytes}");
}
