//! The task by which publishes come in and statuses go out.

use crate::config::Mqtt;
use crate::memory::Plan;
use crate::mqtt::{self, broker};
use crate::source::Channels;
use crate::transport::route::Route;
use crate::transport::tls::Tls;

/// Starts it.
pub(super) fn open(mqtt: Mqtt, plan: &Plan, service_tls: &Tls, broker_tls: Option<Tls>) -> Channels {
    let (channels, task) = broker(mqtt::Settings {
        host: mqtt.host,
        port: mqtt.port,
        route: Route::to_any(mqtt.proxy, service_tls),
        tls: broker_tls,
        client_id: mqtt.client_id,
        lasting: true,
        username: mqtt.username,
        password: mqtt.password,
        packet_bytes: plan.packet,
        read_bytes: plan.read,
        status_bytes: plan.status,
    });
    tokio::spawn(task);
    channels
}
