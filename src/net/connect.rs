//! Opens a connection: name, addresses, TCP, TLS, each with a time limit from `limits::net`.
//!
//! The name is resolved for each attempt, because a device outlives addresses. Reconnecting and backing off is left to
//! the callers.

mod error;
mod stream;
#[cfg(test)]
mod tests;

pub use error::{ConnectError, ConnectFailure, Step, TlsFailure};
pub use stream::Stream;

use std::{io, net::SocketAddr};

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;

use crate::{
    limits::net as limits,
    net::{names::Names, tls::Tls},
};

/// Connects to `host` (name or address, without brackets), looked up by `names`, over TLS if `tls` is given.
///
/// `send_buffer` bounds what the kernel holds unsent, in bytes; `None` leaves it to the kernel.
///
/// # Errors
/// The failure of the last step, and of TCP the most telling one of all addresses.
pub async fn connect(
    names: &Names,
    host: &str,
    port: u16,
    tls: Option<&Tls>,
    send_buffer: Option<u32>,
) -> Result<Stream, ConnectError> {
    connect_watched(names, host, port, tls, send_buffer, None).await
}

/// How far an attempt has come.
#[derive(Debug)]
pub enum Reached {
    /// The name has these addresses.
    Addresses(Vec<SocketAddr>),
    /// TCP stands to this one; `None`: to one that has gone again.
    Peer(Option<SocketAddr>),
}

/// The same as [`connect`], for one who wants to see how far it comes. `watch` needs room for two.
///
/// # Errors
/// As [`connect`].
pub async fn connect_watched(
    names: &Names,
    host: &str,
    port: u16,
    tls: Option<&Tls>,
    send_buffer: Option<u32>,
    watch: Option<&mpsc::Sender<Reached>>,
) -> Result<Stream, ConnectError> {
    let error = |(failure, address, cause)| ConnectError {
        host: host.into(),
        port,
        address,
        failure,
        ca_variable: tls.map_or("", Tls::ca_variable),
        issuer: tls.filter(|_| failure == ConnectFailure::Tls(TlsFailure::UnknownIssuer)).and_then(Tls::stranger),
        cause,
    };
    let tell = |reached: &dyn Fn() -> Reached| {
        if let Some(watch) = watch {
            // Without room nobody looks.
            let _: Result<(), _> = watch.try_send(reached());
        }
    };
    let addresses = alternate_families(names.resolve(host, port).await.map_err(error)?.into_iter());
    tell(&|| Reached::Addresses(addresses.clone()));
    let stream = connect_any(&addresses, send_buffer).await.map_err(error)?;
    let address = stream.peer_addr().ok();
    tell(&|| Reached::Peer(address));
    let Some(tls) = tls else { return Ok(Stream::Plain(stream)) };
    handshake(host, stream, tls).await.map_err(|(failure, cause)| error((failure, address, cause)))
}

pub(super) type Failed = (ConnectFailure, Option<SocketAddr>, Option<io::Error>);

/// The resolver's order, but no family twice in a row while the other has some left: with a broken IPv6 route the
/// second attempt already succeeds.
fn alternate_families(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses = addresses.peekable();
    let first_is_v4 = addresses.peek().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) = addresses.partition(|address| address.is_ipv4() == first_is_v4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    core::iter::from_fn(|| Some([first.next(), second.next()]))
        .take_while(|pair| pair.iter().any(Option::is_some))
        .flatten()
        .flatten()
        .take(limits::MAX_ADDRESSES)
        .collect()
}

async fn connect_any(addresses: &[SocketAddr], send_buffer: Option<u32>) -> Result<TcpStream, Failed> {
    let end = Instant::now() + limits::CONNECT_TIMEOUT;
    let mut worst: Failed = (ConnectFailure::NameNotResolved, None, None);
    for &address in addresses {
        let limit = end.min(Instant::now() + limits::CONNECT_ADDRESS_TIMEOUT);
        let (failure, cause) = match timeout_at(limit, connect_one(address, send_buffer)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(cause)) if cause.kind() == io::ErrorKind::ConnectionRefused => {
                (ConnectFailure::Refused, Some(cause))
            }
            Ok(Err(cause)) if cause.kind() == io::ErrorKind::TimedOut => {
                (ConnectFailure::TimedOut(Step::Connect), Some(cause))
            }
            Ok(Err(cause)) => (ConnectFailure::Unreachable, Some(cause)),
            Err(_) => (ConnectFailure::TimedOut(Step::Connect), None),
        };
        if tells(failure) > tells(worst.0) {
            worst = (failure, Some(address), cause);
        }
        if Instant::now() >= end {
            break;
        }
    }
    Err(worst)
}

/// How much a failure of one address says about the peer: a missing IPv6 route says nothing.
const fn tells(failure: ConnectFailure) -> u8 {
    match failure {
        ConnectFailure::Refused => 3,
        ConnectFailure::TimedOut(_) => 2,
        ConnectFailure::Unreachable => 1,
        ConnectFailure::NoSuchName | ConnectFailure::NameNotResolved | ConnectFailure::Tls(_) => 0,
    }
}

async fn connect_one(address: SocketAddr, send_buffer: Option<u32>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(bytes) = send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    let probes = TcpKeepalive::new().with_time(limits::KEEPALIVE_IDLE).with_interval(limits::KEEPALIVE_INTERVAL);
    SockRef::from(&stream).set_tcp_keepalive(&probes)?;
    Ok(stream)
}

async fn handshake(host: &str, stream: TcpStream, tls: &Tls) -> Result<Stream, (ConnectFailure, Option<io::Error>)> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| (ConnectFailure::Tls(TlsFailure::InvalidName), None))?;
    let connector = TlsConnector::from(tls.config().clone());
    let handshake =
        connector.connect_with(name, stream, |connection| connection.set_buffer_limit(Some(limits::TLS_BUFFER)));
    match timeout(limits::TLS_HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream))),
        Ok(Err(cause)) => {
            let failure = TlsFailure::of(&cause).unwrap_or(TlsFailure::Closed);
            Err((ConnectFailure::Tls(failure), Some(cause)))
        }
        Err(_) => Err((ConnectFailure::TimedOut(Step::TlsHandshake), None)),
    }
}
