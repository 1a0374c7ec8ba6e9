//! A PUBLISH of either version of MQTT. rumqttc's own copies the topic in 3.1.1, and ends the connection when it is not UTF-8; in
//! 5 it turns properties into a pair of strings each. There is one for each record, so it is read once, and nothing is copied.

use bytes::{Buf as _, BufMut as _, BytesMut};
use rumqttc::v5::mqttbytes::{Error, QoS, qos, v5::Publish};

use super::variable_length::{decode, encode};

const PUBLISH: u8 = 0b0011_0000;
/// Bit of a repeated one.
const DUP: u8 = 0b1000;

/// Takes the PUBLISH at the front of `bytes`, whose fixed header takes `header` bytes and has `length` behind it. Properties, which
/// MQTT 5 has, are passed over.
pub(super) fn publish(
    bytes: &mut BytesMut,
    header: usize,
    length: usize,
    has_properties: bool,
) -> Result<Publish, Error> {
    let mut bytes = bytes.split_to(header + length).freeze();
    let first = bytes[0];
    bytes.advance(header);
    let level = (first & 0b0110) >> 1;
    let qos = qos(level).ok_or(Error::InvalidQoS(level))?;
    let topic = usize::from(bytes.try_get_u16().map_err(|_| Error::MalformedPacket)?);
    if topic > bytes.len() {
        return Err(Error::MalformedPacket);
    }
    let topic = bytes.split_to(topic);
    let mut pkid = 0;
    if qos != QoS::AtMostOnce {
        pkid = bytes.try_get_u16().map_err(|_| Error::MalformedPacket)?;
        if pkid == 0 {
            return Err(Error::PacketIdZero);
        }
    }
    if has_properties {
        let (properties, digits) = decode(&bytes).ok_or(Error::MalformedPacket)?;
        if digits + properties > bytes.len() {
            return Err(Error::MalformedPacket);
        }
        bytes.advance(digits + properties);
    }
    Ok(Publish { dup: first & DUP != 0, qos, pkid, topic, payload: bytes, ..Publish::default() })
}

/// Writes a PUBLISH without its payload, which is to follow: rumqttc's would copy it. With `has_properties` it says that it has none.
pub(super) fn put_head(publish: &Publish, has_properties: bool, bytes: &mut BytesMut) {
    let Publish { dup, qos, pkid, topic, payload, .. } = publish;
    let id = if *qos == QoS::AtMostOnce { &[][..] } else { &pkid.to_be_bytes() };
    let properties = if has_properties { &[0][..] } else { &[] };
    let length = size_of::<u16>() + topic.len() + id.len() + properties.len() + payload.len();
    let (digits, count) = encode(length);
    bytes.put_u8(PUBLISH | if *dup { DUP } else { 0 } | (*qos as u8) << 1);
    bytes.put_slice(&digits[..count]);
    bytes.put_u16(u16::try_from(topic.len()).unwrap_or(u16::MAX));
    for part in [topic, id, properties] {
        bytes.put_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::mqttbytes::v4;

    use super::*;

    #[test]
    fn a_publish_of_any_length_is_what_rumqttc_writes() {
        for length in [0, 1, 100, 127, 128, 16_380, 131_072] {
            for (level, dup) in [(0, false), (1, false), (1, true)] {
                let payload = vec![b'x'; length];
                let mut publish =
                    Publish::new("kinesisfirehose/message/status", qos(level).unwrap(), payload.clone(), None);
                (publish.dup, publish.pkid) = (dup, u16::from(level) * 0x1234);
                let (mut ours, mut theirs) = (BytesMut::new(), BytesMut::new());
                put_head(&publish, true, &mut ours);
                publish.write(&mut theirs).unwrap();
                assert_eq!([&ours, &payload[..]].concat(), theirs);

                let level = rumqttc::mqttbytes::qos(level).unwrap();
                let mut of_3 = v4::Publish::new("kinesisfirehose/message/status", level, payload.clone());
                (of_3.dup, of_3.pkid) = (dup, publish.pkid);
                (ours, theirs) = (BytesMut::new(), BytesMut::new());
                put_head(&publish, false, &mut ours);
                of_3.write(&mut theirs).unwrap();
                assert_eq!([&ours, &payload[..]].concat(), theirs);
            }
        }
    }
}
