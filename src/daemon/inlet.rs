//! The task by which publishes come in and statuses go out: the broker's, or the nucleus's.

use crate::clock::Beat;
use crate::config::{Greengrass, Mqtt, host_and_port};
use crate::foreign::file_name;
use crate::memory::Plan;
use crate::mqtt::{self, broker};
use crate::source::Channels;
use crate::transport::route::Route;
use crate::transport::tls::Tls;

/// Where publishes come from.
#[expect(clippy::large_enum_variant, reason = "there is one, for a moment")]
pub(super) enum Inlet {
    Mqtt(Mqtt, Route, Option<Tls>),
    Greengrass(Greengrass),
}

impl Inlet {
    /// As the log has it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Mqtt(mqtt, ..) => format!("broker {}", host_and_port(&mqtt.host, mqtt.port)),
            Self::Greengrass(greengrass) => format!("nucleus at {}", file_name(&greengrass.socket)),
        }
    }

    /// Starts the task. With `gather` publishes may gather unread, until the beat.
    pub(super) fn open(self, plan: &Plan, gather: Option<Beat>) -> Channels {
        match self {
            Self::Mqtt(mqtt, route, tls) => {
                let (channels, task) = broker(mqtt::Settings {
                    host: mqtt.host,
                    port: mqtt.port,
                    route,
                    tls,
                    version: mqtt.version,
                    client_id: mqtt.client_id,
                    lasting: true,
                    username: mqtt.username,
                    password: mqtt.password,
                    packet_bytes: plan.packet,
                    read_bytes: plan.read,
                    gather,
                    status_bytes: plan.status,
                });
                tokio::spawn(task);
                channels
            }
            #[cfg(feature = "greengrass")]
            Self::Greengrass(greengrass) => {
                let settings =
                    crate::greengrass::Settings { greengrass, frame_bytes: plan.packet, read_bytes: plan.read, gather };
                let (channels, task) = crate::greengrass::nucleus(settings);
                tokio::spawn(task);
                channels
            }
            #[cfg(not(feature = "greengrass"))]
            Self::Greengrass(_) => crate::source::channels(crate::source::Peer::Nucleus).0,
        }
    }
}
