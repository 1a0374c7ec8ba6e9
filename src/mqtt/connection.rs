//! One connection to the broker, from CONNECT to its end.
//!
//! Publishes are read in groups: all that the connection has at hand, up to a bound. A group is handed to the relay, and nothing
//! is read until each of its records is in the arena or has its fail status; so what is held here is one group and the bytes of
//! one read. The relay says which publishes are safe, and all that became so are acknowledged with one write.
//!
//! Between two groups publishes may [gather](super::gather) unread: the connection rests then, which written packets interrupt.

mod login;
mod write;

use bytes::BytesMut;
use futures_util::{FutureExt as _, StreamExt as _};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PingReq, PubAckReason, PubComp, RetainForwardRule};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::codec::Framed;

use super::codec::{Incoming, Packets};
use super::counted::CountedStream;
use super::error::Unanswered;
use super::gather::{Gather, Room};
use super::in_flight::InFlight;
use super::keep_alive::{KeepAlive, Liveness};
use super::unacknowledged::PING;
use super::{MqttError, Task};
use crate::error_chain::words::spelled;
use crate::limits::{
    MQTT_CONNECT, MQTT_SUBSCRIBE_MAX, PUBLISHES, PUBLISHES_BUSY, PUBLISHES_BYTES, PUBLISHES_GATHER, UNASKED,
};
use crate::relay::message::{BINARY_TOPIC, JSON_TOPIC};
use crate::source::{Acknowledged, Again, Inbound, Received, Terms};

/// What is subscribed to. `#` matches its parent level, too, so this includes `.../binary` itself.
pub(super) const FILTERS: [&str; 2] = [JSON_TOPIC, "kinesisfirehose/message/binary/#"];
const _: () = assert!(FILTERS[1].len() == BINARY_TOPIC.len() + "/#".len());

/// Packet id of the subscription; those of statuses are lower.
const SUBSCRIPTION_ID: u16 = u16::MAX;

/// One established connection to the broker.
pub(super) struct Connection {
    pub(super) framed: Framed<CountedStream, Packets>,
    /// The highest QoS at which the broker accepts publishes, at most 1.
    pub(super) qos: QoS,
    receive_maximum: u16,
    pub(super) status_bytes: usize,
    /// The broker kept our session from before.
    pub(super) resumed: bool,
    pub(super) terms: Terms,
    /// When the broker last acknowledged a status, or had none to acknowledge.
    acknowledged: Instant,
    group: Vec<Received>,
    /// The group ended because no more packets were available.
    read_all: bool,
    gather: Gather,
    /// Until then nothing is read, unless something else is to be done before.
    resting: Option<Instant>,
    keep_alive: KeepAlive,
    read_bytes: usize,
    /// Packets of the broker that answered nothing.
    unasked: usize,
}

/// Why the task ends.
pub(super) enum End {
    /// There are no more statuses, and all were acknowledged.
    Stopped,
    /// The relay's side was dropped.
    Abandoned,
}

