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
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::codec::Framed;

use super::codec::{Incoming, Packets};
use super::counted::Counted;
use super::error::Unanswered;
use super::in_flight::InFlight;
use super::pulse::{Beat, Pulse};
use super::{Again, Ends, Inbound, MqttError, Received, Settings, Terms};
use crate::limits::{
    MQTT_CONNECT, MQTT_KEEP_ALIVE, MQTT_SUBSCRIBE_MAX, PUBLISHES, PUBLISHES_BUSY, PUBLISHES_BYTES, PUBLISHES_GATHER,
    RECEIVE_MAXIMUM, SESSION_EXPIRY,
};
use crate::relay::message::{BINARY_TOPIC, COUNTERS_TOPIC, JSON_TOPIC, STATUS_TOPIC};
use crate::transport::connect::Stream;

/// What is subscribed to. `#` matches its parent level, too, so this includes `.../binary` itself.
pub(super) const FILTERS: [&str; 2] = [JSON_TOPIC, "kinesisfirehose/message/binary/#"];
const _: () = assert!(FILTERS[1].len() == BINARY_TOPIC.len() + "/#".len());

/// Packet id of the subscription; those of statuses are lower.
const SUBSCRIPTION_ID: u16 = u16::MAX;

/// One established connection to the broker.
pub(super) struct Session {
    pub(super) framed: Framed<Counted, Packets>,
    /// What the broker said of itself.
    pub(super) qos: QoS,
    receive_maximum: u16,
    status_bytes: usize,
    /// The broker kept our session from before.
    pub(super) resumed: bool,
    pub(super) terms: Terms,
    /// When the broker last acknowledged a status, or had none to acknowledge.
    acknowledged: Instant,
    group: Vec<Received>,
    /// The group ended because the connection had no more at hand.
    read_all: bool,
    pulse: Pulse,
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
    /// Logs in over a connection that stands, and subscribes.
    pub(super) async fn open(stream: Stream, settings: &Settings) -> Result<Self, MqttError> {
        let log_in = timeout(MQTT_CONNECT, Self::log_in(stream, settings)).await;
        let mut session = log_in.map_err(|_| MqttError::Silent(Unanswered::Login, MQTT_CONNECT))??;
        session.subscribe(RetainForwardRule::OnNewSubscribe).await?;
        Ok(session)
    }

