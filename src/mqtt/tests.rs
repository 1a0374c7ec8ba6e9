//! The broker's task against a scripted broker on loopback that speaks through rumqttc's codec.
//!
//! The clock is tokio's. [`later`] advances it, so no test waits for a deadline.

mod bounds;
mod broker;
mod counters;
mod held_up;
mod limit;
mod login;
mod probe;
mod publishes;
mod reconnects;
mod silence;
mod statuses;
mod version_3;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAckProperties, ConnectReturnCode, DisconnectReasonCode, Login, Packet, PubAck, PubAckReason, RetainForwardRule,
    SubAck, SubscribeReasonCode,
};
use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::error_chain::error_chain;
use crate::limits::{
    MQTT_ANSWER, MQTT_BACKOFF, MQTT_BACKOFF_NEAR, MQTT_CONNECT, MQTT_KEEP_ALIVE, MQTT_OFFLINE, RECEIVE_MAXIMUM,
    SESSION_EXPIRY, STATUS_ACKNOWLEDGED, STATUS_PACKET, STATUS_REPEATED,
};
use crate::source::Begin;
use crate::source::{Again, Terms};
use crate::transport::connect::connect;
use broker::{GRANTED, PACKET_BYTES, STATUS_BYTES, Test, later, nothing, ours, settings, settle};

/// Zero: at QoS 0.
fn packet_id(received: &Received) -> u16 {
    received.token.map_or(0, |token| token.packet_id)
}
