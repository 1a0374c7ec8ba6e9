//! Batches on their way: signs them, feeds their bodies to the connections, and turns answers into outcomes.

use core::fmt;

use bytes::{Bytes, BytesMut};
use ring::digest::{Context, SHA256};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::config::{Aws, EndpointUrl};
use crate::error_chain::error_chain;
use crate::firehose::credentials::Credentials;
use crate::firehose::error_code::Class;
use crate::firehose::reply::{self, Answer, Unreadable};
use crate::firehose::request::{Call, Encoder, body_len};
use crate::firehose::sign::{SignError, Unsigned, headers};
use crate::foreign::foreign;
use crate::http::{Reply, Request, SendError};
use crate::limits::NAME_BYTES;
use crate::relay::arn::DeliveryStreamArn;
use crate::relay::outcome::Outcome;
use crate::relay::{BatchId, Relay, Settled};
use crate::time::Instant;
use crate::transport::connect::ConnectFailure;

/// The connections to the service, and the requests in flight on them.
pub(super) struct Uplink {
    aws: Aws,
    connections: Vec<Connection>,
    last_number: u64,
    scratch: BytesMut,
    chunk: usize,
    traffic: Traffic,
}

/// What went to the service since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traffic {
    /// Requests that are over, and those of them that came to nothing as a whole.
    pub(super) requests: u64,
    pub(super) requests_failed: u64,
    /// Bytes of request bodies given to a connection.
    pub(super) bytes: u64,
}

/// One connection's task, and the batch that is on it.
struct Connection {
    requests: mpsc::Sender<Request>,
    target: Option<EndpointUrl>,
    busy: Option<(BatchId, Busy)>,
}

struct Busy {
    number: u64,
    call: Call,
    packs: usize,
    records: usize,
    name: heapless::String<NAME_BYTES>,
    encoder: Encoder,
    chunks: mpsc::Sender<Bytes>,
    /// Whether any of its body was asked for.
    begun: bool,
    sent: Instant,
    signed_by: Credentials,
}

/// A request that is over, for the report.
pub(super) struct EndedRequest {
    pub(super) name: heapless::String<NAME_BYTES>,
    pub(super) settled: Settled,
    /// What went wrong with the request as a whole.
    pub(super) problem: Option<Problem>,
    /// The delivery stream's failures in a row, before and after.
    pub(super) failures: (u32, u32),
    /// Seconds by which signatures are corrected, if that is new.
    pub(super) clock_corrected: Option<i64>,
    /// The service does not accept the credentials.
    pub(super) renew_credentials: bool,
    /// They may be others by now. As long as these exist, no message shows them.
    #[expect(dead_code, reason = "it only has to live")]
    pub(super) signed_by: Credentials,
}

/// What went wrong, for the log.
pub(super) enum Problem {
    Send(SendError),
    Unreadable(Unreadable),
    Refused { code: String, message: String },
}

impl Uplink {
    /// Encodes bodies `chunk` bytes at a time.
    pub(super) fn new(aws: Aws, chunk: usize, requests: impl Iterator<Item = mpsc::Sender<Request>>) -> Self {
        let connections = requests.map(|requests| Connection { requests, target: None, busy: None }).collect();
        Self { aws, connections, last_number: 0, scratch: BytesMut::new(), chunk, traffic: Traffic::default() }
    }

    pub(super) const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Sends `batch`, or puts it back into its queue when it cannot be signed.
    pub(super) fn send(
        &mut self,
        relay: &mut Relay,
        clock: &Clock,
        batch: BatchId,
        credentials: &Credentials,
    ) -> Result<(), SignError> {
        let (prepared, result) = match self.prepare(relay, clock, &batch, credentials) {
            Ok(prepared) => (prepared, Ok(())),
            Err(error) => (None, Err(error)),
        };
        if let Some((request, busy)) = prepared
            && let Some(connection) = self.idle_connection(&request.target)
        {
            connection.target = Some(request.target.clone());
            if connection.requests.try_send(request).is_ok() {
                connection.busy = Some((batch, busy));
                return Ok(());
            }
        }
        // Not signed. Anything else cannot be: the relay has as many batches in flight as there are connections, and
        // an idle one waits for a request.
        relay.handle_outcome(clock.now(), batch, Outcome::Retry);
        result
    }

