//! One connection to the broker, from CONNECT to its end.
//!
//! Publishes are read in groups: all that the connection has at hand, up to a bound. A group is handed to the relay and comes
//! back when each of its records is in the arena or has its fail status; then all are
//! acknowledged with one write. Nothing is read in between, so what is held here is one group and the bytes
//! of one read.

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Connect, ConnectProperties, ConnectReturnCode, Disconnect, DisconnectReasonCode, Filter, Login, Packet,
    PingReq, PubAck, PubAckReason, Publish, RetainForwardRule, SubAck, Subscribe, SubscribeReasonCode,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::codec::Framed;

use super::codec::{Incoming, Packets};
use super::in_flight::InFlight;
use super::{Again, Ends, Inbound, MqttError, Received, Settings, Terms};
use crate::limits::{
    MQTT_CONNECT, MQTT_KEEP_ALIVE, MQTT_WRITE, PUBLISHES, PUBLISHES_BUSY, PUBLISHES_BYTES, PUBLISHES_GATHER,
    RECEIVE_MAXIMUM, SESSION_EXPIRY, STATUS_ACKNOWLEDGED,
};
use crate::net::connect::{Stream, connect};
use crate::relay::message::{BINARY_TOPIC, COUNTERS_TOPIC, JSON_TOPIC, STATUS_TOPIC};

/// What is subscribed to. `#` matches its parent level, too, so this includes `.../binary` itself.
pub(super) const FILTERS: [&str; 2] = [JSON_TOPIC, "kinesisfirehose/message/binary/#"];
const _: () = assert!(FILTERS[1].len() == BINARY_TOPIC.len() + "/#".len());

/// Packet id of the subscription; those of statuses are lower.
const SUBSCRIPTION_ID: u16 = u16::MAX;

/// See the module.
pub(super) struct Session {
    pub(super) framed: Framed<Stream, Packets>,
    /// What the broker said of itself.
    pub(super) qos: QoS,
    receive_maximum: u16,
    status_bytes: usize,
    keep_alive: core::time::Duration,
    /// The broker kept our session from before.
    pub(super) resumed: bool,
    terms: Terms,
    /// When the broker last acknowledged a status, or had none to acknowledge.
    acknowledged: Instant,
    group: Vec<Received>,
    /// The group ended because the connection had no more at hand.
    read_all: bool,
    last_write: Instant,
    ping_unanswered: bool,
    read_bytes: usize,
}

/// Why a session ended.
pub(super) enum End {
    /// We were told to stop, and all statuses were acknowledged.
    Stopped,
    /// The process has no use for MQTT any more.
    Abandoned,
}

impl Session {
    /// Connects and logs in.
    pub(super) async fn open(settings: &Settings) -> Result<Self, MqttError> {
        let stream = connect(&settings.route, &settings.host, settings.port, settings.tls.as_ref(), None)
            .await
            .map_err(MqttError::Connect)?;
        let start = async {
            let mut session = Self::log_in(stream, settings).await?;
            session.subscribe(RetainForwardRule::OnNewSubscribe).await?;
            Ok(session)
        };
        timeout(MQTT_CONNECT, start).await.map_err(|_| MqttError::Silent)?
    }

    /// Logs in over a connection that stands.
    pub(super) async fn log_in(stream: Stream, settings: &Settings) -> Result<Self, MqttError> {
        let mut framed = Framed::with_capacity(stream, Packets::new(settings.packet_bytes), settings.read_bytes);
        let mut properties = ConnectProperties::new();
        properties.max_packet_size = Some(u32::try_from(settings.packet_bytes).unwrap_or(u32::MAX));
        properties.receive_maximum = Some(RECEIVE_MAXIMUM);
        properties.session_expiry_interval = Some(if settings.lasting { seconds(SESSION_EXPIRY) } else { 0 });
        let connect = Connect {
            keep_alive: u16::try_from(MQTT_KEEP_ALIVE.as_secs()).unwrap_or(u16::MAX),
            client_id: settings.client_id.clone(),
            clean_start: !settings.lasting,
            properties: Some(properties),
        };
        let password = settings.password.as_ref().map(|password| password.expose().to_owned()).unwrap_or_default();
        let login = settings.username.clone().map(|username| Login::new(username, password));
        framed.send(Packet::Connect(connect, None, login)).await?;
        let answer = match framed.next().await {
            Some(Ok(Incoming::Other(Packet::ConnAck(answer)))) => answer,
            Some(Ok(_)) => return Err(MqttError::Unexpected),
            Some(Err(MqttError::Closed(cause))) => return Err(MqttError::NoAnswer(cause)),
            None => return Err(MqttError::NoAnswer(None)),
            Some(Err(error)) => return Err(error),
        };
        if answer.code != ConnectReturnCode::Success {
            return Err(MqttError::Refused(answer.code));
        }
        Ok(Self::new(framed, &answer, settings))
    }

