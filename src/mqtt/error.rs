//! Why there is no session with the broker.

use core::{error, fmt};
use std::io;

use rumqttc::v5::mqttbytes;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode, SubscribeReasonCode};

use crate::config::MqttVersion;
use crate::error_chain::words::spelled;
use crate::time::Duration;
use crate::transport::connect::{ConnectError, TlsFailure};

/// Why a session could not be established, or ended.
#[derive(Debug)]
pub enum MqttError {
    /// The connection could not be established.
    Connect(ConnectError),
    /// The broker does not speak this version of MQTT.
    OtherVersion(MqttVersion),
    /// The peer is not a broker; the name of its protocol.
    NotMqtt(&'static str),
    /// The broker closed the connection instead of answering the login. With TLS 1.3 the cause may be that it refuses
    /// our certificate.
    NoAnswer(Option<io::Error>),
    /// The broker refused the login.
    Refused(ConnectReturnCode),
    /// The broker refused the subscription to a topic filter.
    SubscriptionRefused {
        /// The topic filter.
        filter: &'static str,
        /// The broker's reason code.
        reason: SubscribeReasonCode,
    },
    /// A SUBACK with another packet id or number of reason codes than our SUBSCRIBE.
    NotOurSubscription,
    /// The broker sent DISCONNECT, with this reason.
    Disconnected(DisconnectReasonCode),
    /// The connection was closed without DISCONNECT.
    Closed(Option<io::Error>),
    /// The connection was closed early and without a reason, as several before it.
    PerhapsTakenOver {
        /// The connector's client id.
        client_id: String,
    },
    /// The broker did not answer in time: what was expected, and the deadline, which is the keep-alive where that applies.
    Silent(Unanswered, Duration),
    /// The broker sent invalid MQTT, or a packet above its limit.
    Protocol(mqttbytes::Error),
    /// The broker's `Maximum Packet Size` is smaller than a packet of the connector.
    TakesTooLittle {
        /// The broker's limit, bytes.
        most: u32,
        /// The packet that was to be sent, bytes.
        needed: u32,
    },
    /// The broker sent a packet that is not allowed at this point.
    Unexpected,
    /// The broker sent more than [`UNASKED`](crate::limits::UNASKED) packets that answer nothing.
    Unasked,
    /// We ended the connection, so that the broker sends again the publishes that were left.
    LeftBehind,
}

/// To what the answer of the broker is missing.
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
    /// All statuses in flight, so that we ended the connection.
    Statuses,
    /// Any write: the broker reads no more bytes.
    Write,
}

impl MqttError {
    /// Whether the device has no network.
    #[must_use]
    pub const fn is_offline(&self) -> bool {
        matches!(self, Self::Connect(error) if error.kind().is_offline())
    }

    /// Whether only a person can fix it, so that frequent retries are useless. Neither a closed connection nor a busy broker
    /// counts.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::OtherVersion(_) | Self::NotMqtt(_) | Self::TakesTooLittle { .. } => true,
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
            | Self::Unasked
            | Self::LeftBehind => false,
        }
    }
}

impl MqttError {
    /// Whether the broker left the login without an answer, as some do with that of a version that they do not speak.
    #[must_use]
    pub fn has_no_answer(&self) -> bool {
        match self {
            Self::NoAnswer(cause) => cause.as_ref().and_then(TlsFailure::of).is_none(),
            Self::Silent(unanswered, _) => *unanswered == Unanswered::Login,
            _ => false,
        }
    }

    /// Whether the broker might accept another client id.
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
            Self::OtherVersion(version) => write!(
                f,
                "the broker does not speak MQTT {}: 5 and 3.1.1 are tried, unless FIREHOSE_CONNECTOR_MQTT_VERSION says which",
                version.name()
            ),
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
                    "the broker closed the connection in answer to the login; perhaps it is still starting, or wants TLS, a \
                     client certificate or another version of MQTT",
                ),
            },
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
                // Some brokers silently drop a login of a version that they do not know.
                if matches!(unanswered, Unanswered::Login) {
                    f.write_str("; perhaps it speaks another version of MQTT, or this is not its port for MQTT")?;
                }
                Ok(())
            }
            // What the decoder says of it means nothing to users.
            Self::Protocol(_) => f.write_str("the broker does not keep to MQTT, or this is not its port for MQTT"),
            Self::TakesTooLittle { most, needed } => write!(
                f,
                "the broker takes packets of at most {most} bytes, and the connector needs {needed}: raise the broker's maximum \
                 packet size"
            ),
            Self::NotOurSubscription => {
                f.write_str("the broker does not keep to MQTT: it answers a subscription that is not ours")
            }
            Self::Unexpected => f.write_str("the broker sent a packet out of place"),
            Self::Unasked => f.write_str("the broker does not keep to MQTT: it sends answers to what it was not asked"),
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