impl Connection {
    /// Subscribes, and runs until the connection ends or the statuses do. Says [`Inbound::Up`] once the broker has granted the
    /// subscription.
    pub(super) async fn run(&mut self, task: &mut Task, in_flight: &mut InFlight) -> Result<End, MqttError> {
        in_flight.start_again();
        // At QoS 0 nothing is acknowledged, so nothing waits for it.
        if self.qos == QoS::AtMostOnce && in_flight.flows() {
            task.channels.say(Inbound::StatusesHeldUp(false)).await;
        }
        task.channels.counters.mark_unchanged();
        let begin = task.unacknowledged.begin(self.resumed);
        task.channels.say(Inbound::Begins(begin)).await;
        let start = Instant::now();
        let mut granted_by = start + MQTT_CONNECT;
        let mut granted = self.has_subscription(task);
        if !granted {
            self.subscribe(RetainForwardRule::OnNewSubscribe).await?;
        } else if !self.say_up(task).await {
            return Ok(End::Abandoned);
        }
        let mut stopping = false;
        loop {
            self.repeat_statuses(task, in_flight).await?;
            if granted && in_flight.has_room(self.receive_maximum, self.status_bytes) {
                if let Some(message) = task.next_status.take() {
                    self.send_status(message, task, in_flight).await?;
                }
            } else if task.next_status.is_some() {
                // It waits for the broker's acknowledgement of another.
                self.resting = None;
            }
            if stopping && in_flight.is_empty() && task.next_status.is_none() {
                self.acknowledge(task).await?;
                self.leave().await?;
                return Ok(End::Stopped);
            }
            let resting = self.resting;
            if resting.is_some() {
                // Something may have been written.
                self.framed.get_mut().rest();
            }
            let wants_status = granted && !stopping && task.next_status.is_none();
            tokio::select! {
                packet = self.framed.next(), if resting.is_none() => {
                    let packet = packet.ok_or(MqttError::Closed(None))??;
                    let taken = self.take_group(packet, task, in_flight).await;
                    // Also when the connection ended behind them: what was received is relayed.
                    let relayed = if self.group.is_empty() {
                        Ok(true)
                    } else {
                        let relayed = self.relay_group(task).await;
                        granted_by = Instant::now() + MQTT_CONNECT;
                        relayed
                    };
                    granted |= taken?;
                    if !relayed? {
                        return Ok(End::Abandoned);
                    }
                    if granted && !task.up && !self.say_up(task).await {
                        return Ok(End::Abandoned);
                    }
                }
                () = sleep_until(resting.unwrap_or(start)), if resting.is_some() => self.resting = None,
                // The end is near: what is there is read at once.
                Ok(()) = task.channels.hurry.changed(), if resting.is_some() => self.resting = None,
                message = task.channels.statuses.recv(), if wants_status => match message {
                    Some(message) => task.next_status = Some(message),
                    None => stopping = true,
                },
                () = sleep_until(self.acknowledged + in_flight.patience()), if task.up && !in_flight.is_empty() => {
                    if in_flight.held_up {
                        let waited = in_flight.patience();
                        in_flight.give_up();
                        return Err(MqttError::Silent(Unanswered::Statuses, waited));
                    }
                    in_flight.held_up = true;
                    task.channels.say(Inbound::StatusesHeldUp(true)).await;
                }
                Ok(()) = task.channels.acknowledged.changed() => self.acknowledge(task).await?,
                Ok(()) = task.channels.counters.changed(), if granted => {
                    let message = task.channels.counters.borrow_and_update().clone();
                    self.send_counters(message).await?;
                }
                () = sleep_until(self.keep_alive.next()) => {
                    let CountedStream { read, last, .. } = self.framed.get_mut();
                    match self.keep_alive.check(Instant::now(), read, *last) {
                        Liveness::Listen => {}
                        Liveness::Growing => granted_by = Instant::now() + MQTT_CONNECT,
                        Liveness::Ping => {
                            task.unacknowledged.ask(PING);
                            self.unasked = self.unasked.saturating_sub(1);
                            self.send(Packet::PingReq(PingReq)).await?;
                        }
                        Liveness::Gone => return Err(self.silent(Unanswered::Ping)),
                    }
                }
                () = wanted_again(&mut task.channels.again, in_flight.is_empty()), if granted => {
                    return Err(MqttError::LeftBehind);
                }
                () = sleep_until(granted_by.min(start + MQTT_SUBSCRIBE_MAX)), if !granted => {
                    return Err(MqttError::Silent(Unanswered::Subscription, start.elapsed()));
                }
            }
        }
    }

