//! From an established connection to a session: CONNECT, CONNACK and the subscription.

use futures_util::{SinkExt as _, StreamExt as _};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Connect, ConnectProperties, ConnectReturnCode, Filter, Login, Packet, RetainForwardRule, SubAck,
    Subscribe, SubscribeReasonCode,
};
use tokio::time::{Duration, Instant};
use tokio_util::codec::Framed;

use super::{Connection, FILTERS, SUBSCRIPTION_ID};
use crate::config::MqttVersion;
use crate::limits::{MQTT_KEEP_ALIVE, PUBLISHES, RECEIVE_MAXIMUM, SESSION_EXPIRY, STATUS_PACKET};
use crate::mqtt::codec::{Incoming, Packets};
use crate::mqtt::counted::CountedStream;
use crate::mqtt::gather::Gather;
use crate::mqtt::keep_alive::KeepAlive;
use crate::mqtt::{MqttError, Settings, Task};
use crate::relay::message::{COUNTERS_TOPIC, STATUS_TOPIC};
use crate::source::{Inbound, Terms};
use crate::transport::connect::Stream;

impl Connection {
    /// Logs in over an established connection, in this version of MQTT.
    pub(in crate::mqtt) async fn log_in(
        stream: Stream,
        settings: &Settings,
        version: MqttVersion,
    ) -> Result<Self, MqttError> {
        let packets = Packets::new(settings.packet_bytes, version);
        let mut framed = Framed::with_capacity(CountedStream::new(stream), packets, settings.read_bytes);
        let mut properties = ConnectProperties::new();
        properties.max_packet_size = Some(u32::try_from(settings.packet_bytes).unwrap_or(u32::MAX));
        properties.receive_maximum = Some(RECEIVE_MAXIMUM);
        // `check` asks for it, too, to see what is granted, and ends its session when it leaves.
        properties.session_expiry_interval = Some(seconds(SESSION_EXPIRY));
        let connect = Connect {
            keep_alive: u16::try_from(MQTT_KEEP_ALIVE.as_secs()).unwrap_or(u16::MAX),
            client_id: settings.client_id.clone(),
            clean_start: !settings.lasting,
            properties: Some(properties),
        };
        let password = settings.password.as_ref().map(|password| password.expose().to_owned()).unwrap_or_default();
        let login = settings.username.clone().map(|username| Login::new(username, password));
        let answer = match framed.send(Packet::Connect(connect, None, login)).await {
            Ok(()) => framed.next().await.unwrap_or(Err(MqttError::Closed(None))),
            Err(error) => Err(error),
        };
        match answer {
            Ok(Incoming::Other(Packet::ConnAck(answer))) => match answer.code {
                ConnectReturnCode::Success => Ok(Self::new(framed, &answer, settings, version)),
                ConnectReturnCode::UnsupportedProtocolVersion => Err(MqttError::OtherVersion(version)),
                code => Err(MqttError::Refused(code)),
            },
            Ok(_) => Err(MqttError::Unexpected),
            Err(MqttError::Closed(cause)) => Err(MqttError::NoAnswer(cause)),
            Err(error) => Err(error),
        }
    }

    fn new(
        mut framed: Framed<CountedStream, Packets>,
        answer: &ConnAck,
        settings: &Settings,
        version: MqttVersion,
    ) -> Self {
        let properties = answer.properties.as_ref();
        let most = properties.and_then(|all| all.max_packet_size);
        framed.codec_mut().limit_outgoing(most);
        Self {
            framed,
            qos: if properties.and_then(|all| all.max_qos) == Some(0) { QoS::AtMostOnce } else { QoS::AtLeastOnce },
            // Zero violates MQTT 5. Ending the session for it would stop the records, too.
            receive_maximum: properties.and_then(|all| all.receive_max).map_or(u16::MAX, |most| most.max(1)),
            status_bytes: most.map_or(settings.status_bytes, |most| {
                settings.status_bytes.min((most as usize).saturating_sub(STATUS_HEADER))
            }),
            resumed: answer.session_present,
            terms: Terms {
                mqtt_3: version == MqttVersion::V3,
                publishes_at_most_once: false,
                statuses_at_most_once: properties.and_then(|all| all.max_qos) == Some(0),
                session_seconds: properties
                    .and_then(|all| all.session_expiry_interval)
                    .filter(|kept| *kept < seconds(SESSION_EXPIRY)),
                packet_bytes: most.filter(|most| *most < STATUS_PACKET),
            },
            acknowledged: Instant::now(),
            group: Vec::with_capacity(PUBLISHES),
            read_all: true,
            gather: Gather::new(settings.gather, Instant::now()),
            resting: None,
            keep_alive: KeepAlive::new(keep_alive(properties.and_then(|all| all.server_keep_alive)), Instant::now()),
            read_bytes: settings.read_bytes,
            unasked: 0,
        }
    }

    /// Also when the session was resumed: the subscription may be from an older connector. Retained publishes
    /// come with a new session only, so that none is relayed at each reconnect.
    pub(in crate::mqtt) async fn subscribe(&mut self, retained: RetainForwardRule) -> Result<(), MqttError> {
        let filters = FILTERS.map(|path| {
            let mut filter = Filter::new(path, QoS::AtLeastOnce);
            filter.retain_forward_rule = retained.clone();
            filter
        });
        let mut subscribe = Subscribe::new_many(filters, None);
        subscribe.pkid = SUBSCRIPTION_ID;
        self.send(Packet::Subscribe(subscribe)).await
    }

    /// Whether the session has our subscription. That of MQTT 3.1.1 has it when this process was granted it before; to ask again would
    /// bring retained publishes again at each reconnect.
    pub(super) fn has_subscription(&mut self, task: &Task) -> bool {
        let granted = task.granted.filter(|_| self.terms.mqtt_3 && self.resumed);
        self.terms.publishes_at_most_once |= granted.is_some_and(|before| before.publishes_at_most_once);
        granted.is_some()
    }

    /// Says [`Inbound::Up`]. Answers false when there is no relay any more.
    pub(super) async fn say_up(&self, task: &mut Task) -> bool {
        let Self { status_bytes, resumed, terms, .. } = *self;
        task.up = true;
        task.granted = terms.mqtt_3.then_some(terms);
        task.channels.inbound.send(Inbound::Up { status_bytes, resumed, terms }).await.is_ok()
    }

    /// Whether both filters were granted, by an answer to our SUBSCRIBE, and on which terms.
    pub(in crate::mqtt) fn check_granted(&mut self, answer: &SubAck) -> Result<(), MqttError> {
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
}

/// The keep-alive in force, given `Server Keep Alive` in seconds. A longer one, or zero for none, does not apply: pings more often
/// than the broker wants are allowed, and the only way to notice a dead link in time.
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
