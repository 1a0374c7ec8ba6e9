//! MQTT packets on a byte stream: rumqttc's codec for version 5, beside [what differs](super::version_3) in 3.1.1, with six gaps closed.
//!
//! - A broker that speaks only MQTT 3.1.1 answers version 5 with a CONNACK that has no properties, which the codec
//!   takes for an unfinished packet.
//! - A short DISCONNECT, which MQTT 5 allows, is taken for an unfinished or a wrong one.
//! - Any other packet that ends before all that its kind has is taken for an unfinished one, and vanishes from the stream.
//! - A PUBACK with a reason code that MQTT 5 does not have is an error to it, and each new connection would end at the same status.
//! - Properties are turned into a pair of strings each, fifteen times the bytes that a hostile publisher had to send. The
//!   connector uses [none but a few numbers](super::properties), so the others are cut out unread, and those of a
//!   [PUBLISH](super::publish) passed over.
//! - A PUBLISH above the limit is an error to it, and so the end of the connection. Here it is [skipped](super::oversized).

use bytes::{Buf, BytesMut};
use rumqttc::v5::mqttbytes::v5::{Codec, Disconnect, DisconnectReasonCode, Packet, Publish};
use rumqttc::v5::mqttbytes::{self};
use tokio_util::codec::{Decoder, Encoder};

use super::oversized::Oversized;
use super::publish::{publish, put_head};
use super::variable_length::decode;
use super::version_3::{conn_ack, sub_ack, write};
use super::{MqttError, properties, received};
use crate::config::MqttVersion;
use crate::limits::CONTROL_PACKET_BYTES;
use crate::source::Received;

const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const SUBACK: u8 = 9;
const DISCONNECT: u8 = 14;
/// Remaining length of a CONNACK in MQTT 3.1.1: flags and return code.
const CONNACK_LENGTH_3: usize = 2;
/// Offset of the reason code of a PUBACK: after the packet id.
const PUBACK_REASON: usize = 2;

/// Offset of the properties in packets whose texts may be long, at most as long as the packet limit that was announced.
const fn properties_at(kind: u8) -> Option<usize> {
    match kind {
        CONNACK | SUBACK => Some(2),
        PUBACK => Some(PUBACK_REASON + 1),
        DISCONNECT => Some(1),
        _ => None,
    }
}

/// Encodes and decodes the packets of one connection.
#[derive(Debug)]
pub(super) struct Packets {
    codec: Codec,
    version: MqttVersion,
    limit: usize,
    /// A publish above `limit` that is being skipped.
    oversized: Option<Oversized>,
}

/// What the broker sent.
#[derive(Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and most are the small one")]
pub(super) enum Incoming {
    Publish(Received),
    /// Anything but a PUBLISH.
    Other(Packet),
}

impl Packets {
    /// Takes packets of this version, of at most `limit` bytes.
    pub(super) fn new(limit: usize, version: MqttVersion) -> Self {
        let max_incoming_size = Some(u32::try_from(limit).unwrap_or(u32::MAX));
        Self { codec: Codec { max_incoming_size, max_outgoing_size: None }, version, limit, oversized: None }
    }

    /// Sends packets of at most `bytes`, the broker's limit.
    pub(super) const fn limit_outgoing(&mut self, bytes: Option<u32>) {
        self.codec.max_outgoing_size = bytes;
    }

    /// Writes a publish up to its payload, which is to follow by itself.
    pub(super) fn put_head(&self, publish: &Publish, bytes: &mut BytesMut) {
        put_head(publish, self.version == MqttVersion::V5, bytes);
    }

    /// Skips more of the publish above the limit. `Some` at its end.
    fn skip(&mut self, bytes: &mut BytesMut) -> Result<Option<Incoming>, MqttError> {
        let Some(oversized) = &mut self.oversized else { return Ok(None) };
        if !oversized.read(bytes)? {
            return Ok(None);
        }
        Ok(self.oversized.take().map(|oversized| Incoming::Publish(oversized.finish())))
    }
}

