//! AWS IoT Greengrass V2 as the source of publishes: messages by the IPC of the nucleus, the classic one or nucleus lite, which
//! speak the same over a Unix socket.
//!
//! - `frame`: the wire format. `json`, `event`, `request`: what stands in frames.
//! - `session`, with `subscription` and `outlet`: one connection, without I/O. `rest`, with `gather`: when it is read.
//! - `link`: its socket. [`Probe`]: the same for the asking.
//!
//! A message is delivered at most once and never acknowledged. So the socket is always read, whatever the relay thinks of what
//! comes: while somebody does not read, nucleus lite waits for him with everybody's messages.

mod error;
mod event;
mod frame;
mod gather;
mod json;
mod link;
mod outlet;
mod probe;
mod request;
mod rest;
mod session;
mod subscription;
#[cfg(test)]
mod tests;

pub use error::GreengrassError;
pub use frame::FrameError;
pub use probe::{Declined, Probe};

use tokio::time::{Instant, sleep};

use crate::clock::Beat;
use crate::config::Greengrass;
use crate::limits::MQTT_STABLE;
use crate::limits::greengrass::{AGAIN, BACKOFF, TOKEN_REFUSED};
use crate::random::random_number;
use crate::relay::backoff::{Jitter, delay};
use crate::source::{Channels, Ends, Inbound, Peer, Received, channels};
use crate::time;
use link::{End, Link};
use session::Statuses;

/// Where the nucleus is, and what is wanted of it.
#[derive(Debug)]
pub struct Settings {
    /// Socket, token, topics.
    pub greengrass: Greengrass,
    /// Largest frame that is held, bytes.
    pub frame_bytes: usize,
    /// Bytes read at a time.
    pub read_bytes: usize,
    /// Messages may gather unread, and rests end with this; `None`: each is read at once.
    pub gather: Option<Beat>,
}

/// The channels and the task that serves them. The task ends when [`Channels`] are dropped or their `statuses` are, and when the
/// nucleus takes the token no more.
pub fn nucleus(settings: Settings) -> (Channels, impl Future<Output = ()> + Send) {
    let (relay, ends) = channels(Peer::Nucleus);
    (relay, serve(settings, ends))
}

async fn serve(settings: Settings, mut ends: Ends) {
    let mut jitter = Jitter::new(random_number());
    let mut link = Link::new(&settings, Statuses::new(Jitter::new(random_number())));
    let (mut failures, mut refusals) = (0_u32, 0_u32);
    loop {
        let begin = Instant::now();
        let error = match link.attend(&mut ends).await {
            Ok(End::Stopped | End::Abandoned) => return,
            Err(error) => error,
        };
        let stood = link.was_up && begin.elapsed() >= MQTT_STABLE;
        failures = if stood { 1 } else { failures.saturating_add(1) };
        refusals = if error.is_for_the_token() { refusals + 1 } else { 0 };
        if ends.inbound.send(Inbound::Down(Box::new(error))).await.is_err() {
            return;
        }
        if refusals >= TOKEN_REFUSED {
            ends.say(Inbound::Expelled).await;
            // The relay's side goes on until its records are sent.
            while ends.statuses.recv().await.is_some() {}
            return;
        }
        // A connection that comes and goes costs the nucleus something, one that does not come nothing.
        let cap = if link.was_up { AGAIN.1 } else { BACKOFF.1 };
        let wait = delay(failures, BACKOFF.0, cap, &mut jitter);
        let wait = if *ends.hurry.borrow() { wait.min(BACKOFF.0) } else { wait };
        tokio::select! {
            () = sleep(wait) => {}
            Ok(()) = ends.hurry.changed() => {}
        }
    }
}

/// The core's time, counted from `start`.
fn since(start: Instant) -> time::Instant {
    time::Instant::default() + start.elapsed()
}

/// The settings of a connection that is read without a socket.
fn scripted(frame_bytes: usize) -> Settings {
    let topics = ["kinesisfirehose/message", "kinesisfirehose/message/binary/#"];
    let topics = topics.map(|filter| crate::config::PubsubTopic { filter: filter.to_owned(), cloud: false });
    let greengrass = Greengrass {
        socket: "socket".into(),
        token: crate::foreign::Secret::new("token"),
        topics: topics.to_vec(),
        status_to_cloud: true,
    };
    Settings { greengrass, frame_bytes, read_bytes: 100, gather: None }
}

/// Reads `pieces`, the bytes of a connection whose token was taken, as the task does, and gives each publish to `take`. Requests 1
/// and 2 are the subscriptions to JSON and to binary messages. Frames may have `limit` bytes.
///
/// For those who count what a record costs.
///
/// # Errors
/// The connection ends.
pub fn publishes<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    limit: usize,
    take: &mut dyn FnMut(Received),
) -> Result<(), GreengrassError> {
    let (settings, now) = (scripted(limit), time::Instant::default());
    let mut statuses = Statuses::new(Jitter::new(1));
    let mut session = session::Session::new(now, &settings, &mut statuses);
    let accepted = frame::Frame { kind: frame::kind::CONNECT_ACK, flags: frame::flag::ACCEPTED, ..Default::default() };
    session.take(now, &accepted).and_then(|_| session.go_on(now))?;
    let (mut frames, mut buffer) = (frame::Frames::new(limit), bytes::BytesMut::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some(frame) = frames.next(&mut buffer)? {
            session.take(now, &frame)?;
            while let Some(news) = session.news() {
                if let session::News::Publish(received) = news {
                    take(received);
                }
            }
        }
        session.go_on(now)?;
    }
    Ok(())
}

/// The bytes that a status message is published with.
///
/// For those who count what a record costs.
#[must_use]
pub fn published(status: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let payload = request::publish(crate::relay::message::STATUS_TOPIC, status, false);
    request::request(&mut out, 1, request::operation::PUBLISH, &payload);
    out
}

/// Reads what a nucleus may send, see [`crate::fuzz`]: the first byte says how many come at a time, which makes no difference.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    let Some((&at_a_time, bytes)) = bytes.split_first() else { return };
    let settings = scripted(1000);
    let said = |at_a_time: usize| {
        let now = time::Instant::default();
        let mut statuses = Statuses::new(Jitter::new(1));
        let mut session = session::Session::new(now, &settings, &mut statuses);
        let (mut frames, mut buffer, mut said) = (frame::Frames::new(1000), bytes::BytesMut::new(), Vec::new());
        for piece in bytes.chunks(at_a_time) {
            buffer.extend_from_slice(piece);
            loop {
                let frame = match frames.next(&mut buffer) {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    // The connection ends.
                    Err(_) => return said,
                };
                if session.take(now, &frame).and_then(|_| session.go_on(now)).is_err() {
                    return said;
                }
                said.extend(core::iter::from_fn(|| session.news()).map(|news| format!("{news:?}")));
                if session.has_room() {
                    let _: Result<(), _> = session.publish_status(now, bytes::Bytes::from_static(b"{\"response\":[]}"));
                }
                assert!(session.out.len() < 100_000, "what is sent is bounded by what was asked");
                session.out.clear();
            }
        }
        said
    };
    assert_eq!(said(bytes.len().max(1)), said(usize::from(at_a_time).max(1)));
}
