//! The broker's task against a scripted broker on loopback that speaks through rumqttc's codec.
//!
//! The clock is tokio's; [`later`] moves it while nobody waits for a socket, so no time-out is waited for.

use core::mem::MaybeUninit;
use core::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use rumqttc::v5::mqttbytes::v5::{
    Codec, ConnAck, ConnAckProperties, Connect, ConnectReturnCode, DisconnectReasonCode, Login, Packet, PingResp,
    PubAck, RetainForwardRule, SubAck, Subscribe, SubscribeReasonCode,
};
use rumqttc::v5::mqttbytes::{Error, QoS};
use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time;
use tokio_util::codec::Framed;

use super::*;
use crate::limits::{MQTT_KEEP_ALIVE, RECEIVE_MAXIMUM, SESSION_EXPIRY};
use crate::relay::message::{JSON_TOPIC, STATUS_TOPIC};

const PACKET_BYTES: usize = 100_000;
const STATUS_BYTES: usize = 80_000;
const GRANTED: SubscribeReasonCode = SubscribeReasonCode::Success(QoS::AtLeastOnce);

async fn later(duration: Duration) {
    time::pause();
    time::advance(duration).await;
    time::resume();
}

/// The listening broker, and the relay's ends of a task that connects to it.
struct Test {
    listener: TcpListener,
    broker: Broker,
    task: JoinHandle<()>,
}

impl Test {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (broker, task) = broker(Settings {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            tls: None,
            client_id: "gateway".to_owned(),
            username: Some("user".to_owned()),
            password: Some(Secret::new("secret".to_owned())),
            packet_bytes: PACKET_BYTES,
            read_bytes: 4096,
            status_bytes: STATUS_BYTES,
        });
        Self { listener, broker, task: tokio::spawn(task) }
    }

    /// With a session that stands.
    async fn up(answer: ConnAckProperties) -> (Self, Peer) {
        let mut this = Self::new().await;
        let peer = this.accept(false, answer).await;
        this.expect_up(false).await;
        peer.expect_silence();
        (this, peer)
    }

    async fn connected(&self) -> (Peer, Connect, Option<Login>) {
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut peer = Peer(Framed::new(stream, Codec { max_incoming_size: None, max_outgoing_size: None }));
        match peer.packet().await {
            Packet::Connect(connect, None, login) => (peer, connect, login),
            packet => panic!("{packet:?}"),
        }
    }

    /// Accepts the login and the subscription.
    async fn accept(&self, session_present: bool, properties: ConnAckProperties) -> Peer {
        let (mut peer, ..) = self.connected().await;
        peer.answer(ConnectReturnCode::Success, session_present, properties).await;
        let subscribe = peer.subscribe().await;
        peer.say(Packet::SubAck(SubAck {
            pkid: subscribe.pkid,
            return_codes: vec![GRANTED; subscribe.filters.len()],
            properties: None,
        }))
        .await;
        peer
    }

    async fn expect_up(&mut self, resumed_: bool) -> usize {
        match self.broker.inbound.recv().await.unwrap() {
            Inbound::Up { status_bytes, resumed } if resumed == resumed_ => status_bytes,
            inbound => panic!("{inbound:?}"),
        }
    }

    async fn down(&mut self) -> MqttError {
        match self.broker.inbound.recv().await.unwrap() {
            Inbound::Down(error) => error,
            inbound => panic!("{inbound:?}"),
        }
    }

    async fn publishes(&mut self) -> Vec<Publish> {
        match self.broker.inbound.recv().await.unwrap() {
            Inbound::Publishes(publishes) => publishes,
            inbound => panic!("{inbound:?}"),
        }
    }

    async fn send(&self, status: impl Into<Bytes>) {
        self.broker.statuses.send(status.into()).await.unwrap();
    }
}

/// A connection as the broker sees it.
struct Peer(Framed<TcpStream, Codec>);

impl Peer {
    async fn packet(&mut self) -> Packet {
        self.0.next().await.unwrap().unwrap()
    }

