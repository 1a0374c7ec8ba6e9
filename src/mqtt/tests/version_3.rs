//! The same session in MQTT 3.1.1, and how the task comes to it. The peer speaks with rumqttc's codec of that version.

use futures_util::{SinkExt as _, StreamExt as _};
use rumqttc::mqttbytes::v4::{
    Codec, ConnAck, Connect, ConnectReturnCode, Packet, PubAck, Publish, SubAck, SubscribeFilter, SubscribeReasonCode,
};
use rumqttc::mqttbytes::{Protocol, QoS};
use tokio::net::TcpStream;
use tokio_util::codec::Framed;

use super::broker::{Peer, Test, later, nothing, settings, settle};
use super::*;
use crate::relay::message::{JSON_TOPIC, STATUS_TOPIC};

const GRANTED: SubscribeReasonCode = SubscribeReasonCode::Success(QoS::AtLeastOnce);

/// A connection as a broker of 3.1.1 sees it.
struct Peer3(Framed<TcpStream, Codec>);

impl Peer3 {
    fn new(stream: TcpStream) -> Self {
        Self(Framed::new(stream, Codec { max_incoming_size: 1_000_000, max_outgoing_size: 10_000_000 }))
    }

    async fn packet(&mut self) -> Packet {
        self.0.next().await.unwrap().unwrap()
    }

    async fn say(&mut self, packet: Packet) {
        self.0.send(packet).await.unwrap();
    }

    async fn connect(&mut self) -> Connect {
        let Packet::Connect(connect) = self.packet().await else { panic!() };
        connect
    }

    async fn accept(&mut self, session_present: bool, granted: SubscribeReasonCode) -> Vec<SubscribeFilter> {
        self.say(Packet::ConnAck(ConnAck { session_present, code: ConnectReturnCode::Success })).await;
        let Packet::Subscribe(subscribe) = self.packet().await else { panic!() };
        let return_codes = vec![granted; subscribe.filters.len()];
        self.say(Packet::SubAck(SubAck { pkid: subscribe.pkid, return_codes })).await;
        subscribe.filters
    }

    /// The session goes on, with its subscription.
    async fn resume(&mut self) {
        self.say(Packet::ConnAck(ConnAck { session_present: true, code: ConnectReturnCode::Success })).await;
    }

    async fn publish(&mut self, id: u16, dup: bool, payload: Vec<u8>) {
        let qos = if id == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        let mut publish = Publish::new(JSON_TOPIC, qos, payload);
        (publish.pkid, publish.dup) = (id, dup);
        self.say(Packet::Publish(publish)).await;
    }

    async fn status(&mut self) -> Publish {
        match self.packet().await {
            Packet::Publish(publish) if publish.topic == STATUS_TOPIC => publish,
            packet => panic!("{packet:?}"),
        }
    }
}

/// A task that speaks `version`.
async fn speaking(version: Option<MqttVersion>) -> Test {
    Test::with(|settings| settings.version = version).await
}

async fn peer(test: &Test) -> Peer3 {
    Peer3::new(test.listener.accept().await.unwrap().0)
}

/// With an established session.
async fn up() -> (Test, Peer3) {
    let mut test = speaking(Some(MqttVersion::V3)).await;
    let mut peer = peer(&test).await;
    peer.connect().await;
    peer.accept(false, GRANTED).await;
    test.expect_up(false).await;
    (test, peer)
}

#[tokio::test]
async fn the_login_asks_for_a_session_that_lasts_and_subscribes_at_qos_1() {
    let mut test = speaking(Some(MqttVersion::V3)).await;
    let mut peer = peer(&test).await;
    let connect = peer.connect().await;
    assert_eq!((connect.protocol, connect.clean_session, connect.last_will), (Protocol::V4, false, None));
    assert_eq!((connect.client_id.as_str(), u64::from(connect.keep_alive)), ("gateway", MQTT_KEEP_ALIVE.as_secs()));
    let login = connect.login.unwrap();
    assert_eq!((login.username.as_str(), login.password.as_str()), ("user", "secret"));
    let filters = peer.accept(true, GRANTED).await;
    assert!(filters.iter().all(|filter| filter.qos == QoS::AtLeastOnce));
    let filters: Vec<_> = filters.into_iter().map(|filter| filter.path).collect();
    assert_eq!(filters, ["kinesisfirehose/message", "kinesisfirehose/message/binary/#"]);
    let Inbound::Up { status_bytes, resumed, terms } = test.inbound().await else { panic!() };
    assert_eq!((status_bytes, resumed, terms), (STATUS_BYTES, true, Terms { mqtt_3: true, ..Terms::default() }));
}

