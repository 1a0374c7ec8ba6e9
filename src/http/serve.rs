//! Requests to the service: one task for each connection, one request at a time on it, kept alive between requests.
//!
//! Deadlines judge progress, not duration: a request goes on as long as bytes move. Only the time from its last byte to
//! the end of the answer is bounded.

use hyper::header::{AGE, DATE};
use hyper::{Method, Response};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::body::ChunkBody;
use super::connection::{Connection, Failure};
use super::error::SendError;
use super::request::{Event, Reply, Request};
use super::tally::Tally;
use crate::config::EndpointUrl;
use crate::limits::{ANSWER, HTTP_BUFFER_BYTES, REPLY_BYTES, SERVICE_IDLE, STALL};
use crate::transport::connect::{Buffers, Stream};
use crate::transport::route::Route;
use crate::transport::tls::Tls;

/// Sends each of `requests` and reports through `events`, which must have room for two events of each connection.
/// `connected` counts the connections that are established. Ends when `requests` is closed.
pub async fn serve(
    requests: mpsc::Receiver<Request>,
    events: mpsc::Sender<Event>,
    route: Route,
    tls: Tls,
    connected: Tally,
) {
    serve_from(None, requests, events, route, tls, connected).await;
}

/// As [`serve`], starting with a connection to `target` that is already established.
pub async fn serve_over(
    stream: Stream,
    target: EndpointUrl,
    requests: mpsc::Receiver<Request>,
    events: mpsc::Sender<Event>,
    route: Route,
    tls: Tls,
) {
    // If it has broken meanwhile, the first request opens another one.
    let connection = Connection::over(stream, HTTP_BUFFER_BYTES).await.ok();
    let open = connection.map(|connection| Open { target, connection });
    serve_from(open, requests, events, route, tls, Tally::default()).await;
}

async fn serve_from(
    mut open: Option<Open>,
    mut requests: mpsc::Receiver<Request>,
    events: mpsc::Sender<Event>,
    route: Route,
    tls: Tls,
    connected: Tally,
) {
    loop {
        let next = match &open {
            Some(_) => timeout(SERVICE_IDLE, requests.recv()).await,
            None => Ok(requests.recv().await),
        };
        let request = match next {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(_) => {
                open = None;
                continue;
            }
        };
        let number = request.number;
        let result = exchange(&mut open, request, &events, &route, &tls, &connected).await;
        if result.is_err() {
            open = None;
        }
        if events.send(Event::Done { number, result }).await.is_err() {
            return;
        }
    }
}

/// A connection that is kept for the next request.
struct Open {
    target: EndpointUrl,
    connection: Connection,
}

async fn exchange(
    open: &mut Option<Open>,
    request: Request,
    events: &mpsc::Sender<Event>,
    route: &Route,
    tls: &Tls,
    connected: &Tally,
) -> Result<Reply, SendError> {
    let Request { number, target, headers, length, chunks } = request;
    let mut message = hyper::Request::new(ChunkBody::new(number, length, chunks, events.clone()));
    *message.method_mut() = Method::POST;
    for header in headers {
        // A value that could be signed is valid.
        if let Ok(value) = header.value.try_into() {
            message.headers_mut().insert(header.name, value);
        }
    }
    // The peer may have closed an idle connection; then nothing was sent, and a new one is tried.
    if let Some(kept) = open.take().filter(|kept| kept.target == target && !kept.connection.is_closed()) {
        match send(&mut open.insert(kept).connection, message).await? {
            Err(Failure::NotSent(unsent, _)) => message = *unsent,
            answer => return Ok(answer?),
        }
    }
    let connection = Connection::open(&target, route, tls, Buffers::SERVICE, HTTP_BUFFER_BYTES).await?;
    connected.count();
    Ok(send(&mut open.insert(Open { target, connection }).connection, message).await??)
}

/// The inner result is that of the connection; the outer one fails at a deadline.
async fn send(
    connection: &mut Connection,
    message: hyper::Request<ChunkBody>,
) -> Result<Result<Reply, Failure>, SendError> {
    let progress = connection.progress();
    progress.wrote();
    tokio::select! {
        answer = connection.send(message, REPLY_BYTES) => Ok(answer.map(Reply::from)),
        () = progress.stalled(STALL) => Err(SendError::Stalled),
        () = progress.unanswered(ANSWER) => Err(SendError::Unanswered),
    }
}

impl From<Failure> for SendError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Connect(cause) => Self::Connect(cause),
            Failure::NotSent(..) => Self::Closed,
            Failure::Broken(cause) => Self::Broken(cause),
            Failure::TooLong => Self::ReplyTooLong,
        }
    }
}

impl From<Response<Vec<u8>>> for Reply {
    fn from(answer: Response<Vec<u8>>) -> Self {
        let (head, body) = answer.into_parts();
        let text = |name: &str| head.headers.get(name)?.to_str().ok().map(str::to_owned);
        let date = if head.headers.contains_key(AGE) { None } else { text(DATE.as_str()) };
        Self { status: head.status.as_u16(), error_type: text("x-amzn-errortype"), date, body }
    }
}

#[cfg(test)]
mod tests;
