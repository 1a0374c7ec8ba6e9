//! The broker's task: it connects, reconnects, and carries publishes in and statuses out.
//!
//! # Why not rumqttc's event loop
//!
//! Packets are rumqttc's. Its event loop is not used, because it writes to the socket once for each manual
//! acknowledgement (the largest part of the cost of a record), forgets unacknowledged publishes when the broker
//! lost the session (statuses would vanish), accepts no connection made elsewhere (proxies, several addresses, readable TLS errors),
//! and keeps up to ten packets of any size. What it would save is small: see `connection`.

mod codec;
mod connection;
mod counted;
mod error;
mod gather;
mod in_flight;
mod keep_alive;
mod oversized;
mod probe;
mod properties;
mod publish;
mod retry;
mod status_limit;
mod takeover;
#[cfg(test)]
mod tests;
mod unacknowledged;
mod variable_length;
mod version_3;
mod versions;

pub use error::{MqttError, Unanswered};
pub use probe::Probe;
pub(crate) use versions::Versions;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::{QoS, v5::Publish};
use tokio::time::{Instant, sleep, timeout};

use crate::clock::Beat;
use crate::config::MqttVersion;
use crate::foreign::Secret;
use crate::limits::MQTT_BACKOFF;
use crate::random::random_number;
use crate::relay::backoff::Jitter;
use crate::source::{self, Channels, Inbound, Peer, Received, Terms, Token};
use crate::transport::connect::{Buffers, ConnectError, Stream, connect};
use crate::transport::route::Route;
use crate::transport::tls::Tls;
use connection::{Connection, End};
use in_flight::InFlight;
use retry::Retry;
use status_limit::StatusLimit;
use takeover::Takeover;
use unacknowledged::Unacknowledged;

/// Where the broker is, how to log in, and how much memory its side may use.
#[derive(Debug)]
pub struct Settings {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Name resolution and proxy of the broker's side.
    pub route: Route,
    /// `None`: plain TCP.
    pub tls: Option<Tls>,
    /// The only version to speak. `None`: the one that the broker speaks.
    pub version: Option<MqttVersion>,
    /// Client identifier: names the session.
    pub client_id: String,
    /// Whether the session goes on that the broker has kept, if it has one.
    pub lasting: bool,
    /// User name of the login. `None`: without a login.
    pub username: Option<String>,
    /// Password of the login.
    pub password: Option<Secret>,
    /// Largest packet that the broker may send, bytes.
    pub packet_bytes: usize,
    /// Bytes read at a time.
    pub read_bytes: usize,
    /// Publishes may gather unread, and rests end with this; `None`: each is read at once.
    pub gather: Option<Beat>,
    /// Largest status message, bytes.
    pub status_bytes: usize,
}

/// The task's ends of the channels, and what it remembers of its connections.
struct Task {
    channels: source::Ends,
    /// A status message that waits until fewer are in flight.
    next_status: Option<Bytes>,
    unacknowledged: Unacknowledged,
    /// Whether the last connection got as far as [`Inbound::Up`].
    up: bool,
    /// The terms of the last connection with a subscription, if that was in MQTT 3.1.1 and the broker has not lost it since.
    granted: Option<Terms>,
    /// The broker's session is new, and the relay has not been told.
    is_new: bool,
    status_limit: StatusLimit,
}

/// The channels and the task that serves them. The task ends when [`Channels`] are dropped or their `statuses` are.
pub fn broker(settings: Settings) -> (Channels, impl Future<Output = ()> + Send) {
    let (relay, channels) = source::channels(Peer::Broker);
    let task = Task {
        channels,
        next_status: None,
        unacknowledged: Unacknowledged::default(),
        up: false,
        granted: None,
        is_new: false,
        status_limit: StatusLimit::default(),
    };
    (relay, serve(settings, task))
}

async fn serve(settings: Settings, mut task: Task) {
    let mut in_flight = InFlight::default();
    let mut retry = Retry::new(Jitter::new(random_number()));
    let mut takeover = Takeover::default();
    let mut versions = Versions::new(settings.version);
    loop {
        let start = Instant::now();
        let error = match run_connection(&settings, &mut task, &mut in_flight, &mut retry, &mut versions).await {
            Ok(Some(End::Stopped | End::Abandoned)) => return,
            Ok(None) => continue,
            Err(error) => error,
        };
        let lasted = task.up.then(|| start.elapsed());
        if task.up && matches!(error, MqttError::Closed(_)) {
            task.status_limit.closed_on(in_flight.longest_sent());
        }
        let error = takeover.judge(error, lasted, &settings.client_id);
        let wait = retry.after(&error, lasted);
        task.up = false;
        if task.channels.inbound.send(Inbound::Down(Box::new(error))).await.is_err() {
            return;
        }
        let wait = if *task.channels.hurry.borrow() { wait.min(MQTT_BACKOFF.0) } else { wait };
        tokio::select! {
            () = sleep(wait) => {}
            Ok(()) = task.channels.hurry.changed() => {}
            () = task.channels.inbound.closed() => return,
        }
    }
}

