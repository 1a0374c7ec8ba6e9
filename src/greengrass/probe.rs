//! What the nucleus lets this component do, found out step by step without taking part: nothing is relayed.
//!
//! There is nothing else to do meanwhile, so it waits for the socket itself.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout_at};

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
    /// Nobody listens there, or accepts before `deadline`.
    pub async fn connect(settings: &Settings, deadline: Instant) -> Result<Self, GreengrassError> {
        let connected = timeout_at(deadline, connect(settings)).await;
        let stream = connected.unwrap_or(Err(GreengrassError::Silent("the connection")))?;
        let stream = stream.into_std().and_then(|stream| stream.set_nonblocking(false).map(|()| stream));
        let stream = stream.map_err(|error| GreengrassError::Closed(Some(error)))?;
        Ok(Self { stream, frames: Frames::new(settings.frame_bytes), buffer: BytesMut::new(), number: 0 })
    }

    /// Presents the token.
    ///
    /// # Errors
    /// The nucleus does not take it.
    pub fn log_in(&mut self, settings: &Settings, deadline: Instant) -> Result<(), GreengrassError> {
        let mut out = Vec::new();
        request::connect(&mut out, settings.greengrass.token.expose());
        match self.ask(&out, "the token", deadline) {
            Ok(Frame { kind: kind::CONNECT_ACK, flags, .. }) if flags & flag::ACCEPTED != 0 => Ok(()),
            Ok(_) => Err(GreengrassError::Refused),
            Err(GreengrassError::Closed(_)) => Err(GreengrassError::NoAnswer),
            Err(error) => Err(error),
        }
    }

    /// Subscribes to `topic`. Answers why the nucleus does not let us, if so. What arrives is passed over.
    ///
    /// # Errors
    /// It ends the connection, or does not answer before `deadline`.
    pub fn subscribe(&mut self, topic: &PubsubTopic, deadline: Instant) -> Result<Option<String>, GreengrassError> {
        let operation = if topic.cloud { operation::SUBSCRIBE_CLOUD } else { operation::SUBSCRIBE };
        self.request(operation, &request::subscription(&topic.filter, topic.cloud), "a subscription", deadline)
    }

    /// Publishes `status`, locally or to AWS IoT Core. Answers why the nucleus does not take it, if so.
    ///
    /// # Errors
    /// It ends the connection, or does not answer before `deadline`.
    pub fn publish_status(
        &mut self,
        status: &Bytes,
        cloud: bool,
        deadline: Instant,
    ) -> Result<Option<String>, GreengrassError> {
        let operation = if cloud { operation::PUBLISH_CLOUD } else { operation::PUBLISH };
        self.request(operation, &request::publish(STATUS_TOPIC, status, cloud), "a status", deadline)
    }

    fn request(
        &mut self,
        operation: &str,
        payload: &[u8],
        what: &'static str,
        deadline: Instant,
    ) -> Result<Option<String>, GreengrassError> {
        self.number += 1;
        let mut out = Vec::new();
        request::request(&mut out, self.number, operation, payload);
        let answer = self.ask(&out, what, deadline)?;
        Ok((answer.kind == kind::ERROR).then(|| Fault::of(&answer).to_string()))
    }

    /// Sends `out` and waits for the next frame of this request.
    fn ask(&mut self, out: &[u8], what: &'static str, deadline: Instant) -> Result<Frame, GreengrassError> {
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => GreengrassError::Silent(what),
            _ => GreengrassError::Closed(Some(error)),
        };
        self.stream.write_all(out).map_err(failed)?;
        loop {
            while let Some(frame) = self.frames.next(&mut self.buffer)? {
                match frame.kind {
                    kind::PROTOCOL_ERROR | kind::INTERNAL_ERROR => {
                        return Err(GreengrassError::Ended(Fault::of(&frame).to_string()));
                    }
                    _ if frame.stream == self.number => return Ok(frame),
                    _ => {}
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(GreengrassError::Silent(what));
            }
            self.stream.set_read_timeout(Some(left)).map_err(failed)?;
            let mut piece = [0; 1024];
            match self.stream.read(&mut piece).map_err(failed)? {
                0 => return Err(GreengrassError::Closed(None)),
                more => self.buffer.extend_from_slice(&piece[..more]),
            }
        }
    }
}
