//! A scripted broker on loopback that speaks with rumqttc's own codec, and the relay's end of the task.

use core::future::poll_fn;
use core::mem::MaybeUninit;
use core::pin::pin;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use rumqttc::v5::mqttbytes::v5::{
    Codec, ConnAck, ConnAckProperties, Connect, ConnectReturnCode, Login, Packet, PubAck, Publish, SubAck, Subscribe,
    SubscribeReasonCode,
};
use rumqttc::v5::mqttbytes::{Error, QoS};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time;
use tokio_util::codec::Framed;

use super::super::*;
use crate::relay::message::{BINARY_TOPIC, COUNTERS_TOPIC, JSON_TOPIC, STATUS_TOPIC};
use crate::source::Terms;

pub(super) const PACKET_BYTES: usize = 100_000;
pub(super) const STATUS_BYTES: usize = 80_000;
pub(super) const GRANTED: SubscribeReasonCode = SubscribeReasonCode::Success(QoS::AtLeastOnce);

/// The error that the task gives.
pub(super) fn ours(error: Box<dyn core::error::Error + Send + Sync>) -> MqttError {
    *error.downcast().unwrap()
}

pub(super) async fn later(duration: Duration) {
    time::pause();
    time::advance(duration).await;
    time::resume();
}

/// Moves the clock in small steps, at each of which the task does what is due.
pub(super) async fn passes(duration: Duration) {
    const TICKS: u32 = 200;
    time::pause();
    for _ in 0..TICKS {
        time::advance(duration / TICKS).await;
        settle().await;
    }
    time::resume();
}

/// Lets the task read what the kernel has for it.
pub(super) async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

pub(super) fn settings(host: &str, port: u16) -> Settings {
    Settings {
        host: host.to_owned(),
        port,
        route: Route::default(),
        tls: None,
        version: Some(MqttVersion::V5),
        client_id: "gateway".to_owned(),
        lasting: true,
        username: Some("user".to_owned()),
        password: Some(Secret::new("secret")),
        packet_bytes: PACKET_BYTES,
        read_bytes: 4096,
        gather: Some(Beat::new(Instant::now())),
        status_bytes: STATUS_BYTES,
    }
}

/// The listening broker, and the relay's ends of a task that connects to it.
pub(super) struct Test {
    pub(super) listener: TcpListener,
    pub(super) broker: Channels,
    pub(super) task: JoinHandle<()>,
    /// How often the task woke.
    pub(super) wakes: Arc<AtomicU32>,
}

impl Test {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings.
    pub(super) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut settings = settings("127.0.0.1", listener.local_addr().unwrap().port());
        change(&mut settings);
        let (broker, task) = broker(settings);
        let wakes = Arc::<AtomicU32>::default();
        let counter = wakes.clone();
        let task = tokio::spawn(async move {
            let mut task = pin!(task);
            poll_fn(|context| {
                counter.fetch_add(1, Ordering::Relaxed);
                task.as_mut().poll(context)
            })
            .await;
        });
        Self { listener, broker, task, wakes }
    }

    /// With an established session.
    pub(super) async fn up(answer: ConnAckProperties) -> (Self, Peer) {
        let mut this = Self::new().await;
        let peer = this.accept(false, answer).await;
        this.expect_up(false).await;
        peer.expect_silence();
        (this, peer)
    }

    pub(super) async fn connected(&self) -> (Peer, Connect, Option<Login>) {
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut peer = Peer(Framed::new(stream, Codec { max_incoming_size: None, max_outgoing_size: None }));
        match peer.packet().await {
            Packet::Connect(connect, None, login) => (peer, connect, login),
            packet => panic!("{packet:?}"),
        }
    }

    /// Accepts the login and the subscription.
    pub(super) async fn accept(&self, session_present: bool, properties: ConnAckProperties) -> Peer {
        self.accept_with(session_present, properties, GRANTED).await
    }

    /// Accepts the login, and the subscription as `granted`.
    pub(super) async fn accept_with(
        &self,
        session_present: bool,
        properties: ConnAckProperties,
        granted: SubscribeReasonCode,
    ) -> Peer {
        let (mut peer, ..) = self.connected().await;
        peer.answer(ConnectReturnCode::Success, session_present, properties).await;
        let subscribe = peer.subscribe().await;
        let return_codes = vec![granted; subscribe.filters.len()];
        peer.say(Packet::SubAck(SubAck { pkid: subscribe.pkid, return_codes, properties: None })).await;
        peer
    }

    /// The next event of the task other than [`Inbound::Begins`].
    pub(super) async fn inbound(&mut self) -> Inbound {
        loop {
            match self.broker.inbound.recv().await.unwrap() {
                Inbound::Begins(_) => {}
                inbound => return inbound,
            }
        }
    }

    /// The relay has taken a group, and all of it is safe.
    pub(super) async fn take(&self, mut group: Vec<Received>) {
        if let Some(token) = group.drain(..).filter_map(|received| received.token).last() {
            self.broker.acknowledged.send_modify(|acknowledged| acknowledged.below = token.number + 1);
        }
        self.broker.taken.send(group).await.unwrap();
    }

    pub(super) async fn expect_up(&mut self, resumed_: bool) -> usize {
        match self.inbound().await {
            Inbound::Up { status_bytes, resumed, .. } if resumed == resumed_ => status_bytes,
            inbound => panic!("{inbound:?}"),
        }
    }

    pub(super) async fn terms(&mut self) -> Terms {
        match self.inbound().await {
            Inbound::Up { terms, .. } => terms,
            inbound => panic!("{inbound:?}"),
        }
    }

    pub(super) async fn down(&mut self) -> MqttError {
        match self.inbound().await {
            Inbound::Down(error) => ours(error),
            inbound => panic!("{inbound:?}"),
        }
    }

    pub(super) async fn publishes(&mut self) -> Vec<Received> {
        match self.inbound().await {
            Inbound::Publishes(publishes) => publishes,
            inbound => panic!("{inbound:?}"),
        }
    }

    pub(super) async fn send(&self, status: impl Into<Bytes>) {
        self.broker.statuses.send(status.into()).await.unwrap();
    }
}

