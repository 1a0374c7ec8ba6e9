use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::*;
use crate::spool::format::Kind;
use crate::spool::{Answer, Event, New, Settings, Spool};
use crate::time::Instant;

/// A directory that is removed with what is in it.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("spool-{name}-{}", std::process::id()));
        let _: io::Result<()> = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _: io::Result<()> = std::fs::remove_dir_all(&self.0);
    }
}

const NAME: Name = Name { number: 1, salt: 0xabc };

fn path(directory: &Path) -> PathBuf {
    directory.join("00000001-00000abc.spool")
}

#[test]
fn a_file_is_made_with_its_room_for_the_user_only() {
    let directory = Temporary::new("made");
    let mut files = Directory::new(directory.0.clone());
    files.create(NAME, 1 << 20).unwrap();
    let metadata = path(&directory.0).metadata().unwrap();
    assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (1 << 20, 0o600));
    assert!(metadata.blocks() * 512 >= 1 << 20, "its room is taken: {} blocks", metadata.blocks());
    assert_eq!(files.create(NAME, 1), Err(Fault(Errno::EXIST.raw_os_error())), "a file that is there stays");
}

#[test]
fn what_was_written_is_read() {
    let directory = Temporary::new("read");
    let mut files = Directory::new(directory.0.clone());
    files.create(NAME, 8192).unwrap();
    files.write(NAME, 5000, b"here").unwrap();
    files.sync(NAME).unwrap();
    let mut buffer = [1; 10];
    assert_eq!(files.read(NAME, 4998, &mut buffer), Ok(10));
    assert_eq!(&buffer, b"\0\0here\0\0\0\0");
    assert_eq!(files.read(NAME, 8190, &mut buffer), Ok(2), "the file ends there");
}

#[test]
fn only_segments_are_listed() {
    let directory = Temporary::new("listed");
    let mut files = Directory::new(directory.0.clone());
    files.create(NAME, 4096).unwrap();
    std::fs::write(directory.0.join("README"), "x").unwrap();
    std::fs::create_dir(directory.0.join("00000002-00000000.spool")).unwrap();
    std::os::unix::fs::symlink("README", directory.0.join("00000003-00000000.spool")).unwrap();
    assert_eq!(files.list(), Ok(vec![File { name: NAME, length: 4096 }]));
    assert!(files.read(Name { number: 3, salt: 0 }, 0, &mut [0]).is_err(), "no link is followed");
}

#[test]
fn a_deleted_file_may_be_gone() {
    let directory = Temporary::new("deleted");
    let mut files = Directory::new(directory.0.clone());
    files.create(NAME, 4096).unwrap();
    files.delete(NAME).unwrap();
    assert!(!path(&directory.0).exists());
    assert_eq!(files.delete(NAME), Ok(()));
}

#[test]
fn what_is_written_to_a_file_that_somebody_deleted_is_not_safe() {
    let directory = Temporary::new("unlinked");
    let mut files = Directory::new(directory.0.clone());
    files.create(NAME, 4096).unwrap();
    files.write(NAME, 0, b"here").unwrap();
    assert_eq!(files.sync(NAME), Ok(()));
    std::fs::remove_file(path(&directory.0)).unwrap();
    files.write(NAME, 4, b"gone").unwrap();
    assert_eq!(files.sync(NAME), Err(Fault(Errno::NOENT.raw_os_error())));
    files.create(NAME, 4096).unwrap();
    assert_eq!(files.sync(NAME), Ok(()), "another takes its place");
}

#[test]
fn a_directory_may_come_later_and_be_replaced() {
    let directory = Temporary::new("later");
    let later = directory.0.join("later");
    let mut files = Directory::new(later.clone());
    let missing = files.list().unwrap_err();
    assert_eq!(missing.to_string(), "no such file or directory");
    for _ in 0..2 {
        std::fs::create_dir(&later).unwrap();
        assert_eq!(files.list(), Ok(vec![]));
        files.create(NAME, 4096).unwrap();
        std::fs::remove_dir_all(&later).unwrap();
    }
}

#[tokio::test]
async fn a_record_outlives_the_process_that_kept_it() {
    let directory = Temporary::new("outlives");
    let settings = Settings::new(Settings::LEAST, 1);
    let now = Instant::from_millis(1);
    let new = New { kind: Kind::Record, stream: "arn", id: 2, data: 300_000, received: 9, own_pack: false };

    let mut disk = Disk::start(directory.0.clone()).unwrap();
    let mut spool = Spool::new(settings);
    let mut kept = None;
    let mut event = None;
    while event.is_none() {
        kept = kept.or_else(|| {
            spool.append(now, &new, &mut |buffer| buffer.extend((0..300_002).map(|at| b"0123456789"[at % 10]))).ok()
        });
        spool.commit();
        disk.send(spool.poll_operation(now).unwrap());
        let done = disk.done().await.unwrap();
        event = spool.handle(now, done);
    }
    assert_eq!(event, kept.map(Event::Synced));

    // Its thread has the directory for a moment longer.
    drop(disk);
    let (mut disk, mut spool) = (Disk::start(directory.0.clone()).unwrap(), Spool::new(settings));
    let (mut read, mut now) = (None, now);
    while read.is_none() {
        now = now + core::time::Duration::from_secs(1);
        if let Some(operation) = spool.poll_operation(now) {
            disk.send(operation);
            let done = disk.done().await.unwrap();
            spool.handle(now, done);
        }
        spool.read_back(&mut |held| {
            assert_eq!((held.stream, held.id, held.data.len(), held.received), ("arn", &b"01"[..], 300_000, 9));
            assert!(held.data.starts_with(b"2345678901") && held.data.ends_with(b"2345678901"));
            read = Some(held.position);
            Answer::Take
        });
    }
    assert_eq!(read, kept);
    spool.settle(now, read.unwrap());
    while let Some(operation) = spool.poll_operation(now) {
        disk.send(operation);
        let done = disk.done().await.unwrap();
        spool.handle(now, done);
    }
    assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 0, "no file stays");
}