    async fn say(&mut self, packet: Packet) {
        self.0.send(packet).await.unwrap();
    }

    async fn answer(&mut self, code: ConnectReturnCode, session_present: bool, properties: ConnAckProperties) {
        self.say(Packet::ConnAck(ConnAck { session_present, code, properties: Some(properties) })).await;
    }

    async fn subscribe(&mut self) -> Subscribe {
        match self.packet().await {
            Packet::Subscribe(subscribe) => subscribe,
            packet => panic!("{packet:?}"),
        }
    }

    async fn status(&mut self) -> Publish {
        match self.packet().await {
            Packet::Publish(publish) if publish.topic == STATUS_TOPIC => publish,
            packet => panic!("{packet:?}"),
        }
    }

    async fn acknowledge(&mut self, publish: &Publish) {
        self.say(Packet::PubAck(PubAck::new(publish.pkid, None))).await;
    }

    async fn publish(&mut self, ids: core::ops::RangeInclusive<u16>) {
        for id in ids {
            let qos = if id == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            let mut publish = Publish::new(JSON_TOPIC, qos, "{}", None);
            publish.pkid = id;
            self.0.feed(Packet::Publish(publish)).await.unwrap();
        }
        self.0.flush().await.unwrap();
    }

    /// Asks the kernel, which has at once what the task wrote.
    fn expect_silence(&self) {
        let peeked = SockRef::from(self.0.get_ref()).peek(&mut [MaybeUninit::uninit()]);
        assert_eq!(peeked.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }

    async fn read_once(&self, bytes: &mut [u8]) -> usize {
        self.0.get_ref().readable().await.unwrap();
        self.0.get_ref().try_read(bytes).unwrap()
    }

    /// The codec cannot read a DISCONNECT in its short form.
    async fn expect_goodbye(&mut self) {
        assert!(matches!(self.0.next().await, Some(Err(Error::PayloadRequired))));
    }

    async fn expect_end(&mut self) {
        let end = self.0.next().await;
        assert!(matches!(end, None | Some(Err(Error::Io(_)))), "{end:?}");
    }
}

fn nothing() -> ConnAckProperties {
    ConnAckProperties {
        session_expiry_interval: None,
        receive_max: None,
        max_qos: None,
        retain_available: None,
        max_packet_size: None,
        assigned_client_identifier: None,
        topic_alias_max: None,
        reason_string: None,
        user_properties: vec![],
        wildcard_subscription_available: None,
        subscription_identifiers_available: None,
        shared_subscription_available: None,
        server_keep_alive: None,
        response_information: None,
        server_reference: None,
        authentication_method: None,
        authentication_data: None,
    }
}

#[tokio::test]
async fn the_login_asks_for_a_lasting_session_and_says_what_may_be_sent() {
    let test = Test::new().await;
    let (_peer, connect, login) = test.connected().await;
    assert_eq!((connect.client_id.as_str(), connect.clean_start), ("gateway", false));
    assert_eq!(u64::from(connect.keep_alive), MQTT_KEEP_ALIVE.as_secs());
    let properties = connect.properties.unwrap();
    assert_eq!(properties.max_packet_size, Some(100_000));
    assert_eq!(properties.receive_maximum, Some(RECEIVE_MAXIMUM));
    assert_eq!(properties.session_expiry_interval.map(u64::from), Some(SESSION_EXPIRY.as_secs()));
    assert_eq!(login, Some(Login::new("user", "secret")));
}

#[tokio::test]
async fn both_inputs_are_subscribed_to_and_old_retained_publishes_are_not_wanted_again() {
    let test = Test::new().await;
    let (mut peer, ..) = test.connected().await;
    peer.answer(ConnectReturnCode::Success, true, nothing()).await;
    let filters = peer.subscribe().await.filters;
    let paths: Vec<_> = filters.iter().map(|filter| filter.path.as_str()).collect();
    assert_eq!(paths, ["kinesisfirehose/message", "kinesisfirehose/message/binary/#"]);
    for filter in filters {
        assert_eq!((filter.qos, filter.nolocal), (QoS::AtLeastOnce, false));
        assert_eq!(filter.retain_forward_rule, RetainForwardRule::OnNewSubscribe);
    }
}

#[tokio::test]
async fn a_group_is_acknowledged_in_one_write_and_only_when_it_is_given_back() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    peer.publish(0..=3).await;
    let group = test.publishes().await;
    assert_eq!(group.iter().map(|publish| publish.pkid).collect::<Vec<_>>(), [0, 1, 2, 3]);
    tokio::task::yield_now().await;
    peer.expect_silence();
    test.broker.taken.send(group).await.unwrap();
    let mut bytes = [0; 100];
    let read = peer.read_once(&mut bytes).await;
    assert_eq!(bytes[..read], [0x40, 2, 0, 1, 0x40, 2, 0, 2, 0x40, 2, 0, 3], "none for QoS 0");
}