    /// Takes `packet` and all that are at hand behind it, as far as they fit a group. Returns whether the
    /// subscription was granted among them.
    async fn take_group(
        &mut self,
        packet: Incoming,
        task: &mut Task,
        in_flight: &mut InFlight,
    ) -> Result<bool, MqttError> {
        self.heard();
        let mut granted = false;
        let mut next = Some(packet);
        let mut bytes = 0;
        while let Some(packet) = next {
            match packet {
                Incoming::Publish(mut received) => {
                    let length = received.topic.len() + received.payload.len();
                    bytes += length;
                    self.gather.read(length, received.token.is_some());
                    let left_behind = task.channels.acknowledged.borrow().left_behind;
                    let is_left = received.token.is_some() && task.unacknowledged.is_past(left_behind);
                    if let Some(token) = received.token.as_mut().filter(|_| !is_left) {
                        token.number = task.unacknowledged.push(token.packet_id, token.exactly_once);
                    }
                    if !is_left {
                        self.group.push(received);
                    }
                }
                Incoming::Other(Packet::PubAck(ack)) => {
                    task.unacknowledged.answered(ack.pkid);
                    // An unknown packet id does not show that statuses are acknowledged.
                    if let Some(message) = in_flight.settle(ack.pkid) {
                        self.acknowledged = Instant::now();
                        if in_flight.flows() {
                            task.channels.say(Inbound::StatusesHeldUp(false)).await;
                        }
                        if !matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers) {
                            task.channels.say(Inbound::StatusRefused(spelled(&ack.reason), message)).await;
                        }
                    } else {
                        self.unasked()?;
                    }
                }
                Incoming::Other(Packet::SubAck(answer)) => {
                    self.check_granted(&answer)?;
                    self.unasked()?;
                    granted = true;
                }
                Incoming::Other(Packet::PingResp(_)) => {
                    task.unacknowledged.answered(PING);
                    self.unasked()?;
                }
                Incoming::Other(Packet::PubRel(release)) => {
                    self.unasked()?;
                    self.feed(Packet::PubComp(PubComp::new(release.pkid, None))).await?;
                }
                Incoming::Other(Packet::Disconnect(bye)) => return Err(MqttError::Disconnected(bye.reason_code)),
                Incoming::Other(_) => return Err(MqttError::Unexpected),
            }
            self.read_all = self.group.len() < PUBLISHES && bytes < PUBLISHES_BYTES;
            if !self.read_all {
                break;
            }
            next = match self.framed.next().now_or_never() {
                Some(packet) => Some(packet.ok_or(MqttError::Closed(None))??),
                None => None,
            };
        }
        if !self.framed.write_buffer().is_empty() {
            self.flush().await?;
        }
        Ok(granted)
    }

    /// Counts a packet that answers nothing, or for which less was counted when it was asked for.
    pub(super) const fn unasked(&mut self) -> Result<(), MqttError> {
        self.unasked += 1;
        if self.unasked > UNASKED { Err(MqttError::Unasked) } else { Ok(()) }
    }

    /// Hands the group to the relay, waits until it is taken, and acknowledges what is safe. Answers false when there is no relay
    /// any more.
    async fn relay_group(&mut self, task: &mut Task) -> Result<bool, MqttError> {
        let group = core::mem::take(&mut self.group);
        let busy = group.len() >= PUBLISHES_BUSY;
        if task.channels.inbound.send(Inbound::Publishes(group)).await.is_err() {
            return Ok(false);
        }
        let Some(group) = task.channels.taken.recv().await else { return Ok(false) };
        self.group = group;
        // The buffer grew with a large packet, and would keep its size.
        let buffer = self.framed.read_buffer_mut();
        if buffer.is_empty() && buffer.capacity() > self.read_bytes {
            *buffer = BytesMut::with_capacity(self.read_bytes);
        }
        self.acknowledge(task).await?;
        if self.read_all {
            self.rest(task, busy).await;
        }
        Ok(true)
    }

    /// Lets publishes gather, unless the end is near.
    async fn rest(&mut self, task: &Task, busy: bool) {
        let Acknowledged { window, .. } = *task.channels.acknowledged.borrow();
        let outstanding = task.unacknowledged.len();
        let room = Room { window, outstanding, buffer: self.framed.get_ref().receive_buffer() };
        self.resting = self.gather.rest(Instant::now(), room).filter(|_| !*task.channels.hurry.borrow());
        if self.resting.is_none() && busy {
            // At full rate the task would wake for a few publishes each time. Letting some gather saves system calls.
            sleep(PUBLISHES_GATHER).await;
        }
    }

    fn heard(&mut self) {
        self.framed.get_mut().read = 0;
        self.keep_alive.heard(Instant::now());
    }

    fn silent(&self, unanswered: Unanswered) -> MqttError {
        MqttError::Silent(unanswered, self.keep_alive.interval())
    }
}

/// Completes when publishes that were left are wanted again.
async fn wanted_again(again: &mut watch::Receiver<Again>, all_acknowledged: bool) {
    let wanted = |again: &Again| *again == Again::Now || *again == Again::Soon && all_acknowledged;
    if again.wait_for(wanted).await.is_err() {
        // The relay's side was dropped, which ends the task through the channel of statuses.
        core::future::pending::<()>().await;
    }
}
