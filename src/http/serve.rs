//! Requests to the service: one task for each connection, one request at a time on it, kept alive between requests.
//!
//! Time-outs judge progress, not duration: a request lives as long as bytes move. Only what comes after its last byte has an
//! end in any case.

use std::sync::Arc;

use http_body::Body as _;
use hyper::Method;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AGE, DATE, HeaderMap};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{ChunkBody, Event, Progress, Reply, Request, SendError, Tally, Watched};
use crate::config::EndpointUrl;
use crate::limits::{ANSWER, HTTP_BUFFER_BYTES, KEEP_ALIVE, REPLY_BYTES, STALL, net::SERVICE_SEND_BUFFER};
use crate::transport::connect::{Stream, connect};
use crate::transport::route::Route;
use crate::transport::tls::Tls;

/// Sends each of `requests` and says how it ended through `events`, which must have room for two events of each connection.
/// Counts in `connected` each connection that stands. Ends when `requests` is closed.
pub async fn serve(
    requests: mpsc::Receiver<Request>,
    events: mpsc::Sender<Event>,
    route: Route,
    tls: Tls,
    connected: Tally,
) {
    serve_from(None, requests, events, route, tls, connected).await;
}

/// The same as [`serve`], beginning with a connection to `target` that stands already.
pub async fn serve_over(
    stream: Stream,
    target: EndpointUrl,
    requests: mpsc::Receiver<Request>,
    events: mpsc::Sender<Event>,
    route: Route,
    tls: Tls,
) {
    // One that broke meanwhile is opened again for the first request.
    let open = Open::over(stream, target).await.ok();
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
            Some(_) => timeout(KEEP_ALIVE, requests.recv()).await,
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

/// A connection and the task that drives it.
struct Open {
    target: EndpointUrl,
    sender: SendRequest<ChunkBody>,
    progress: Arc<Progress>,
    driver: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.driver.abort();
    }
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
        // A value that has been signed is a valid one.
        if let Ok(value) = header.value.try_into() {
            message.headers_mut().insert(header.name, value);
        }
    }
    // A kept connection may have been closed by the other side; then nothing was sent, and a new one is tried.
    if let Some(kept) = open.take().filter(|kept| kept.target == target && !kept.sender.is_closed()) {
        match send(open.insert(kept), message).await {
            Err(Failed::NotSent(unsent)) => message = *unsent,
            Err(Failed::Sent(error)) => return Err(error),
            Ok(reply) => return Ok(reply),
        }
    }
    let fresh = Open::new(target, route, tls).await?;
    connected.count();
    match send(open.insert(fresh), message).await {
        Ok(reply) => Ok(reply),
        Err(Failed::NotSent(_)) => Err(SendError::Closed),
        Err(Failed::Sent(error)) => Err(error),
    }
}

enum Failed {
    NotSent(Box<hyper::Request<ChunkBody>>),
    Sent(SendError),
}

impl From<SendError> for Failed {
    fn from(error: SendError) -> Self {
        Self::Sent(error)
    }
}

async fn send(open: &mut Open, message: hyper::Request<ChunkBody>) -> Result<Reply, Failed> {
    open.progress.wrote();
    let progress = Arc::clone(&open.progress);
    tokio::select! {
        reply = reply(&mut open.sender, message) => reply,
        () = progress.stalled(STALL) => Err(SendError::Stalled.into()),
        () = progress.unanswered(ANSWER) => Err(SendError::Unanswered.into()),
    }
}

async fn reply(sender: &mut SendRequest<ChunkBody>, message: hyper::Request<ChunkBody>) -> Result<Reply, Failed> {
    let response = sender.try_send_request(message).await.map_err(|mut error| match error.take_message() {
        Some(message) => Failed::NotSent(Box::new(message)),
        None => Failed::Sent(SendError::Broken(error.into_error())),
    })?;
    let (head, mut incoming) = response.into_parts();
    // Taken at once, because a vector that grows takes twice its size for a moment.
    let expected = incoming.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let mut body = Vec::with_capacity(expected.map_or(REPLY_BYTES, |length| length.min(REPLY_BYTES)));
    loop {
        let frame = core::future::poll_fn(|cx| core::pin::Pin::new(&mut incoming).poll_frame(cx)).await;
        let Some(frame) = frame.transpose().map_err(SendError::Broken)? else { break };
        let Ok(data) = frame.into_data() else { continue };
        if body.len() + data.len() > REPLY_BYTES {
            return Err(SendError::ReplyTooLong.into());
        }
        body.extend_from_slice(&data);
    }
    let text = |headers: &HeaderMap, name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
    let date = if head.headers.contains_key(AGE) { None } else { text(&head.headers, DATE.as_str()) };
    Ok(Reply { status: head.status.as_u16(), error_type: text(&head.headers, "x-amzn-errortype"), date, body })
}

impl Open {
    async fn new(target: EndpointUrl, route: &Route, tls: &Tls) -> Result<Self, SendError> {
        let tls = target.tls.then_some(tls);
        let stream = connect(route, &target.host, target.port, tls, Some(SERVICE_SEND_BUFFER))
            .await
            .map_err(SendError::Connect)?;
        Self::over(stream, target).await
    }

    async fn over(stream: Stream, target: EndpointUrl) -> Result<Self, SendError> {
        let progress = Arc::new(Progress::default());
        let io = TokioIo::new(Watched::new(stream, Arc::clone(&progress)));
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HTTP_BUFFER_BYTES);
        let (sender, connection) = builder.handshake(io).await.map_err(SendError::Broken)?;
        let driver = tokio::spawn(async move {
            // What goes wrong here comes out of the request, too.
            let _: Result<(), hyper::Error> = connection.await;
        });
        Ok(Self { target, sender, progress, driver })
    }
}

#[cfg(test)]
mod tests;
