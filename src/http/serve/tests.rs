//! The connection task against a server on loopback.
//!
//! The clock is tokio's. [`later`] advances it, so no test waits for a deadline.

use core::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time;

use super::*;
use crate::clock::Clock;
use crate::error_chain::error_chain;
use crate::firehose::sign::Header;

const THREE_CHUNKS: [&str; 3] = ["one ", "two ", "three"];
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn later(duration: Duration) {
    time::pause();
    time::advance(duration).await;
    time::resume();
}

/// The owner's side: a connection task and the requests to it.
struct Client {
    requests: mpsc::Sender<Request>,
    events: mpsc::Receiver<Event>,
    connected: Tally,
    number: u64,
}

impl Client {
    fn new() -> Self {
        let (requests, taken) = mpsc::channel(1);
        let (said, events) = mpsc::channel(2);
        let connected = Tally::default();
        let tls = Tls::for_service(None, &Clock::default()).unwrap();
        tokio::spawn(serve(taken, said, Route::default(), tls, connected.clone()));
        Self { requests, events, connected, number: 0 }
    }

    /// Starts a request of `length` bytes.
    async fn start(&mut self, server: &Server, length: usize) -> mpsc::Sender<Bytes> {
        self.number += 1;
        let (sender, chunks) = mpsc::channel(1);
        let target = server.target();
        let header = |name, value: &str| Header { name, value: value.to_owned() };
        let headers = vec![header("host", &target.authority()), header("x-amz-target", "Firehose")];
        self.requests.send(Request { number: self.number, target, headers, length, chunks }).await.unwrap();
        sender
    }

    async fn wants_chunk(&mut self) {
        let event = self.events.recv().await.unwrap();
        assert!(matches!(event, Event::WantsChunk { number } if number == self.number), "{event:?}");
    }

    async fn done(&mut self) -> Result<Reply, SendError> {
        match self.events.recv().await.unwrap() {
            Event::Done { number, result } if number == self.number => result,
            event => panic!("{event:?}"),
        }
    }

    async fn post(&mut self, server: &Server, chunks: &[&'static str]) -> Result<Reply, SendError> {
        let sender = self.start(server, chunks.concat().len()).await;
        for chunk in chunks {
            self.wants_chunk().await;
            sender.send(Bytes::from_static(chunk.as_bytes())).await.unwrap();
        }
        self.done().await
    }
}

struct Server(TcpListener);

impl Server {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn target(&self) -> EndpointUrl {
        EndpointUrl { host: "127.0.0.1".to_owned(), port: self.0.local_addr().unwrap().port(), tls: false }
    }

    async fn accept(&self) -> Peer {
        Peer(self.0.accept().await.unwrap().0)
    }

