//! A connection that remembers when bytes last moved, and when some were written.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Duration, Instant, sleep_until};

use crate::limits::ANSWER_BYTES;
use crate::transport::connect::Stream;

/// When bytes last moved, in milliseconds since `start`; shared between the connection and those that wait for it.
#[derive(Debug)]
pub(super) struct ByteProgress {
    start: Instant,
    moved: AtomicU64,
    written: AtomicU64,
    /// Bytes read since some were last written.
    bytes: AtomicU64,
}

impl Default for ByteProgress {
    fn default() -> Self {
        Self { start: Instant::now(), moved: AtomicU64::new(0), written: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }
}

impl ByteProgress {
    /// So many bytes were read just now.
    ///
    /// # Errors
    /// They are more than any answer has.
    fn read(&self, bytes: usize) -> io::Result<()> {
        self.moved.store(self.now(), Ordering::Relaxed);
        let before = self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if before > ANSWER_BYTES {
            return Err(io::Error::other(format!("it sent more than {ANSWER_BYTES} bytes, and the answer has no end")));
        }
        Ok(())
    }

    /// Bytes were written just now, or a request starts.
    pub(super) fn wrote(&self) {
        self.moved.store(self.now(), Ordering::Relaxed);
        self.written.store(self.now(), Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// Completes when no byte has moved for `limit`.
    pub(super) async fn stalled(&self, limit: Duration) {
        self.passed(&self.moved, limit).await;
    }

    /// Completes when no byte was written for `limit`.
    pub(super) async fn unanswered(&self, limit: Duration) {
        self.passed(&self.written, limit).await;
    }

    async fn passed(&self, last: &AtomicU64, limit: Duration) {
        loop {
            let end = self.start + Duration::from_millis(last.load(Ordering::Relaxed)) + limit;
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A stream that keeps its [`ByteProgress`] up to date.
#[derive(Debug)]
pub(super) struct Watched {
    stream: Stream,
    progress: Arc<ByteProgress>,
}

impl Watched {
    pub(super) const fn new(stream: Stream, progress: Arc<ByteProgress>) -> Self {
        Self { stream, progress }
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.progress.wrote();
        }
        written
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        match buf.filled().len() - before {
            0 => read,
            bytes => self.progress.read(bytes).map_or_else(|error| Poll::Ready(Err(error)), |()| read),
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
