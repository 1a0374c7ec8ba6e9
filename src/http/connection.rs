//! An HTTP/1.1 connection, plain or with TLS, and the task that drives it.

use core::future::poll_fn;
use core::pin::Pin;
use std::sync::Arc;

use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;

use super::body::ChunkBody;
use super::progress::{ByteProgress, Watched};
use crate::config::EndpointUrl;
use crate::transport::connect::{Buffers, ConnectError, Stream, connect};
use crate::transport::route::Route;
use crate::transport::tls::Tls;

/// A connection, which is closed when this is dropped.
pub(super) struct Connection {
    sender: SendRequest<ChunkBody>,
    progress: Arc<ByteProgress>,
    driver: JoinHandle<()>,
}

/// Why there is no answer.
pub(super) enum Failure {
    /// It could not be established.
    Connect(ConnectError),
    /// It was closed before any of the request was sent; the request comes back.
    NotSent(Box<Request<ChunkBody>>, hyper::Error),
    /// It broke, or the peer's answer is not HTTP.
    Broken(hyper::Error),
    /// The answer is longer than the limit.
    TooLong,
}

impl Connection {
    /// Connects to `endpoint`; `tls` is for one with `https`. `buffers` bounds what the kernel holds unsent and
    /// `buffer` what hyper holds in each direction, both in bytes.
    pub(super) async fn open(
        endpoint: &EndpointUrl,
        route: &Route,
        tls: &Tls,
        buffers: Buffers,
        buffer: usize,
    ) -> Result<Self, Failure> {
        let tls = endpoint.tls.then_some(tls);
        let stream = connect(route, &endpoint.host, endpoint.port, tls, buffers).await.map_err(Failure::Connect)?;
        Self::over(stream, buffer).await
    }

    /// As [`Connection::open`], over a stream that is already established.
    pub(super) async fn over(stream: Stream, buffer: usize) -> Result<Self, Failure> {
        let progress = Arc::new(ByteProgress::default());
        let io = TokioIo::new(Watched::new(stream, Arc::clone(&progress)));
        let mut builder = http1::Builder::new();
        builder.max_buf_size(buffer);
        let (sender, connection) = builder.handshake(io).await.map_err(Failure::Broken)?;
        let driver = tokio::spawn(async move {
            // Its error also ends the request, and is reported there.
            let _: Result<(), hyper::Error> = connection.await;
        });
        Ok(Self { sender, progress, driver })
    }

    /// Whether the peer has closed it.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// When bytes last moved on it.
    pub(super) fn progress(&self) -> Arc<ByteProgress> {
        Arc::clone(&self.progress)
    }

    /// Sends a request and reads the whole answer, of at most `most` bytes.
    pub(super) async fn send(
        &mut self,
        request: Request<ChunkBody>,
        most: usize,
    ) -> Result<Response<Vec<u8>>, Failure> {
        let sent = self.sender.try_send_request(request).await.map_err(|mut error| match error.take_message() {
            Some(request) => Failure::NotSent(Box::new(request), error.into_error()),
            None => Failure::Broken(error.into_error()),
        })?;
        let (head, body) = sent.into_parts();
        Ok(Response::from_parts(head, read(body, most).await?))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn read(mut body: Incoming, most: usize) -> Result<Vec<u8>, Failure> {
    // Allocated at once, because a growing vector briefly takes twice its size.
    let length = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let mut bytes = Vec::with_capacity(length.map_or(most, |length| length.min(most)));
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.map_err(Failure::Broken)?.into_data() else { continue };
        if bytes.len() + data.len() > most {
            return Err(Failure::TooLong);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}