    /// Logs in alone.
    pub(super) async fn log_in(stream: Stream, settings: &Settings) -> Result<Self, MqttError> {
        let mut framed =
            Framed::with_capacity(Counted::new(stream), Packets::new(settings.packet_bytes), settings.read_bytes);
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

    fn new(mut framed: Framed<Counted, Packets>, answer: &ConnAck, settings: &Settings) -> Self {
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
            pulse: Pulse::new(keep_alive(properties.and_then(|all| all.server_keep_alive)), Instant::now()),
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
        self.send(Packet::Subscribe(subscribe)).await
    }

    /// Whether both filters were granted, by an answer to our SUBSCRIBE, and on which terms.
    pub(super) fn check_granted(&mut self, answer: &SubAck) -> Result<(), MqttError> {
        for (filter, reason) in FILTERS.into_iter().zip(&answer.return_codes) {
            if !matches!(reason, SubscribeReasonCode::Success(_)) {
                return Err(MqttError::SubscriptionRefused { filter, reason: *reason });
            }
        }
        if answer.pkid != SUBSCRIPTION_ID || answer.return_codes.len() != FILTERS.len() {
            return Err(MqttError::NotOurSubscription);
        }
        let qos_0 = SubscribeReasonCode::Success(QoS::AtMostOnce);
        self.terms.publishes_at_most_once = answer.return_codes.contains(&qos_0);
        Ok(())
    }

    /// Runs until the connection ends or the statuses do. Says [`Inbound::Up`] once the broker has granted the
    /// subscription.
    pub(super) async fn run(&mut self, ends: &mut Ends, in_flight: &mut InFlight) -> Result<End, MqttError> {
        in_flight.start_again();
        // This one acknowledges nothing, and nothing waits for it.
        if self.qos == QoS::AtMostOnce && in_flight.flows() {
            ends.say(Inbound::StatusesHeldUp(false)).await;
        }
        ends.counters.mark_unchanged();
        let start = Instant::now();
        let mut granted_by = start + MQTT_CONNECT;
        let mut granted = false;
        let mut stopping = false;
        loop {
            self.repeat_statuses(ends, in_flight).await?;
            if stopping && in_flight.is_empty() {
                let bye = Disconnect::new(DisconnectReasonCode::NormalDisconnection);
                self.send(Packet::Disconnect(bye)).await?;
                return Ok(End::Stopped);
            }
            let room = granted && !stopping && in_flight.has_room(self.receive_maximum, self.status_bytes);
            tokio::select! {
                packet = self.framed.next() => {
                    let packet = packet.ok_or(MqttError::Closed(None))??;
                    let taken = self.take_group(packet, ends, in_flight).await;
                    // Also when the connection ended behind them: what was received is relayed.
                    let relayed = if self.group.is_empty() {
                        Ok(true)
                    } else {
                        let relayed = self.relay_group(ends).await;
                        granted_by = Instant::now() + MQTT_CONNECT;
                        relayed
                    };
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
                () = sleep_until(self.acknowledged + in_flight.patience()), if ends.up && !in_flight.is_empty() => {
                    if in_flight.held_up {
                        let waited = in_flight.patience();
                        in_flight.give_up();
                        return Err(MqttError::Silent(Unanswered::Statuses, waited));
                    }
                    in_flight.held_up = true;
                    ends.say(Inbound::StatusesHeldUp(true)).await;
                }
                Ok(()) = ends.counters.changed(), if granted => {
                    let message = ends.counters.borrow_and_update().clone();
                    self.send_counters(message).await?;
                }
                () = sleep_until(self.pulse.next()) => {
                    let Counted { read, last, .. } = self.framed.get_mut();
                    match self.pulse.beat(Instant::now(), read, *last) {
                        Beat::Listen => {}
                        Beat::Growing => granted_by = Instant::now() + MQTT_CONNECT,
                        Beat::Ping => self.send(Packet::PingReq(PingReq)).await?,
                        Beat::Gone => return Err(self.silent(Unanswered::Ping)),
                    }
                }
                () = wanted_again(&mut ends.again, in_flight.is_empty()), if granted => {
                    return Err(MqttError::LeftBehind);
                }
                () = sleep_until(granted_by.min(start + MQTT_SUBSCRIBE_MAX)), if !granted => {
                    return Err(MqttError::Silent(Unanswered::Subscription, start.elapsed()));
                }
            }
        }
    }

    /// Takes `packet` and all that are at hand behind it, as far as they fit a group. Answers whether the
    /// subscription was granted among them.
    async fn take_group(&mut self, packet: Incoming, ends: &Ends, in_flight: &mut InFlight) -> Result<bool, MqttError> {
        self.heard();
        let mut granted = false;
        let mut next = Some(packet);
        let mut bytes = 0;
        while let Some(packet) = next {
            match packet {
                Incoming::Publish(received) => {
                    bytes += received.publish.topic.len() + received.publish.payload.len();
                    self.group.push(received);
                }
                Incoming::Other(Packet::PubAck(ack)) => {
                    // One for no status of ours tells nothing of them.
                    if let Some(message) = in_flight.settle(ack.pkid) {
                        self.acknowledged = Instant::now();
                        if in_flight.flows() {
                            ends.say(Inbound::StatusesHeldUp(false)).await;
                        }
                        if !matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers) {
                            ends.say(Inbound::StatusRefused(ack.reason, message)).await;
                        }
                    }
                }
                Incoming::Other(Packet::SubAck(answer)) => {
                    self.check_granted(&answer)?;
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
            self.feed(Packet::PubAck(PubAck::new(publish.pkid, None))).await?;
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
        self.send(self.status(id, message, false)).await?;
        // It grew with the message and would stay so.
        *self.framed.write_buffer_mut() = BytesMut::new();
        Ok(())
    }

    /// Without acknowledgement: whoever misses one gets the next, which says it all again.
    async fn send_counters(&mut self, message: Bytes) -> Result<(), MqttError> {
        let publish = Publish::new(COUNTERS_TOPIC, QoS::AtMostOnce, message, None);
        self.send(Packet::Publish(publish)).await
    }

    pub(super) fn status(&self, id: u16, message: Bytes, repeated: bool) -> Packet {
        let mut publish = Publish::new(STATUS_TOPIC, self.qos, message, None);
        if self.qos != QoS::AtMostOnce {
            publish.pkid = id;
            publish.dup = repeated;
        }
        Packet::Publish(publish)
    }

    pub(super) async fn send(&mut self, packet: Packet) -> Result<(), MqttError> {
        self.feed(packet).await?;
        self.flush().await
    }

    /// Writes only when much has come together.
    async fn feed(&mut self, packet: Packet) -> Result<(), MqttError> {
        if self.framed.write_buffer().len() >= self.framed.backpressure_boundary() {
            self.flush().await?;
        }
        self.framed.start_send_unpin(packet)
    }

    async fn flush(&mut self) -> Result<(), MqttError> {
        let now = Instant::now();
        self.pulse.wrote(now);
        if let Some(done) = self.framed.flush().now_or_never() {
            return done;
        }
        // The kernel is full, and has room again when the other side has acknowledged some: a sign of life, too.
        let mut by = self.pulse.gone_by(now);
        loop {
            let left = self.framed.write_buffer().len();
            match timeout_at(by, self.framed.flush()).await {
                Ok(done) => {
                    self.heard();
                    return done;
                }
                Err(_) if self.framed.write_buffer().len() == left => return Err(self.silent(Unanswered::Write)),
                Err(_) => by = Instant::now() + self.pulse.patience(),
            }
        }
    }

    fn heard(&mut self) {
        self.framed.get_mut().read = 0;
        self.pulse.heard(Instant::now());
    }

    fn silent(&self, unanswered: Unanswered) -> MqttError {
        MqttError::Silent(unanswered, self.pulse.keep_alive())
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

/// The one in force, when the broker has this to say of it; nothing from it means none. To ping more often than it
/// wants is allowed, and the only way to find a dead link in time.
fn keep_alive(of_the_broker: Option<u16>) -> Duration {
    match of_the_broker {
        None | Some(0) => MQTT_KEEP_ALIVE,
        Some(seconds) => MQTT_KEEP_ALIVE.min(Duration::from_secs(seconds.into())),
    }
}

/// Bytes of a status packet that are not its payload, at most: fixed header, topic, packet id, no properties.
const STATUS_HEADER: usize = 5 + 2 + STATUS_TOPIC.len() + 2 + 1;
const _: () = assert!(COUNTERS_TOPIC.len() <= STATUS_TOPIC.len(), "counters fit where a status does");

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
