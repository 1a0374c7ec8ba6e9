//! The check's request: the call that the configuration uses, with a test record or without any.

use bytes::{Bytes, BytesMut};

use crate::config::Config;
use crate::firehose::request::{Call, Encoder, body_len, without_records};
use crate::limits::{ARENA_BYTES, CHUNK_BYTES_MIN};
use crate::relay::arn::DeliveryStreamArn;
use crate::relay::message::BINARY_TOPIC;
use crate::relay::{Acknowledge, Relay, Settings};
use crate::time::Instant;

/// A request's body.
pub(super) struct Body {
    pub(super) call: Call,
    pub(super) records: usize,
    pub(super) bytes: Bytes,
}

impl Body {
    /// The body with one record of these bytes, encoded as the relay would send it. `None`: the record is too long.
    pub(super) fn with(record: &[u8], config: &Config, arn: DeliveryStreamArn<'_>) -> Option<Self> {
        let connector = &config.connector;
        let mut relay = Box::new(Relay::new(&Settings {
            version: connector.version,
            default_delivery_stream: arn,
            queue_size: connector.queue_size,
            publish_interval: connector.publish_interval,
            arena_bytes: ARENA_BYTES,
            connections: 1,
            acknowledge: Acknowledge::Held,
            packing: config.packing,
            seed: 0,
        }));
        let now = Instant::default();
        relay.accept(now, BINARY_TOPIC.as_bytes(), record);
        relay.drain();
        let id = relay.poll_send(now)?;
        let (batch, arena) = relay.batch(&id)?;
        let mut bytes = BytesMut::zeroed(body_len(arn.name, batch) + CHUNK_BYTES_MIN);
        let (mut encoder, mut length) = (Encoder::new(batch), 0);
        loop {
            match encoder.encode(arn.name, arena, bytes.get_mut(length..)?) {
                0 => break,
                written => length += written,
            }
        }
        bytes.truncate(length);
        Some(Self { call: Call::of(batch), records: batch.records.len(), bytes: bytes.freeze() })
    }

    /// The same body without its record.
    pub(super) fn emptied(self, name: &str) -> Self {
        Self { records: 0, bytes: without_records(self.call, name).into(), ..self }
    }
}
