//! The socket of a connection: bytes go to the session as they come, and from it as the nucleus takes them.

use std::io;
use std::path::Path;

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};

use super::frame::Frames;
use super::rest::Rest;
use super::session::{News, Session, Statuses};
use super::{GreengrassError, Settings, since};
use crate::limits::PUBLISHES;
use crate::limits::greengrass::ANSWER;
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

    /// One connection, from its beginning to its end.
    pub(super) async fn attend(&mut self, ends: &mut Ends) -> Result<End, GreengrassError> {
        self.was_up = false;
        let mut stream = connect(&self.settings.greengrass.socket).await?;
        let Self { settings, statuses, start, was_up, group, limit } = self;
        let mut session = Session::new(since(*start), settings, statuses);
        let mut frames = Frames::new(settings.frame_bytes);
        let mut buffer = BytesMut::with_capacity(settings.read_bytes);
        let (mut stopping, mut read_all, mut is_stuck) = (false, true, false);
        // Both ends of a Unix socket have the same default.
        let kernel = SockRef::from(&stream).send_buffer_size().unwrap_or_default();
        let mut rest = Rest::new(settings.gather, kernel, Instant::now());
        loop {
            let now = since(*start);
            limit.flush(now);
            let taken = take_frames(&mut frames, &mut buffer, &mut session, now, &mut rest);
            // Also when the connection ended behind them: what was received is relayed.
            while let Some(inbound) = next_inbound(&mut session, group, now, settings, was_up, limit) {
                let is_group = matches!(inbound, Inbound::Publishes(_));
                if ends.inbound.send(inbound).await.is_err() {
                    return Ok(End::Abandoned);
                }
                if is_group {
                    let Some(taken) = ends.taken.recv().await else { return Ok(End::Abandoned) };
                    *group = taken;
                    rest.came(Instant::now(), read_all);
                }
            }
            let has_sent = session.is_done() && session.out.is_empty();
            match taken {
                Ok(Taken::Group) => continue,
                Ok(Taken::All) if !stopping || !has_sent && !ends.inbound.is_closed() => {}
                over => {
                    session.leave();
                    // Where nobody reads any more, there is nobody to be told.
                    let _: io::Result<usize> = SockRef::from(&stream).send(&session.out);
                    return over.map(|_| End::Stopped);
                }
            }
            session.hurry = *ends.hurry.borrow();
            let has_room = session.has_room();
            let works = !session.out.is_empty() && !is_stuck || has_room && !ends.statuses.is_empty();
            // What is there when the end is near is read at once.
            if !works
                && !stopping
                && !session.hurry
                && let Some(end) = rest.end(Instant::now(), has_room, session.awaited())
            {
                let unwatched = stream.into_std().map_err(|error| closed(&session, Some(error)))?;
                tokio::select! {
                    () = sleep_until(end) => {}
                    Ok(()) = ends.hurry.changed() => {}
                    message = ends.statuses.recv(), if has_room => match message {
                        Some(message) => session.publish_status(since(*start), message)?,
                        None => stopping = true,
                    },
                }
                stream = UnixStream::from_std(unwatched).map_err(|error| closed(&session, Some(error)))?;
            }
            make_room(&mut buffer, settings.read_bytes);
            let deadline = [session.deadline(), limit.deadline()].into_iter().flatten().min();
            let at = *start + deadline.unwrap_or(now + ANSWER).since(time::Instant::default());
            let (mut reader, mut writer) = stream.split();
            // Reading comes behind the others: in full flow there is always something to read.
            tokio::select! {
                biased;
                // First, so that as many as may be are written together.
                message = ends.statuses.recv(), if session.has_room() && !stopping => match message {
                    Some(message) => session.publish_status(since(*start), message)?,
                    None => stopping = true,
                },
                length = writer.write(&session.out), if !session.out.is_empty() => {
                    let length = length.map_err(|error| closed(&session, Some(error)))?;
                    session.out.drain(..length);
                    is_stuck = false;
                    rest.wrote();
                    // The relay may have more of them.
                    yield_now().await;
                }
                Ok(()) = ends.hurry.changed() => {}
                Ok(()) = ends.counters.changed() => {
                    let message = ends.counters.borrow_and_update().clone();
                    if *was_up {
                        session.publish_counters(&message)?;
                    }
                }
                read = reader.read_buf(&mut buffer) => {
                    let more = read.map_err(|error| closed(&session, Some(error)))?;
                    if more == 0 {
                        return Err(closed(&session, None));
                    }
                    // The nucleus does not read: else it would have been written to.
                    is_stuck = !session.out.is_empty();
                    // The socket held no more.
                    read_all = buffer.len() < buffer.capacity();
                }
                // Last: to begin this wait costs a call of the kernel, and what is due is done in every round.
                () = sleep_until(at) => {}
            }
        }
    }
}