#[tokio::test]
async fn publishes_are_handed_on_with_their_marks_and_acknowledged_in_order() {
    let (mut test, mut peer) = up().await;
    for (id, dup) in [(7, true), (0, false), (8, false)] {
        peer.publish(id, dup, b"{}".to_vec()).await;
    }
    let mut marks = vec![];
    while marks.len() < 3 {
        let group = test.publishes().await;
        marks.extend(group.iter().map(|received| received.token.map(|token| (token.packet_id, token.repeated))));
        assert!(group.iter().all(|received| received.topic == JSON_TOPIC && received.payload == "{}"));
        test.take(group).await;
    }
    assert_eq!(marks, [Some((7, true)), None, Some((8, false))]);
    for pkid in [7, 8] {
        assert_eq!(peer.packet().await, Packet::PubAck(PubAck { pkid }));
    }
}

#[tokio::test]
async fn a_publish_above_the_limit_is_handed_on_in_part_and_acknowledged() {
    let (mut test, mut peer) = up().await;
    let size = 5_000_000;
    let send = async {
        peer.publish(1, false, vec![b'x'; size]).await;
        peer.publish(2, false, b"{}".to_vec()).await;
        [peer.packet().await, peer.packet().await]
    };
    let take = async {
        let mut all = vec![];
        while all.len() < 2 {
            let group = test.publishes().await;
            all.extend(group.clone());
            test.take(group).await;
        }
        all
    };
    let (acknowledged, all) = tokio::join!(send, take);
    assert_eq!(acknowledged, [1, 2].map(|pkid| Packet::PubAck(PubAck { pkid })));
    let Received { topic, payload, too_long, .. } = &all[0];
    assert_eq!(topic, JSON_TOPIC);
    assert!(payload.iter().all(|byte| *byte == b'x') && topic.len() + payload.len() <= PACKET_BYTES);
    assert!(too_long.is_some_and(|too_long| too_long.bytes > size) && all[1].too_long.is_none());
}

#[tokio::test]
async fn a_status_goes_at_qos_1_and_again_after_a_reconnect() {
    let (mut test, mut peer) = up().await;
    test.send("one").await;
    let first = peer.status().await;
    assert_eq!((first.qos, first.dup, &first.payload[..]), (QoS::AtLeastOnce, false, &b"one"[..]));
    drop(peer);
    test.down().await;
    later(MQTT_BACKOFF.1).await;
    let mut peer = self::peer(&test).await;
    peer.connect().await;
    peer.resume().await;
    test.expect_up(true).await;
    let again = peer.status().await;
    assert_eq!((again.pkid, again.dup, &again.payload), (first.pkid, true, &first.payload));
    peer.say(Packet::PubAck(PubAck { pkid: again.pkid })).await;
    drop(test.broker.statuses);
    assert_eq!(peer.packet().await, Packet::Disconnect);
    test.task.await.unwrap();
}

/// A broker answers each SUBSCRIBE with what it has retained.
#[tokio::test]
async fn the_subscription_is_asked_for_once_while_the_session_lasts() {
    let (mut test, mut peer) = up().await;
    for kept in [true, false, true] {
        drop(peer);
        test.down().await;
        later(MQTT_BACKOFF.1).await;
        peer = self::peer(&test).await;
        peer.connect().await;
        if kept {
            peer.resume().await;
        } else {
            peer.accept(false, SubscribeReasonCode::Success(QoS::AtMostOnce)).await;
        }
        let Inbound::Up { resumed, .. } = test.inbound().await else { panic!() };
        assert_eq!(resumed, kept);
    }
    peer.publish(1, true, b"{}".to_vec()).await;
    let group = test.publishes().await;
    test.take(group).await;
    assert_eq!(peer.packet().await, Packet::PubAck(PubAck { pkid: 1 }));
}

