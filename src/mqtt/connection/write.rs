//! What is written to the broker: acknowledgements, statuses, counters.

use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Disconnect, DisconnectReasonCode, Packet, PubAck, PubRec, Publish};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout_at};

use super::Connection;
use crate::limits::PAYLOAD_COPIED;
use crate::mqtt::error::Unanswered;
use crate::mqtt::in_flight::InFlight;
use crate::mqtt::{MqttError, Task};
use crate::relay::message::{COUNTERS_TOPIC, STATUS_TOPIC};
use crate::source::Inbound;

impl Connection {
    /// Acknowledges what is safe.
    pub(super) async fn acknowledge(&mut self, task: &mut Task) -> Result<(), MqttError> {
        self.feed_acknowledgements(task).await?;
        if self.framed.write_buffer().is_empty() { Ok(()) } else { self.flush().await }
    }

    async fn feed_acknowledgements(&mut self, task: &mut Task) -> Result<(), MqttError> {
        let safe = task.channels.acknowledged.borrow_and_update().below;
        while let Some((packet_id, exactly_once)) = task.unacknowledged.pop_below(safe) {
            let answer = if exactly_once {
                self.unasked = self.unasked.saturating_sub(1);
                Packet::PubRec(PubRec::new(packet_id, None))
            } else {
                Packet::PubAck(PubAck::new(packet_id, None))
            };
            self.feed(answer).await?;
        }
        Ok(())
    }

    /// Sends what earlier connections left without acknowledgement, as fast as the broker takes it.
    pub(super) async fn repeat_statuses(&mut self, task: &Task, in_flight: &mut InFlight) -> Result<(), MqttError> {
        while let Some((id, message)) = in_flight.send_again(self.receive_maximum) {
            let fits = message.len() <= self.status_bytes;
            if !fits || self.qos == QoS::AtMostOnce {
                in_flight.settle(id);
            }
            if fits {
                self.publish(self.status(id, message, self.resumed)).await?;
            } else {
                task.channels.say(Inbound::StatusTooLong(message)).await;
            }
        }
        Ok(())
    }

    pub(super) async fn send_status(
        &mut self,
        message: Bytes,
        task: &mut Task,
        in_flight: &mut InFlight,
    ) -> Result<(), MqttError> {
        // It may have been made for an earlier connection.
        if message.len() > self.status_bytes {
            task.channels.say(Inbound::StatusTooLong(message)).await;
            return Ok(());
        }
        if in_flight.is_empty() {
            self.acknowledged = Instant::now();
        }
        let id = match self.qos {
            QoS::AtMostOnce => 0,
            _ => in_flight.insert(message.clone()).ok_or(MqttError::Unexpected)?,
        };
        // The broker's answer to the status then shows that it has them.
        self.feed_acknowledgements(task).await?;
        if id > 0 {
            task.unacknowledged.ask(id);
        }
        self.publish(self.status(id, message, false)).await
    }

    async fn publish(&mut self, publish: Publish) -> Result<(), MqttError> {
        if publish.payload.len() <= PAYLOAD_COPIED {
            return self.send(Packet::Publish(publish)).await;
        }
        let mut head = core::mem::take(self.framed.write_buffer_mut());
        self.framed.codec().put_head(&publish, &mut head);
        *self.framed.write_buffer_mut() = head;
        self.write_out(publish.payload).await
    }

    /// At QoS 0: the next counters make up for lost ones.
    pub(super) async fn send_counters(&mut self, message: Bytes) -> Result<(), MqttError> {
        let publish = Publish::new(COUNTERS_TOPIC, QoS::AtMostOnce, message, None);
        self.send(Packet::Publish(publish)).await
    }

    pub(in crate::mqtt) fn status(&self, id: u16, message: Bytes, repeated: bool) -> Publish {
        let mut publish = Publish::new(STATUS_TOPIC, self.qos, message, None);
        if self.qos != QoS::AtMostOnce {
            publish.pkid = id;
            publish.dup = repeated;
        }
        publish
    }

    /// Says that the connection ends. The broker keeps the session.
    pub(in crate::mqtt) async fn leave(&mut self) -> Result<(), MqttError> {
        self.send(Packet::Disconnect(Disconnect::new(DisconnectReasonCode::NormalDisconnection))).await
    }

    pub(in crate::mqtt) async fn send(&mut self, packet: Packet) -> Result<(), MqttError> {
        self.feed(packet).await?;
        self.flush().await
    }

    /// Encodes `packet`, and writes only when the buffer is full.
    pub(super) async fn feed(&mut self, packet: Packet) -> Result<(), MqttError> {
        if self.framed.write_buffer().len() >= self.framed.backpressure_boundary() {
            self.flush().await?;
        }
        self.framed.start_send_unpin(packet)
    }

    pub(super) async fn flush(&mut self) -> Result<(), MqttError> {
        self.write_out(Bytes::new()).await
    }

    /// Writes the buffer, and `behind` after it.
    async fn write_out(&mut self, mut behind: Bytes) -> Result<(), MqttError> {
        let now = Instant::now();
        self.keep_alive.wrote(now);
        if let Some(done) = self.write_all(&mut behind).now_or_never() {
            return done;
        }
        // The kernel's buffer is full. It drains when the peer acknowledges bytes, which is a sign of life, too.
        let mut by = self.keep_alive.gone_by(now);
        loop {
            let left = self.framed.write_buffer().len() + behind.len();
            match timeout_at(by, self.write_all(&mut behind)).await {
                Ok(done) => {
                    self.heard();
                    return done;
                }
                Err(_) if self.framed.write_buffer().len() + behind.len() == left => {
                    return Err(self.silent(Unanswered::Write));
                }
                Err(_) => by = Instant::now() + self.keep_alive.patience(),
            }
        }
    }

    /// May be dropped, and called again for what is left.
    async fn write_all(&mut self, behind: &mut Bytes) -> Result<(), MqttError> {
        self.framed.flush().await?;
        let stream = self.framed.get_mut();
        while !behind.is_empty() {
            stream.write_buf(behind).await?;
        }
        Ok(stream.flush().await?)
    }
}
