//! From a publish to a held record or a `fail` status.

use std::io::Write as _;

use super::arena::Full;
use super::arn::{ArnError, DeliveryStreamArn};
use super::json::{self, LoneSurrogate};
use super::message::{self, Invalid, Request, Topic};
use super::record::{Draft, Drafting, RecordWriter, WriteError};
use super::refusal::Refusal;
use super::status::{Id, Status};
use super::stream::DeliveryStream;
use super::{Accepted, DEFAULT, Relay, TooLong};
use crate::limits::{ARN_BYTES, ID_JSON_BYTES};
use crate::time::Instant;

impl Relay {
    /// Takes a publish. It ends in a record that is held or in a `fail` status that is queued; see also
    /// [`Relay::set_source_redelivers`].
    pub fn accept(&mut self, now: Instant, topic: &[u8], payload: &[u8]) -> Accepted {
        let Ok(topic) = str::from_utf8(topic) else {
            return self.answer(now, Id::Json(""), Err(Invalid::Topic.into()));
        };
        match Topic::parse(topic) {
            Some(Topic::Json) => {
                let (keep, mut draft) = (self.statuses.reserve(), Draft::default());
                let drafting = &mut Drafting { arena: &mut self.arena, keep, draft: &mut draft };
                let (id, request) = message::parse_into(payload, drafting);
                let request = request.map_err(Refusal::from);
                let held = request.and_then(|request| self.hold_json(now, id, request, &mut draft));
                draft.release(&mut self.arena);
                self.answer(now, Id::Json(id), held)
            }
            Some(Topic::Binary(id)) => match json::quoted_len(id) {
                ..=ID_JSON_BYTES => {
                    let held = self.hold_binary(now, id, payload);
                    self.answer(now, Id::Plain(id), held)
                }
                length => self.answer(now, Id::Json(""), Err(Invalid::IdTooLong(length).into())),
            },
            None => Accepted::NotOurs,
        }
    }

    /// Answers a publish of which only the beginning of `topic` and `payload` is known, with the id that stands there.
    pub fn refuse_too_long(&mut self, now: Instant, topic: &[u8], payload: &[u8], too_long: TooLong) -> Accepted {
        // A topic that was cut may end within a character.
        let text = topic.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let is_whole = !too_long.topic_cut && text.len() == topic.len();
        let id = match Topic::parse(text) {
            Some(Topic::Json) => Id::Json(message::parse(payload).0),
            Some(Topic::Binary(id)) if is_whole && json::quoted_len(id) <= ID_JSON_BYTES => Id::Plain(id),
            Some(Topic::Binary(_)) => Id::Json(""),
            None => return Accepted::NotOurs,
        };
        self.answer(now, id, Err(Refusal::PublishTooLong(too_long)))
    }

