//! The embedded broker, and the demo's own place at it: it publishes samples and listens to statuses.

use std::{
    error::Error,
    io,
    net::{Ipv4Addr, TcpListener},
    sync::mpsc,
    thread,
};

use rumqttd::{
    Broker, Config, Notification,
    local::{LinkRx, LinkTx},
};
use serde_json::{Value, json};

use crate::Event;

const STATUS_TOPIC: &str = "kinesisfirehose/message/status";
const PACKET_MAX: usize = 2 * 1024 * 1024;

/// A running broker; it ends with the process.
pub(crate) struct Local {
    /// For clients that speak MQTT 3.1.1, as `mosquitto_pub` does unless told otherwise.
    pub(crate) port: u16,
    /// For the connector.
    pub(crate) v5_port: u16,
    publisher: LinkTx,
}

impl Local {
    /// Starts a broker whose statuses become events.
    pub(crate) fn start(events: mpsc::SyncSender<Event>) -> Result<Self, Box<dyn Error>> {
        let (port, v5_port) = free_ports()?;
        let config: Config = serde_json::from_value(json!({
            "id": 0,
            "router": {
                "max_connections": 100,
                "max_outgoing_packet_count": 200,
                "max_segment_size": 16 * 1024 * 1024,
                "max_segment_count": 4,
            },
            "v4": {"1": listener("mqtt-3.1.1", port)},
            "v5": {"1": listener("mqtt-5", v5_port)},
        }))?;
        let mut broker = Broker::new(config);
        let (mut publisher, receiver) = broker.link("demo")?;
        publisher.subscribe(STATUS_TOPIC)?;
        thread::Builder::new().name("broker".into()).spawn(move || drop(broker.start()))?;
        thread::Builder::new().name("statuses".into()).spawn(move || listen(receiver, &events))?;
        Ok(Self { port, v5_port, publisher })
    }

    /// Publishes to the current subscribers.
    pub(crate) fn publish(&mut self, topic: &str, payload: Vec<u8>) -> Result<(), Box<dyn Error>> {
        self.publisher.publish(topic.to_owned(), payload)?;
        Ok(())
    }
}

fn listener(name: &str, port: u16) -> Value {
    json!({
        "name": name,
        "listen": format!("127.0.0.1:{port}"),
        "next_connection_delay_ms": 1,
        "connections": {"connection_timeout_ms": 5000, "max_payload_size": PACKET_MAX, "max_inflight_count": 100},
    })
}

/// Two ports that are free now; the broker cannot say which one the kernel gave it.
fn free_ports() -> io::Result<(u16, u16)> {
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let second = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok((first.local_addr()?.port(), second.local_addr()?.port()))
}

fn listen(mut receiver: LinkRx, events: &mpsc::SyncSender<Event>) {
    loop {
        let event = match receiver.recv() {
            Ok(Some(Notification::Forward(forward))) => Event::Status(forward.publish.payload.to_vec()),
            Ok(Some(Notification::Unschedule)) if receiver.ready().is_err() => return,
            Ok(_) => continue,
            Err(_) => return,
        };
        if events.send(event).is_err() {
            return;
        }
    }
}
