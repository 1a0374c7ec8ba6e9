//! The task against a scripted nucleus at a socket. The clock is tokio's; while it stands still nobody waits for a socket.

use core::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::task::JoinHandle;

use super::frame::{Frame, Frames, flag, kind, put};
use super::*;
use crate::config::PubsubTopic;
use crate::foreign::Secret;
use crate::limits::greengrass::{STATUS_BYTES, STATUSES};
use crate::source::Received;
use crate::test_support::Folder;

const TOPIC: &str = "kinesisfirehose/message";
const LIMIT: usize = 10_000;

/// The listening nucleus, and the relay's ends of a task that connects to it.
struct Test {
    _folder: Folder,
    listener: UnixListener,
    relay: Channels,
    task: JoinHandle<()>,
}

impl Test {
    fn new() -> Self {
        let folder = Folder::new();
        let socket = folder.path().join("ipc.socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let topics = vec![PubsubTopic { filter: TOPIC.to_owned(), cloud: false }];
        let greengrass = Greengrass { socket, token: Secret::new("0123456789ABCDEF"), topics, status_to_cloud: false };
        let (relay, task) = nucleus(Settings {
            greengrass,
            frame_bytes: LIMIT,
            read_bytes: 1000,
            gather: Some(Beat::new(Instant::now())),
        });
        Self { _folder: folder, listener, relay, task: tokio::spawn(task) }
    }

    /// With a connection that stands.
    async fn up() -> (Self, Peer) {
        let mut test = Self::new();
        let peer = test.accept().await;
        assert!(matches!(test.inbound().await, Inbound::Up { status_bytes: STATUS_BYTES, .. }));
        (test, peer)
    }

    async fn connected(&self) -> Peer {
        Peer { stream: self.listener.accept().await.unwrap().0, frames: Frames::new(LIMIT), buffer: BytesMut::new() }
    }

    /// Takes the token and grants the subscription.
    async fn accept(&self) -> Peer {
        let mut peer = self.connected().await;
        assert_eq!(peer.hears().await.kind, kind::CONNECT);
        peer.says(kind::CONNECT_ACK, flag::ACCEPTED, 0, b"").await;
        assert_eq!(peer.hears().await.stream, 1);
        peer.says(kind::MESSAGE, 0, 1, b"{}").await;
        peer
    }

    async fn inbound(&mut self) -> Inbound {
        self.relay.inbound.recv().await.unwrap()
    }

    async fn down(&mut self) -> GreengrassError {
        match self.inbound().await {
            Inbound::Down(error) => *error.downcast().unwrap(),
            inbound => panic!("{inbound:?}"),
        }
    }

    /// The next publishes, which the relay takes.
    async fn takes(&mut self) -> Vec<Received> {
        let Inbound::Publishes(group) = self.inbound().await else { panic!("no publishes") };
        self.relay.taken.send(Vec::new()).await.unwrap();
        group
    }
}

struct Peer {
    stream: UnixStream,
    frames: Frames,
    buffer: BytesMut,
}

impl Peer {
    async fn hears(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.frames.next(&mut self.buffer).unwrap() {
                return frame;
            }
            assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0, "the connection ended");
        }
    }

    async fn says(&mut self, kind: i32, flags: i32, stream: i32, payload: &[u8]) {
        let mut bytes = Vec::new();
        put(&mut bytes, [kind, flags, stream], &[("service-model-type", "x")], payload);
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn publishes(&mut self, data: &str) {
        let event = format!(r#"{{"jsonMessage": {{"message": "{data}", "context": {{"topic": "{TOPIC}"}}}}}}"#);
        self.says(kind::MESSAGE, 0, 1, event.as_bytes()).await;
    }
}

#[tokio::test]
async fn publishes_come_in_whatever_their_number_and_size_and_statuses_go_out() {
    let (mut test, mut peer) = Test::up().await;
    let sizes = [1, 5000, 20_000, 300, 9000, 30];
    for round in 0..50 {
        peer.publishes(&"x".repeat(sizes[round % sizes.len()])).await;
        let group = test.takes().await;
        let [Received { payload, too_long, .. }] = &group[..] else { panic!("{group:?}") };
        assert_eq!(too_long.is_some(), sizes[round % sizes.len()] > LIMIT);
        if too_long.is_none() {
            assert_eq!(payload.len(), sizes[round % sizes.len()] + 2);
        }
    }
    assert!(matches!(peer.hears().await, Frame { stream: 2, .. }), "the state of the component");
    for stream in 3..6 {
        test.relay.statuses.send(Bytes::from_static(b"status")).await.unwrap();
        assert_eq!(peer.hears().await.stream, stream);
        peer.says(kind::MESSAGE, flag::TERMINATE, stream, b"{}").await;
    }
    drop(test.relay.statuses);
    test.task.await.unwrap();
    assert!(matches!(peer.hears().await, Frame { stream: 1, flags: flag::TERMINATE, .. }), "the subscription");
    assert_eq!(peer.stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn the_subscription_is_ended_before_a_connection_is_given_up() {
    let (mut test, mut peer) = Test::up().await;
    assert_eq!(peer.hears().await.stream, 2, "the state of the component");
    peer.says(kind::INTERNAL_ERROR, 0, 0, b"{}").await;
    assert!(matches!(test.down().await, GreengrassError::Ended(_)));
    assert!(matches!(peer.hears().await, Frame { stream: 1, flags: flag::TERMINATE, .. }));
    assert_eq!(peer.stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn the_socket_is_read_while_the_nucleus_takes_nothing() {
    let (mut test, mut peer) = Test::up().await;
    for _ in 0..2000 {
        test.relay.counters.send_replace(vec![b'x'; 5000].into());
        tokio::task::yield_now().await;
    }
    peer.publishes("x").await;
    assert_eq!(test.takes().await.len(), 1);
}

#[tokio::test]
async fn messages_are_read_while_as_many_statuses_as_may_be_wait_for_their_answers() {
    let (mut test, mut peer) = Test::up().await;
    assert_eq!(peer.hears().await.stream, 2, "the state of the component");
    let mut stream = 3;
    for count in [1, STATUSES, STATUSES] {
        for _ in 0..count {
            test.relay.statuses.send(Bytes::from_static(b"status")).await.unwrap();
        }
        for place in 0..count {
            assert_eq!(peer.hears().await.stream, stream + i32::try_from(place).unwrap());
        }
        for _ in 0..3 {
            peer.publishes("x").await;
            assert_eq!(test.takes().await.len(), 1);
        }
        for _ in 0..count {
            peer.says(kind::MESSAGE, flag::TERMINATE, stream, b"{}").await;
            stream += 1;
        }
    }
}

#[tokio::test]
async fn what_came_before_a_connection_broke_is_relayed() {
    for broken in [&b"\0\0\0\x20\0\0\0\x10\0\0\0\0"[..], b""] {
        let (mut test, mut peer) = Test::up().await;
        peer.publishes("x").await;
        peer.stream.write_all(broken).await.unwrap();
        drop(peer);
        assert_eq!(test.takes().await.len(), 1);
        let error = test.down().await;
        assert_eq!(matches!(error, GreengrassError::Frame(FrameError::Checksum)), !broken.is_empty(), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_nucleus_that_restarts_is_connected_to_again_with_the_same_token() {
    let (mut test, peer) = Test::up().await;
    drop(peer);
    assert!(matches!(test.down().await, GreengrassError::Closed(_)));
    for _ in 0..TOKEN_REFUSED - 1 {
        drop(test.connected().await);
        assert!(matches!(test.down().await, GreengrassError::NoAnswer));
    }
    let _peer = test.accept().await;
    assert!(matches!(test.inbound().await, Inbound::Up { .. }), "it was starting");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_again_and_again_is_the_end() {
    for says_so in [true, false] {
        let mut test = Test::new();
        for _ in 0..TOKEN_REFUSED {
            let mut peer = test.connected().await;
            peer.hears().await;
            if says_so {
                peer.says(kind::CONNECT_ACK, 0, 0, b"").await;
            }
            drop(peer);
            let error = test.down().await;
            assert_eq!(matches!(error, GreengrassError::Refused), says_so, "{error:?}");
        }
        assert!(matches!(test.inbound().await, Inbound::Expelled));
        assert!(
            test.relay.inbound.try_recv().is_err_and(|error| error == TryRecvError::Empty),
            "records may still be sent"
        );
        drop(test.relay.statuses);
        test.task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_not_there_is_tried_every_few_seconds_for_ever() {
    let mut test = Test::new();
    let path = test.listener.local_addr().unwrap().as_pathname().unwrap().to_owned();
    std::fs::remove_file(path).unwrap();
    let start = Instant::now();
    for _ in 0..100 {
        let error = test.down().await;
        assert!(matches!(error, GreengrassError::Connect { .. }), "{error:?}");
    }
    assert!(start.elapsed() <= 100 * BACKOFF.1 + Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(!test.task.is_finished());
}

#[tokio::test]
async fn without_a_relay_the_task_ends() {
    let (test, _peer) = Test::up().await;
    drop(test.relay);
    test.task.await.unwrap();
}

#[tokio::test]
async fn the_probe_tells_what_is_refused_and_goes_on() {
    let folder = Folder::new();
    let socket = folder.path().join("ipc.socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let topic = PubsubTopic { filter: TOPIC.to_owned(), cloud: true };
    let greengrass =
        Greengrass { socket, token: Secret::new("x"), topics: vec![topic.clone()], status_to_cloud: false };
    let settings = Settings { greengrass, frame_bytes: LIMIT, read_bytes: 1000, gather: None };
    let deadline = Instant::now() + Duration::from_secs(60);
    let (stream, mut probe) = tokio::join!(async { listener.accept().await.unwrap().0 }, async {
        Probe::connect(&settings.greengrass.socket, LIMIT, deadline).await.unwrap()
    });
    let mut peer = Peer { stream, frames: Frames::new(LIMIT), buffer: BytesMut::new() };
    peer.says(kind::CONNECT_ACK, flag::ACCEPTED, 0, b"").await;
    probe.log_in(&settings.greengrass.token, deadline).unwrap();
    peer.says(kind::ERROR, flag::TERMINATE, 1, br#"{"message": "no"}"#).await;
    assert_eq!(probe.subscribe(&topic, deadline).unwrap().unwrap().why, "x: no");
    peer.says(kind::MESSAGE, 0, 2, b"{}").await;
    assert!(probe.subscribe(&topic, deadline).unwrap().is_none());
    peer.says(kind::MESSAGE, flag::TERMINATE, 3, b"{}").await;
    assert!(probe.publish_status(&Bytes::from_static(b"x"), false, deadline).unwrap().is_none());
    let late = probe.publish_status(&Bytes::from_static(b"x"), false, Instant::now() + Duration::from_millis(10));
    assert!(matches!(late, Err(GreengrassError::SilentFor("a status", _))), "{late:?}");
    drop(probe);
    for (stream, flags) in [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (2, flag::TERMINATE)] {
        let heard = peer.hears().await;
        assert_eq!((heard.stream, heard.flags), (stream, flags), "the subscription that was granted is ended");
    }
    assert_eq!(peer.stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn the_probe_tells_that_the_nucleus_has_gone() {
    let mut settings = scripted(LIMIT);
    let folder = Folder::new();
    settings.greengrass.socket = folder.path().join("ipc.socket");
    let listener = UnixListener::bind(&settings.greengrass.socket).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let (peer, probe) = tokio::join!(listener.accept(), Probe::connect(&settings.greengrass.socket, LIMIT, deadline));
    let mut probe = probe.unwrap();
    drop(peer);
    assert!(probe.publish_status(&Bytes::from_static(b"x"), true, deadline).is_err());
}

/// Where an answer comes, and where none does.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(100);

/// What the probe says within that time of somebody who answers the token with `bytes` and nothing more.
async fn logged_in(bytes: &[u8], ends: bool, within: Duration) -> Result<(), GreengrassError> {
    let folder = Folder::new();
    let mut settings = scripted(LIMIT);
    settings.greengrass.socket = folder.path().join("ipc.socket");
    let listener = UnixListener::bind(&settings.greengrass.socket).unwrap();
    let (peer, probe) =
        tokio::join!(listener.accept(), Probe::connect(&settings.greengrass.socket, LIMIT, Instant::now() + LONG));
    let (mut peer, _) = peer.unwrap();
    peer.write_all(bytes).await.unwrap();
    if ends {
        peer.shutdown().await.unwrap();
    }
    probe.unwrap().log_in(&settings.greengrass.token, Instant::now() + within)
}

#[tokio::test]
async fn the_probe_tells_a_refused_token_from_silence_and_from_what_is_no_nucleus() {
    let said = logged_in(b"", true, LONG).await;
    assert!(matches!(said, Err(GreengrassError::NoAnswer)), "{said:?}");
    let said = logged_in(b"", false, SHORT).await;
    assert!(matches!(said, Err(GreengrassError::SilentFor("the token", _))), "{said:?}");
    let said = logged_in(b"220 mail", true, LONG).await;
    assert!(matches!(said, Err(GreengrassError::Frame(FrameError::Cut))), "{said:?}");
    let said = logged_in(b"HTTP/1.1 400 Bad Request", false, LONG).await;
    assert!(matches!(said, Err(GreengrassError::Frame(FrameError::Checksum))), "{said:?}");
    let (mut others, mut answer) = (Vec::new(), Vec::new());
    put(&mut others, [kind::PING, 0, 0], &[], b"alive");
    put(&mut others, [kind::MESSAGE, 0, 0], &[], b"{}");
    let said = logged_in(&others, false, SHORT).await;
    assert!(matches!(said, Err(GreengrassError::SilentFor("the token", _))), "{said:?}");
    put(&mut answer, [kind::CONNECT_ACK, flag::ACCEPTED, 0], &[], b"");
    logged_in(&[others, answer].concat(), false, LONG).await.unwrap();
}
