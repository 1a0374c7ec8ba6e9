//! A request to the service, and the events about it.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::error::SendError;
use crate::config::EndpointUrl;
use crate::firehose::sign::Header;

/// A request; its body follows through `chunks`.
#[derive(Debug)]
pub struct Request {
    /// Identifies the request in [`Event`]s.
    pub number: u64,
    /// The endpoint.
    pub target: EndpointUrl,
    /// All headers but `Content-Length`.
    pub headers: Vec<Header>,
    /// Bytes of the body.
    pub length: usize,
    /// Chunks, one for each [`Event::WantsChunk`]. The channel has a capacity of one.
    pub chunks: mpsc::Receiver<Bytes>,
}

/// An event of a connection.
#[derive(Debug)]
pub enum Event {
    /// The next chunk of the body can be sent.
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
    /// Header `Date`, unless the header `Age` shows that a cache answered.
    pub date: Option<String>,
    /// At most [`REPLY_BYTES`](crate::limits::REPLY_BYTES).
    pub body: Vec<u8>,
}
