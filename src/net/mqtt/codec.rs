//! MQTT 5 packets on a byte stream: rumqttc's codec, with three gaps closed before a packet reaches it.
//!
//! - A broker that speaks only MQTT 3.1.1 answers with a CONNACK that has no properties, which the codec
//!   takes for an unfinished packet.
//! - A short DISCONNECT, which MQTT 5 allows, is taken for an unfinished or a wrong one.
//! - The properties of a PUBLISH are turned into a pair of strings each, fifteen times the bytes that
//!   a hostile publisher had to send. The connector uses none of them, so they are cut out unread.

use bytes::{Buf, BytesMut};
use rumqttc::v5::mqttbytes::v5::{Codec, Disconnect, DisconnectReasonCode, Packet};
use rumqttc::v5::mqttbytes::{self};
use tokio_util::codec::{Decoder, Encoder};

use super::MqttError;
use crate::limits::CONTROL_PACKET_BYTES;

const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const DISCONNECT: u8 = 14;
/// Remaining length of a CONNACK in MQTT 3.1.1: flags and return code.
const CONNACK_LENGTH_3: usize = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct Packets(Codec);

impl Packets {
    /// Takes packets of at most `bytes`.
    pub(super) fn new(bytes: usize) -> Self {
        let max_incoming_size = Some(u32::try_from(bytes).unwrap_or(u32::MAX));
        Self(Codec { max_incoming_size, max_outgoing_size: None })
    }

    /// Sends packets of at most `bytes`, the broker's limit.
    pub(super) const fn limit_outgoing(&mut self, bytes: Option<u32>) {
        self.0.max_outgoing_size = bytes;
    }
}

impl Decoder for Packets {
    type Item = Packet;
    type Error = MqttError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Packet>, MqttError> {
        if let Some(protocol) = foreign_protocol(bytes) {
            return Err(MqttError::NotMqtt(protocol));
        }
        if let Some((first, length, header)) = fixed_header(bytes) {
            let whole = bytes.len() >= header + length;
            match first >> 4 {
                CONNACK if length == CONNACK_LENGTH_3 => return Err(MqttError::NotMqtt5),
                PUBLISH if whole => strip_properties(bytes, header, length).ok_or(mqttbytes::Error::MalformedPacket)?,
                PUBLISH => {}
                DISCONNECT if whole && length <= 1 => {
                    let reason = if length == 0 {
                        DisconnectReasonCode::NormalDisconnection
                    } else {
                        DisconnectReasonCode::try_from(bytes[header])?
                    };
                    bytes.advance(header + length);
                    return Ok(Some(Packet::Disconnect(Disconnect::new(reason))));
                }
                _ if length > CONTROL_PACKET_BYTES => return Err(mqttbytes::Error::PayloadTooLong.into()),
                _ => {}
            }
        }
        Ok(self.0.decode(bytes)?)
    }
}

impl Encoder<Packet> for Packets {
    type Error = MqttError;

    fn encode(&mut self, packet: Packet, bytes: &mut BytesMut) -> Result<(), MqttError> {
        Ok(self.0.encode(packet, bytes)?)
    }
}

/// What else may listen behind a port, by how it begins; no packet that a broker may send begins so.
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
    let (length, digits) = variable_length(rest)?;
    Some((*first, length, 1 + digits))
}

/// A variable byte integer and how many bytes it takes.
fn variable_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (place, byte) in bytes.iter().enumerate().take(4) {
        value |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, place + 1));
        }
    }
    None
}

/// Cuts the properties out of the PUBLISH at the front of `bytes`, by moving what stands before them up to
/// what follows. `None`: the lengths in it contradict each other.
fn strip_properties(bytes: &mut BytesMut, header: usize, length: usize) -> Option<()> {
    let end = header + length;
    let has_id = bytes.first()? & 0b0110 != 0;
    let topic = usize::from(u16::from_be_bytes(bytes.get(header..header + 2)?.try_into().ok()?));
    let before = 2 + topic + if has_id { 2 } else { 0 };
    let (properties, digits) = variable_length(bytes.get(header + before..end)?)?;
    if properties == 0 {
        return Some(());
    }
    let payload = header + before + digits + properties;
    if payload > end {
        return None;
    }
    // From the payload backwards: no properties, topic and packet id, new fixed header. It always fits, because at least
    // one byte of properties goes and the new remaining length is shorter.
    let first = *bytes.first()?;
    let moved = payload - 1 - before;
    bytes.copy_within(header..header + before, moved);
    *bytes.get_mut(payload - 1)? = 0;
    let (encoded, digits) = encode_length(end - moved);
    let start = moved - digits - 1;
    *bytes.get_mut(start)? = first;
    bytes.get_mut(start + 1..moved)?.copy_from_slice(&encoded[..digits]);
    bytes.advance(start);
    Some(())
}

