//! What the nucleus lets this component do, found out step by step without taking part: nothing is relayed.
//!
//! There is nothing else to do meanwhile, so it waits for the socket itself.

use core::time::Duration;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout_at};

use super::GreengrassError;
use super::event::Fault;
use super::frame::{Frame, FrameError, Frames, flag, kind, put};
use super::link::connect;
use super::request::{self, operation};
use crate::config::PubsubTopic;
use crate::foreign::Secret;
use crate::limits::greengrass::HEADERS_BYTES;
use crate::relay::message::STATUS_TOPIC;

/// How long a read or a write may take at a time: the kernel ends it late, by up to an eighth.
const PIECE: Duration = Duration::from_secs(1);

/// A connection for the asking.
pub struct Probe {
    stream: UnixStream,
    frames: Frames,
    buffer: BytesMut,
    /// Number of the last request.
    number: i32,
    /// Ends the subscriptions, as the connector does, see `Session::leave`.
    farewell: Vec<u8>,
}

/// The nucleus answers that it does not do what it was asked for.
#[derive(Debug)]
pub struct Declined {
    /// In its own words.
    pub why: String,
    /// The component's `accessControl` does not have it.
    pub unauthorized: bool,
}

impl core::fmt::Debug for Probe {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Probe")
    }
}

impl Probe {
    /// Connects to the socket, to pass over frames of more than `frame_bytes`.
    ///
    /// # Errors
    /// Nobody listens there, or accepts before `deadline`.
    pub async fn connect(socket: &Path, frame_bytes: usize, deadline: Instant) -> Result<Self, GreengrassError> {
        let begin = Instant::now();
        let connected = timeout_at(deadline, connect(socket)).await;
        let stream =
            connected.unwrap_or_else(|_| Err(GreengrassError::SilentFor("the connection", begin.elapsed())))?;
        let blocking = |stream: UnixStream| {
            stream.set_nonblocking(false)?;
            stream.set_write_timeout(Some(PIECE))?;
            Ok(stream)
        };
        let stream = stream.into_std().and_then(blocking);
        let stream = stream.map_err(|error| GreengrassError::Closed(Some(error)))?;
        Ok(Self { stream, frames: Frames::new(frame_bytes), buffer: BytesMut::new(), number: 0, farewell: Vec::new() })
    }

    /// Presents the token.
    ///
    /// # Errors
    /// The nucleus does not take it, or what answers is none.
    pub fn log_in(&mut self, token: &Secret, deadline: Instant) -> Result<(), GreengrassError> {
        let mut out = Vec::new();
        request::connect(&mut out, token.expose());
        let is_answer = |frame: &Frame| frame.kind == kind::CONNECT_ACK;
        match self.ask(&out, "the token", &is_answer, deadline) {
            Ok(answer) if answer.flags & flag::ACCEPTED != 0 => Ok(()),
            Ok(_) => Err(GreengrassError::Refused),
            Err(GreengrassError::Closed(_)) => Err(GreengrassError::NoAnswer),
            Err(error) => Err(error),
        }
    }

    /// Subscribes to `topic`. Answers why the nucleus does not let us, if so. What arrives is passed over.
    ///
    /// # Errors
    /// It ends the connection, or does not answer before `deadline`.
    pub fn subscribe(&mut self, topic: &PubsubTopic, deadline: Instant) -> Result<Option<Declined>, GreengrassError> {
        let operation = if topic.cloud { operation::SUBSCRIBE_CLOUD } else { operation::SUBSCRIBE };
        let payload = request::subscription(&topic.filter, topic.cloud);
        let declined = self.request(operation, &payload, "a subscription", deadline)?;
        if declined.is_none() {
            request::end(&mut self.farewell, self.number);
        }
        Ok(declined)
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
    ) -> Result<Option<Declined>, GreengrassError> {
        let operation = if cloud { operation::PUBLISH_CLOUD } else { operation::PUBLISH };
        self.request(operation, &request::publish(STATUS_TOPIC, status, cloud), "a status", deadline)
    }

    fn request(
        &mut self,
        operation: &str,
        payload: &[u8],
        what: &'static str,
        deadline: Instant,
    ) -> Result<Option<Declined>, GreengrassError> {
        self.number += 1;
        let number = self.number;
        let mut out = Vec::new();
        request::request(&mut out, number, operation, payload);
        let is_answer = |frame: &Frame| matches!(frame.kind, kind::MESSAGE | kind::ERROR) && frame.stream == number;
        let answer = self.ask(&out, what, &is_answer, deadline)?;
        Ok((answer.kind == kind::ERROR).then(|| {
            let fault = Fault::of(&answer);
            Declined { why: fault.to_string(), unauthorized: fault.is_unauthorized() }
        }))
    }

    /// Sends `out` and waits for the answer. What else comes is passed over as the connector does, pings are answered.
    fn ask(
        &mut self,
        out: &[u8],
        what: &'static str,
        is_answer: &dyn Fn(&Frame) -> bool,
        deadline: Instant,
    ) -> Result<Frame, GreengrassError> {
        let begin = Instant::now();
        let failed = |error: std::io::Error| match error.kind() {
            // It does not read, either.
            ErrorKind::WouldBlock | ErrorKind::TimedOut => GreengrassError::SilentFor(what, begin.elapsed()),
            _ => GreengrassError::Closed(Some(error)),
        };
        self.stream.write_all(out).map_err(failed)?;
        loop {
            while let Some(frame) = self.frames.next(&mut self.buffer)? {
                match frame.kind {
                    kind::PROTOCOL_ERROR | kind::INTERNAL_ERROR => {
                        return Err(GreengrassError::Ended(Fault::of(&frame).to_string()));
                    }
                    kind::PING if frame.payload.len() <= HEADERS_BYTES => {
                        let mut pong = Vec::new();
                        put(&mut pong, [kind::PING_RESPONSE, 0, frame.stream], &[], &frame.payload);
                        self.stream.write_all(&pong).map_err(failed)?;
                    }
                    _ if is_answer(&frame) => return Ok(frame),
                    _ => {}
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(GreengrassError::SilentFor(what, begin.elapsed()));
            }
            self.stream.set_read_timeout(Some(left.min(PIECE))).map_err(failed)?;
            let mut piece = [0; 1024];
            match self.stream.read(&mut piece) {
                Ok(0) if self.buffer.is_empty() => return Err(GreengrassError::Closed(None)),
                Ok(0) => return Err(FrameError::Cut.into()),
                Ok(more) => self.buffer.extend_from_slice(&piece[..more]),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return Err(failed(error)),
                },
            }
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Where nobody reads any more, there is nobody to be told.
        let _: std::io::Result<usize> = self.stream.write(&self.farewell);
    }
}
