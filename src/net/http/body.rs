//! A request body of known length that is asked for chunk by chunk.

use core::convert::Infallible;
use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::Event;

/// See the module.
#[derive(Debug)]
pub(super) struct ChunkBody {
    number: u64,
    left: u64,
    asked: bool,
    chunks: mpsc::Receiver<Bytes>,
    events: mpsc::Sender<Event>,
}

impl ChunkBody {
    pub(super) const fn new(
        number: u64,
        length: usize,
        chunks: mpsc::Receiver<Bytes>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self { number, left: length as u64, asked: false, chunks, events }
    }
}

impl Body for ChunkBody {
    type Data = Bytes;
    type Error = Infallible;

    /// Ends early when nobody sends chunks any more; hyper then breaks the connection, because the length is wrong.
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if !self.asked {
            let event = Event::WantsChunk { number: self.number };
            if self.events.try_send(event).is_err() {
                return Poll::Ready(None);
            }
            self.asked = true;
        }
        let chunk = core::task::ready!(self.chunks.poll_recv(cx));
        self.asked = false;
        Poll::Ready(chunk.map(|chunk| {
            self.left = self.left.saturating_sub(chunk.len() as u64);
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