/// A connection as the broker sees it.
pub(super) struct Peer(pub(super) Framed<TcpStream, Codec>);

impl Peer {
    pub(super) async fn packet(&mut self) -> Packet {
        self.0.next().await.unwrap().unwrap()
    }

    pub(super) async fn say(&mut self, packet: Packet) {
        self.0.send(packet).await.unwrap();
    }

    /// Waits until the task has read what was sent: a busy machine delivers late, even to itself.
    pub(super) async fn was_heard(&self) {
        let (here, there) = (self.0.get_ref().local_addr().unwrap(), self.0.get_ref().peer_addr().unwrap());
        let ports = format!(":{:04X} 0100007F:{:04X} 01 00000000:", here.port(), there.port());
        // Nothing is left that the other side's kernel has not acknowledged.
        while std::fs::read_to_string("/proc/net/tcp").unwrap().lines().all(|line| !line.contains(&ports)) {
            // The task may have left.
            if SockRef::from(self.0.get_ref()).peek(&mut [MaybeUninit::uninit()]).is_ok_and(|read| read == 0) {
                break;
            }
            tokio::task::yield_now().await;
        }
        settle().await;
    }

    pub(super) async fn answer(
        &mut self,
        code: ConnectReturnCode,
        session_present: bool,
        properties: ConnAckProperties,
    ) {
        self.say(Packet::ConnAck(ConnAck { session_present, code, properties: Some(properties) })).await;
    }

    pub(super) async fn subscribe(&mut self) -> Subscribe {
        match self.packet().await {
            Packet::Subscribe(subscribe) => subscribe,
            packet => panic!("{packet:?}"),
        }
    }

    pub(super) async fn status(&mut self) -> Publish {
        match self.packet().await {
            Packet::Publish(publish) if publish.topic == STATUS_TOPIC => publish,
            packet => panic!("{packet:?}"),
        }
    }

    pub(super) async fn counters(&mut self) -> Publish {
        match self.packet().await {
            Packet::Publish(publish) if publish.topic == COUNTERS_TOPIC => publish,
            packet => panic!("{packet:?}"),
        }
    }

    pub(super) async fn acknowledge(&mut self, publish: &Publish) {
        self.say(Packet::PubAck(PubAck::new(publish.pkid, None))).await;
    }

    pub(super) async fn publish(&mut self, ids: core::ops::RangeInclusive<u16>) {
        for id in ids {
            let qos = if id == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            let mut publish = Publish::new(JSON_TOPIC, qos, "{}", None);
            publish.pkid = id;
            self.0.feed(Packet::Publish(publish)).await.unwrap();
        }
        self.0.flush().await.unwrap();
    }

    /// On a topic of the connector's, at QoS 1.
    pub(super) async fn publish_bytes(&mut self, id: u16, payload: Vec<u8>) {
        let mut publish = Publish::new(format!("{BINARY_TOPIC}/{id}"), QoS::AtLeastOnce, payload, None);
        publish.pkid = id;
        self.say(Packet::Publish(publish)).await;
    }

    /// Asks the kernel, which has at once what the task wrote.
    pub(super) fn expect_silence(&self) {
        let peeked = SockRef::from(self.0.get_ref()).peek(&mut [MaybeUninit::uninit()]);
        assert_eq!(peeked.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }

    pub(super) async fn read_once(&self, bytes: &mut [u8]) -> usize {
        self.0.get_ref().readable().await.unwrap();
        self.0.get_ref().try_read(bytes).unwrap()
    }

    /// The codec cannot read a DISCONNECT in its short form.
    pub(super) async fn expect_goodbye(&mut self) {
        assert!(matches!(self.0.next().await, Some(Err(Error::PayloadRequired))));
    }

    pub(super) async fn expect_end(&mut self) {
        let end = self.0.next().await;
        assert!(matches!(end, None | Some(Err(Error::Io(_)))), "{end:?}");
    }
}

pub(super) fn nothing() -> ConnAckProperties {
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
