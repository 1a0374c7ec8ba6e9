//! Copying forward what is left in a segment of which most is settled.
//!
//! A delivery stream that takes nothing leaves a few records in each segment that the others have left. When there are too many
//! such segments, what is left in the one with the least goes to the active segment, and the file goes. Records of such a stream
//! come together that way, in segments that are not partial any more, so that each is copied rarely.
//!
//! A copy names its original and thereby settles it, also for a start that finds the copy and no mark. The original is settled in
//! memory, and so in marks, only when its copy is synced.

use super::commit::Active;
use super::format::Head;
use super::operation::Operation;
use super::read::Purpose;
use super::table::{MarkState, Segment};
use super::walk::Step;
use super::{Position, Refused, Spool};
use crate::time::Instant;

impl Spool {
    /// Whether no more partial segments may be there. Then one is copied, if that makes room.
    pub(super) fn is_crowded(&mut self) -> bool {
        let partial = |segment: &&Segment| segment.is_partial() && !segment.is_done() && !segment.is_ignored;
        if self.table.iter().filter(partial).count() < self.settings.partial || !self.reader.may_copy {
            return false;
        }
        // While an entry is out its segment would stay.
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

    /// Copies on.
    pub(super) fn poll_copy(&mut self, now: Instant) -> Option<Operation> {
        while self.reader.purpose == Purpose::Copy {
            if self.is_troubled(now) {
                self.stop_copying();
                self.reader.may_copy = false;
                return None;
            }
            if !self.active.as_ref().is_some_and(|active| active.has_snapshot) {
                // What is void in a segment that could not be written has to be marked before the next copy.
                return self.snapshot(now);
            }
            let Some((walk, segment)) = self.reader.place(&mut self.table) else {
                self.stop_copying();
                return None;
            };
            let number = walk.name.number;
            match walk.step() {
                Step::Need => return self.poll_read(),
                // Behind a hole nobody knows what is missing.
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

    /// Has a snapshot written.
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

    /// Appends a copy of the entry at the walk's place, which is of the segment `number`.
    fn copy(&mut self, now: Instant, number: u32, mut head: Head) -> Result<(), Refused> {
        let Some(walk) = self.reader.walk.take() else { return Err(Refused::Busy) };
        let copied = match walk.body(&head) {
            None => Err(Refused::TooLarge),
            Some(body) => {
                // A copy of a copy is one of the copy: the first original is gone.
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

    /// Whether there are copies that are not synced. Until then their originals are waiting, and must not be read.
    pub(super) fn has_copies(&self) -> bool {
        self.reader.copied.is_some() || self.active.as_ref().is_some_and(Active::writes_copies)
    }

    /// Copies no more. Copies that are in the buffer stay.
    pub(super) fn stop_copying(&mut self) {
        if self.reader.purpose == Purpose::Copy {
            self.reader.purpose = Purpose::Read;
            self.reader.stop();
        }
    }
}