    fn new(mut framed: Framed<Stream, Packets>, answer: &ConnAck, settings: &Settings) -> Self {
        let properties = answer.properties.as_ref();
        let most = properties.and_then(|all| all.max_packet_size);
        framed.codec_mut().limit_outgoing(most);
        Self {
            framed,
            qos: if properties.and_then(|all| all.max_qos) == Some(0) { QoS::AtMostOnce } else { QoS::AtLeastOnce },
            // None at a time is against the standard. To end the session for it would stop the records, too.
            receive_maximum: properties.and_then(|all| all.receive_max).map_or(u16::MAX, |most| most.max(1)),
            status_bytes: most.map_or(settings.status_bytes, |most| {
                settings.status_bytes.min((most as usize).saturating_sub(STATUS_HEADER))
            }),
            keep_alive: properties
                .and_then(|all| all.server_keep_alive.filter(|seconds| *seconds > 0))
                .map_or(MQTT_KEEP_ALIVE, |seconds| core::time::Duration::from_secs(seconds.into())),
            resumed: answer.session_present,
            terms: Terms {
                publishes_at_most_once: false,
                statuses_at_most_once: properties.and_then(|all| all.max_qos) == Some(0),
                session_seconds: properties
                    .and_then(|all| all.session_expiry_interval)
                    .filter(|kept| settings.lasting && *kept < seconds(SESSION_EXPIRY)),
            },
            acknowledged: Instant::now(),
            group: Vec::with_capacity(PUBLISHES),
            read_all: true,
            last_write: Instant::now(),
            ping_unanswered: false,
            read_bytes: settings.read_bytes,
        }
    }

    /// Also when the session was resumed: the subscription may be from an older connector. Retained publishes
    /// come with a new session only, so that none is relayed at each reconnect.
    pub(super) async fn subscribe(&mut self, retained: RetainForwardRule) -> Result<(), MqttError> {
        let filters = FILTERS.map(|path| {
            let mut filter = Filter::new(path, QoS::AtLeastOnce);
            filter.retain_forward_rule = retained.clone();
            filter
        });
        let mut subscribe = Subscribe::new_many(filters, None);
        subscribe.pkid = SUBSCRIPTION_ID;
        self.framed.send(Packet::Subscribe(subscribe)).await
    }

