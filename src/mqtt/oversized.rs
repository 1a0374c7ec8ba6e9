//! A PUBLISH above our packet limit: its beginning is kept, the rest passes by without being held.
//!
//! To announce Maximum Packet Size is not enough. Some brokers send a longer publish all the same, again and again until it
//! is acknowledged, and nothing behind it. So it is read to its end, and can be answered by what its beginning says.

use bytes::{Buf, Bytes, BytesMut};
use rumqttc::v5::mqttbytes::v5::Publish;
use rumqttc::v5::mqttbytes::{Error, QoS, qos};

use super::received;
use super::variable_length::{MAX_BYTES, decode};
use crate::limits::PUBLISH_BEGIN_BYTES;
use crate::relay::TooLong;
use crate::source::Received;

/// A PUBLISH above the packet limit, while it is being skipped.
#[derive(Debug)]
pub(super) struct Oversized {
    bytes: usize,
    limit: usize,
    qos: QoS,
    dup: bool,
    id: u16,
    /// Bytes to come: of the packet, of its topic, and of its properties as soon as their length is there.
    left: usize,
    topic_left: usize,
    properties_left: Option<usize>,
    /// MQTT 3.1.1 has none.
    has_properties: bool,
    /// Beginning of the topic, and behind it of the payload.
    kept: Vec<u8>,
    topic_kept: usize,
    topic_cut: bool,
}

impl Oversized {
    /// The packet at the front of `bytes`, whose fixed header takes `header` bytes and has `length` behind it. `None`: too
    /// little of it is there to begin.
    pub(super) fn begin(
        bytes: &mut BytesMut,
        header: usize,
        length: usize,
        limit: usize,
        has_properties: bool,
    ) -> Result<Option<Self>, Error> {
        let Some(&[high, low]) = bytes.get(header..header + 2) else { return Ok(None) };
        let topic = usize::from(u16::from_be_bytes([high, low]));
        if 2 + topic > length {
            return Err(Error::MalformedPacket);
        }
        let first = bytes[0];
        let level = (first & 0b0110) >> 1;
        let kept = limit.min(PUBLISH_BEGIN_BYTES);
        bytes.advance(header + 2);
        Ok(Some(Self {
            bytes: header + length,
            limit,
            qos: qos(level).ok_or(Error::InvalidQoS(level))?,
            dup: first & 0b1000 != 0,
            id: 0,
            left: length - 2,
            topic_left: topic,
            properties_left: None,
            has_properties,
            kept: Vec::with_capacity(kept),
            topic_kept: topic.min(kept),
            topic_cut: topic > kept,
        }))
    }

    /// Takes what is there of the packet. Returns whether that was its end.
    pub(super) fn read(&mut self, bytes: &mut BytesMut) -> Result<bool, Error> {
        let most = self.kept.capacity();
        self.topic_left = self.pass(bytes, self.topic_left, most);
        if self.topic_left > 0 {
            return Ok(false);
        }
        if self.properties_left.is_none() {
            let at_hand = &bytes[..bytes.len().min(self.left)];
            let id = if self.qos == QoS::AtMostOnce { 0 } else { 2 };
            let behind = at_hand.get(id..);
            let properties = if self.has_properties { behind.and_then(decode) } else { behind.map(|_| (0, 0)) };
            let Some((properties, digits)) = properties else {
                let is_all = at_hand.len() == self.left || at_hand.len() >= id + MAX_BYTES;
                return if is_all { Err(Error::MalformedPacket) } else { Ok(false) };
            };
            if id + digits + properties > self.left {
                return Err(Error::MalformedPacket);
            }
            self.id = at_hand[..id].iter().fold(0, |id, byte| id << 8 | u16::from(*byte));
            if id > 0 && self.id == 0 {
                return Err(Error::PacketIdZero);
            }
            self.pass(bytes, id + digits, 0);
            self.properties_left = Some(properties);
        }
        let properties = self.pass(bytes, self.properties_left.unwrap_or_default(), 0);
        self.properties_left = Some(properties);
        if properties == 0 {
            self.pass(bytes, self.left, most);
        }
        Ok(self.left == 0)
    }

    /// Takes up to `count` bytes, of which those are kept that fit into `most`. Answers how many are still to come.
    fn pass(&mut self, bytes: &mut BytesMut, count: usize, most: usize) -> usize {
        let at_hand = bytes.len().min(count);
        let kept = at_hand.min(most.saturating_sub(self.kept.len()));
        self.kept.extend_from_slice(&bytes[..kept]);
        bytes.advance(at_hand);
        self.left -= at_hand;
        count - at_hand
    }

    /// What is known at its end.
    pub(super) fn finish(mut self) -> Received {
        self.kept.shrink_to_fit();
        let mut payload = Bytes::from(self.kept);
        let topic = payload.split_to(self.topic_kept);
        let publish = Publish { qos: self.qos, dup: self.dup, pkid: self.id, topic, payload, ..Publish::default() };
        let too_long = TooLong { bytes: self.bytes, limit: self.limit, topic_cut: self.topic_cut };
        Received { too_long: Some(too_long), ..received(publish) }
    }
}
