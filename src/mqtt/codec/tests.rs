//! Packets as brokers send them, whole, split anywhere, and wrong.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{PubAck, PubAckReason, Publish, PublishProperties};

use super::*;
use crate::config::MqttVersion::{V3, V5};
use crate::limits::PUBLISH_BEGIN_BYTES;
use crate::mqtt::variable_length::encode;
use crate::relay::TooLong;
use crate::source::Token;

/// Bytes that a packet may have in these tests.
const LIMIT: usize = 300;

/// Of version 5.
fn packets(limit: usize) -> Packets {
    Packets::new(limit, V5)
}

fn encoded(publish: &Publish, version: MqttVersion) -> BytesMut {
    let mut bytes = BytesMut::new();
    Packets::new(0, version).encode(Packet::Publish(publish.clone()), &mut bytes).unwrap();
    bytes
}

fn incoming(publish: Publish) -> Incoming {
    Incoming::Publish(received(publish))
}

/// A packet of a broker: its bytes, and what is to come of it.
#[derive(Debug)]
struct Sent {
    bytes: BytesMut,
    expected: Incoming,
}

fn publish_of(version: MqttVersion, topic: usize, payload: usize, qos: u8, properties: usize, id: u16) -> Sent {
    let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)];
    let payload: Vec<u8> = (0..payload).map(|place| place.to_le_bytes()[0]).collect();
    let mut publish = Publish::new("t".repeat(topic), qos, payload, None);
    publish.pkid = if qos == QoS::AtMostOnce { 0 } else { id };
    let mut sent = publish.clone();
    let user_properties = vec![("name".to_owned(), "v".repeat(60)); properties];
    sent.properties = (properties > 0).then(|| PublishProperties { user_properties, ..Default::default() });
    let bytes = encoded(&sent, version);
    let (_, length, _) = fixed_header(&bytes).unwrap();
    if length <= LIMIT {
        return Sent { bytes, expected: incoming(publish) };
    }
    let topic_cut = topic > LIMIT;
    publish.topic.truncate(LIMIT);
    publish.payload.truncate(LIMIT - publish.topic.len());
    let too_long = Some(TooLong { bytes: bytes.len(), limit: LIMIT, topic_cut });
    Sent { bytes, expected: Incoming::Publish(Received { too_long, ..received(publish) }) }
}

fn acknowledgement(id: u16) -> Sent {
    let ack = PubAck { pkid: id, reason: PubAckReason::Success, properties: None };
    let mut bytes = BytesMut::new();
    ack.write(&mut bytes).unwrap();
    Sent { bytes, expected: Incoming::Other(Packet::PubAck(ack)) }
}

