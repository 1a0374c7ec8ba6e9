//! Reading back: entries are offered to the caller, oldest first, in passes through all segments.

use super::format::{Head, Kind, Name};
use super::operation::Operation;
use super::recover::Stage;
use super::table::{Segment, Table};
use super::walk::{Step, Walk};
use super::{Position, Spool};
use crate::limits::spool::READ_BYTES;

/// An entry that is kept.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Names it in [`Spool::settle`] and [`Spool::give_back`].
    pub position: Position,
    /// [`Kind::Record`] or [`Kind::Status`].
    pub kind: Kind,
    /// The ARN of the delivery stream.
    pub stream: &'a str,
    /// The id, as JSON text.
    pub id: &'a [u8],
    /// The record or the status message.
    pub data: &'a [u8],
    /// When it was received, seconds since 1970.
    pub received: u32,
    /// The record is not packed with others.
    pub own_pack: bool,
}

/// What the caller does with an entry that it is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Takes it, until it settles it or gives it back.
    Take,
    /// Passes it over until the next pass, as its delivery stream takes nothing; the next entry is offered.
    Leave,
    /// Has no room: the next time, this entry is offered first.
    Stop,
}

/// What a segment is read for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Purpose {
    #[default]
    Read,
    Copy,
}

/// Where the pass stands.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) purpose: Purpose,
    pub(super) walk: Option<Walk>,
    buffer: Vec<u8>,
    /// Number of the first segment that is still to be read in this pass. While marks are searched after a start:
    /// segments below it are still to be searched.
    pub(super) next: u32,
    /// A new pass is to begin.
    again: bool,
    /// Whether copies find room, as far as is known.
    pub(super) may_copy: bool,
    /// The segment that is being copied, and the number below which all its waiting entries are copied into the buffer.
    pub(super) copied: Option<(u32, u16)>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            purpose: Purpose::Read,
            walk: None,
            buffer: Vec::new(),
            next: 0,
            again: false,
            may_copy: true,
            copied: None,
        }
    }
}

impl Reader {
    pub(super) fn start(&mut self, name: Name, end: u32, longest: u32) {
        self.walk = Some(Walk::new(name, end, longest, core::mem::take(&mut self.buffer)));
    }

    /// Whether this pass is past the entry, or may be.
    pub(super) fn has_passed(&self, position: Position) -> bool {
        match &self.walk {
            Some(walk) => self.purpose == Purpose::Copy || position < walk.place(),
            None => position.segment() < self.next,
        }
    }

    /// Whether nothing is being read or copied.
    fn may_start_over(&self) -> bool {
        self.purpose == Purpose::Read && self.walk.as_ref().is_none_or(|walk| !walk.is_reading())
    }

    pub(super) fn stop(&mut self) {
        if let Some(walk) = self.walk.take() {
            self.buffer = walk.into_buffer();
            self.buffer.truncate(READ_BYTES as usize);
            self.buffer.shrink_to(READ_BYTES as usize);
        }
    }

    /// Ends reading this segment, because it is to be deleted.
    pub(super) fn leave(&mut self, number: u32) {
        if self.walk.as_ref().is_some_and(|walk| walk.name.number == number) {
            self.stop();
        }
    }

    /// The walk and its segment, up to what is synced of it by now; `None`: there is no walk, or it waits for a read.
    pub(super) fn place<'a>(&'a mut self, table: &'a mut Table) -> Option<(&'a mut Walk, &'a mut Segment)> {
        let walk = self.walk.as_mut().filter(|walk| !walk.is_reading())?;
        let segment = table.get_mut(walk.name.number)?;
        walk.reach(segment.end);
        Some((walk, segment))
    }

    pub(super) fn filled(&mut self, buffer: Vec<u8>, length: Option<usize>) {
        match self.walk.as_mut() {
            Some(walk) => walk.filled(buffer, length),
            None => self.buffer = buffer,
        }
    }
}

impl Spool {
    /// Offers what is kept to `take`, oldest first, until it returns [`Answer::Stop`] or more has to be read from the
    /// disk: then [`Spool::poll_operation`] has the read, and this is to be called again when that is done. Reads
    /// happen only on such a call.
    ///
    /// What was taken or left is not offered again before [`Spool::look_again`].
    pub fn read_back(&mut self, take: &mut dyn FnMut(Held<'_>) -> Answer) {
        if self.stage != Stage::Ready || self.has_copies() {
            return;
        }
        if self.reader.again && self.reader.may_start_over() {
            (self.reader.again, self.reader.next) = (false, 0);
            self.reader.stop();
        }
        while self.reader.purpose == Purpose::Read && (self.reader.walk.is_some() || self.start_next()) {
            let Some((walk, segment)) = self.reader.place(&mut self.table) else { return };
            match walk.step() {
                Step::Need => return,
                Step::Entry(head) if head.kind.is_held() => {
                    self.counters.damaged += walk.missing(segment, head.number, head.first);
                    if segment.is_waiting(head.number) {
                        segment.received(head.received);
                        match offer(walk, &head, take) {
                            Answer::Take => segment.take_out(head.number),
                            Answer::Leave => {}
                            Answer::Stop => return,
                        }
                    }
                    walk.pass(&head);
                }
                Step::Entry(marks) => walk.pass(&marks),
                // More may be appended.
                Step::End if !segment.is_sealed => return,
                end => self.finish(end),
            }
        }
    }

    /// Begins a new pass, which offers all that was left or given back, from the oldest on: a delivery stream takes
    /// records again.
    pub fn look_again(&mut self) {
        self.reader.again = true;
    }

    /// Begins to read the next segment. Returns false if there is none, or if that would make one partial segment too
    /// many.
    fn start_next(&mut self) -> bool {
        let mut segments = self.table.iter();
        let next = segments.find(|segment| segment.name.number >= self.reader.next && segment.has_waiting());
        let Some(segment) = next else { return false };
        let (name, end, is_partial) = (segment.name, segment.end, segment.is_partial());
        if !is_partial && self.is_crowded() {
            return false;
        }
        self.reader.next = name.number;
        self.reader.start(name, end, self.settings.longest);
        true
    }

    /// Ends reading a segment, after its last step.
    pub(super) fn finish(&mut self, end: Step) {
        let Some((walk, segment)) = self.reader.place(&mut self.table) else { return };
        if matches!(end, Step::Newer | Step::Renamed) {
            segment.is_ignored = true;
            self.counters.leave_alone(end);
        } else if segment.is_sealed {
            self.counters.damaged += walk.missing_at_end(segment);
            if walk.has_holes && !segment.is_ignored {
                segment.is_ignored = true;
                self.counters.unreadable += 1;
            }
        }
        self.reader.next = walk.name.number + 1;
        self.reader.stop();
    }

    /// The read that the walk needs, if it does.
    pub(super) fn poll_read(&mut self) -> Option<Operation> {
        let walk = self.reader.walk.as_mut()?;
        let (offset, buffer) = walk.take_need()?;
        let sync = self.stage == Stage::Marks && offset == 0;
        Some(Operation::Read { name: walk.name, sync, offset, buffer })
    }
}

fn offer(walk: &Walk, head: &Head, take: &mut dyn FnMut(Held<'_>) -> Answer) -> Answer {
    let Some(body) = walk.body(head) else { return Answer::Leave };
    take(Held {
        position: Position::new(walk.name.number, head.number),
        kind: head.kind,
        stream: body.stream,
        id: body.id,
        data: body.data,
        received: head.received,
        own_pack: head.own_pack,
    })
}
