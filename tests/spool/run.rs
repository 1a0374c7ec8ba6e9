//! A spool on a disk, and what was appended to it.

use std::collections::{BTreeMap, BTreeSet};

use firehose_connector::spool::format::Kind;
use firehose_connector::spool::operation::{Operation, Storage, perform};
use firehose_connector::spool::{Answer, Event, New, Position, Refused, Settings, Spool};
use firehose_connector::time::{Duration, Instant};

use crate::disk::{Disk, Random};

pub(crate) const STREAMS: [&str; 3] = [
    "arn:aws:firehose:eu-west-1:123456789012:deliverystream/a",
    "arn:aws:firehose:eu-west-1:123456789012:deliverystream/bb",
    "",
];

/// What data is cut from.
static PATTERN: [u8; 4096] = {
    let (mut bytes, mut at) = ([0; 4096], 0);
    while at < bytes.len() {
        bytes[at] = (at * 31 % 251).to_le_bytes()[0];
        at += 1;
    }
    bytes
};

/// A record or a status that no other is like: all of it follows from its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) kind: Kind,
    pub(crate) stream: &'static str,
    pub(crate) id: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) received: u32,
}

impl Plain {
    pub(crate) fn new(number: u32) -> Self {
        let mut random = Random(number.into());
        let stream = random.below(STREAMS.len());
        let most = [1, 40, 900, 3000][random.below(4)];
        let mut data = number.to_le_bytes().to_vec();
        data.extend_from_slice(&PATTERN[number as usize % 1000..][..random.below(most)]);
        Self {
            kind: if stream == 2 { Kind::Status } else { Kind::Record },
            stream: STREAMS[stream],
            id: format!("\"{number}\"").repeat(random.below(3)).into_bytes(),
            data,
            received: 1_800_000_000 + number,
        }
    }

    pub(crate) fn append(&self, spool: &mut Spool, now: Instant) -> Result<Position, Refused> {
        let Self { kind, stream, ref id, ref data, received } = *self;
        let new = New { kind, stream, id: id.len(), data: data.len(), received, own_pack: false };
        spool.append(now, &new, &mut |buffer| {
            buffer.extend_from_slice(id);
            buffer.extend_from_slice(data);
        })
    }
}

/// A spool that runs.
pub(crate) struct Run {
    pub(crate) spool: Spool,
    pub(crate) now: Instant,
    /// What the caller has, by number.
    pub(crate) out: BTreeMap<u32, Position>,
    /// Delivery streams that take nothing.
    pub(crate) bad: BTreeSet<&'static str>,
    /// Entries that were read back, in order.
    pub(crate) read: Vec<u32>,
    pub(crate) events: Vec<Event>,
}

impl Run {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            spool: Spool::new(settings),
            now: Instant::from_millis(1),
            out: BTreeMap::new(),
            bad: BTreeSet::new(),
            read: Vec::new(),
            events: Vec::new(),
        }
    }

    pub(crate) fn wait(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
    }

    /// One operation, if there is one. Answers it in short.
    pub(crate) fn operate(&mut self, storage: &mut impl Storage) -> Option<&'static str> {
        let operation = self.spool.poll_operation(self.now)?;
        let kind = match operation {
            Operation::List => "list",
            Operation::Create { .. } => "create",
            Operation::Write { .. } => "write",
            Operation::Read { .. } => "read",
            Operation::Delete { .. } => "delete",
        };
        let done = perform(storage, operation);
        self.events.extend(self.spool.handle(self.now, done));
        Some(kind)
    }

    /// Reads back at most `room` entries. Answers how many came.
    pub(crate) fn read_back(&mut self, room: usize) -> usize {
        let Self { spool, out, bad, read, .. } = self;
        let before = read.len();
        spool.read_back(&mut |held| {
            if read.len() - before == room {
                return Answer::Stop;
            }
            if bad.contains(held.stream) {
                return Answer::Leave;
            }
            let number = u32::from_le_bytes(*held.data.first_chunk().expect("each has a number"));
            let plain = Plain::new(number);
            assert_eq!((held.kind, held.stream, held.received), (plain.kind, plain.stream, plain.received));
            assert!(held.id == plain.id && held.data == plain.data, "{number} came back changed");
            assert!(out.insert(number, held.position).is_none(), "{number} is here already");
            read.push(number);
            Answer::Take
        });
        read.len() - before
    }

    pub(crate) fn settle(&mut self, number: u32) {
        if let Some(position) = self.out.remove(&number) {
            self.spool.settle(self.now, position);
        }
    }

    /// Reads all that there is. Answers the numbers in order.
    pub(crate) fn read_all(&mut self, disk: &mut Disk) -> Vec<u32> {
        for _ in 0..100_000 {
            let came = self.read_back(usize::MAX);
            if self.operate(disk).is_none() && came == 0 {
                // Whether a commit is due, or there is nothing more.
                match self.spool.poll_timeout() {
                    Some(at) => self.now = self.now.max(at),
                    None => return core::mem::take(&mut self.read),
                }
            }
        }
        panic!("it does not come to an end");
    }
}