    fn hold_json<'m>(
        &mut self,
        now: Instant,
        id: &str,
        request: Request<'m>,
        draft: &mut Draft,
    ) -> Result<(), Refusal<'m>> {
        if !request.is_data_given {
            draft.release(&mut self.arena);
        }
        let stream = match request.delivery_stream_arn {
            None => DEFAULT,
            Some(text) => self.find_stream(text)?,
        };
        self.hold(now, stream, false, draft, |record| {
            if !request.is_data_given {
                json::unescape::<Refusal<'m>>(request.data, |piece| Ok(record.data(piece)?))?;
            }
            Ok(record.id(id.as_bytes()).map_err(WriteError::from)?)
        })
    }

    fn hold_binary(&mut self, now: Instant, id: &str, payload: &[u8]) -> Result<(), Refusal<'static>> {
        self.hold(now, DEFAULT, true, &mut Draft::default(), |record| {
            record.data(payload)?;
            write_json(record, id).map_err(|_| Refusal::MemoryFull)
        })
    }

    fn hold<'m>(
        &mut self,
        now: Instant,
        index: usize,
        is_binary: bool,
        draft: &mut Draft,
        write: impl FnOnce(&mut RecordWriter<'_>) -> Result<(), Refusal<'m>>,
    ) -> Result<(), Refusal<'m>> {
        let held = self.write_record(now, index, is_binary, draft, write);
        if held.is_err() {
            self.retire(index);
        }
        held
    }

    fn write_record<'m>(
        &mut self,
        now: Instant,
        index: usize,
        is_binary: bool,
        draft: &mut Draft,
        write: impl FnOnce(&mut RecordWriter<'_>) -> Result<(), Refusal<'m>>,
    ) -> Result<(), Refusal<'m>> {
        let stream = self.streams[index].as_mut().ok_or(Refusal::Streams)?;
        let spooling = self.spool.state;
        if stream.held() >= self.queue_size {
            return Err(spooling.instead_of(Refusal::QueueFull { size: self.queue_size }));
        }
        let writer = RecordWriter::resume(&mut self.arena, self.statuses.reserve(), draft);
        let mut writer = writer.map_err(|Full| spooling.instead_of(Refusal::MemoryFull))?;
        write(&mut writer).map_err(|refusal| spooling.instead_of(refusal))?;
        let (read, since) = self.read;
        let record = writer.finish(if read == now { since } else { now });
        if is_binary && self.packing.bytes > 0 && !self.packing.binary {
            record.set_own_pack(&mut self.arena);
        }
        if let Some(number) = self.receiving {
            record.set_receipt(&mut self.arena, Some(number));
            self.receipts.hold(number, record, index);
        }
        stream.waiting.push(&mut self.arena, record);
        Ok(())
    }

    /// The place of the delivery stream that `text`, a JSON string, names; a new one takes a free place.
    fn find_stream<'m>(&mut self, text: &'m str) -> Result<usize, Refusal<'m>> {
        let mut arn = heapless::String::<ARN_BYTES>::new();
        let invalid = |error| Refusal::Arn { text, error };
        let spelt = json::unescape(text, |piece| {
            let piece = str::from_utf8(piece).map_err(|_| NotAnArn)?;
            arn.push_str(piece).map_err(|_| NotAnArn)
        });
        spelt.map_err(|NotAnArn| invalid(ArnError::Shape))?;
        self.stream_of(&arn).map_err(invalid)?.ok_or(Refusal::Streams)
    }

    /// The place of a delivery stream; a new one takes a free place. `None`: there is none.
    pub(super) fn stream_of(&mut self, arn: &str) -> Result<Option<usize>, ArnError> {
        let is_named = |stream: &Option<DeliveryStream>| stream.as_ref().is_some_and(|stream| stream.is_named(arn));
        if let Some(index) = self.streams.iter().position(is_named) {
            return Ok(Some(index));
        }
        let arn = DeliveryStreamArn::parse(arn)?;
        let index = self.streams.iter().position(Option::is_none);
        if let Some(index) = index {
            self.streams[index] = Some(DeliveryStream::new(arn, self.packing));
        }
        Ok(index)
    }

    fn answer(&mut self, now: Instant, id: Id<'_>, held: Result<(), Refusal<'_>>) -> Accepted {
        let accepted = match held {
            Ok(()) => Accepted::Held,
            Err(refusal) => {
                let (status, promised) = (Status::Refused(&refusal), self.promised());
                if !(self.waits_for_room(now) && self.source_redelivers) {
                    self.statuses.push(&mut self.arena, id, status);
                } else if !self.statuses.offer(&mut self.arena, promised, id, status) {
                    return Accepted::NotNow;
                }
                self.counters.refused(&refusal);
                Accepted::Failed
            }
        };
        self.counters.received += 1;
        self.check_conservation();
        accepted
    }
}

/// A text that is longer than any ARN, or no text at all.
struct NotAnArn;

impl From<LoneSurrogate> for NotAnArn {
    fn from(_: LoneSurrogate) -> Self {
        Self
    }
}

/// Writes `text` as JSON to the end of `record`.
fn write_json(record: &mut RecordWriter<'_>, text: &str) -> std::io::Result<()> {
    serde_json::to_writer(&mut *record, text)?;
    record.flush()
}
