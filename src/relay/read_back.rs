//! Which records and statuses come back from the spool, and when; see `spooled`.

use super::Relay;
use super::record::{RecordWriter, WriteError};
use super::refusal::Refusal;
use super::spooled::{Ended, GROUP_BLOCKS};
use super::status::{Id, Status};
use crate::limits::{BACKLOG_RECORDS, BATCH_BODY_BYTES, PROBES, STATUSES_BACK, STREAMS};
use crate::time::Instant;

/// What became of an entry that the spool offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenBack {
    /// It is held.
    Held,
    /// It stays in the spool for now; the next may be offered.
    Left,
    /// There is no room: it stays in the spool, and so do all others for now.
    NoRoom,
    /// It failed, and its status is queued.
    Failed,
}

impl Relay {
    /// Takes a record back that the spool has at `place`. `id` is JSON text; with
    /// `own_pack` the record is not packed with others.
    pub fn take_back(
        &mut self,
        now: Instant,
        arn: &str,
        id: &[u8],
        data: &[u8],
        own_pack: bool,
        place: u64,
    ) -> TakenBack {
        if self.spool.all_from.is_some() {
            return TakenBack::NoRoom;
        }
        let Some(index) = self.stream_of(arn).ok().flatten() else {
            self.spool.left_nameless = true;
            return TakenBack::Left;
        };
        let back = self.back(now, index, id, data, own_pack, place);
        self.retire(index);
        self.check_conservation();
        back
    }

    fn back(&mut self, now: Instant, index: usize, id: &[u8], data: &[u8], own_pack: bool, place: u64) -> TakenBack {
        let has_failed = self.has_failed(index, now);
        let (free, all) = self.record_blocks();
        let is_alone = self.held() == 0;
        let Some(stream) = &mut self.streams[index] else { return TakenBack::Left };
        let most = if stream.failures() > 0 { PROBES } else { BACKLOG_RECORDS };
        let is_enough = stream.backlog.len() >= most || stream.backlog.encoded() >= BATCH_BODY_BYTES;
        if self.spool.left >> index & 1 == 1 || has_failed && is_enough {
            self.spool.left |= 1 << index;
            return TakenBack::Left;
        }
        if is_enough || free < all / 3 + GROUP_BLOCKS && !is_alone {
            return TakenBack::NoRoom;
        }
        let written = RecordWriter::new(&mut self.arena, self.statuses.reserve()).map_err(WriteError::from);
        let written = written.and_then(|mut writer| {
            writer.data(data)?;
            writer.id(id)?;
            Ok(writer.finish(now))
        });
        match written {
            Ok(record) => {
                record.set_spooled(&mut self.arena, place);
                if own_pack {
                    record.set_own_pack(&mut self.arena);
                }
                stream.backlog.push(&mut self.arena, record);
                self.counters.read_back += 1;
                TakenBack::Held
            }
            Err(_) if !is_alone => TakenBack::NoRoom,
            Err(error) => {
                // All memory is free, so it never fits: the memory was larger when it came.
                let (id, refusal) = (str::from_utf8(id).unwrap_or_default(), Refusal::from(error));
                self.statuses.push(&mut self.arena, Id::Json(id), Status::Refused(&refusal));
                self.counters.read_back += 1;
                self.counters.refused(&refusal);
                TakenBack::Failed
            }
        }
    }

    /// Takes back the statuses of a message that could not be published before, and stands at `place` of the spool.
    /// Returns whether they had room.
    pub fn take_status_back(&mut self, message: &[u8], place: u64) -> bool {
        let has_room = self.broker_takes_statuses()
            && self.statuses.room() > self.promised() + 2 * message.len()
            && self.spool.statuses.len() < STATUSES_BACK;
        if has_room {
            self.spool.statuses.push((0, place));
            self.requeue_statuses(message);
        }
        self.spool.left_statuses |= !has_room;
        has_room
    }

    /// Whether statuses that came back are not acknowledged, see [`Relay::statuses_acknowledged`].
    #[must_use]
    pub const fn has_statuses_back(&self) -> bool {
        !self.spool.statuses.is_empty()
    }

    /// The broker has acknowledged the first `count` of the statuses that [`Relay::next_status`] gave since the start.
    /// The spool need not keep them any more.
    pub fn statuses_acknowledged(&mut self, count: u64) {
        let over = self.spool.statuses.extract_if(.., |(below, _)| *below <= count);
        self.spool.ended.extend(over.map(|(_, place)| Ended::Spooled(place)));
    }

    /// Whether the spool is to be read from its oldest entry again, because what was passed over may be taken now. True
    /// once, as the caller then starts the pass.
    pub fn looks_again(&mut self, now: Instant) -> bool {
        let takes = |index: usize| self.spool.left >> index & 1 == 1 && !self.has_failed(index, now);
        let looks = (0..STREAMS).any(takes)
            || self.spool.left_nameless && self.streams.iter().any(Option::is_none)
            || self.spool.left_statuses && self.broker_takes_statuses() && self.spool.statuses.is_empty();

        if looks {
            (self.spool.left, self.spool.left_nameless, self.spool.left_statuses) = Default::default();
        }
        looks
    }
}
