//! Opens a connection: name, addresses, TCP, a proxy if there is one, TLS, each with a time limit from `limits::net`.
//!
//! The name is resolved for each attempt, because a device outlives addresses. Reconnecting and backing off is left to
//! the callers.

mod error;
mod stream;
#[cfg(test)]
mod tests;
mod tunnel;

pub use error::{ConnectError, ConnectFailure, ProxyFailure, Step, TlsFailure};
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
    config::EndpointUrl, limits::net as limits, sandbox::resolver_out_of_reach, transport::names::Lookup,
    transport::route::Route, transport::tls::Tls,
};
use error::OwnRefused;
use tunnel::tunnel;

/// Connects to `host` (name or address, without brackets) by `route`, over TLS if `tls` is given.
///
/// `send_buffer` bounds what the kernel holds unsent, in bytes; `None` leaves it to the kernel.
///
/// # Errors
/// The failure of the last step, and of TCP the most telling one of all addresses.
pub async fn connect(
    route: &Route,
    host: &str,
    port: u16,
    tls: Option<&Tls>,
    send_buffer: Option<u32>,
) -> Result<Stream, ConnectError> {
    connect_watched(route, host, port, tls, send_buffer, None).await
}

/// How far an attempt has come.
#[derive(Debug)]
pub enum Reached {
    /// The name, that of the proxy if there is one, has these addresses.
    Addresses(Vec<SocketAddr>),
    /// TCP stands to this one; `None`: to one that has gone again.
    Peer(Option<SocketAddr>),
}

/// The same as [`connect`], for one who wants to see how far it comes. `watch` needs room for two.
///
/// # Errors
/// As [`connect`].
pub async fn connect_watched(
    route: &Route,
    host: &str,
    port: u16,
    tls: Option<&Tls>,
    send_buffer: Option<u32>,
    watch: Option<&mpsc::Sender<Reached>>,
) -> Result<Stream, ConnectError> {
    let peer = Peer { host, port, tls, proxy: "" };
    let (stream, address) = match route.proxy(host, port, tls.is_some()) {
        None => peer.reach(route, send_buffer, watch).await?,
        Some((proxy, tls)) => {
            let EndpointUrl { host: name, port: its_port, tls: over_tls } = &proxy.endpoint;
            let behind = Peer { host: name, port: *its_port, tls: over_tls.then_some(tls), proxy: proxy.variable };
            let (stream, address) = behind.reach(route, send_buffer, watch).await?;
            let mut stream = behind.secure(stream, address).await?;
            let tunnel = tunnel(&mut stream, proxy, host, port).await;
            tunnel.map_err(|(failure, cause)| behind.error((failure, address, cause)))?;
            // The proxy's address is not that of the host.
            (stream, None)
        }
    };
    peer.secure(stream, address).await
}

/// One that is connected to: the host that is meant, or the proxy on the way.
#[derive(Clone, Copy)]
struct Peer<'a> {
    host: &'a str,
    port: u16,
    tls: Option<&'a Tls>,
    /// The variable that names the proxy, if it is one.
    proxy: &'static str,
}

impl Peer<'_> {
    /// Name and TCP.
    async fn reach(
        self,
        route: &Route,
        send_buffer: Option<u32>,
        watch: Option<&mpsc::Sender<Reached>>,
    ) -> Result<(Stream, Option<SocketAddr>), ConnectError> {
        let tell = |reached: &dyn Fn() -> Reached| {
            if let Some(watch) = watch {
                // Without room nobody looks.
                let _: Result<(), _> = watch.try_send(reached());
            }
        };
        let mut lookup = route.names.look_up(self.host, self.port);
        let found = lookup.addresses().await.map_err(|failed| self.error(failed))?;
        tell(&|| Reached::Addresses(alternate_families(found.iter().copied())));
        let stream = connect_any(&mut lookup, found, send_buffer).await.map_err(|failed| self.error(failed))?;
        let address = stream.peer_addr().ok();
        tell(&|| Reached::Peer(address));
        Ok((Stream::Plain(stream), address))
    }

    /// TLS, if it is wanted.
    async fn secure(self, stream: Stream, address: Option<SocketAddr>) -> Result<Stream, ConnectError> {
        let Some(tls) = self.tls else { return Ok(stream) };
        let handshake = handshake(self.host, stream, tls).await;
        handshake.map_err(|(failure, cause)| self.error((failure, address, cause)))
    }

    fn error(self, (failure, address, cause): Failed) -> ConnectError {
        let is_stranger = failure == ConnectFailure::Tls(TlsFailure::UnknownIssuer);
        let cause = match failure {
            ConnectFailure::NoSuchName | ConnectFailure::NameNotResolved | ConnectFailure::TimedOut(Step::Resolve) => {
                resolver_out_of_reach().or(cause)
            }
            _ => cause,
        };
        ConnectError {
            host: self.host.into(),
            port: self.port,
            address,
            // The name of a proxy says nothing of the name that is meant.
            failure: match failure {
                ConnectFailure::NoSuchName if !self.proxy.is_empty() => ConnectFailure::NameNotResolved,
                failure => failure,
            },
            ca_variable: self.tls.map_or("", Tls::ca_variable),
            proxy: self.proxy,
            issuer: self.tls.filter(|_| is_stranger).and_then(Tls::stranger),
            cause,
        }
    }
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

/// One after the other, those that are `found` and those that `lookup` finds meanwhile.
async fn connect_any(
    lookup: &mut Lookup,
    found: Vec<SocketAddr>,
    send_buffer: Option<u32>,
) -> Result<TcpStream, Failed> {
    let end = Instant::now() + limits::CONNECT_TIMEOUT;
    let mut worst: Failed = (ConnectFailure::NameNotResolved, None, None);
    let mut addresses = alternate_families(found.into_iter()).into_iter();
    while Instant::now() < end {
        let Some(address) = addresses.next() else {
            // There may be a family that has not answered yet.
            let Ok(late) = lookup.addresses().await else { break };
            addresses = late.into_iter();
            continue;
        };
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
        // The family that has failed least goes first.
        addresses = alternate_families(lookup.late().await.into_iter().chain(addresses)).into_iter();
    }
    Err(worst)
}

/// How much a failure of one address says about the peer: a missing IPv6 route says nothing.
const fn tells(failure: ConnectFailure) -> u8 {
    match failure {
        ConnectFailure::Refused => 3,
        ConnectFailure::TimedOut(_) => 2,
        ConnectFailure::Unreachable => 1,
        ConnectFailure::NoSuchName
        | ConnectFailure::NameNotResolved
        | ConnectFailure::Proxy(_)
        | ConnectFailure::Tls(_) => 0,
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

async fn handshake(host: &str, stream: Stream, tls: &Tls) -> Result<Stream, (ConnectFailure, Option<io::Error>)> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| (ConnectFailure::Tls(TlsFailure::InvalidName), None))?;
    let connector = TlsConnector::from(tls.config().clone());
    let handshake =
        connector.connect_with(name, stream, |connection| connection.set_buffer_limit(Some(limits::TLS_BUFFER)));
    match timeout(limits::TLS_HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream), tls.own().cloned())),
        Ok(Err(cause)) => {
            let cause = OwnRefused::explain(cause, tls.own());
            let failure = TlsFailure::of(&cause).unwrap_or(TlsFailure::Closed);
            Err((ConnectFailure::Tls(failure), Some(cause)))
        }
        Err(_) => Err((ConnectFailure::TimedOut(Step::TlsHandshake), None)),
    }
}