impl Decoder for Packets {
    type Item = Incoming;
    type Error = MqttError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Incoming>, MqttError> {
        if self.oversized.is_some() {
            return self.skip(bytes);
        }
        if let Some(protocol) = foreign_protocol(bytes) {
            return Err(MqttError::NotMqtt(protocol));
        }
        let is_3 = self.version == MqttVersion::V3;
        let mut whole = false;
        if let Some((first, length, header)) = fixed_header(bytes) {
            whole = bytes.len() >= header + length;
            match first >> 4 {
                CONNACK if (length == CONNACK_LENGTH_3) != is_3 || refuses_the_version(&bytes[header..]) => {
                    return Err(MqttError::OtherVersion(self.version));
                }
                PUBLISH if length > self.limit => {
                    self.oversized = Oversized::begin(bytes, header, length, self.limit, !is_3)?;
                    return self.skip(bytes);
                }
                CONNACK if whole && is_3 => return Ok(Some(Incoming::Other(conn_ack(bytes, header, length)?))),
                SUBACK if whole && is_3 => return Ok(Some(Incoming::Other(sub_ack(bytes, header, length)?))),
                PUBLISH if whole => {
                    return Ok(Some(Incoming::Publish(received(publish(bytes, header, length, !is_3)?))));
                }
                PUBLISH => {}
                DISCONNECT if whole && length <= 1 => {
                    let reason = if length == 0 {
                        DisconnectReasonCode::NormalDisconnection
                    } else {
                        DisconnectReasonCode::try_from(bytes[header])?
                    };
                    bytes.advance(header + length);
                    return Ok(Some(Incoming::Other(Packet::Disconnect(Disconnect::new(reason)))));
                }
                kind => {
                    let properties = if is_3 { None } else { properties_at(kind) };
                    let limit = if properties.is_some() { self.limit } else { CONTROL_PACKET_BYTES };
                    if length > limit.max(CONTROL_PACKET_BYTES) {
                        return Err(mqttbytes::Error::PayloadTooLong.into());
                    }
                    if kind == PUBACK && whole && length > PUBACK_REASON {
                        known_reason(&mut bytes[header + PUBACK_REASON]);
                    }
                    if let Some(before) = properties.filter(|before| whole && length > *before) {
                        let is_cut = properties::cut_out(bytes, header, length, before, kind == CONNACK);
                        is_cut.ok_or(mqttbytes::Error::MalformedPacket)?;
                    }
                }
            }
        }
        match self.codec.decode(bytes)? {
            Some(packet) => Ok(Some(Incoming::Other(packet))),
            // The codec consumed a packet that is too short for its type, and waits for the rest of it.
            None if whole => Err(mqttbytes::Error::MalformedPacket.into()),
            None => Ok(None),
        }
    }
}

impl Encoder<Packet> for Packets {
    type Error = MqttError;

    fn encode(&mut self, packet: Packet, bytes: &mut BytesMut) -> Result<(), MqttError> {
        let packet = if self.version == MqttVersion::V3 { write(packet, bytes)? } else { Some(packet) };
        Ok(packet.map_or(Ok(()), |packet| self.codec.encode(packet, bytes))?)
    }
}

/// The protocol of a peer that is not a broker, by its first bytes, with which no packet of a broker begins.
fn foreign_protocol(bytes: &[u8]) -> Option<&'static str> {
    // An alert or a handshake of any version (RFC 8446, section 5.1).
    let is_tls = matches!(bytes, [0x15 | 0x16, 3, ..]);
    if is_tls {
        return Some("TLS");
    }
    bytes.starts_with(b"HTTP/").then_some("HTTP")
}

/// First byte, remaining length, and bytes of the fixed header; `None` while it is not all there, or too
/// long, which rumqttc reports.
fn fixed_header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, rest) = bytes.split_first()?;
    let (length, digits) = decode(rest)?;
    Some((*first, length, 1 + digits))
}

/// Whether a CONNACK, of which this is there behind the fixed header, has the return code of MQTT 3.1.1 for a wrong version.
const fn refuses_the_version(bytes: &[u8]) -> bool {
    matches!(bytes, [_, 1, ..])
}

/// Makes a reason code of a PUBACK that MQTT 5 does not have the general one of its kind: from 0x80 on it refuses (section 2.4).
const fn known_reason(code: &mut u8) {
    if !matches!(*code, 0x00 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99) {
        *code &= 0x80;
    }
}

#[cfg(test)]
mod tests;