    /// Runs until the connection ends or the statuses do. Says [`Inbound::Up`] once the broker has granted the
    /// subscription.
    pub(super) async fn run(&mut self, ends: &mut Ends, in_flight: &mut InFlight) -> Result<End, MqttError> {
        in_flight.start_again();
        // This one acknowledges nothing, and nothing waits for it.
        if self.qos == QoS::AtMostOnce && core::mem::take(&mut in_flight.held_up) {
            ends.say(Inbound::StatusesHeldUp(false)).await;
        }
        ends.counters.mark_unchanged();
        let granted_by = Instant::now() + MQTT_CONNECT;
        let mut granted = false;
        let mut stopping = false;
        loop {
            self.repeat_statuses(ends, in_flight).await?;
            if stopping && in_flight.is_empty() {
                let bye = Disconnect::new(DisconnectReasonCode::NormalDisconnection);
                self.feed(Packet::Disconnect(bye)).await?;
                self.flush().await?;
                return Ok(End::Stopped);
            }
            let ping_at = self.last_write + self.keep_alive.mul_f32(PING_AFTER);
            let room = granted && !stopping && in_flight.has_room(self.receive_maximum, self.status_bytes);
            tokio::select! {
                packet = self.framed.next() => {
                    let packet = packet.ok_or(MqttError::Closed(None))??;
                    let taken = self.take_group(packet, ends, in_flight).await;
                    // Also when the connection ended behind them: what was received is relayed.
                    let relayed = if self.group.is_empty() { Ok(true) } else { self.relay_group(ends).await };
                    granted |= taken?;
                    if !relayed? {
                        return Ok(End::Abandoned);
                    }
                    if granted && !ends.up {
                        ends.up = true;
                        let Self { status_bytes, resumed, terms, .. } = *self;
                        let up = Inbound::Up { status_bytes, resumed, terms };
                        if ends.inbound.send(up).await.is_err() {
                            return Ok(End::Abandoned);
                        }
                    }
                }
                message = ends.statuses.recv(), if room => match message {
                    Some(message) => self.send_status(message, ends, in_flight).await?,
                    None => stopping = true,
                },
                () = sleep_until(self.acknowledged + STATUS_ACKNOWLEDGED), if ends.up && !in_flight.held_up && !in_flight.is_empty() => {
                    in_flight.held_up = true;
                    ends.say(Inbound::StatusesHeldUp(true)).await;
                }
                Ok(()) = ends.counters.changed(), if granted => {
                    let message = ends.counters.borrow_and_update().clone();
                    self.send_counters(message).await?;
                }
                () = sleep_until(ping_at) => {
                    if self.ping_unanswered {
                        return Err(MqttError::Silent);
                    }
                    self.ping_unanswered = true;
                    self.feed(Packet::PingReq(PingReq)).await?;
                    self.flush().await?;
                }
                () = wanted_again(&mut ends.again, in_flight.is_empty()), if granted => {
                    return Err(MqttError::LeftBehind);
                }
                () = sleep_until(granted_by), if !granted => return Err(MqttError::Silent),
            }
        }
    }

