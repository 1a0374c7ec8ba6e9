//! Copying forward: the last entries of a segment move to the active one, so that the file can be deleted.
//!
//! A delivery stream that takes nothing leaves a few records in every segment, whose others are delivered. When there
//! are too many such partial segments, the waiting entries of the one with the fewest are copied, and its file is
//! deleted. That way the records of such a stream come together in segments that are full of them, so that each record
//! is copied rarely.
//!
//! A copy names its original. A start that finds the copy takes the original for settled, with or without a mark; in
//! memory, and so in marks, it is settled only when its copy is synced.

use super::commit::Active;
use super::format::Head;
use super::operation::Operation;
use super::read::Purpose;
use super::table::{MarkState, Segment};
use super::walk::Step;
use super::{Position, Refused, Spool};
use crate::time::Instant;

impl Spool {
    /// Whether there are as many partial segments as may be. Then begins to copy one, if one can be.
    pub(super) fn is_crowded(&mut self) -> bool {
        let partial = |segment: &&Segment| segment.is_partial() && !segment.is_done() && !segment.is_ignored;
        if self.table.iter().filter(partial).count() < self.settings.partial || !self.reader.may_copy {
            return false;
        }
        // A segment with entries that were taken could not be deleted.
        let candidates = self
            .table
            .iter()
            .filter(|segment| segment.is_sealed && segment.is_partial() && segment.has_waiting() && segment.out() == 0);
        if let Some(least) = candidates.min_by_key(|segment| segment.held()) {
            let (name, end) = (least.name, least.end);
            self.reader.purpose = Purpose::Copy;
            self.reader.start(name, end, self.settings.longest);
        }
        true
    }

    /// Goes on copying. Returns the read or the write that this needs.
    pub(super) fn poll_copy(&mut self, now: Instant) -> Option<Operation> {
        while self.reader.purpose == Purpose::Copy {
            if self.is_troubled(now) {
                self.stop_copying();
                self.reader.may_copy = false;
                return None;
            }
            if !self.active.as_ref().is_some_and(|active| active.has_snapshot) {
                // The entries of a commit that failed have to be marked as settled before anything is copied.
                return self.snapshot(now);
            }
            let Some((walk, segment)) = self.reader.place(&mut self.table) else {
                self.stop_copying();
                return None;
            };
            let number = walk.name.number;
            match walk.step() {
                Step::Need => return self.poll_read(),
                // After a hole nobody knows which entries are missing, so nothing more is copied.
                Step::Entry(head) if !walk.has_holes => {
                    if head.kind.is_held() {
                        self.counters.damaged += walk.missing(segment, head.number, head.first);
                        if segment.is_waiting(head.number) {
                            match self.copy(now, number, head) {
                                Ok(()) => self.reader.copied = Some((number, head.number + 1)),
                                Err(Refused::Busy) => return self.poll_commit(now),
                                Err(_) => {
                                    self.stop_copying();
                                    self.reader.may_copy = false;
                                    self.commit();
                                    return self.poll_commit(now);
                                }
                            }
                        }
                    }
                    if let Some(walk) = self.reader.walk.as_mut() {
                        walk.pass(&head);
                    }
                }
                end => {
                    let next = self.reader.next;
                    self.finish(end);
                    self.reader.next = next;
                    self.reader.purpose = Purpose::Read;
                    self.commit();
                    return self.poll_commit(now);
                }
            }
        }
        None
    }

    /// The write of a snapshot. If there can be none, ends copying.
    fn snapshot(&mut self, now: Instant) -> Option<Operation> {
        if let Some(segment) = self.table.iter_mut().find(|segment| segment.is_partial()) {
            segment.mark = MarkState::Due;
        }
        self.due = Some(now);
        let operation = self.poll_commit(now);
        if operation.is_none() {
            self.stop_copying();
            self.reader.may_copy = false;
        }
        operation
    }

    /// Appends a copy of the entry at which the walk stands, in the segment `number`.
    fn copy(&mut self, now: Instant, number: u32, mut head: Head) -> Result<(), Refused> {
        let Some(walk) = self.reader.walk.take() else { return Err(Refused::Busy) };
        let copied = match walk.body(&head) {
            None => Err(Refused::TooLarge),
            Some(body) => {
                // A copy of a copy names that copy: the first original is gone.
                let original = Position::new(number, head.number).to_u64().to_le_bytes();
                head.is_copy = true;
                let length = original.len() + body.stream.len() + body.id.len() + body.data.len();
                self.push(now, 0, head, length, &mut |buffer| {
                    for part in [&original[..], body.stream.as_bytes(), body.id, body.data] {
                        buffer.extend_from_slice(part);
                    }
                })
            }
        };
        self.reader.walk = Some(walk);
        copied.map(|_| ())
    }

    /// Whether there are copies that are not synced. Their originals still count as waiting, but must not be read.
    pub(super) fn has_copies(&self) -> bool {
        self.reader.copied.is_some() || self.active.as_ref().is_some_and(Active::writes_copies)
    }

    /// Ends copying. Copies that are in the buffer stay there.
    pub(super) fn stop_copying(&mut self) {
        if self.reader.purpose == Purpose::Copy {
            self.reader.purpose = Purpose::Read;
            self.reader.stop();
        }
    }
}