/// A packet of either version.
fn packet() -> impl Strategy<Value = [Sent; 2]> {
    (0..3 * LIMIT, 0..9 * LIMIT, 0..4_u8, 0..9_usize, 1..=u16::MAX, any::<bool>()).prop_map(
        |(topic, payload, kind, properties, id, short)| {
            [V3, V5].map(|version| match (kind, short) {
                (3, _) => acknowledgement(id),
                (qos, true) => publish_of(version, topic % 50, payload % 50, qos, 0, id),
                (qos, false) => publish_of(version, topic, payload, qos, properties, id),
            })
        },
    )
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
        let mut whole = encoded(&publish, V5);
        whole.extend_from_slice(&encoded(&plain, V5));
        let mut codec = packets(100_000);
        let later = whole.split_off(whole.len().min(cut));
        let mut bytes = whole;
        let first = codec.decode(&mut bytes).unwrap();
        bytes.unsplit(later);
        let mut packets = vec![];
        packets.extend(first);
        while let Some(packet) = codec.decode(&mut bytes).unwrap() {
            packets.push(packet);
        }
        proptest::prop_assert_eq!(packets, vec![incoming(plain.clone()), incoming(plain)]);
        proptest::prop_assert!(bytes.is_empty());
    }

    #[test]
    fn packets_do_not_depend_on_how_the_stream_is_cut_and_none_above_the_limit_is_held(
        packets in vec(packet(), 1..12), cuts in vec(1..1000_usize, 1..20), singly: bool, is_3: bool,
    ) {
        let version = if is_3 { V3 } else { V5 };
        let packets: Vec<_> = packets.into_iter().map(|[of_3, of_5]| if is_3 { of_3 } else { of_5 }).collect();
        let mut cuts = cuts.into_iter().cycle().map(|cut| if singly { 1 } else { cut });
        let mut stream = BytesMut::new();
        packets.iter().for_each(|packet| stream.extend_from_slice(&packet.bytes));
        let (mut codec, mut buffer, mut decoded) = (Packets::new(LIMIT, version), BytesMut::new(), vec![]);
        while !stream.is_empty() {
            let cut = cuts.next().unwrap().min(stream.len());
            buffer.unsplit(stream.split_to(cut));
            while let Some(packet) = codec.decode(&mut buffer).unwrap() {
                decoded.push(packet);
            }
            proptest::prop_assert!(buffer.len() <= LIMIT + 5, "{} bytes wait", buffer.len());
        }
        let expected: Vec<_> = packets.into_iter().map(|packet| packet.expected).collect();
        proptest::prop_assert_eq!(decoded, expected);
    }

    #[test]
    fn no_bytes_above_the_limit_make_it_panic_or_take_more_than_the_packet(tail: Vec<u8>, length in 11..60_usize) {
        let mut bytes = BytesMut::from(&[0x32, length.to_le_bytes()[0]][..]);
        bytes.extend_from_slice(&tail);
        let before = bytes.len();
        match packets(10).decode(&mut bytes) {
            Ok(Some(_)) => proptest::prop_assert_eq!(before - bytes.len(), 2 + length),
            Ok(None) => proptest::prop_assert!(before < 2 + length),
            Err(_) => {}
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, publish: bool, is_3: bool) {
        let mut bytes = BytesMut::from(&bytes[..]);
        if let (true, Some(first)) = (publish, bytes.first_mut()) {
            *first = 0x32;
        }
        let version = if is_3 { V3 } else { V5 };
        while matches!(Packets::new(1000, version).decode(&mut bytes), Ok(Some(_))) {}
    }
}

#[test]
fn a_short_disconnect_has_its_reason() {
    use rumqttc::v5::mqttbytes::v5::DisconnectReasonCode;
    let reason = |bytes: &[u8]| match packets(1000).decode(&mut BytesMut::from(bytes)) {
        Ok(Some(Incoming::Other(Packet::Disconnect(bye)))) => bye.reason_code,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(&[0xE0, 0]), DisconnectReasonCode::NormalDisconnection);
    assert_eq!(reason(&[0xE0, 1, 0x8E]), DisconnectReasonCode::SessionTakenOver);
    assert_eq!(reason(&[0xE0, 2, 0x8E, 0]), DisconnectReasonCode::SessionTakenOver);
}

#[test]
fn a_puback_with_a_reason_code_of_its_own_refuses_from_0x80_on() {
    for (code, expected) in [
        (0, PubAckReason::Success),
        (0x01, PubAckReason::Success),
        (0x7F, PubAckReason::Success),
        (0x10, PubAckReason::NoMatchingSubscribers),
        (0x80, PubAckReason::UnspecifiedError),
        (0x88, PubAckReason::UnspecifiedError),
        (0xFF, PubAckReason::UnspecifiedError),
        (0x97, PubAckReason::QuotaExceeded),
        (0x99, PubAckReason::PayloadFormatInvalid),
    ] {
        for packet in [&[0x40, 3, 1, 2, code][..], &[0x40, 4, 1, 2, code, 0]] {
            match packets(1000).decode(&mut BytesMut::from(packet)) {
                Ok(Some(Incoming::Other(Packet::PubAck(ack)))) => {
                    assert_eq!((ack.pkid, ack.reason), (0x0102, expected))
                }
                other => panic!("{code:#x}: {other:?}"),
            }
        }
    }
}