#[tokio::test]
async fn what_is_not_given_back_is_not_acknowledged() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    peer.publish(1..=3).await;
    let mut group = test.publishes().await;
    group.remove(1);
    test.broker.taken.send(group).await.unwrap();
    for id in [1, 3] {
        assert_eq!(peer.packet().await, Packet::PubAck(PubAck::new(id, None)));
    }
}

#[tokio::test]
async fn a_status_without_acknowledgement_goes_out_again_after_a_reconnect() {
    for kept in [true, false] {
        let (mut test, mut peer) = Test::up(nothing()).await;
        for text in ["one", "two", "three"] {
            test.send(text).await;
        }
        let sent = [peer.status().await, peer.status().await, peer.status().await];
        assert!(sent.iter().all(|status| status.qos == QoS::AtLeastOnce && !status.dup && !status.retain));
        peer.acknowledge(&sent[1]).await;
        // The answer to what comes after it tells that the acknowledgement has been read.
        peer.publish(1..=1).await;
        let group = test.publishes().await;
        test.broker.taken.send(group).await.unwrap();
        peer.packet().await;
        drop(peer);
        assert!(matches!(test.down().await, MqttError::Closed(_)));
        later(MQTT_BACKOFF.1).await;
        let mut peer = test.accept(kept, nothing()).await;
        for before in [&sent[0], &sent[2]] {
            let again = peer.status().await;
            assert_eq!((again.pkid, again.dup, &again.payload), (before.pkid, kept, &before.payload));
            peer.acknowledge(&again).await;
        }
        test.expect_up(kept).await;
        test.send("four").await;
        assert!(!peer.status().await.dup);
    }
}

#[tokio::test]
async fn statuses_fit_the_packets_that_the_broker_takes() {
    for (most, expected) in [(None, STATUS_BYTES), (Some(1_000_000), STATUS_BYTES), (Some(1000), 0)] {
        let mut test = Test::new().await;
        let mut peer = test.accept(false, ConnAckProperties { max_packet_size: most, ..nothing() }).await;
        let status_bytes = test.expect_up(false).await;
        assert!(status_bytes == expected || expected == 0 && (900..1000).contains(&status_bytes), "{status_bytes}");
        test.send(vec![b'x'; status_bytes]).await;
        assert_eq!(peer.status().await.payload.len(), status_bytes);
    }
}

#[tokio::test]
async fn no_more_statuses_are_under_way_than_the_broker_takes() {
    let (mut test, mut peer) = Test::up(ConnAckProperties { receive_max: Some(1), ..nothing() }).await;
    test.send("one").await;
    let first = peer.status().await;
    test.send("two").await;
    for id in 1..=10 {
        peer.publish(id..=id).await;
        let group = test.publishes().await;
        test.broker.taken.send(group).await.unwrap();
        assert_eq!(peer.packet().await, Packet::PubAck(PubAck::new(id, None)));
    }
    peer.acknowledge(&first).await;
    assert_eq!(peer.status().await.payload, "two");
}

