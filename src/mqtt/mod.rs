//! The broker's task: it connects, reconnects, and carries publishes in and statuses out.
//!
//! # Why not rumqttc's event loop
//!
//! Packets are rumqttc's. Its event loop is not used, because it writes to the socket once for each manual
//! acknowledgement (the largest part of the cost of a record), forgets unacknowledged publishes when the broker
//! lost the session (statuses would vanish), accepts no connection made elsewhere (proxies, several addresses, readable TLS errors),
//! and keeps up to ten packets of any size. What it would save is small: see `session`.

mod codec;
mod counted;
mod error;
mod in_flight;
mod keep_alive;
mod oversized;
mod probe;
mod properties;
mod retry;
mod session;
mod takeover;
mod terms;
#[cfg(test)]
mod tests;
mod unacknowledged;
mod variable_length;

pub use error::{MqttError, Unanswered};
pub use probe::Probe;
pub use terms::Terms;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::{QoS, v5::Publish};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use crate::foreign::Secret;
use crate::limits::{MQTT_BACKOFF, net::BROKER_SEND_BUFFER};
use crate::random::random_number;
use crate::relay::backoff::Jitter;
use crate::source::{Acknowledged, Begin, Received, Token};
use crate::transport::connect::connect;
use crate::transport::route::Route;
use crate::transport::tls::Tls;
use in_flight::InFlight;
use retry::Retry;
use session::{End, Session};
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
    /// Largest status message, bytes.
    pub status_bytes: usize,
}

/// Events of the broker's side, in order.
#[derive(Debug)]
pub enum Inbound {
    /// A connection begins. All publishes that follow came over it.
    Begins(Begin),
    /// The session is established; statuses may be sent.
    Up {
        /// Largest status message that the broker takes, bytes.
        status_bytes: usize,
        /// The broker kept the session from before.
        resumed: bool,
        /// What the broker does not grant.
        terms: Terms,
    },
    /// The session ended, or could not be established.
    Down(MqttError),
    /// Publishes for the relay. The vector goes back through [`Broker::taken`], emptied.
    Publishes(Vec<Received>),
    /// The broker refused a status message: the reason, and the message.
    StatusRefused(String, Bytes),
    /// A status message was made for an earlier connection, and is longer than the broker accepts now.
    StatusTooLong(Bytes),
    /// Whether the broker has stopped acknowledging statuses. Sent when that changes.
    StatusesHeldUp(bool),
}

/// The relay's ends of the channels.
#[derive(Debug)]
pub struct Broker {
    /// Events of the broker's side.
    pub inbound: mpsc::Receiver<Inbound>,
    /// Returns the vector of the last publishes, which asks for more.
    pub taken: mpsc::Sender<Vec<Received>>,
    /// Which publishes are to be acknowledged.
    pub acknowledged: watch::Sender<Acknowledged>,
    /// Status messages. When this is dropped, the task ends after the last acknowledgement.
    pub statuses: mpsc::Sender<Bytes>,
    /// Whether publishes that were left at the broker are wanted now.
    pub again: watch::Sender<Again>,
    /// Counters, at most as long as a status message. A newer message replaces one that was not sent yet; none is sent in a later
    /// session.
    pub counters: watch::Sender<Bytes>,
    /// Set when the process ends soon: the broker is tried at once, and then every half a second.
    pub hurry: watch::Sender<bool>,
}

/// Whether publishes that were received, and not taken, are to come again. A broker sends them again over a new connection only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// None was left.
    No,
    /// Reconnect once the broker has acknowledged all statuses, so that none of these is sent twice.
    Soon,
    /// Reconnect at once.
    Now,
}

/// The task's ends of the channels.
struct Ends {
    inbound: mpsc::Sender<Inbound>,
    taken: mpsc::Receiver<Vec<Received>>,
    statuses: mpsc::Receiver<Bytes>,
    counters: watch::Receiver<Bytes>,
    hurry: watch::Receiver<bool>,
    again: watch::Receiver<Again>,
    acknowledged: watch::Receiver<Acknowledged>,
    unacknowledged: Unacknowledged,
    /// Whether the last connection got as far as [`Inbound::Up`].
    up: bool,
}