    fn prepare(
        &mut self,
        relay: &Relay,
        clock: &Clock,
        id: &BatchId,
        credentials: &Credentials,
    ) -> Result<Option<(Request, Busy)>, SignError> {
        let Some((batch, arena)) = relay.batch(id) else { return Ok(None) };
        let Some(arn) = relay.stream(id).and_then(|stream| DeliveryStreamArn::parse(stream.arn()).ok()) else {
            return Ok(None);
        };
        let call = Call::of(batch);
        let mut hash = Context::new(&SHA256);
        let mut encoder = Encoder::new(batch);
        self.scratch.resize(self.chunk, 0);
        loop {
            let length = encoder.encode(arn.name, arena, &mut self.scratch);
            if length == 0 {
                break;
            }
            hash.update(&self.scratch[..length]);
        }
        let mut body_sha256 = [0; 32];
        body_sha256.copy_from_slice(hash.finish().as_ref());
        let target = self.aws.endpoint(&arn);
        let host = target.authority();
        let unsigned = Unsigned { call, host: &host, region: arn.region, body_sha256 };
        let headers = headers(&unsigned, credentials, clock.wall())?;
        self.last_number += 1;
        let number = self.last_number;
        let (chunks, body) = mpsc::channel(1);
        let request = Request { number, target, headers, length: body_len(arn.name, batch), chunks: body };
        let name = arn.name.try_into().unwrap_or_default();
        let (packs, records) = (batch.packs, batch.records.len());
        Ok(Some((
            request,
            Busy {
                number,
                call,
                packs,
                records,
                name,
                encoder: Encoder::new(batch),
                chunks,
                begun: false,
                sent: clock.now(),
                signed_by: credentials.clone(),
            },
        )))
    }

    /// One that is kept open to the same place, if there is one.
    fn idle_connection(&mut self, target: &EndpointUrl) -> Option<&mut Connection> {
        let mut idle: Vec<_> = self.connections.iter_mut().filter(|connection| connection.busy.is_none()).collect();
        let place = idle.iter().position(|connection| connection.target.as_ref() == Some(target)).unwrap_or(0);
        (place < idle.len()).then(|| idle.swap_remove(place))
    }

    /// Gives the request `number` the next chunk of its body.
    pub(super) fn send_chunk(&mut self, relay: &Relay, now: Instant, number: u64) {
        let Some((batch, busy)) =
            self.connections.iter_mut().filter_map(|c| c.busy.as_mut()).find(|(_, busy)| busy.number == number)
        else {
            return; // asked for by a request that is over
        };
        let Some((_, arena)) = relay.batch(batch) else { return };
        // The connection has let go of the chunk before, so this takes the same memory again.
        self.scratch.resize(self.chunk, 0);
        let length = busy.encoder.encode(&busy.name, arena, &mut self.scratch);
        let chunk = self.scratch.split_to(length).freeze();
        // An answer is written after the last chunk, however long the body took.
        busy.sent = now;
        busy.begun = true;
        // It asked for one, so there is room; or it is over.
        if busy.chunks.try_send(chunk).is_ok() {
            self.traffic.bytes += length as u64;
        }
    }

    /// Puts back the batches of which nothing was sent, because there is no connection yet: they cannot be stored.
    pub(super) fn take_back(&mut self, relay: &mut Relay, now: Instant) {
        for connection in &mut self.connections {
            if let Some((batch, _)) = connection.busy.take_if(|(_, busy)| !busy.begun) {
                relay.handle_outcome(now, batch, Outcome::Retry);
            }
        }
    }