#[tokio::test]
async fn what_was_granted_is_remembered_with_it() {
    let mut test = speaking(Some(MqttVersion::V3)).await;
    let mut peer = peer(&test).await;
    peer.connect().await;
    peer.accept(false, SubscribeReasonCode::Success(QoS::AtMostOnce)).await;
    assert!(test.terms().await.publishes_at_most_once);
    drop(peer);
    test.down().await;
    later(MQTT_BACKOFF.1).await;
    let mut peer = self::peer(&test).await;
    peer.connect().await;
    peer.resume().await;
    assert!(test.terms().await.publishes_at_most_once);
}

#[tokio::test]
async fn a_silent_broker_is_pinged_and_left() {
    let (mut test, mut peer) = up().await;
    later(MQTT_KEEP_ALIVE * 3 / 4).await;
    assert_eq!(peer.packet().await, Packet::PingReq);
    peer.say(Packet::PingResp).await;
    for _ in 0..6 {
        settle().await;
        later(MQTT_KEEP_ALIVE / 2).await;
    }
    assert!(matches!(test.down().await, MqttError::Silent(Unanswered::Ping, _)));
}

#[tokio::test]
async fn a_refused_filter_is_reported_and_qos_0_is_what_is_granted() {
    for (granted, refused) in
        [(SubscribeReasonCode::Failure, true), (SubscribeReasonCode::Success(QoS::AtMostOnce), false)]
    {
        let mut test = speaking(Some(MqttVersion::V3)).await;
        let mut peer = peer(&test).await;
        peer.connect().await;
        peer.accept(false, granted).await;
        if refused {
            assert!(matches!(test.down().await, MqttError::SubscriptionRefused { .. }));
        } else {
            assert!(test.terms().await.publishes_at_most_once);
        }
    }
}

#[tokio::test]
async fn a_refused_login_says_the_same_as_in_mqtt_5() {
    for (code, text) in [
        (ConnectReturnCode::BadClientId, "the broker refuses the connection (client identifier not valid)"),
        (ConnectReturnCode::ServiceUnavailable, "the broker refuses the connection (server unavailable)"),
        (
            ConnectReturnCode::BadUserNamePassword,
            "the broker refuses the login (bad user name password), see FIREHOSE_CONNECTOR_MQTT_USERNAME and \
             FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE",
        ),
        (
            ConnectReturnCode::RefusedProtocolVersion,
            "the broker does not speak MQTT 3.1.1: 5 and 3.1.1 are tried, unless FIREHOSE_CONNECTOR_MQTT_VERSION says which",
        ),
    ] {
        let mut test = speaking(Some(MqttVersion::V3)).await;
        let mut peer = peer(&test).await;
        peer.connect().await;
        peer.say(Packet::ConnAck(ConnAck { session_present: false, code })).await;
        assert_eq!(test.down().await.to_string(), text);
    }
}

/// A login in 3.1.1 that proves nothing, and so is left after the answer.
async fn unproven(test: &Test) {
    let mut peer = peer(test).await;
    peer.connect().await;
    peer.say(Packet::ConnAck(ConnAck { session_present: false, code: ConnectReturnCode::Success })).await;
    assert_eq!(peer.packet().await, Packet::Disconnect);
}

/// The first attempt of `test`, in version 5.
async fn five(test: &Test) -> Peer {
    test.connected().await.0
}

#[tokio::test]
async fn a_broker_that_refuses_version_5_is_asked_in_3_1_1_at_once() {
    for refusal in [&[0x20, 2, 0, 1][..], &[0x20, 3, 0, 0x84, 0], &[0x20, 3, 0, 1, 0]] {
        let mut test = speaking(None).await;
        five(&test).await.0.get_mut().write_all(refusal).await.unwrap();
        let mut peer = peer(&test).await;
        peer.connect().await;
        peer.accept(false, GRANTED).await;
        // Nothing was reported before.
        assert!(test.terms().await.mqtt_3);
        // And it is remembered.
        drop(peer);
        test.down().await;
        later(MQTT_BACKOFF.1).await;
        let mut peer = self::peer(&test).await;
        assert_eq!(peer.connect().await.protocol, Protocol::V4);
    }
}