#[expect(clippy::cast_possible_truncation, reason = "seven bits")]
fn encode_length(mut length: usize) -> ([u8; 4], usize) {
    let mut encoded = [0; 4];
    for (place, digit) in encoded.iter_mut().enumerate() {
        *digit = (length & 0x7F) as u8;
        length >>= 7;
        if length == 0 {
            return (encoded, place + 1);
        }
        *digit |= 0x80;
    }
    (encoded, 4)
}

#[cfg(test)]
mod tests {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{Publish, PublishProperties};

    use super::*;

    fn encoded(publish: &Publish) -> BytesMut {
        let mut bytes = BytesMut::new();
        publish.write(&mut bytes).unwrap();
        bytes
    }

    proptest::proptest! {
        #[test]
        fn a_publish_arrives_whole_and_without_its_properties(
            topic in "[a-z/]{0,40}", payload: Vec<u8>, acknowledged: bool, pairs in 0..60_usize, cut in 0..100_usize,
        ) {
            let qos = if acknowledged { QoS::AtLeastOnce } else { QoS::AtMostOnce };
            let mut publish = Publish::new(topic, qos, payload, None);
            publish.pkid = u16::from(acknowledged) * 513;
            let plain = publish.clone();
            let user_properties = vec![("a".to_owned(), "b".to_owned()); pairs];
            publish.properties = Some(PublishProperties { user_properties, message_expiry_interval: Some(7), ..Default::default() });
            let mut whole = encoded(&publish);
            whole.extend_from_slice(&encoded(&plain));
            let mut codec = Packets::new(100_000);
            let later = whole.split_off(whole.len().min(cut));
            let mut bytes = whole;
            let first = codec.decode(&mut bytes).unwrap();
            bytes.unsplit(later);
            let mut packets = vec![];
            packets.extend(first);
            while let Some(packet) = codec.decode(&mut bytes).unwrap() {
                packets.push(packet);
            }
            proptest::prop_assert_eq!(packets, vec![Packet::Publish(plain.clone()), Packet::Publish(plain)]);
            proptest::prop_assert!(bytes.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, publish: bool) {
            let mut bytes = BytesMut::from(&bytes[..]);
            if let (true, Some(first)) = (publish, bytes.first_mut()) {
                *first = 0x32;
            }
            while matches!(Packets::new(1000).decode(&mut bytes), Ok(Some(_))) {}
        }
    }

    #[test]
    fn a_short_disconnect_says_its_reason() {
        use rumqttc::v5::mqttbytes::v5::DisconnectReasonCode;
        let reason = |bytes: &[u8]| match Packets::new(1000).decode(&mut BytesMut::from(bytes)) {
            Ok(Some(Packet::Disconnect(bye))) => bye.reason_code,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason(&[0xE0, 0]), DisconnectReasonCode::NormalDisconnection);
        assert_eq!(reason(&[0xE0, 1, 0x8E]), DisconnectReasonCode::SessionTakenOver);
        assert_eq!(reason(&[0xE0, 2, 0x8E, 0]), DisconnectReasonCode::SessionTakenOver);
    }

    #[test]
    fn what_answers_in_another_protocol_is_recognised_by_its_first_bytes() {
        for (bytes, expected) in [
            (&[0x15, 3, 3, 0, 2, 2, 0x46][..], "TLS"),
            (&[0x16, 3], "TLS"),
            (b"HTTP/", "HTTP"),
            (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "HTTP"),
        ] {
            let decoded = Packets::new(1000).decode(&mut BytesMut::from(bytes));
            assert!(matches!(decoded, Err(MqttError::NotMqtt(protocol)) if protocol == expected), "{decoded:?}");
        }
    }

    #[test]
    fn a_broker_of_the_version_before_is_recognised() {
        for code in [0, 1] {
            let decoded = Packets::new(1000).decode(&mut BytesMut::from(&[0x20, 2, 0, code][..]));
            assert!(matches!(decoded, Err(MqttError::NotMqtt5)), "{decoded:?}");
        }
    }
}
