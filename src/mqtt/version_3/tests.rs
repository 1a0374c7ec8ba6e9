//! The packets of 3.1.1, byte by byte.

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectProperties, Disconnect, DisconnectProperties, DisconnectReasonCode, Filter, PubAck,
};
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::*;
use crate::config::MqttVersion::V3;
use crate::mqtt::MqttError;
use crate::mqtt::codec::{Incoming, Packets};

#[test]
fn answers_in_3_1_1_have_the_names_of_mqtt_5() {
    let decode = |bytes: &[u8]| match Packets::new(1000, V3).decode(&mut BytesMut::from(bytes)) {
        Ok(Some(Incoming::Other(packet))) => Some(packet),
        Ok(Some(other)) => panic!("{other:?}"),
        _ => None,
    };
    for (code, expected) in [
        (0, Some(ConnectReturnCode::Success)),
        (2, Some(ConnectReturnCode::ClientIdentifierNotValid)),
        (3, Some(ConnectReturnCode::ServerUnavailable)),
        (4, Some(ConnectReturnCode::BadUserNamePassword)),
        (5, Some(ConnectReturnCode::NotAuthorized)),
        (6, None),
    ] {
        let packet = expected.map(|code| Packet::ConnAck(ConnAck { session_present: true, code, properties: None }));
        assert_eq!(decode(&[0x20, 2, 1, code]), packet, "{code}");
    }
    let granted = |qos| SubscribeReasonCode::Success(qos);
    let return_codes = vec![
        granted(QoS::AtMostOnce),
        granted(QoS::AtLeastOnce),
        SubscribeReasonCode::Unspecified,
        // That of MQTT 5, as some brokers say it in 3.1.1, too.
        SubscribeReasonCode::Unspecified,
    ];
    let packet = Packet::SubAck(SubAck { pkid: 0x0102, return_codes, properties: None });
    assert_eq!(decode(&[0x90, 6, 1, 2, 0, 1, 0x80, 0x87]), Some(packet));
    for wrong in [&[0x90, 3, 1, 2, 3][..], &[0x90, 2, 1, 2], &[0x90, 1, 1], &[0x90, 0]] {
        assert_eq!(decode(wrong), None, "{wrong:?}");
    }
}

#[test]
fn a_publish_in_3_1_1_that_contradicts_itself_is_an_error() {
    for (what, packet) in [
        ("a topic beyond the packet", &[0x30, 3, 0, 2, b't'][..]),
        ("no length of the topic", &[0x30, 1, 0]),
        ("nothing", &[0x30, 0]),
        ("no packet id", &[0x32, 4, 0, 1, b't', 1]),
        ("packet id zero", &[0x32, 5, 0, 1, b't', 0, 0]),
        ("QoS 3", &[0x36, 5, 0, 1, b't', 0, 1]),
    ] {
        let decoded = Packets::new(50, V3).decode(&mut BytesMut::from(packet));
        assert!(matches!(decoded, Err(MqttError::Protocol(_))), "{what}: {decoded:?}");
    }
}

#[test]
fn packets_in_3_1_1_have_no_properties() {
    let written = |packet| {
        let mut bytes = BytesMut::new();
        Packets::new(1000, V3).encode(packet, &mut bytes).unwrap();
        bytes.to_vec()
    };
    let connect = Connect {
        keep_alive: 60,
        client_id: "gw".to_owned(),
        clean_start: false,
        properties: Some(ConnectProperties { receive_maximum: Some(500), ..ConnectProperties::new() }),
    };
    assert_eq!(
        written(Packet::Connect(connect, None, Some(Login::new("u", "p")))),
        b"\x10\x14\0\x04MQTT\x04\xC0\0\x3C\0\x02gw\0\x01u\0\x01p"
    );
    let mut subscribe = Subscribe::new(Filter::new("a/#", QoS::AtLeastOnce), None);
    subscribe.pkid = 0x0102;
    assert_eq!(written(Packet::Subscribe(subscribe)), b"\x82\x08\x01\x02\0\x03a/#\x01");
    let mut publish = Publish::new("t", QoS::AtLeastOnce, "{}", None);
    (publish.pkid, publish.dup) = (0x0102, true);
    assert_eq!(written(Packet::Publish(publish)), b"\x3A\x07\0\x01t\x01\x02{}");
    assert_eq!(written(Packet::PubAck(PubAck::new(0x0102, None))), [0x40, 2, 1, 2]);
    let session_expiry_interval = Some(0);
    let properties = DisconnectProperties {
        session_expiry_interval,
        reason_string: None,
        user_properties: vec![],
        server_reference: None,
    };
    let mut bye = Disconnect::new(DisconnectReasonCode::NormalDisconnection);
    bye.properties = Some(properties);
    assert_eq!(written(Packet::Disconnect(bye)), [0xE0, 0]);
}