/// Opens the socket.
pub(super) async fn connect(path: &Path) -> Result<UnixStream, GreengrassError> {
    // A nucleus that does not accept keeps us waiting where its queue is full.
    let connected = timeout(ANSWER, UnixStream::connect(path)).await;
    let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    connected.map_err(|error| GreengrassError::Connect { path: path.to_owned(), error })
}

/// Why it closed: nucleus lite answers a wrong token so.
fn closed(session: &Session<'_>, error: Option<io::Error>) -> GreengrassError {
    if session.is_accepted() { GreengrassError::Closed(error) } else { GreengrassError::NoAnswer }
}

/// Whether there may be more.
#[derive(PartialEq, Eq)]
enum Taken {
    /// A group at most is taken at a time.
    Group,
    /// What was read is used up, but for the beginning of a frame.
    All,
}

/// Gives the session the frames that were read.
fn take_frames(
    frames: &mut Frames,
    buffer: &mut BytesMut,
    session: &mut Session<'_>,
    now: time::Instant,
    rest: &mut Rest,
) -> Result<Taken, GreengrassError> {
    for _ in 0..PUBLISHES {
        let before = buffer.len();
        let Some(frame) = frames.next(buffer)? else {
            session.go_on(now)?;
            return Ok(Taken::All);
        };
        if session.take(now, &frame)? {
            rest.read(before - buffer.len());
        }
    }
    session.go_on(now)?;
    Ok(Taken::Group)
}

/// What the relay's side is to know next: the news one by one, and then the publishes among them as a group.
fn next_inbound(
    session: &mut Session<'_>,
    group: &mut Vec<Received>,
    now: time::Instant,
    settings: &Settings,
    was_up: &mut bool,
    limit: &mut LogLimit,
) -> Option<Inbound> {
    let filter = |index: usize| settings.greengrass.topics.get(index).map_or("", |topic| &topic.filter);
    while let Some(news) = session.news() {
        match news {
            News::Publish(received) => group.push(received),
            News::Ready => {
                *was_up = true;
                let status_bytes = settings.greengrass.status_bytes();
                return Some(Inbound::Up { status_bytes, resumed: false, terms: Terms::default() });
            }
            News::NotDelivered(index, why) => {
                let filter = filter(index);
                limit.warn(now, format_args!("the nucleus does not deliver \"{filter}\", trying on: {why}"));
            }
            News::Delivered(index) => {
                let filter = filter(index);
                limit.info(now, format_args!("the nucleus delivers \"{filter}\" again"));
            }
            News::Unread(index) => {
                let filter = filter(index);
                limit.warn(
                    now,
                    format_args!("the nucleus sends a message of \"{filter}\" that cannot be read, ignored"),
                );
            }
            News::StatusRefused(why, message) => return Some(Inbound::StatusRefused(why, message)),
            News::StatusesHeldUp(held_up) => return Some(Inbound::StatusesHeldUp(held_up)),
        }
    }
    (!group.is_empty()).then(|| Inbound::Publishes(core::mem::take(group)))
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