#[tokio::test]
async fn a_broker_that_takes_less_than_before_gets_the_statuses_one_after_the_other() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    for text in ["one", "two"] {
        test.send(text).await;
        peer.status().await;
    }
    drop(peer);
    test.down().await;
    later(MQTT_BACKOFF.1).await;
    let mut peer = test.accept(true, ConnAckProperties { receive_max: Some(1), ..nothing() }).await;
    test.expect_up(true).await;
    let first = peer.status().await;
    peer.publish(1..=1).await;
    let group = test.publishes().await;
    test.broker.taken.send(group).await.unwrap();
    assert_eq!(peer.packet().await, Packet::PubAck(PubAck::new(1, None)));
    peer.acknowledge(&first).await;
    assert_eq!(peer.status().await.payload, "two");
}

#[tokio::test]
async fn a_status_too_long_for_the_broker_of_now_is_given_up_and_the_session_stands() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    for status in [vec![b'x'; 5000], b"short".to_vec()] {
        test.send(status).await;
        peer.status().await;
    }
    drop(peer);
    test.down().await;
    later(MQTT_BACKOFF.1).await;
    let mut peer = test.accept(true, ConnAckProperties { max_packet_size: Some(1000), ..nothing() }).await;
    let refused = test.broker.inbound.recv().await.unwrap();
    assert!(matches!(refused, Inbound::StatusRefused(PubAckReason::QuotaExceeded)), "{refused:?}");
    assert_eq!(peer.status().await.payload, "short");
    test.expect_up(true).await;
}

#[tokio::test]
async fn a_broker_without_acknowledgements_gets_statuses_without() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    test.send("one").await;
    peer.status().await;
    drop(peer);
    test.down().await;
    later(MQTT_BACKOFF.1).await;
    let mut peer = test.accept(true, ConnAckProperties { max_qos: Some(0), ..nothing() }).await;
    test.expect_up(true).await;
    test.send("two").await;
    for text in ["one", "two"] {
        let status = peer.status().await;
        assert_eq!(
            (status.qos, status.pkid, status.dup, &status.payload[..]),
            (QoS::AtMostOnce, 0, false, text.as_bytes())
        );
    }
    drop(test.broker.statuses);
    peer.expect_goodbye().await;
    test.task.await.unwrap();
}

#[tokio::test]
async fn a_status_that_the_broker_refuses_is_reported_and_not_sent_again() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    test.send("one").await;
    let id = peer.status().await.pkid;
    peer.say(Packet::PubAck(PubAck { pkid: id, reason: PubAckReason::NotAuthorized, properties: None })).await;
    let refused = test.broker.inbound.recv().await.unwrap();
    assert!(matches!(refused, Inbound::StatusRefused(PubAckReason::NotAuthorized)), "{refused:?}");
    drop(test.broker.statuses);
    peer.expect_goodbye().await;
}

#[tokio::test]
async fn silence_is_asked_about_and_without_an_answer_ends_the_session() {
    for (of_the_broker, keep_alive) in [(None, MQTT_KEEP_ALIVE), (Some(10), Duration::from_secs(10))] {
        let (mut test, mut peer) = Test::up(ConnAckProperties { server_keep_alive: of_the_broker, ..nothing() }).await;
        later(keep_alive.mul_f32(0.7)).await;
        peer.expect_silence();
        for answered in [true, false] {
            later(keep_alive.mul_f32(0.76)).await;
            assert!(matches!(peer.packet().await, Packet::PingReq(_)));
            if answered {
                peer.say(Packet::PingResp(PingResp)).await;
                // The answer to what comes after it tells that it has been read.
                peer.publish(1..=1).await;
                let group = test.publishes().await;
                test.broker.taken.send(group).await.unwrap();
                peer.packet().await;
            }
        }
        later(keep_alive.mul_f32(0.76)).await;
        assert!(matches!(test.down().await, MqttError::Silent));
        peer.expect_end().await;
    }
}

#[tokio::test]
async fn a_broker_that_does_not_answer_the_login_is_left() {
    let mut test = Test::new().await;
    let (mut peer, ..) = test.connected().await;
    later(crate::limits::MQTT_CONNECT).await;
    assert!(matches!(test.down().await, MqttError::Silent));
    peer.expect_end().await;
}

