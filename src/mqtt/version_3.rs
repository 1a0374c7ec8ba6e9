//! The packets whose bytes differ between MQTT 3.1.1 and MQTT 5, so that the session knows those of MQTT 5 only. All others, as the
//! connector uses them, are the same in both.

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::v4::{self, SubscribeFilter};
use rumqttc::mqttbytes::{self, FixedHeader, QoS};
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Connect, ConnectReturnCode, Login, Packet, Publish, SubAck, Subscribe, SubscribeReasonCode,
};
use rumqttc::v5::mqttbytes::{self as mqttbytes_5, Error};

/// First of the return codes of a SUBACK that refuse.
const REFUSED: u8 = 0x80;

/// Reads the CONNACK at the front of `bytes`, whose fixed header takes `header` bytes and has `length` behind it.
pub(super) fn conn_ack(bytes: &mut BytesMut, header: usize, length: usize) -> Result<Packet, Error> {
    let (header, bytes) = split(bytes, header, length);
    let answer = v4::ConnAck::read(header, bytes).map_err(|_| Error::MalformedPacket)?;
    // As MQTT 5 names them.
    let code = match answer.code {
        v4::ConnectReturnCode::Success => ConnectReturnCode::Success,
        v4::ConnectReturnCode::RefusedProtocolVersion => ConnectReturnCode::UnsupportedProtocolVersion,
        v4::ConnectReturnCode::BadClientId => ConnectReturnCode::ClientIdentifierNotValid,
        v4::ConnectReturnCode::ServiceUnavailable => ConnectReturnCode::ServerUnavailable,
        v4::ConnectReturnCode::BadUserNamePassword => ConnectReturnCode::BadUserNamePassword,
        v4::ConnectReturnCode::NotAuthorized => ConnectReturnCode::NotAuthorized,
    };
    Ok(Packet::ConnAck(ConnAck { session_present: answer.session_present, code, properties: None }))
}

/// The same of a SUBACK.
pub(super) fn sub_ack(bytes: &mut BytesMut, header: usize, length: usize) -> Result<Packet, Error> {
    for code in bytes[header..header + length].iter_mut().skip(2).filter(|code| **code > REFUSED) {
        *code = REFUSED;
    }
    let (header, bytes) = split(bytes, header, length);
    let answer = v4::SubAck::read(header, bytes).map_err(|_| Error::MalformedPacket)?;
    let return_codes = answer.return_codes.into_iter().map(|code| match code {
        v4::SubscribeReasonCode::Success(qos) => SubscribeReasonCode::Success(qos_5(qos)),
        v4::SubscribeReasonCode::Failure => SubscribeReasonCode::Unspecified,
    });
    Ok(Packet::SubAck(SubAck { pkid: answer.pkid, return_codes: return_codes.collect(), properties: None }))
}

/// The packet at the front of `bytes`, as rumqttc reads it.
fn split(bytes: &mut BytesMut, header: usize, length: usize) -> (FixedHeader, Bytes) {
    let first = bytes[0];
    (FixedHeader::new(first, header - 1, length), bytes.split_to(header + length).freeze())
}

/// Writes `packet`. Gives it back if it is the same in both versions.
pub(super) fn write(packet: Packet, bytes: &mut BytesMut) -> Result<Option<Packet>, Error> {
    let written = match packet {
        Packet::Connect(connect, _, login) => write_connect(connect, login, bytes),
        Packet::Subscribe(subscribe) => write_subscribe(subscribe, bytes),
        Packet::Publish(publish) => {
            let Publish { dup, qos, retain, topic, pkid, payload, .. } = publish;
            let topic = String::from_utf8_lossy(&topic).into_owned();
            v4::Publish { dup, qos: qos_3(qos), retain, topic, pkid, payload }.write(bytes)
        }
        Packet::Disconnect(_) => v4::Disconnect.write(bytes),
        packet => return Ok(Some(packet)),
    };
    // They are shorter than any limit, and their packet ids are not zero.
    written.map(|_| None).map_err(|_| Error::MalformedPacket)
}

fn write_connect(connect: Connect, login: Option<Login>, bytes: &mut BytesMut) -> Result<usize, mqttbytes::Error> {
    let connect = v4::Connect {
        protocol: mqttbytes::Protocol::V4,
        keep_alive: connect.keep_alive,
        client_id: connect.client_id,
        clean_session: connect.clean_start,
        last_will: None,
        login: login.map(|Login { username, password }| v4::Login { username, password }),
    };
    connect.write(bytes)
}

fn write_subscribe(subscribe: Subscribe, bytes: &mut BytesMut) -> Result<usize, mqttbytes::Error> {
    let filters = subscribe.filters.into_iter().map(|filter| SubscribeFilter::new(filter.path, qos_3(filter.qos)));
    v4::Subscribe { pkid: subscribe.pkid, filters: filters.collect() }.write(bytes)
}

const fn qos_3(qos: mqttbytes_5::QoS) -> QoS {
    match qos {
        mqttbytes_5::QoS::AtMostOnce => QoS::AtMostOnce,
        mqttbytes_5::QoS::AtLeastOnce => QoS::AtLeastOnce,
        mqttbytes_5::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

const fn qos_5(qos: QoS) -> mqttbytes_5::QoS {
    match qos {
        QoS::AtMostOnce => mqttbytes_5::QoS::AtMostOnce,
        QoS::AtLeastOnce => mqttbytes_5::QoS::AtLeastOnce,
        QoS::ExactlyOnce => mqttbytes_5::QoS::ExactlyOnce,
    }
}

#[cfg(test)]
mod tests;
