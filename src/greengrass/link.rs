//! The socket of a connection: bytes go to the session as they come, and from it as the nucleus takes them.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::frame::Frames;
use super::session::{News, Session, Statuses};
use super::{GreengrassError, Settings, since};
use crate::limits::greengrass::ANSWER;
use crate::limits::{PUBLISHES, PUBLISHES_GATHER};
use crate::log_limit::LogLimit;
use crate::source::{Ends, Inbound, Received, Terms};
use crate::time;

/// Why a connection ended.
pub(super) enum End {
    /// We were told to stop, and all statuses were taken.
    Stopped,
    /// The process has no use for the nucleus any more.
    Abandoned,
}

/// What outlives connections.
pub(super) struct Link<'a> {
    settings: &'a Settings,
    statuses: Statuses,
    start: Instant,
    /// Whether statuses could be sent over the last connection.
    pub(super) was_up: bool,
    group: Vec<Received>,
    limit: LogLimit,
}

impl<'a> Link<'a> {
    pub(super) fn new(settings: &'a Settings, statuses: Statuses) -> Self {
        let group = Vec::with_capacity(PUBLISHES);
        Self { settings, statuses, start: Instant::now(), was_up: false, group, limit: LogLimit::default() }
    }

    /// One connection, from its begin to its end.
    pub(super) async fn attend(&mut self, ends: &mut Ends) -> Result<End, GreengrassError> {
        self.was_up = false;
        let mut stream = connect(self.settings).await?;
        let (mut reader, mut writer) = stream.split();
        let Self { settings, statuses, start, was_up, group, limit } = self;
        let mut session = Session::new(since(*start), settings, statuses);
        let mut frames = Frames::new(settings.frame_bytes);
        let mut buffer = BytesMut::with_capacity(settings.read_bytes);
        let (mut stopping, mut heard) = (false, time::Instant::default());
        loop {
            if stopping && session.is_done() && session.out.is_empty() {
                return Ok(End::Stopped);
            }
            let deadline = [session.deadline(), limit.deadline()].into_iter().flatten().min();
            let at = *start + deadline.unwrap_or_default().since(time::Instant::default());
            tokio::select! {
                read = reader.read_buf(&mut buffer) => {
                    let more = read.map_err(|error| closed(&session, Some(error)))?;
                    if more == 0 {
                        return Err(closed(&session, None));
                    }
                    let now = since(*start);
                    let taken = loop {
                        let frame = match frames.next(&mut buffer) {
                            Ok(Some(frame)) => frame,
                            Ok(None) => break Ok(()),
                            Err(error) => break Err(error.into()),
                        };
                        let taken = session.take(now, &frame);
                        drop(frame);
                        while let Some(news) = session.news() {
                            group.extend(tell(news, now, settings, ends, was_up, limit).await);
                        }
                        if taken.is_err() || group.len() >= PUBLISHES && !relay(group, ends).await {
                            break taken;
                        }
                    };
                    // In full flow each message comes by a write of its own, and would wake us and the relay.
                    let busy = !group.is_empty() && now.since(heard) <= PUBLISHES_GATHER;
                    heard = now;
                    // Also when the connection ended behind them: what was received is relayed.
                    if !relay(group, ends).await {
                        return Ok(End::Abandoned);
                    }
                    taken?;
                    make_room(&mut buffer, settings.read_bytes);
                    if busy {
                        sleep(PUBLISHES_GATHER).await;
                    }
                }
                written = writer.write(&session.out), if !session.out.is_empty() => {
                    let written = written.map_err(|error| closed(&session, Some(error)))?;
                    let out = core::mem::take(&mut session.out);
                    if written < out.len() {
                        session.out = out[written..].to_vec();
                    }
                }
                message = ends.statuses.recv(), if session.has_room() && !stopping => match message {
                    Some(message) => session.publish_status(since(*start), message)?,
                    None => stopping = true,
                },
                Ok(()) = ends.counters.changed() => {
                    let message = ends.counters.borrow_and_update().clone();
                    if *was_up {
                        session.publish_counters(&message)?;
                    }
                }
                () = sleep_until(at), if deadline.is_some() => {
                    let now = since(*start);
                    limit.flush(now);
                    session.go_on(now)?;
                    while let Some(news) = session.news() {
                        tell(news, now, settings, ends, was_up, limit).await;
                    }
                }
                () = ends.inbound.closed() => return Ok(End::Abandoned),
            }
        }
    }
}

/// Opens the socket.
pub(super) async fn connect(settings: &Settings) -> Result<UnixStream, GreengrassError> {
    let path = &settings.greengrass.socket;
    // A nucleus that does not accept keeps us waiting where its queue is full.
    let connected = timeout(ANSWER, UnixStream::connect(path)).await;
    let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    connected.map_err(|error| GreengrassError::Connect { path: path.clone(), error })
}

/// Why it closed: nucleus lite answers a wrong token so.
fn closed(session: &Session<'_>, error: Option<io::Error>) -> GreengrassError {
    if session.is_accepted() { GreengrassError::Closed(error) } else { GreengrassError::NoAnswer }
}

/// Passes news on, but for a publish, which is given back.
async fn tell(
    news: News,
    now: time::Instant,
    settings: &Settings,
    ends: &Ends,
    was_up: &mut bool,
    limit: &mut LogLimit,
) -> Option<Received> {
    let filter = |index: usize| settings.greengrass.topics.get(index).map_or("", |topic| &topic.filter);
    match news {
        News::Publish(received) => return Some(received),
        News::Ready => {
            *was_up = true;
            let status_bytes = settings.status_bytes();
            ends.say(Inbound::Up { status_bytes, resumed: false, terms: Terms::default() }).await;
        }
        News::NotDelivered(index, why) => {
            let filter = filter(index);
            limit.warn(now, format_args!("the nucleus does not deliver \"{filter}\", trying on: {why}"));
        }
        News::Delivered(index) => {
            let filter = filter(index);
            limit.info(now, format_args!("the nucleus delivers \"{filter}\" again"));
        }
        News::StatusRefused(why, message) => ends.say(Inbound::StatusRefused(why, message)).await,
        News::StatusesHeldUp(held_up) => ends.say(Inbound::StatusesHeldUp(held_up)).await,
    }
    None
}

/// Hands the group to the relay and waits until it is taken. Answers false when there is no relay any more.
async fn relay(group: &mut Vec<Received>, ends: &mut Ends) -> bool {
    if group.is_empty() {
        return true;
    }
    if ends.inbound.send(Inbound::Publishes(core::mem::take(group))).await.is_err() {
        return false;
    }
    let Some(taken) = ends.taken.recv().await else { return false };
    *group = taken;
    true
}

/// Room for the next read. For the rest of a frame there is some already.
fn make_room(buffer: &mut BytesMut, bytes: usize) {
    if buffer.is_empty() && buffer.capacity() > bytes {
        // It grew with a large frame and would stay so.
        *buffer = BytesMut::with_capacity(bytes);
    } else if buffer.is_empty() || buffer.len() == buffer.capacity() {
        buffer.reserve(bytes);
    }
}