#[tokio::test]
async fn a_broker_that_closes_on_version_5_only_is_spoken_to_in_3_1_1() {
    let mut test = speaking(None).await;
    drop(five(&test).await);
    assert!(matches!(test.down().await, MqttError::NoAnswer(None | Some(_))));
    later(MQTT_BACKOFF.1).await;
    unproven(&test).await;
    drop(five(&test).await);
    let mut peer = peer(&test).await;
    peer.connect().await;
    peer.accept(false, GRANTED).await;
    assert!(test.terms().await.mqtt_3);
}

#[tokio::test]
async fn a_broker_of_both_versions_that_was_starting_is_spoken_to_in_version_5() {
    let mut test = speaking(None).await;
    drop(five(&test).await);
    test.down().await;
    later(MQTT_BACKOFF.1).await;
    unproven(&test).await;
    let _peer = test.accept(false, nothing()).await;
    assert!(!test.terms().await.mqtt_3);
}

#[tokio::test]
async fn a_broker_that_is_silent_to_version_5_is_asked_in_3_1_1() {
    let mut test = speaking(None).await;
    let _silent = five(&test).await;
    settle().await;
    later(MQTT_ANSWER.0).await;
    let error = test.down().await;
    assert!(matches!(error, MqttError::Silent(Unanswered::Login, waited) if waited == MQTT_ANSWER.0), "{error:?}");
    later(MQTT_BACKOFF.1).await;
    unproven(&test).await;
    let _silent = five(&test).await;
    settle().await;
    later(MQTT_ANSWER.1 + MQTT_CONNECT / 3).await;
    let mut peer = peer(&test).await;
    peer.connect().await;
    peer.accept(false, GRANTED).await;
    assert!(test.terms().await.mqtt_3);
}

#[tokio::test]
async fn check_leaves_without_a_session_of_its_own() {
    let test = speaking(None).await;
    test.task.abort();
    let (host, port) = ("127.0.0.1", test.listener.local_addr().unwrap().port());
    let settings = Settings { lasting: false, ..settings(host, port) };
    let probe = async {
        let stream = connect(&settings.route, host, port, None, Buffers::default()).await.unwrap();
        let mut probe = Probe::log_in(stream, &settings, MqttVersion::V3).await.unwrap();
        probe.subscribe().await.unwrap();
        assert_eq!(probe.publish_status(Bytes::from_static(b"{}")).await.unwrap(), None);
        probe.log_out().await;
    };
    let broker = async {
        let mut peer = peer(&test).await;
        assert!(peer.connect().await.clean_session);
        peer.accept(false, GRANTED).await;
        let status = peer.status().await;
        peer.say(Packet::PubAck(PubAck { pkid: status.pkid })).await;
        assert_eq!(peer.packet().await, Packet::Disconnect);
    };
    tokio::join!(probe, broker);
}

#[tokio::test]
async fn a_session_that_a_left_login_made_is_subscribed_to_and_is_no_old_one() {
    let mut test = speaking(None).await;
    let mut before = Vec::new();
    for round in 0..2 {
        // A broker without version 5 that forgets sessions when it starts again.
        drop(five(&test).await);
        test.down().await;
        later(MQTT_BACKOFF.1).await;
        unproven(&test).await;
        drop(five(&test).await);
        let mut peer = peer(&test).await;
        peer.connect().await;
        // The login before has made it.
        assert_eq!(peer.accept(true, GRANTED).await.len(), 2, "round {round}");
        test.expect_up(false).await;
        before.push(peer);
        if round == 0 {
            before.clear();
            test.down().await;
            later(MQTT_BACKOFF.1).await;
            // The port is closed for a moment, and then nothing answers version 3.1.1 either.
            drop(self::peer(&test).await);
            test.down().await;
            later(MQTT_BACKOFF.1).await;
        }
    }
}
