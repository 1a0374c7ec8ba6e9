//! Why there is no session with the broker.

use core::{error, fmt};
use std::io;

use rumqttc::v5::mqttbytes;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode, SubscribeReasonCode};

use crate::error_chain::words::spelled;
use crate::time::Duration;
use crate::transport::connect::{ConnectError, TlsFailure};

/// Why a session could not be established, or ended.
#[derive(Debug)]
pub enum MqttError {
    /// There is no connection.
    Connect(ConnectError),
    /// The broker speaks another version.
    NotMqtt5,
    /// It speaks another protocol, this one.
    NotMqtt(&'static str),
    /// The broker closed the connection instead of answering the login. With TLS 1.3 the cause may be what it
    /// thinks of our certificate.
    NoAnswer(Option<io::Error>),
    /// The broker refused the login.
    Refused(ConnectReturnCode),
    /// The broker refused the subscription to a topic filter.
    SubscriptionRefused {
        /// Which.
        filter: &'static str,
        /// Why.
        reason: SubscribeReasonCode,
    },
    /// The broker answered a subscription, but by packet id or number of filters not ours.
    NotOurSubscription,
    /// The broker ended the session and said why.
    Disconnected(DisconnectReasonCode),
    /// The connection closed.
    Closed(Option<io::Error>),
    /// The connection closed, as those before it, soon and without a word.
    PerhapsTakenOver {
        /// Ours.
        client_id: String,
    },
    /// The broker did not answer in time: what, and the time. That is the keep-alive in force where that is the measure.
    Silent(Unanswered, Duration),
    /// The broker sent what is not MQTT, or more than it was told to.
    Protocol(mqttbytes::Error),
    /// The broker takes packets of fewer bytes than the connector needs, `Maximum Packet Size`.
    TakesTooLittle {
        /// Bytes that it takes.
        most: u32,
        /// Bytes of the packet that was to be sent.
        needed: u32,
    },
    /// The broker sent a packet that has no place here.
    Unexpected,
    /// We ended the connection, so that the broker sends again what could not be taken.
    LeftBehind,
}

/// What a broker did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// CONNECT.
    Login,
    /// SUBSCRIBE.
    Subscription,
    /// PINGREQ.
    Ping,
    /// A publish at QoS 1.
    Publish,
    /// Any of the statuses sent, so that we ended the connection.
    Statuses,
    /// Anything: it takes no bytes any more.
    Write,
}

impl MqttError {
    /// Whether the device has no network.
    #[must_use]
    pub const fn is_offline(&self) -> bool {
        matches!(self, Self::Connect(error) if error.kind().is_offline())
    }

    /// Whether only a person can mend it, so that trying often is no use: the broker said so. Neither a closed connection
    /// nor a broker that has no room just now does.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::NotMqtt5 | Self::NotMqtt(_) | Self::TakesTooLittle { .. } => true,
            Self::NoAnswer(cause) => cause.as_ref().and_then(TlsFailure::of).is_some(),
            Self::SubscriptionRefused { reason, .. } => !matches!(reason, SubscribeReasonCode::QuotaExceeded),
            Self::Refused(code) => !matches!(
                code,
                ConnectReturnCode::ServerUnavailable
                    | ConnectReturnCode::ServerBusy
                    | ConnectReturnCode::ServiceUnavailable
                    | ConnectReturnCode::ConnectionRateExceeded
                    | ConnectReturnCode::QuotaExceeded
                    | ConnectReturnCode::UseAnotherServer
                    | ConnectReturnCode::UnspecifiedError
                    | ConnectReturnCode::ImplementationSpecificError
            ),
            Self::Disconnected(code) => matches!(
                code,
                DisconnectReasonCode::SessionTakenOver
                    | DisconnectReasonCode::NotAuthorized
                    | DisconnectReasonCode::ServerMoved
            ),
            Self::Connect(_)
            | Self::Closed(_)
            | Self::PerhapsTakenOver { .. }
            | Self::Silent(..)
            | Self::Protocol(_)
            | Self::NotOurSubscription
            | Self::Unexpected
            | Self::LeftBehind => false,
        }
    }
}

impl MqttError {
    /// Whether another client id might have been let in.
    #[must_use]
    pub fn may_be_for_the_client_id(&self) -> bool {
        match self {
            Self::Refused(code) => matches!(
                code,
                ConnectReturnCode::ClientIdentifierNotValid
                    | ConnectReturnCode::BadClientId
                    | ConnectReturnCode::NotAuthorized
                    | ConnectReturnCode::Banned
                    | ConnectReturnCode::UnspecifiedError
            ),
            // As AWS IoT Core does.
            Self::NoAnswer(cause) => cause.as_ref().and_then(TlsFailure::of).is_none(),
            _ => false,
        }
    }
}