    /// Takes `packet` and all that are at hand behind it, as far as they fit a group. Answers whether the
    /// subscription was granted among them.
    async fn take_group(&mut self, packet: Incoming, ends: &Ends, in_flight: &mut InFlight) -> Result<bool, MqttError> {
        let mut granted = false;
        let mut next = Some(packet);
        let mut bytes = 0;
        while let Some(packet) = next {
            self.ping_unanswered = false;
            match packet {
                Incoming::Publish(received) => {
                    bytes += received.publish.topic.len() + received.publish.payload.len();
                    self.group.push(received);
                }
                Incoming::Other(Packet::PubAck(ack)) => {
                    self.acknowledged = Instant::now();
                    if core::mem::take(&mut in_flight.held_up) {
                        ends.say(Inbound::StatusesHeldUp(false)).await;
                    }
                    if let Some(message) = in_flight.settle(ack.pkid)
                        && !matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers)
                    {
                        ends.say(Inbound::StatusRefused(ack.reason, message)).await;
                    }
                }
                Incoming::Other(Packet::SubAck(answer)) => {
                    check_granted(&answer)?;
                    let qos_0 = SubscribeReasonCode::Success(QoS::AtMostOnce);
                    self.terms.publishes_at_most_once = answer.return_codes.contains(&qos_0);
                    granted = true;
                }
                Incoming::Other(Packet::PingResp(_)) => {}
                Incoming::Other(Packet::Disconnect(bye)) => return Err(MqttError::Disconnected(bye.reason_code)),
                Incoming::Other(_) => return Err(MqttError::Unexpected),
            }
            self.read_all = self.group.len() < PUBLISHES && bytes < PUBLISHES_BYTES;
            if !self.read_all {
                break;
            }
            next = match self.framed.next().now_or_never() {
                Some(packet) => Some(packet.ok_or(MqttError::Closed(None))??),
                None => None,
            };
        }
        Ok(granted)
    }

    /// Hands the group to the relay, waits until it is taken, and acknowledges it. Answers false when there
    /// is no relay any more.
    async fn relay_group(&mut self, ends: &mut Ends) -> Result<bool, MqttError> {
        let group = core::mem::take(&mut self.group);
        if ends.inbound.send(Inbound::Publishes(group)).await.is_err() {
            return Ok(false);
        }
        let Some(mut group) = ends.taken.recv().await else { return Ok(false) };
        let gather = self.read_all && group.len() >= PUBLISHES_BUSY;
        let publishes = group.drain(..).map(|received| received.publish);
        for publish in publishes.filter(|publish| publish.qos == QoS::AtLeastOnce) {
            self.framed.feed(Packet::PubAck(PubAck::new(publish.pkid, None))).await?;
        }
        self.group = group;
        // The buffer grew with a large packet and would stay so.
        let buffer = self.framed.read_buffer_mut();
        if buffer.is_empty() && buffer.capacity() > self.read_bytes {
            *buffer = BytesMut::with_capacity(self.read_bytes);
        }
        self.flush().await?;
        if gather {
            // A broker in full flow wakes us for each few publishes. Letting some come together saves system calls.
            sleep(PUBLISHES_GATHER).await;
        }
        Ok(true)
    }

    /// Sends what earlier connections left without acknowledgement, as fast as the broker takes it.
    async fn repeat_statuses(&mut self, ends: &Ends, in_flight: &mut InFlight) -> Result<(), MqttError> {
        let mut fed = false;
        while let Some((id, message)) = in_flight.send_again(self.receive_maximum) {
            let fits = message.len() <= self.status_bytes;
            if !fits || self.qos == QoS::AtMostOnce {
                in_flight.settle(id);
            }
            if fits {
                self.feed(self.status(id, message, self.resumed)).await?;
                fed = true;
            } else {
                ends.say(Inbound::StatusTooLong(message)).await;
            }
        }
        if fed { self.flush().await } else { Ok(()) }
    }

    async fn send_status(&mut self, message: Bytes, ends: &Ends, in_flight: &mut InFlight) -> Result<(), MqttError> {
        // It may have been made for another connection.
        if message.len() > self.status_bytes {
            ends.say(Inbound::StatusTooLong(message)).await;
            return Ok(());
        }
        if in_flight.is_empty() {
            self.acknowledged = Instant::now();
        }
        let id = match self.qos {
            QoS::AtMostOnce => 0,
            _ => in_flight.insert(message.clone()).ok_or(MqttError::Unexpected)?,
        };
        self.feed(self.status(id, message, false)).await?;
        self.flush().await?;
        // It grew with the message and would stay so.
        *self.framed.write_buffer_mut() = BytesMut::new();
        Ok(())
    }

    /// Without acknowledgement: whoever misses one gets the next, which says it all again.
    async fn send_counters(&mut self, message: Bytes) -> Result<(), MqttError> {
        let publish = Publish::new(COUNTERS_TOPIC, QoS::AtMostOnce, message, None);
        self.feed(Packet::Publish(publish)).await?;
        self.flush().await
    }

    pub(super) fn status(&self, id: u16, message: Bytes, repeated: bool) -> Packet {
        let mut publish = Publish::new(STATUS_TOPIC, self.qos, message, None);
        if self.qos != QoS::AtMostOnce {
            publish.pkid = id;
            publish.dup = repeated;
        }
        Packet::Publish(publish)
    }

    async fn feed(&mut self, packet: Packet) -> Result<(), MqttError> {
        timeout(MQTT_WRITE, self.framed.feed(packet)).await.map_err(|_| MqttError::Silent)?
    }

    async fn flush(&mut self) -> Result<(), MqttError> {
        self.last_write = Instant::now();
        timeout(MQTT_WRITE, self.framed.flush()).await.map_err(|_| MqttError::Silent)?
    }
}

/// Ends when publishes are to come again.
async fn wanted_again(again: &mut watch::Receiver<Again>, all_acknowledged: bool) {
    let wanted = |again: &Again| *again == Again::Now || *again == Again::Soon && all_acknowledged;
    if again.wait_for(wanted).await.is_err() {
        // Nobody is left to want them; the channel of statuses says so, too.
        core::future::pending::<()>().await;
    }
}

/// Part of the keep-alive time without a write of ours after which a ping is sent.
const PING_AFTER: f32 = 0.75;

/// Bytes of a status packet that are not its payload, at most: fixed header, topic, packet id, no properties.
const STATUS_HEADER: usize = 5 + 2 + STATUS_TOPIC.len() + 2 + 1;
const _: () = assert!(COUNTERS_TOPIC.len() <= STATUS_TOPIC.len(), "counters fit where a status does");

pub(super) fn check_granted(answer: &SubAck) -> Result<(), MqttError> {
    for (filter, reason) in FILTERS.into_iter().zip(&answer.return_codes) {
        if !matches!(reason, SubscribeReasonCode::Success(_)) {
            return Err(MqttError::SubscriptionRefused { filter, reason: *reason });
        }
    }
    Ok(())
}

fn seconds(duration: core::time::Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