/// With a token whose number is still to be assigned, by the connection.
fn received(publish: Publish) -> Received {
    let Publish { topic, payload, qos, pkid, dup, .. } = publish;
    let exactly_once = qos == QoS::ExactlyOnce;
    let token = Token { number: 0, packet_id: pkid, repeated: dup, exactly_once };
    let token = (qos != QoS::AtMostOnce).then_some(token);
    Received { topic, payload, token, too_long: None }
}

/// Connects, and runs the connection to its end. `None`: the next attempt is to be made at once, in another version of MQTT.
async fn run_connection(
    settings: &Settings,
    task: &mut Task,
    in_flight: &mut InFlight,
    retry: &mut Retry,
    versions: &mut Versions,
) -> Result<Option<End>, MqttError> {
    let Settings { route, host, port, tls, .. } = settings;
    let connected = connect(route, host, *port, tls.as_ref(), Buffers::BROKER).await;
    let address = match &connected {
        Ok(stream) => stream.peer(),
        Err(error) => error.address(),
    };
    // The address of a proxy does not show how far the broker is.
    if let Some(address) = address.filter(|_| route.proxy(host, *port, tls.is_some()).is_none()) {
        retry.tried(address.ip());
    }
    let begin = Instant::now();
    let mut connection = match log_in(connected, settings, versions).await {
        Ok(connection) => connection,
        Err(error) => return if versions.failed(&error) { Ok(None) } else { Err(error) },
    };
    if !connection.resumed {
        task.granted = None;
        task.is_new = true;
    }
    if !versions.accepted(begin.elapsed(), Instant::now()) {
        connection.leave().await?;
        return Ok(None);
    }
    // A session created by our own abandoned login is not a resumed one.
    connection.resumed &= !core::mem::take(&mut task.is_new);
    connection.status_bytes = task.status_limit.of(connection.status_bytes);
    let end = connection.run(task, in_flight).await;
    versions.ended(Instant::now());
    end.map(Some)
}

async fn log_in(
    connected: Result<Stream, ConnectError>,
    settings: &Settings,
    versions: &Versions,
) -> Result<Connection, MqttError> {
    let stream = connected.map_err(MqttError::Connect)?;
    let patience = versions.patience();
    let login = timeout(patience, Connection::log_in(stream, settings, versions.next())).await;
    login.unwrap_or(Err(MqttError::Silent(Unanswered::Login, patience)))
}

/// Decodes the publishes at the front of `bytes` as a connection does, and gives each to `take`. Packets may have `limit` bytes.
/// For those who count what a record costs.
///
/// # Errors
/// What is there is no MQTT.
pub fn publishes(
    bytes: &mut bytes::BytesMut,
    limit: usize,
    take: &mut dyn FnMut(Received),
) -> Result<(), Box<dyn core::error::Error>> {
    use tokio_util::codec::Decoder as _;

    let mut codec = codec::Packets::new(limit, MqttVersion::V5);
    while let Some(packet) = codec.decode(bytes)? {
        if let codec::Incoming::Publish(received) = packet {
            take(received);
        }
    }
    Ok(())
}

/// Decodes what a broker may send, see [`crate::fuzz`]. The first byte is the size of the pieces, which must not matter.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    use tokio_util::codec::Decoder as _;

    let Some((&at_a_time, bytes)) = bytes.split_first() else { return };
    let packets = |at_a_time: usize, version| {
        let (mut codec, mut buffer, mut packets) =
            (codec::Packets::new(1000, version), bytes::BytesMut::new(), Vec::new());
        for piece in bytes.chunks(at_a_time) {
            buffer.extend_from_slice(piece);
            loop {
                match codec.decode(&mut buffer) {
                    Ok(Some(packet)) => packets.push(format!("{packet:?}")),
                    Ok(None) => break,
                    Err(_) => return packets,
                }
            }
        }
        packets
    };
    for version in [MqttVersion::V3, MqttVersion::V5] {
        assert_eq!(packets(bytes.len().max(1), version), packets(usize::from(at_a_time).max(1), version));
    }
}