    /// Settles the request `number`.
    pub(super) fn finish(
        &mut self,
        relay: &mut Relay,
        clock: &Clock,
        number: u64,
        result: Result<Reply, SendError>,
    ) -> Option<EndedRequest> {
        let is_this =
            |connection: &&mut Connection| connection.busy.as_ref().is_some_and(|(_, busy)| busy.number == number);
        let connection = self.connections.iter_mut().find(is_this)?;
        let over_tls = connection.target.as_ref().is_some_and(|target| target.tls);
        let (batch, busy) = connection.busy.take()?;
        // An idle connector holds no buffers.
        self.scratch = BytesMut::new();
        let stream = relay.stream_index(&batch).unwrap_or_default();
        let before = relay.failures(stream);
        let now = clock.now();
        let mut done = EndedRequest {
            name: busy.name,
            settled: Settled::default(),
            problem: None,
            failures: (before, 0),
            clock_corrected: None,
            renew_credentials: false,
            signed_by: busy.signed_by,
        };
        match result {
            Err(error) => {
                let outcome = match &error {
                    SendError::ReplyTooLong => Outcome::RetrySmaller,
                    // The name of an endpoint in the configuration is no delivery stream's fault.
                    SendError::Connect(error)
                        if error.kind() == ConnectFailure::NoSuchName && self.aws.endpoint_url.is_none() =>
                    {
                        Outcome::NoSuchEndpoint
                    }
                    SendError::Connect(error) if error.kind().is_offline() => Outcome::Offline,
                    // Some things on the way look into requests, and break off instead of answering.
                    SendError::Broken(_) | SendError::Stalled | SendError::Unanswered => Outcome::RetrySplit,
                    SendError::Connect(_) | SendError::Closed => Outcome::Retry,
                };
                done.settled = relay.handle_outcome(now, batch, outcome);
                done.problem = Some(Problem::Send(error));
            }
            Ok(reply) => {
                let answer =
                    reply::Reply { status: reply.status, error_type: reply.error_type.as_deref(), body: &reply.body };
                let answer = reply::read(busy.call, busy.packs, &answer);
                // The time of a captive portal is not to be trusted.
                if !matches!(answer, Answer::Unreadable(_))
                    && reply.date.as_deref().is_some_and(|date| clock.learn(date, busy.sent, over_tls))
                {
                    done.clock_corrected = Some(clock.correction());
                }
                match answer {
                    Answer::Records(records) => {
                        done.settled = relay.handle_outcome(now, batch, Outcome::Records(&records.outcomes()));
                    }
                    Answer::Refused { class, code, message } => {
                        let outcome = match class {
                            Class::Permanent => Outcome::Rejected { code: &code, message: &message },
                            Class::TooLarge if busy.records == 1 => {
                                Outcome::Rejected { code: &code, message: &message }
                            }
                            _ => retry(class),
                        };
                        done.settled = relay.handle_outcome(now, batch, outcome);
                        // A wrong clock looks like a wrong key, so the key is in doubt only when the clock was right.
                        done.renew_credentials =
                            class == Class::Credentials || class == Class::Clock && done.clock_corrected.is_none();
                        done.problem =
                            Some(Problem::Refused { code: code.into_owned(), message: message.into_owned() });
                    }
                    Answer::Unreadable(unreadable) => {
                        done.settled = relay.handle_outcome(now, batch, retry(unreadable.class()));
                        // It may have been a proxy, and it may have been about the key; asking again does no harm.
                        done.renew_credentials = matches!(unreadable, Unreadable::NotTheService { status: 401 | 403 });
                        done.problem = Some(Problem::Unreadable(unreadable));
                    }
                }
            }
        }
        done.failures.1 = relay.failures(stream);
        self.traffic.requests += 1;
        self.traffic.requests_failed += u64::from(done.problem.is_some());
        Some(done)
    }
}

/// How records are sent again after an answer of this class.
const fn retry(class: Class) -> Outcome<'static> {
    match class {
        Class::RetrySplit => Outcome::RetrySplit,
        Class::TooLarge => Outcome::TooLarge,
        Class::Retry | Class::Credentials | Class::Clock | Class::Permanent => Outcome::Retry,
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(error) => write!(f, "{}", error_chain(error)),
            Self::Unreadable(unreadable) => unreadable.fmt(f),
            Self::Refused { code, message } if message.is_empty() => f.write_str(&foreign(code)),
            Self::Refused { code, message } => write!(f, "{}: {}", foreign(code), foreign(message)),
        }
    }
}
