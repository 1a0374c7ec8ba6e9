//! One type for plain and TLS connections, so that MQTT and HTTP are written once.

use core::{
    pin::Pin,
    task::{Context, Poll},
};
use std::{io, net::SocketAddr, sync::Arc};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::socket::Socket;
use crate::transport::tls::{OwnCertificate, OwnRefused};

/// A connection, ready for the protocol on top of it.
#[derive(Debug)]
pub enum Stream {
    /// TCP alone.
    Plain(Socket),
    /// TLS over TCP, or over TLS with a proxy; boxed, as its state is about 1 KiB. With our certificate, if we have
    /// one.
    Tls(Box<TlsStream<Self>>, Option<Arc<OwnCertificate>>),
}

impl Stream {
    /// The peer's address; `None`: the connection is closed.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Plain(stream) => stream.peer(),
            Self::Tls(stream, _) => stream.get_ref().0.peer(),
        }
    }

    /// See [`Socket::rest`].
    pub(crate) fn rest(&mut self) {
        match self {
            Self::Plain(stream) => stream.rest(),
            Self::Tls(stream, _) => stream.get_mut().0.rest(),
        }
    }

    /// See [`Socket::receive_buffer`].
    pub(crate) fn receive_buffer(&self) -> usize {
        match self {
            Self::Plain(stream) => stream.receive_buffer(),
            Self::Tls(stream, _) => stream.get_ref().0.receive_buffer(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream, own) => {
                Pin::new(stream).poll_read(cx, buf).map_err(|cause| OwnRefused::explain(cause, own.as_ref()))
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream, _) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream, _) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream, _) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream, _) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream, _) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
