//! The body of any request: of known length and asked for chunk by chunk, or empty.
//!
//! There is one type for all requests, so that the HTTP client is compiled once.

use core::convert::Infallible;
use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::request::Event;

/// A body whose chunks are asked for one by one with [`Event::WantsChunk`]; empty by default.
#[derive(Debug, Default)]
pub(crate) struct ChunkBody {
    left: u64,
    source: Option<Source>,
}

/// Where chunks come from.
#[derive(Debug)]
struct Source {
    number: u64,
    asked: bool,
    chunks: mpsc::Receiver<Bytes>,
    events: mpsc::Sender<Event>,
}

impl ChunkBody {
    pub(crate) const fn new(
        number: u64,
        length: usize,
        chunks: mpsc::Receiver<Bytes>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self { left: length as u64, source: Some(Source { number, asked: false, chunks, events }) }
    }
}

impl Body for ChunkBody {
    type Data = Bytes;
    type Error = Infallible;

    /// Ends early when the sender of chunks is dropped; hyper then closes the connection, because the length is wrong.
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Self { left, source } = &mut *self;
        let Some(source) = source.as_mut().filter(|_| *left > 0) else { return Poll::Ready(None) };
        if !source.asked {
            let event = Event::WantsChunk { number: source.number };
            if source.events.try_send(event).is_err() {
                return Poll::Ready(None);
            }
            source.asked = true;
        }
        let chunk = core::task::ready!(source.chunks.poll_recv(cx));
        source.asked = false;
        Poll::Ready(chunk.map(|chunk| {
            *left = left.saturating_sub(chunk.len() as u64);
            Ok(Frame::data(chunk))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
