//! What the nucleus lets this component do, found out step by step without taking part: nothing is relayed.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::event::Fault;
use super::frame::{Frame, Frames, flag, kind};
use super::link::connect;
use super::request::{self, operation};
use super::{GreengrassError, Settings};
use crate::config::PubsubTopic;
use crate::relay::message::STATUS_TOPIC;

/// A connection for the asking.
pub struct Probe {
    stream: UnixStream,
    frames: Frames,
    buffer: BytesMut,
    /// Number of the last request.
    number: i32,
}

impl core::fmt::Debug for Probe {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Probe")
    }
}

impl Probe {
    /// Connects to the socket.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn connect(settings: &Settings) -> Result<Self, GreengrassError> {
        let stream = connect(settings).await?;
        Ok(Self { stream, frames: Frames::new(settings.frame_bytes), buffer: BytesMut::new(), number: 0 })
    }

    /// Presents the token.
    ///
    /// # Errors
    /// The nucleus does not take it.
    pub async fn log_in(&mut self, settings: &Settings) -> Result<(), GreengrassError> {
        let mut out = Vec::new();
        request::connect(&mut out, settings.greengrass.token.expose());
        self.write(&out).await.map_err(|_| GreengrassError::NoAnswer)?;
        match self.answer(0).await {
            Ok(Frame { kind: kind::CONNECT_ACK, flags, .. }) if flags & flag::ACCEPTED != 0 => Ok(()),
            Ok(_) => Err(GreengrassError::Refused),
            Err(GreengrassError::Closed(_)) => Err(GreengrassError::NoAnswer),
            Err(error) => Err(error),
        }
    }

    /// Subscribes to `topic`. Answers why the nucleus does not let us, if so. What arrives is passed over.
    ///
    /// # Errors
    /// It ends the connection.
    pub async fn subscribe(&mut self, topic: &PubsubTopic) -> Result<Option<String>, GreengrassError> {
        let operation = if topic.cloud { operation::SUBSCRIBE_CLOUD } else { operation::SUBSCRIBE };
        self.ask(operation, &request::subscription(&topic.filter, topic.cloud)).await
    }

    /// Publishes `status`, locally or to AWS IoT Core. Answers why the nucleus does not take it, if so.
    ///
    /// # Errors
    /// It ends the connection.
    pub async fn publish_status(&mut self, status: &Bytes, cloud: bool) -> Result<Option<String>, GreengrassError> {
        let operation = if cloud { operation::PUBLISH_CLOUD } else { operation::PUBLISH };
        self.ask(operation, &request::publish(STATUS_TOPIC, status, cloud)).await
    }

    async fn ask(&mut self, operation: &str, payload: &[u8]) -> Result<Option<String>, GreengrassError> {
        self.number += 1;
        let mut out = Vec::new();
        request::request(&mut out, self.number, operation, payload);
        self.write(&out).await.map_err(|error| GreengrassError::Closed(Some(error)))?;
        let answer = self.answer(self.number).await?;
        Ok((answer.kind == kind::ERROR).then(|| Fault::of(&answer).to_string()))
    }

    async fn write(&mut self, out: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(out).await
    }

    /// The next frame of this request.
    async fn answer(&mut self, number: i32) -> Result<Frame, GreengrassError> {
        loop {
            while let Some(frame) = self.frames.next(&mut self.buffer)? {
                match frame.kind {
                    kind::PROTOCOL_ERROR | kind::INTERNAL_ERROR => {
                        return Err(GreengrassError::Ended(Fault::of(&frame).to_string()));
                    }
                    _ if frame.stream == number => return Ok(frame),
                    _ => {}
                }
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(GreengrassError::Closed(None)),
                Ok(_) => {}
                Err(error) => return Err(GreengrassError::Closed(Some(error))),
            }
        }
    }
}
