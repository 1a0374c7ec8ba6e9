//! A TCP connection that may rest: what arrives then gathers in the kernel, and wakes nobody.
//!
//! Not to read would not be enough: the poller wakes the thread for each segment all the same. So while the connection
//! rests the poller does not know it.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::{io, net::SocketAddr, net::TcpStream as Unwatched};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP connection.
#[derive(Debug)]
pub struct Socket(State);

#[derive(Debug)]
enum State {
    Watched(TcpStream),
    Resting(Unwatched),
    /// The poller failed to give it up, or to take it.
    Lost,
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self(State::Watched(stream))
    }
}

impl Socket {
    /// Begins a rest, in which what arrives wakes nobody. It ends when something is read or written.
    pub(crate) fn rest(&mut self) {
        if let State::Watched(_) = self.0
            && let State::Watched(stream) = core::mem::replace(&mut self.0, State::Lost)
            && let Ok(stream) = stream.into_std()
        {
            self.0 = State::Resting(stream);
        }
    }

    /// Bytes of the kernel's buffer for what arrives, its own accounting included; zero when it is not known.
    pub(crate) fn receive_buffer(&self) -> usize {
        self.as_socket().and_then(|socket| socket.recv_buffer_size().ok()).unwrap_or_default()
    }

    /// The peer's address; `None`: the connection is closed.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.as_socket()?.peer_addr().ok()?.as_socket()
    }

    pub(super) fn as_socket(&self) -> Option<SockRef<'_>> {
        match &self.0 {
            State::Watched(stream) => Some(stream.into()),
            State::Resting(stream) => Some(stream.into()),
            State::Lost => None,
        }
    }

    /// Ends a rest.
    fn watched(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        if let State::Resting(_) = self.0
            && let State::Resting(stream) = core::mem::replace(&mut self.0, State::Lost)
        {
            // The poller says at once whether something is there to be read.
            self.0 = State::Watched(TcpStream::from_std(stream)?);
        }
        match &mut self.0 {
            State::Watched(stream) => Ok(Pin::new(stream)),
            State::Resting(_) | State::Lost => Err(lost()),
        }
    }
}

fn lost() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().watched()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().watched()?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().watched()?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TCP has nothing to flush here; so that does not end a rest.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().watched()?.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_arrives_during_a_rest_is_read_after_it_and_writing_goes_on() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut socket = Socket::from(TcpStream::connect(address).await.unwrap());
        let (mut peer, _) = listener.accept().await.unwrap();
        for round in [b"first", b"other"] {
            socket.rest();
            peer.write_all(round).await.unwrap();
            assert!(socket.receive_buffer() > 0);
            assert_eq!(socket.peer(), Some(address));
            let mut read = [0; 5];
            socket.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, round);
            socket.rest();
            socket.write_all(&read).await.unwrap();
            peer.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, round);
        }
        socket.rest();
        drop(peer);
        assert_eq!(socket.read(&mut [0]).await.unwrap(), 0, "the end of the connection, too");
    }
}