#[test]
fn what_answers_in_another_protocol_is_recognised_by_its_first_bytes() {
    for (bytes, expected) in [
        (&[0x15, 3, 3, 0, 2, 2, 0x46][..], "TLS"),
        (&[0x16, 3], "TLS"),
        (b"HTTP/", "HTTP"),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "HTTP"),
    ] {
        let decoded = packets(1000).decode(&mut BytesMut::from(bytes));
        assert!(matches!(decoded, Err(MqttError::NotMqtt(protocol)) if protocol == expected), "{decoded:?}");
    }
}

#[test]
fn a_broker_of_mqtt_3_1_1_is_recognised() {
    for code in [0, 1] {
        let decoded = packets(1000).decode(&mut BytesMut::from(&[0x20, 2, 0, code][..]));
        assert!(matches!(decoded, Err(MqttError::OtherVersion(V5))), "{decoded:?}");
    }
    // And the other way round.
    for answer in [&[0x20, 3, 0, 0x84, 0][..], &[0x20, 2, 0, 1]] {
        let decoded = Packets::new(1000, V3).decode(&mut BytesMut::from(answer));
        assert!(matches!(decoded, Err(MqttError::OtherVersion(V3))), "{decoded:?}");
    }
}

#[test]
fn the_longest_possible_packet_passes_and_the_next_one_arrives() {
    const LONGEST: usize = 268_435_455;
    let topic = "kinesisfirehose/message/binary/7";
    let (length, _) = encode(LONGEST);
    let mut buffer = BytesMut::from(&[&[0x32][..], &length, &[0, 32], topic.as_bytes(), &[1, 2, 0]].concat()[..]);
    let (mut codec, chunk) = (packets(120_000), vec![b'x'; 32 * 1024]);
    let mut left = LONGEST - 2 - topic.len() - 3;
    while left > 0 {
        assert_eq!(codec.decode(&mut buffer).unwrap(), None);
        let piece = left.min(chunk.len());
        buffer.extend_from_slice(&chunk[..piece]);
        left -= piece;
    }
    assert!(buffer.capacity() <= 4 * chunk.len(), "{}", buffer.capacity());
    let behind = acknowledgement(9);
    buffer.extend_from_slice(&behind.bytes);
    let Ok(Some(Incoming::Publish(publish))) = codec.decode(&mut buffer) else { panic!() };
    let token = Token { number: 0, packet_id: 0x0102, repeated: false, exactly_once: false };
    assert_eq!((&publish.topic[..], publish.token), (topic.as_bytes(), Some(token)));
    assert_eq!(publish.too_long, Some(TooLong { bytes: 5 + LONGEST, limit: 120_000, topic_cut: false }));
    assert_eq!(publish.topic.len() + publish.payload.len(), PUBLISH_BEGIN_BYTES);
    assert_eq!(codec.decode(&mut buffer).unwrap(), Some(behind.expected));
}

#[test]
fn a_publish_above_the_limit_whose_lengths_contradict_each_other_is_an_error() {
    let length = 100;
    for (what, packet) in [
        ("a topic beyond the packet", &[0x30, length, 0, length - 1][..]),
        ("properties beyond it", &[0x30, length, 0, 1, b't', 0xFF, 0x01]),
        ("a length of properties without an end", &[0x30, length, 0, 1, b't', 0x80, 0x80, 0x80, 0x80, 0]),
        ("no packet id", &[0x32, length, 0, 1, b't', 0, 0, 0]),
        ("QoS 3", &[0x36, length, 0, 1, b't', 0, 1, 0]),
    ] {
        let mut bytes = BytesMut::from(packet);
        let mut codec = packets(50);
        assert!(codec.decode(&mut bytes).is_err(), "{what}");
    }
}

#[test]
fn only_a_publish_may_be_above_the_limit() {
    for kind in (1..16_u8).filter(|kind| *kind != PUBLISH) {
        let too_long = 1 + if properties_at(kind).is_some() { 100_000 } else { CONTROL_PACKET_BYTES };
        let (length, digits) = encode(too_long);
        for there in [20, too_long] {
            let mut bytes = BytesMut::from(&[&[kind << 4], &length[..digits], &vec![0; there]].concat()[..]);
            assert!(packets(100_000).decode(&mut bytes).is_err(), "{kind}");
        }
    }
}

