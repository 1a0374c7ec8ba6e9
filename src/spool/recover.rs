//! After a start: which segments there are, and which of their entries are settled.
//!
//! Segments are searched for marks from the newest back to the first with a snapshot: it and the newer ones hold all
//! marks. New entries are taken meanwhile, into a new segment. What the older segments hold shows when they are read
//! back.

use super::Spool;
use super::format::{Head, Kind};
use super::marks;
use super::operation::File;
use super::table::{Segment, Table};
use super::walk::{Step, Walk};
use crate::limits::spool::FILES;

/// How much is known since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The directory has not been listed.
    Unlisted,
    /// Which files there are. Their marks are being searched.
    Marks,
    /// Marks are read. Entries can be read back.
    Ready,
}

impl Spool {
    pub(super) fn listed(&mut self, files: &[File]) {
        self.trouble = None;
        for file in files.iter().filter(|file| file.name.number < u32::MAX) {
            let length = u32::try_from(file.length);
            let mut segment = Segment::new(file.name, length.unwrap_or(0));
            segment.is_ignored = length.is_err();
            self.counters.unreadable += u64::from(segment.is_ignored);
            self.table.push(segment);
        }
        self.table.sort();
        self.counters.unreadable += u64::from(self.table.keep_newest(FILES));
        self.most_with_marks = self.table.bytes() + 2 * u64::from(self.settings.segment);
        self.stage = Stage::Marks;
        if let Some(newest) = self.table.last_mut() {
            self.reader.next = newest.name.number + 1;
            self.next_number = Some(self.reader.next);
        }
        self.search();
    }

    /// Searches for marks, until more has to be read or all are found.
    pub(super) fn search(&mut self) {
        while self.stage == Stage::Marks {
            let (next, longest) = (self.reader.next, self.settings.longest);
            let Some(walk) = self.reader.walk.as_mut() else {
                let newest = self.table.iter().rev().find(|segment| segment.name.number < next && !segment.is_ignored);
                match newest.map(|segment| (segment.name, segment.end)) {
                    Some((name, end)) if self.snapshot_segment.is_none() => self.reader.start(name, end, longest),
                    _ => self.scanned(),
                }
                continue;
            };
            let number = walk.name.number;
            match walk.step() {
                Step::Need => return,
                Step::Entry(head) => {
                    if head.kind == Kind::Snapshot {
                        self.snapshot_segment = Some(number);
                    }
                    scan(&mut self.table, walk, &head);
                    if let Some(segment) = self.table.get_mut(number).filter(|_| head.kind.is_held()) {
                        segment.received(head.received);
                        self.counters.damaged += walk.missing(segment, head.number, head.first);
                    }
                    walk.pass(&head);
                }
                end => {
                    if let Some(segment) = self.table.get_mut(number) {
                        segment.is_ignored = matches!(end, Step::Newer | Step::Renamed);
                        self.counters.leave_alone(end);
                        self.counters.damaged += walk.missing_at_end(segment);
                    }
                    self.reader.stop();
                    self.reader.next = number;
                }
            }
        }
    }

    fn scanned(&mut self) {
        self.stage = Stage::Ready;
        self.reader.next = 0;
    }
}

/// Applies what an entry says about what is settled: as a copy, or as marks.
fn scan(table: &mut Table, walk: &Walk, head: &Head) {
    let Some(body) = walk.body(head) else { return };
    if let Some(original) = body.original
        && let Some(segment) = table.of(original)
    {
        segment.settle_again(original.number());
    }
    let mut rest = if head.kind.is_held() { &[] } else { body.data };
    while marks::decode(&mut rest, &mut |mark, number| {
        if let Some(segment) = table.get_mut(mark.segment) {
            segment.apply(mark, number);
        }
    })
    .is_some()
    {}
}