    /// Takes a request on a new connection and answers.
    async fn serve(&self, reply: &str) -> (Peer, String, String) {
        let mut peer = self.accept().await;
        let (head, body) = peer.serve(reply).await;
        (peer, head, body)
    }
}

/// A connection as the server sees it.
struct Peer(TcpStream);

impl Peer {
    async fn head(&mut self) -> String {
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    async fn read(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    async fn say(&mut self, text: &str) {
        // A client that has read enough may be gone.
        let _gone = self.0.write_all(text.as_bytes()).await;
    }

    async fn serve(&mut self, reply: &str) -> (String, String) {
        let head = self.head().await;
        let (_, length) = head.split_once("content-length: ").unwrap();
        let length = length.lines().next().unwrap().parse().unwrap();
        let body = self.read(length).await;
        self.say(reply).await;
        (head, body)
    }

    /// Sends the end and waits for the client's.
    async fn close(mut self) {
        self.0.shutdown().await.unwrap();
        self.closed().await;
    }

    async fn closed(&mut self) {
        let mut rest = vec![];
        // A reset is an end, too.
        if self.0.read_to_end(&mut rest).await.is_ok() {
            assert!(rest.is_empty(), "{rest:?}");
        }
    }
}

#[tokio::test]
async fn chunks_arrive_as_one_body_with_its_length_and_the_given_headers() {
    let (mut client, server) = (Client::new(), Server::new().await);
    let answer = "HTTP/1.1 400 Bad Request\r\nx-amzn-ErrorType: Odd\r\nDate: today\r\ncontent-length: 2\r\n\r\nno";
    let (reply, (_peer, head, body)) = tokio::join!(client.post(&server, &THREE_CHUNKS), server.serve(answer));
    assert_eq!(body, "one two three");
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
    for header in ["content-length: 13", "x-amz-target: Firehose", &format!("host: {}", server.target().authority())] {
        assert_eq!(head.lines().filter(|line| *line == header).count(), 1, "{header}: {head}");
    }
    let reply = reply.unwrap();
    assert_eq!((reply.status, &reply.body[..]), (400, &b"no"[..]));
    assert_eq!((reply.error_type.as_deref(), reply.date.as_deref()), (Some("Odd"), Some("today")));
}

#[tokio::test]
async fn the_date_of_a_cached_answer_is_ignored() {
    let (mut client, server) = (Client::new(), Server::new().await);
    let answer = "HTTP/1.1 200 OK\r\nDate: today\r\nAge: 7\r\ncontent-length: 0\r\n\r\n";
    let (reply, _) = tokio::join!(client.post(&server, &THREE_CHUNKS), server.serve(answer));
    assert_eq!(reply.unwrap().date, None);
}

#[tokio::test]
async fn requests_to_one_endpoint_share_a_connection() {
    let (mut client, server) = (Client::new(), Server::new().await);
    let (_, (mut peer, ..)) = tokio::join!(client.post(&server, &["a"]), server.serve(OK));
    for _ in 0..3 {
        let (reply, (_, body)) = tokio::join!(client.post(&server, &["b"]), peer.serve(OK));
        assert_eq!((reply.unwrap().status, &body[..]), (200, "b"));
    }
    assert_eq!(client.connected.total(), 1);
}

#[tokio::test]
async fn another_endpoint_gets_another_connection_and_the_first_is_closed() {
    let (mut client, server, other) = (Client::new(), Server::new().await, Server::new().await);
    let (_, (mut peer, ..)) = tokio::join!(client.post(&server, &["a"]), server.serve(OK));
    let (reply, (_peer, head, _)) = tokio::join!(client.post(&other, &["b"]), other.serve(OK));
    assert_eq!(reply.unwrap().status, 200);
    assert!(head.contains(&other.target().authority()));
    peer.closed().await;
    assert_eq!(client.connected.total(), 2);
}

#[tokio::test]
async fn an_idle_connection_that_the_server_closed_is_replaced_silently() {
    let (mut client, server) = (Client::new(), Server::new().await);
    let (_, (peer, ..)) = tokio::join!(client.post(&server, &["a"]), server.serve(OK));
    peer.close().await;
    let (reply, (_peer, _, body)) = tokio::join!(client.post(&server, &THREE_CHUNKS), server.serve(OK));
    assert_eq!((reply.unwrap().status, &body[..]), (200, "one two three"));
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_before_the_service_does_it() {
    let (mut client, server) = (Client::new(), Server::new().await);
    let (_, (mut peer, ..)) = tokio::join!(client.post(&server, &["a"]), server.serve(OK));
    later(SERVICE_IDLE).await;
    peer.closed().await;
}

#[tokio::test]
async fn an_answer_may_be_as_long_as_the_limit_and_no_longer() {
    let chunked = |length: usize| {
        let body = "x".repeat(length);
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n")
    };
    let with_length = |length: usize| {
        let body = "x".repeat(length);
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")
    };
    for answer in [&chunked as &dyn Fn(usize) -> String, &with_length] {
        let (mut client, server) = (Client::new(), Server::new().await);
        let longest = answer(REPLY_BYTES);
        let (reply, _) = tokio::join!(client.post(&server, &["a"]), server.serve(&longest));
        assert_eq!(reply.unwrap().body.len(), REPLY_BYTES);
        let mut client = Client::new();
        let too_long = answer(REPLY_BYTES + 1);
        let (reply, (mut peer, ..)) = tokio::join!(client.post(&server, &["a"]), server.serve(&too_long));
        assert!(matches!(reply, Err(SendError::ReplyTooLong)), "{reply:?}");
        peer.closed().await;
    }
}

#[tokio::test]
async fn an_answer_without_length_ends_with_the_connection_and_the_next_request_opens_one() {
    let (mut client, server) = (Client::new(), Server::new().await);
    let served = async {
        let (peer, ..) = server.serve("HTTP/1.1 200 OK\r\n\r\nto the end").await;
        peer.close().await;
    };
    let (reply, ()) = tokio::join!(client.post(&server, &["a"]), served);
    assert_eq!(reply.unwrap().body, b"to the end");
    let (reply, _) = tokio::join!(client.post(&server, &["b"]), server.serve(OK));
    assert_eq!(reply.unwrap().body, b"ok");
}

#[tokio::test]
async fn a_server_that_never_answers_is_left_at_the_stall_deadline() {
    let (mut client, server) = (Client::new(), Server::new().await);
    let chunks = client.start(&server, 1).await;
    client.wants_chunk().await;
    chunks.send(Bytes::from_static(b"a")).await.unwrap();
    let mut peer = server.accept().await;
    peer.head().await;
    peer.read(1).await;
    later(STALL).await;
    let reply = client.done().await;
    assert!(matches!(reply, Err(SendError::Stalled)), "{reply:?}");
    peer.closed().await;
}

#[tokio::test]
async fn a_request_lives_as_long_as_bytes_move() {
    let (mut client, server) = (Client::new(), Server::new().await);
    let chunks = client.start(&server, 5).await;
    let mut peer = server.accept().await;
    peer.head().await;
    for _ in 0..5 {
        client.wants_chunk().await;
        later(STALL.mul_f32(0.9)).await;
        chunks.send(Bytes::from_static(b"a")).await.unwrap();
        peer.read(1).await;
    }
    later(STALL.mul_f32(0.9)).await;
    peer.say(OK).await;
    assert_eq!(client.done().await.unwrap().status, 200);
}

#[tokio::test]
async fn an_answer_that_trickles_or_never_begins_meets_a_deadline() {
    for drip in ["HTTP/1.1 100 Continue\r\n\r\n", "X"] {
        let server = Server::new().await;
        let mut client = Client::new();
        let sender = client.start(&server, 1).await;
        let mut peer = server.accept().await;
        client.wants_chunk().await;
        sender.send(Bytes::from_static(b"x")).await.unwrap();
        peer.head().await;
        peer.read(1).await;
        if drip == "X" {
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
        }
        let mut waited = Duration::ZERO;
        let reply = loop {
            peer.say(drip).await;
            // Real time, for the byte to arrive before the clock moves.
            let done = timeout(Duration::from_millis(20), client.done()).await;
            if let Ok(reply) = done {
                break reply;
            }
            assert!(waited <= ANSWER, "{waited:?}");
            later(STALL / 4).await;
            waited += STALL / 4;
        };
        assert!(matches!(reply, Err(SendError::Unanswered)), "{reply:?}");
        assert!(waited >= ANSWER - STALL / 4, "{waited:?}");
        peer.closed().await;
    }
}

#[tokio::test]
async fn a_connection_cut_within_the_answer_is_broken_and_the_next_request_opens_one() {
    let (mut client, server) = (Client::new(), Server::new().await);
    for part in ["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "HTTP/1.1 200", ""] {
        let served = async {
            let (peer, ..) = server.serve(part).await;
            peer.close().await;
        };
        let (reply, ()) = tokio::join!(client.post(&server, &["a"]), served);
        assert!(matches!(reply, Err(SendError::Broken(_))), "{part}: {reply:?}");
    }
    let (reply, _) = tokio::join!(client.post(&server, &["b"]), server.serve(OK));
    assert_eq!(reply.unwrap().status, 200);
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_counts_and_the_rest_is_not_sent() {
    let (mut client, server) = (Client::new(), Server::new().await);
    let chunks = client.start(&server, 10).await;
    client.wants_chunk().await;
    let mut peer = server.accept().await;
    peer.head().await;
    peer.say("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(client.done().await.unwrap().status, 413);
    // The owner lets go of the request that is over, and the next one must not be taken for its body.
    drop(chunks);
    let (reply, (_peer, _, body)) = tokio::join!(client.post(&server, &THREE_CHUNKS), server.serve(OK));
    assert_eq!((reply.unwrap().status, &body[..]), (200, "one two three"));
    peer.closed().await;
}

#[tokio::test]
async fn a_refused_connection_is_a_failure_to_connect() {
    let (mut client, server) = (Client::new(), Server::new().await);
    let gone = Server(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let target = gone.target();
    drop(gone);
    let (_sender, chunks) = mpsc::channel(1);
    client.requests.send(Request { number: 0, target, headers: vec![], length: 1, chunks }).await.unwrap();
    let reply = client.done().await;
    assert!(matches!(reply, Err(SendError::Connect(_))), "{reply:?}");
    let (reply, _) = tokio::join!(client.post(&server, &["a"]), server.serve(OK));
    assert_eq!(reply.unwrap().status, 200);
}

#[tokio::test]
async fn the_task_ends_with_its_requests_and_closes_its_connection() {
    let (mut client, server) = (Client::new(), Server::new().await);
    let (_, (mut peer, ..)) = tokio::join!(client.post(&server, &["a"]), server.serve(OK));
    drop(client.requests);
    assert!(client.events.recv().await.is_none());
    peer.closed().await;
}

#[tokio::test]
async fn an_answer_that_never_begins_ends_the_request_after_some_bytes() {
    let server = Server::new().await;
    let mut client = Client::new();
    let start = time::Instant::now();
    let flood = async {
        let (mut peer, ..) = server.serve("").await;
        let many = "HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
        while peer.0.write_all(many.as_bytes()).await.is_ok() {}
    };
    let (reply, ()) = tokio::join!(client.post(&server, &["x"]), flood);
    assert!(matches!(reply, Err(SendError::Broken(_))), "{reply:?}");
    let said = error_chain(&reply.unwrap_err());
    assert_eq!(said, "the connection to the service broke: it sent more than 491520 bytes, and the answer has no end");
    assert!(start.elapsed() < ANSWER);
}
