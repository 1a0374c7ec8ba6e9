//! A request to the service, and what is heard of it.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::error::SendError;
use crate::config::EndpointUrl;
use crate::firehose::sign::Header;

/// A request; its body follows through `chunks`.
#[derive(Debug)]
pub struct Request {
    /// Names the request in [`Event`]s.
    pub number: u64,
    /// Where it goes.
    pub target: EndpointUrl,
    /// All headers but `Content-Length`.
    pub headers: Vec<Header>,
    /// Bytes of the body.
    pub length: usize,
    /// Each chunk answers one [`Event::WantsChunk`]. Of capacity one.
    pub chunks: mpsc::Receiver<Bytes>,
}

/// What a connection says.
#[derive(Debug)]
pub enum Event {
    /// The request can take another chunk of its body.
    WantsChunk {
        /// [`Request::number`]
        number: u64,
    },
    /// The request is over.
    Done {
        /// [`Request::number`]
        number: u64,
        /// What came back.
        result: Result<Reply, SendError>,
    },
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header `x-amzn-ErrorType`.
    pub error_type: Option<String>,
    /// Header `Date`, unless a cache on the way says that the answer is old.
    pub date: Option<String>,
    /// At most [`REPLY_BYTES`](crate::limits::REPLY_BYTES).
    pub body: Vec<u8>,
}
