//! A connection that counts what is read from it: a large packet on a slow link takes minutes, and its bytes are signs of
//! life long before it is whole.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::transport::connect::Stream;

/// A connection that counts the bytes read from it.
#[derive(Debug)]
pub(super) struct CountedStream {
    stream: Stream,
    /// Bytes read since this was last reset.
    pub(super) read: usize,
    /// When the last of them were read.
    pub(super) last: Instant,
}

impl CountedStream {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, read: 0, last: Instant::now() }
    }

    /// What arrives from now on wakes nobody, until something is read or written.
    pub(super) fn rest(&mut self) {
        self.stream.rest();
    }

    /// Bytes of the kernel's buffer for what arrives.
    pub(super) fn receive_buffer(&self) -> usize {
        self.stream.receive_buffer()
    }
}

impl AsyncRead for CountedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = buf.filled().len() - before;
        if read > 0 {
            self.read = self.read.saturating_add(read);
            self.last = Instant::now();
        }
        result
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
