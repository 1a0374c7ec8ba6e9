//! What a source of publishes and the relay's side say to each other, whatever the source speaks: the broker's side,
//! [`crate::mqtt`], or the nucleus's, `crate::greengrass`.

mod terms;

pub use terms::Terms;

use core::error::Error;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::limits::{DRAIN, DRAIN_STATUSES, greengrass};
use crate::relay::TooLong;
pub use crate::relay::window::Token;
use crate::time::Duration;

/// A publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Where it was published to; not necessarily UTF-8.
    pub topic: Bytes,
    /// What was published.
    pub payload: Bytes,
    /// How its source knows it, if it is to be acknowledged: at QoS 1, not at QoS 0, nor by Greengrass.
    pub token: Option<Token>,
    /// Set when it is above our packet limit: then topic and payload are what was kept of their begin.
    pub too_long: Option<TooLong>,
}

/// What a source may acknowledge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// All tokens with a number below this.
    pub below: u64,
    /// The number behind the first token that was not taken, or zero. None that comes behind it over the same connection is
    /// taken, either.
    pub left_behind: u64,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Peer {
    /// An MQTT broker.
    #[default]
    Broker,
    /// The nucleus of AWS IoT Greengrass.
    Nucleus,
}

impl Peer {
    /// How long an end may take by whoever starts the process: for records, and for the last statuses.
    #[must_use]
    pub const fn drain(self) -> (Duration, Duration) {
        match self {
            Self::Broker => (DRAIN, DRAIN_STATUSES),
            Self::Nucleus => greengrass::DRAIN,
        }
    }
}

/// What a source says to the relay's side. Of a nucleus there are neither sessions nor tokens.
#[derive(Debug)]
pub enum Inbound {
    /// A connection begins. What comes next came over it.
    Begins {
        /// The broker kept the session from before.
        resumed: bool,
        /// All tokens with a number below this were acknowledged over earlier connections.
        acknowledged: u64,
        /// Number of its first token.
        first: u64,
    },
    /// The session stands; statuses may be sent.
    Up {
        /// Largest status message that is taken, bytes.
        status_bytes: usize,
        /// The broker kept the session from before.
        resumed: bool,
        /// What the broker grants.
        terms: Terms,
    },
    /// There is no session, and why.
    Down(Box<dyn Error + Send + Sync>),
    /// There will be none for this process; only its start anew may help. [`Inbound::Down`] said why.
    Expelled,
    /// Publishes to be taken. The vector goes back through [`Channels::taken`], empty, when each is.
    Publishes(Vec<Received>),
    /// A status message was not taken, and why.
    StatusRefused(String, Bytes),
    /// A status message is longer than this broker takes, which takes less than one before.
    StatusTooLong(Bytes),
    /// No status is taken, or some are again.
    StatusesHeldUp(bool),
}

/// The relay's ends of the channels.
#[derive(Debug)]
pub struct Channels {
    /// Who is at the other end.
    pub peer: Peer,
    /// What comes from the source.
    pub inbound: mpsc::Receiver<Inbound>,
    /// Asks for more publishes, and gives the vector of the last ones back.
    pub taken: mpsc::Sender<Vec<Received>>,
    /// Which publishes are to be acknowledged.
    pub acknowledged: watch::Sender<Acknowledged>,
    /// Status messages. Dropped: no more come; the task ends when all are acknowledged.
    pub statuses: mpsc::Sender<Bytes>,
    /// Whether publishes that were left behind are wanted now.
    pub again: watch::Sender<Again>,
    /// Counters, at most as long as a status message. Each takes the place of one that was not sent yet, and none
    /// outlives its session.
    pub counters: watch::Sender<Bytes>,
    /// Set: the process ends soon, so that the source is tried at once and then every half a second.
    pub hurry: watch::Sender<bool>,
}

/// Whether publishes that were received, and not taken, are to come again: a broker sends them when the session is resumed over
/// a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// There are none.
    No,
    /// Once the broker has acknowledged the statuses sent, so that none of these comes twice.
    Soon,
    /// At once.
    Now,
}

/// The source's ends.
#[derive(Debug)]
pub struct Ends {
    /// See [`Channels::inbound`].
    pub inbound: mpsc::Sender<Inbound>,
    /// See [`Channels::taken`].
    pub taken: mpsc::Receiver<Vec<Received>>,
    /// See [`Channels::acknowledged`].
    pub acknowledged: watch::Receiver<Acknowledged>,
    /// See [`Channels::statuses`].
    pub statuses: mpsc::Receiver<Bytes>,
    /// See [`Channels::again`].
    pub again: watch::Receiver<Again>,
    /// See [`Channels::counters`].
    pub counters: watch::Receiver<Bytes>,
    /// See [`Channels::hurry`].
    pub hurry: watch::Receiver<bool>,
}

impl Ends {
    /// Says it to the relay's side.
    pub async fn say(&self, inbound: Inbound) {
        // Without a relay nobody is left to hear it.
        let _: Result<(), _> = self.inbound.send(inbound).await;
    }
}

/// Both ends of the channels between the relay and this peer's side.
#[must_use]
pub fn channels(peer: Peer) -> (Channels, Ends) {
    let (inbound_in, inbound_out) = mpsc::channel(1);
    let (taken_in, taken_out) = mpsc::channel(1);
    let (statuses_in, statuses_out) = mpsc::channel(1);
    let (counters_in, counters_out) = watch::channel(Bytes::new());
    let (hurry_in, hurry_out) = watch::channel(false);
    let (again_in, again_out) = watch::channel(Again::No);
    let (acknowledged_in, acknowledged_out) = watch::channel(Acknowledged::default());
    let channels = Channels {
        peer,
        inbound: inbound_out,
        taken: taken_in,
        acknowledged: acknowledged_in,
        statuses: statuses_in,
        again: again_in,
        counters: counters_in,
        hurry: hurry_in,
    };
    let ends = Ends {
        inbound: inbound_in,
        taken: taken_out,
        acknowledged: acknowledged_out,
        statuses: statuses_out,
        again: again_out,
        counters: counters_out,
        hurry: hurry_out,
    };
    (channels, ends)
}