impl Ends {
    async fn say(&self, inbound: Inbound) {
        // It fails only when the process ends.
        let _: Result<(), _> = self.inbound.send(inbound).await;
    }
}

/// The channels and the task that serves them. The task ends when [`Broker`] is dropped or its `statuses` are.
pub fn broker(settings: Settings) -> (Broker, impl Future<Output = ()> + Send) {
    let (inbound_in, inbound_out) = mpsc::channel(1);
    let (taken_in, taken_out) = mpsc::channel(1);
    let (statuses_in, statuses_out) = mpsc::channel(1);
    let (counters_in, counters_out) = watch::channel(Bytes::new());
    let (hurry, hurried) = watch::channel(false);
    let (again_in, again_out) = watch::channel(Again::No);
    let (acknowledged_in, acknowledged_out) = watch::channel(Acknowledged::default());
    let ends = Ends {
        inbound: inbound_in,
        taken: taken_out,
        statuses: statuses_out,
        counters: counters_out,
        hurry: hurried,
        again: again_out,
        acknowledged: acknowledged_out,
        unacknowledged: Unacknowledged::default(),
        up: false,
    };
    let broker = Broker {
        inbound: inbound_out,
        taken: taken_in,
        acknowledged: acknowledged_in,
        statuses: statuses_in,
        again: again_in,
        counters: counters_in,
        hurry,
    };
    (broker, serve(settings, ends))
}

async fn serve(settings: Settings, mut ends: Ends) {
    let mut in_flight = InFlight::default();
    let mut retry = Retry::new(Jitter::new(random_number()));
    let mut takeover = Takeover::default();
    loop {
        let start = Instant::now();
        let error = match run_session(&settings, &mut ends, &mut in_flight, &mut retry).await {
            Ok(End::Stopped | End::Abandoned) => return,
            Err(error) => error,
        };
        let lasted = ends.up.then(|| start.elapsed());
        let error = takeover.judge(error, lasted, &settings.client_id);
        let wait = retry.after(&error, lasted);
        ends.up = false;
        if ends.inbound.send(Inbound::Down(error)).await.is_err() {
            return;
        }
        let wait = if *ends.hurry.borrow() { wait.min(MQTT_BACKOFF.0) } else { wait };
        tokio::select! {
            () = sleep(wait) => {}
            Ok(()) = ends.hurry.changed() => {}
            () = ends.inbound.closed() => return,
        }
    }
}

/// With a token whose number is still to be assigned, by the session.
fn received(publish: Publish) -> Received {
    let Publish { topic, payload, qos, pkid, dup, .. } = publish;
    let exactly_once = qos == QoS::ExactlyOnce;
    let token = Token { number: 0, packet_id: pkid, repeated: dup, exactly_once };
    let token = (qos != QoS::AtMostOnce).then_some(token);
    Received { topic, payload, token, too_long: None }
}

/// Connects, and runs the session to its end.
async fn run_session(
    settings: &Settings,
    ends: &mut Ends,
    in_flight: &mut InFlight,
    retry: &mut Retry,
) -> Result<End, MqttError> {
    let Settings { route, host, port, tls, .. } = settings;
    let connected = connect(route, host, *port, tls.as_ref(), Some(BROKER_SEND_BUFFER)).await;
    let address = match &connected {
        Ok(stream) => stream.peer(),
        Err(error) => error.address(),
    };
    // The address of a proxy does not show how far the broker is.
    if let Some(address) = address.filter(|_| route.proxy(host, *port, tls.is_some()).is_none()) {
        retry.tried(address.ip());
    }
    let stream = connected.map_err(MqttError::Connect)?;
    Session::open(stream, settings).await?.run(ends, in_flight).await
}

/// Decodes what a broker may send, see [`crate::fuzz`]. The first byte is the size of the pieces, which must not matter.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    use tokio_util::codec::Decoder as _;

    let Some((&at_a_time, bytes)) = bytes.split_first() else { return };
    let packets = |at_a_time: usize| {
        let (mut codec, mut buffer, mut packets) = (codec::Packets::new(1000), bytes::BytesMut::new(), Vec::new());
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
    assert_eq!(packets(bytes.len().max(1)), packets(usize::from(at_a_time).max(1)));
}