impl fmt::Display for MqttError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::NotMqtt5 => f.write_str("the broker speaks MQTT 3.1.1, but not the MQTT 5 that the connector needs"),
            Self::NotMqtt("TLS") => {
                f.write_str("the broker answers in TLS: write mqtts:// in FIREHOSE_CONNECTOR_MQTT_URL")
            }
            Self::NotMqtt(protocol) => {
                write!(
                    f,
                    "this is no broker, it answers in {protocol}: check host and port in FIREHOSE_CONNECTOR_MQTT_URL"
                )
            }
            Self::NoAnswer(cause) => match cause.as_ref().and_then(TlsFailure::of) {
                Some(failure) => write!(f, "the broker {failure}"),
                None => f.write_str(
                    "the broker closed the connection in answer to the login; perhaps it is still starting, does not speak \
                     MQTT 5, or wants TLS or a client certificate",
                ),
            },
            Self::Refused(
                ConnectReturnCode::UnsupportedProtocolVersion | ConnectReturnCode::RefusedProtocolVersion,
            ) => f.write_str("the broker does not speak the MQTT 5 that the connector needs"),
            Self::Refused(code @ (ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized)) => {
                write!(
                    f,
                    "the broker refuses the login ({}), see FIREHOSE_CONNECTOR_MQTT_USERNAME and \
                 FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE",
                    spelled(code)
                )
            }
            Self::Refused(code) => write!(f, "the broker refuses the connection ({})", spelled(code)),
            Self::SubscriptionRefused { filter, reason } => {
                write!(f, "the broker refuses the subscription to {filter} ({})", spelled(reason))
            }
            Self::Disconnected(DisconnectReasonCode::SessionTakenOver) => {
                f.write_str("another client uses the same client id, see FIREHOSE_CONNECTOR_MQTT_CLIENT_ID")
            }
            Self::Disconnected(code) => write!(f, "the broker ended the session ({})", spelled(code)),
            Self::Closed(_) => f.write_str("the broker closed the connection"),
            Self::PerhapsTakenOver { client_id } => write!(
                f,
                "the broker closes each connection soon, without a reason; perhaps another client uses the client id \
                 \"{client_id}\", see FIREHOSE_CONNECTOR_MQTT_CLIENT_ID"
            ),
            Self::Silent(unanswered, time) => {
                f.write_str(match unanswered {
                    Unanswered::Login => "the broker did not answer the login within",
                    Unanswered::Subscription => "the broker did not answer the subscription within",
                    Unanswered::Publish => "the broker did not acknowledge a publish within",
                    Unanswered::Statuses => {
                        "statuses are sent again over a new connection, because the broker acknowledged none for"
                    }
                    Unanswered::Ping => "the broker is silent and did not answer a ping, keep-alive is",
                    Unanswered::Write => "the broker takes nothing that is sent to it, keep-alive is",
                })?;
                write!(f, " {} s", time.as_secs())?;
                // Some brokers drop a login of a version that they do not know without a word.
                if matches!(unanswered, Unanswered::Login) {
                    f.write_str("; perhaps it speaks MQTT 3.1.1 only, or this is not its port for MQTT")?;
                }
                Ok(())
            }
            Self::Protocol(_) => f.write_str("the broker does not keep to MQTT 5"),
            Self::TakesTooLittle { most, needed } => write!(
                f,
                "the broker takes packets of at most {most} bytes, and the connector needs {needed}: raise the broker's maximum \
                 packet size"
            ),
            Self::NotOurSubscription => {
                f.write_str("the broker does not keep to MQTT 5: it answers a subscription that is not ours")
            }
            Self::Unexpected => f.write_str("the broker sent a packet out of place"),
            Self::LeftBehind => f.write_str(
                "publishes were left at the broker while there was no room for their statuses, and are fetched now",
            ),
        }
    }
}

impl error::Error for MqttError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Connect(error) => error.source(),
            Self::Protocol(error) => Some(error),
            Self::NoAnswer(Some(cause)) | Self::Closed(Some(cause)) => Some(cause),
            _ => None,
        }
    }
}

impl From<mqttbytes::Error> for MqttError {
    fn from(error: mqttbytes::Error) -> Self {
        match error {
            mqttbytes::Error::Io(cause) => Self::Closed(Some(cause)),
            mqttbytes::Error::OutgoingPacketTooLarge { pkt_size, max } => {
                Self::TakesTooLittle { most: max, needed: pkt_size }
            }
            error => Self::Protocol(error),
        }
    }
}

impl From<io::Error> for MqttError {
    fn from(cause: io::Error) -> Self {
        Self::Closed(Some(cause))
    }
}