#[tokio::test]
async fn a_refused_login_says_why_and_is_tried_seldom_when_only_a_person_can_mend_it() {
    for (code, refusal) in [
        (ConnectReturnCode::NotAuthorized, true),
        (ConnectReturnCode::BadUserNamePassword, true),
        (ConnectReturnCode::UnsupportedProtocolVersion, true),
        (ConnectReturnCode::ServerBusy, false),
        (ConnectReturnCode::ServerUnavailable, false),
    ] {
        let mut test = Test::new().await;
        let (mut peer, ..) = test.connected().await;
        peer.answer(code, false, nothing()).await;
        let error = test.down().await;
        assert!(matches!(error, MqttError::Refused(this) if this == code), "{error:?}");
        assert_eq!(error.is_refusal(), refusal, "{error}");
    }
}

#[tokio::test]
async fn a_closed_connection_instead_of_an_answer_is_a_refusal() {
    let mut test = Test::new().await;
    drop(test.connected().await);
    let error = test.down().await;
    assert!(matches!(error, MqttError::NoAnswer(_)) && error.is_refusal(), "{error:?}");
}

#[tokio::test]
async fn a_refused_subscription_names_its_filter() {
    let mut test = Test::new().await;
    let (mut peer, ..) = test.connected().await;
    peer.answer(ConnectReturnCode::Success, false, nothing()).await;
    let pkid = peer.subscribe().await.pkid;
    let return_codes = vec![GRANTED, SubscribeReasonCode::NotAuthorized];
    peer.say(Packet::SubAck(SubAck { pkid, return_codes, properties: None })).await;
    let error = test.down().await;
    let MqttError::SubscriptionRefused { filter, reason } = &error else { panic!("{error:?}") };
    assert_eq!((*filter, *reason), ("kinesisfirehose/message/binary/#", SubscribeReasonCode::NotAuthorized));
    assert!(error.is_refusal());
}

#[tokio::test]
async fn the_reason_of_a_disconnect_is_told() {
    let taken_over = DisconnectReasonCode::SessionTakenOver;
    for (packet, reason, refusal) in [
        (&[0xE0, 0][..], DisconnectReasonCode::NormalDisconnection, false),
        (&[0xE0, 1, 0x8B], DisconnectReasonCode::ServerShuttingDown, false),
        (&[0xE0, 1, 0x8E], taken_over, true),
        (&[0xE0, 2, 0x8E, 0], taken_over, true),
        (&[0xE0, 6, 0x8E, 4, 0x1F, 0, 1, b'x'], taken_over, true),
    ] {
        let (mut test, mut peer) = Test::up(nothing()).await;
        peer.0.get_mut().write_all(packet).await.unwrap();
        drop(peer);
        let error = test.down().await;
        assert!(matches!(error, MqttError::Disconnected(this) if this == reason), "{packet:?}: {error:?}");
        assert_eq!(error.is_refusal(), refusal);
    }
}

#[tokio::test]
async fn without_more_statuses_the_task_says_goodbye_after_the_last_acknowledgement() {
    let (test, mut peer) = Test::up(nothing()).await;
    test.send("one").await;
    test.send("two").await;
    drop(test.broker.statuses);
    let sent = [peer.status().await, peer.status().await];
    peer.acknowledge(&sent[0]).await;
    tokio::task::yield_now().await;
    peer.expect_silence();
    assert!(!test.task.is_finished());
    peer.acknowledge(&sent[1]).await;
    peer.expect_goodbye().await;
    peer.expect_end().await;
    test.task.await.unwrap();
}

#[tokio::test]
async fn without_a_relay_the_task_ends() {
    // While the session stands.
    let (test, mut peer) = Test::up(nothing()).await;
    drop(test.broker);
    peer.expect_goodbye().await;
    test.task.await.unwrap();
    // While it waits for the next attempt.
    let mut test = Test::new().await;
    drop(test.connected().await);
    test.down().await;
    drop(test.broker);
    test.task.await.unwrap();
}
