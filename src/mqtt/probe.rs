//! A session of `check --online`: what the broker allows, without relaying or acknowledging anything.

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Disconnect, DisconnectProperties, DisconnectReasonCode, Packet, PubAckReason, RetainForwardRule,
};

use super::codec::Incoming;
use super::connection::{Connection, FILTERS};
use super::{MqttError, Settings};
use crate::config::MqttVersion;
use crate::error_chain::words::spelled;
use crate::source::Terms;
use crate::transport::connect::Stream;

/// A session that only asks.
pub struct Probe(Connection);

impl core::fmt::Debug for Probe {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Probe")
    }
}

/// Packet id of the status that is published to see whether that is allowed.
const STATUS_ID: u16 = 1;

impl Probe {
    /// The topic filters that [`Probe::subscribe`] asks for.
    pub const FILTERS: [&str; 2] = FILTERS;

    /// Logs in over `stream`. Host, port, route and TLS of `settings` are not used.
    ///
    /// # Errors
    /// The broker refuses the login, or the peer is not a broker of this version.
    pub async fn log_in(stream: Stream, settings: &Settings, version: MqttVersion) -> Result<Self, MqttError> {
        Connection::log_in(stream, settings, version).await.map(Self)
    }

    /// Whether the broker acknowledges publishes, and so answers [`Probe::publish_status`].
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        self.0.qos == QoS::AtLeastOnce
    }

    /// Subscribes as the connector does, but without retained publishes.
    ///
    /// # Errors
    /// The broker refuses a filter, or ends the session.
    pub async fn subscribe(&mut self) -> Result<(), MqttError> {
        self.0.subscribe(RetainForwardRule::Never).await?;
        match self.answer().await? {
            Packet::SubAck(answer) => self.0.check_granted(&answer),
            _ => Err(MqttError::Unexpected),
        }
    }

    /// What the broker does not grant, known after [`Probe::subscribe`].
    #[must_use]
    pub fn terms(&self) -> Terms {
        self.0.terms
    }

    /// Publishes `status`. `Some`: the broker's reason for refusing it.
    ///
    /// # Errors
    /// The broker ends the session.
    pub async fn publish_status(&mut self, status: Bytes) -> Result<Option<String>, MqttError> {
        let publish = self.0.status(STATUS_ID, status, false);
        self.0.framed.send(Packet::Publish(publish)).await?;
        match self.answer().await? {
            Packet::PubAck(ack) if ack.pkid == STATUS_ID => {
                let is_taken = matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
                Ok((!is_taken).then(|| spelled(&ack.reason)))
            }
            _ => Err(MqttError::Unexpected),
        }
    }

    /// The next packet that answers something. Some brokers send others, too, for which the session has its bound.
    async fn answer(&mut self) -> Result<Packet, MqttError> {
        loop {
            match self.0.framed.next().await.ok_or(MqttError::Closed(None))?? {
                Incoming::Publish(_) => {}
                Incoming::Other(Packet::Disconnect(bye)) => return Err(MqttError::Disconnected(bye.reason_code)),
                Incoming::Other(packet @ (Packet::SubAck(_) | Packet::PubAck(_))) => return Ok(packet),
                Incoming::Other(_) => self.0.unasked()?,
            }
        }
    }

    /// Disconnects. A session that existed before is kept by the broker, a new one ends.
    pub async fn log_out(mut self) {
        let mut bye = Disconnect::new(DisconnectReasonCode::NormalDisconnection);
        if !self.0.resumed {
            bye.properties = Some(DisconnectProperties {
                session_expiry_interval: Some(0),
                reason_string: None,
                user_properties: Vec::new(),
                server_reference: None,
            });
        }
        let _: Result<(), MqttError> = self.0.framed.send(Packet::Disconnect(bye)).await;
    }
}
