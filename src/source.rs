//! What any source of publishes hands to the daemon, independent of its protocol. [`crate::mqtt`] is such a source, `crate::greengrass`
//! another.

mod terms;

pub use terms::Terms;

use core::error::Error;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::limits::{DRAIN, DRAIN_STATUSES, greengrass, spool::STALL};
use crate::relay::TooLong;
pub use crate::relay::receipts::{Begin, Token};
use crate::time::Duration;

/// A publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Topic; not necessarily UTF-8.
    pub topic: Bytes,
    /// Payload.
    pub payload: Bytes,
    /// By what its source acknowledges it. `None`: it needs no acknowledgement (QoS 0, Greengrass).
    pub token: Option<Token>,
    /// Set when it is above the packet limit: topic and payload are then only their first bytes.
    pub too_long: Option<TooLong>,
}

/// Which publishes a source is to acknowledge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// Those whose token has a number below this.
    pub below: u64,
    /// One more than the number of the first token that was left at the broker, or zero. Those after it on the same connection are
    /// left, too.
    pub left_behind: u64,
    /// Publishes that the source sends without an acknowledgement, as far as is known; zero: how many gather unread would
    /// hold it up, because what is read is acknowledged at once.
    pub window: usize,
}

/// Who is at the other end of a source's connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Peer {
    /// An MQTT broker.
    #[default]
    Broker,
    /// The nucleus of AWS IoT Greengrass.
    Nucleus,
}

impl Peer {
    /// How long held records may still be sent after SIGTERM, and how long the last statuses may take then.
    #[must_use]
    pub const fn drain(self) -> (Duration, Duration) {
        match self {
            Self::Broker => (DRAIN, DRAIN_STATUSES),
            Self::Nucleus => greengrass::DRAIN,
        }
    }

    /// Status messages that may wait for the source to take them: a nucleus gets small ones, several at a time.
    const fn statuses(self) -> usize {
        match self {
            Self::Broker => 1,
            Self::Nucleus => greengrass::STATUSES_WAITING,
        }
    }

    /// How long publishes may wait for the disk to make room.
    #[must_use]
    pub const fn disk_wait(self) -> Duration {
        match self {
            Self::Broker => STALL,
            Self::Nucleus => greengrass::DISK_WAIT,
        }
    }
}

/// Events of a source, in order.
#[derive(Debug)]
pub enum Inbound {
    /// A connection begins. All publishes that follow came over it. A nucleus has no sessions and no tokens.
    Begins(Begin),
    /// The session is established; statuses may be sent.
    Up {
        /// Largest status message that is taken, bytes.
        status_bytes: usize,
        /// The broker kept the session from before.
        resumed: bool,
        /// What the broker does not grant.
        terms: Terms,
    },
    /// The session ended, or could not be established.
    Down(Box<dyn Error + Send + Sync>),
    /// There will be no session for this process; only a restart may help. [`Inbound::Down`] said why.
    Expelled,
    /// Publishes for the relay. The vector goes back through [`Channels::taken`], emptied.
    Publishes(Vec<Received>),
    /// A status message was refused: the reason, and the message.
    StatusRefused(String, Bytes),
    /// A status message was made for an earlier connection, and is longer than the broker accepts now.
    StatusTooLong(Bytes),
    /// Whether statuses are no longer acknowledged. Sent when that changes.
    StatusesHeldUp(bool),
}

/// The relay's ends of the channels.
#[derive(Debug)]
pub struct Channels {
    /// Who is at the other end of the source's connection.
    pub peer: Peer,
    /// Events of the source.
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
    /// Set when the process ends soon: a connection is tried at once, and then every half a second.
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

/// The source's ends of the channels.
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
    /// Sends an event to the relay's side.
    pub async fn say(&self, inbound: Inbound) {
        // It fails only when the process ends.
        let _: Result<(), _> = self.inbound.send(inbound).await;
    }
}

/// Both ends of the channels between the relay and a source with this peer.
#[must_use]
pub fn channels(peer: Peer) -> (Channels, Ends) {
    let (inbound_in, inbound_out) = mpsc::channel(1);
    let (taken_in, taken_out) = mpsc::channel(1);
    let (statuses_in, statuses_out) = mpsc::channel(peer.statuses());
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
