//! TCP to the first of a host's addresses that answers.

use core::time::Duration;
use std::{io, net::SocketAddr};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout_at},
};

use super::Buffers;
use crate::{
    limits::net as limits,
    transport::failure::{ConnectFailure, Failed, Step},
    transport::names::Lookup,
};

/// Tries the addresses one after the other: those `found`, and those that `lookup` finds meanwhile.
pub(super) async fn connect_any(
    lookup: &mut Lookup,
    found: Vec<SocketAddr>,
    buffers: Buffers,
) -> Result<TcpStream, Failed> {
    let end = Instant::now() + limits::CONNECT_TIMEOUT;
    let mut worst: Failed = (ConnectFailure::NameNotResolved, None, None);
    let mut addresses = alternate_families(found.into_iter()).into_iter();
    while Instant::now() < end {
        let Some(address) = addresses.next() else {
            // The lookup may still find addresses of the other family.
            let Ok(late) = lookup.addresses().await else { break };
            addresses = late.into_iter();
            continue;
        };
        // The last one has its share, too: it may be the only one that answers.
        let share = (end - Instant::now()) / u32::try_from(addresses.len() + 1).unwrap_or(u32::MAX);
        let limit = Instant::now() + share.min(limits::CONNECT_ADDRESS_TIMEOUT);
        let (failure, cause) = match timeout_at(limit, connect_one(address, buffers)).await {
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
        if weight(failure) > weight(worst.0) {
            worst = (failure, Some(address), cause);
        }
        // The family that has failed least goes first.
        addresses = alternate_families(lookup.late().await.into_iter().chain(addresses)).into_iter();
    }
    Err(worst)
}

/// How much the failure of one address reveals about the peer: a missing IPv6 route reveals nothing.
const fn weight(failure: ConnectFailure) -> u8 {
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

async fn connect_one(address: SocketAddr, buffers: Buffers) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(bytes) = buffers.send {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = buffers.receive {
        socket.set_recv_buffer_size(bytes)?;
    }
    if buffers.dropped {
        SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    let probes = TcpKeepalive::new().with_time(limits::KEEPALIVE_IDLE).with_interval(limits::KEEPALIVE_INTERVAL);
    SockRef::from(&stream).set_tcp_keepalive(&probes)?;
    Ok(stream)
}

/// The resolver's order, but no family twice in a row while the other has some left: with a broken IPv6 route the
/// second attempt already succeeds.
pub(super) fn alternate_families(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
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