/// A packet of this kind with as many pairs of text as make `length` bytes, and what stands before, between and after them.
fn with_texts(first: u8, before: &[u8], numbers: [&[u8]; 2], length: usize, after: &[u8]) -> BytesMut {
    let pair = [&[0x26, 0, 4][..], b"name", &[0, 90], &[b'v'; 90]].concat();
    let texts = pair.repeat(length / pair.len());
    let properties = [numbers[0], &texts, &[0x1F, 0, 3], b"why", numbers[1]].concat();
    let of = |length: usize| encode(length).0[..encode(length).1].to_vec();
    let body = [before, &of(properties.len()), &properties, after].concat();
    BytesMut::from(&[&[first][..], &of(body.len()), &body].concat()[..])
}

#[test]
fn texts_in_answers_may_be_long_and_are_not_kept() {
    let numbers: [&[u8]; 2] =
        [&[0x11, 0, 0, 14, 16, 0x24, 0], &[0x2A, 0, 0x22, 0, 9, 0x13, 0, 30, 0x21, 0, 7, 0x27, 0, 1, 0, 0]];
    for length in [0, 200, 60_000, 99_000] {
        let decode = |mut bytes: BytesMut| {
            let behind = acknowledgement(9);
            bytes.extend_from_slice(&behind.bytes);
            let mut codec = packets(100_000);
            let first = codec.decode(&mut bytes).unwrap();
            assert_eq!(codec.decode(&mut bytes).unwrap(), Some(behind.expected));
            first.unwrap()
        };
        let Incoming::Other(Packet::ConnAck(connack)) = decode(with_texts(0x20, &[1, 0], numbers, length, &[])) else {
            panic!()
        };
        let properties = connack.properties.unwrap();
        assert!(connack.session_present && properties.user_properties.is_empty());
        assert_eq!((properties.session_expiry_interval, properties.max_qos), (Some(3600), Some(0)));
        assert_eq!((properties.server_keep_alive, properties.receive_max), (Some(30), Some(7)));
        assert_eq!(properties.max_packet_size, Some(65_536));
        let none = [&[][..]; 2];
        let Incoming::Other(Packet::SubAck(suback)) = decode(with_texts(0x90, &[1, 2], none, length, &[1, 0])) else {
            panic!()
        };
        assert_eq!((suback.pkid, suback.return_codes.len(), suback.properties), (0x0102, 2, None));
        let Incoming::Other(Packet::PubAck(puback)) = decode(with_texts(0x40, &[1, 2, 0x97], none, length, &[])) else {
            panic!()
        };
        assert_eq!((puback.reason, puback.properties), (PubAckReason::QuotaExceeded, None));
        let Incoming::Other(Packet::Disconnect(bye)) = decode(with_texts(0xE0, &[0x8E], none, length, &[])) else {
            panic!()
        };
        assert_eq!((bye.reason_code, bye.properties), (DisconnectReasonCode::SessionTakenOver, None));
    }
}

#[test]
fn properties_of_an_answer_that_contradict_each_other_are_an_error() {
    for (what, packet) in [
        ("one that is longer than all", &[0x20, 6, 0, 0, 3, 0x1F, 0, 9][..]),
        ("a pair without its second half", &[0x20, 8, 0, 0, 5, 0x26, 0, 1, b'n', 0]),
        ("all that are longer than the packet", &[0x20, 4, 0, 0, 9, 0x24]),
        ("one that there is not", &[0x20, 5, 0, 0, 2, 0x7E, 0]),
        ("numbers again and again", &[[0x20, 45, 0, 0, 42].as_slice(), &[0x24, 0].repeat(21)].concat()),
    ] {
        assert!(packets(1000).decode(&mut BytesMut::from(packet)).is_err(), "{what}");
    }
}
