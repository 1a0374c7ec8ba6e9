//! A PUBLISH of either version of MQTT. rumqttc's own copies the topic in 3.1.1, and ends the connection when it is not UTF-8; in
//! 5 it turns properties into a pair of strings each. There is one for each record, so it is read once, and nothing is copied.

use bytes::{Buf as _, BytesMut};
use rumqttc::v5::mqttbytes::{Error, QoS, qos, v5::Publish};

use super::variable_length::decode;

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
    Ok(Publish { dup: first & 0b1000 != 0, qos, pkid, topic, payload: bytes, ..Publish::default() })
}
