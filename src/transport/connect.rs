//! Opens a connection: name, addresses, TCP, a proxy if there is one, TLS, each with a deadline from `limits::net`.
//!
//! The name is resolved for each attempt, because addresses change while a device runs. Retries and backoff are left to
//! the callers.

mod error;
mod socket;
mod stream;
mod tcp;
#[cfg(test)]
mod tests;
mod tunnel;

pub use super::failure::{ConnectFailure, ProxyFailure, Step, TlsFailure};
pub use error::ConnectError;
pub use socket::Socket;
pub use stream::Stream;

use std::{io, net::SocketAddr};

use rustls::pki_types::ServerName;
use tokio::{sync::mpsc, time::timeout};
use tokio_rustls::TlsConnector;

use super::{
    failure::Failed,
    names::asks_nobody,
    route::Route,
    tls::{OwnRefused, Tls},
};
use crate::{config::EndpointUrl, limits::net as limits, sandbox::resolver_out_of_reach};
use tcp::{alternate_families, connect_any};
use tunnel::tunnel;

/// What the kernel may hold for a connection, bytes; it doubles them for its own accounting. `None`: as much as it sees fit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Buffers {
    /// Unsent.
    pub send: Option<u32>,
    /// Unread.
    pub receive: Option<u32>,
    /// Whether what is unsent is dropped with the connection. Otherwise the kernel goes on sending it, for minutes.
    pub dropped: bool,
}

impl Buffers {
    /// For a connection to the service. Records of a request that is given up are sent again, so the first is not to arrive
    /// when a dead link comes back.
    pub const SERVICE: Self = Self { send: Some(limits::SERVICE_SEND_BUFFER), receive: None, dropped: true };
    /// For a connection to the broker. What was said last is to arrive.
    pub const BROKER: Self =
        Self { send: Some(limits::BROKER_SEND_BUFFER), receive: Some(limits::BROKER_RECEIVE_BUFFER), dropped: false };
}

/// Connects to `host` (name or address, without brackets) by `route`, over TLS if `tls` is given.
///
/// # Errors
/// The failure of the last step, and of TCP the most telling one of all addresses.
pub async fn connect(
    route: &Route,
    host: &str,
    port: u16,
    tls: Option<&Tls>,
    buffers: Buffers,
) -> Result<Stream, ConnectError> {
    connect_watched(route, host, port, tls, buffers, None).await
}

/// How far an attempt has come.
#[derive(Debug)]
pub enum Reached {
    /// The name, that of the proxy if there is one, has these addresses.
    Addresses(Vec<SocketAddr>),
    /// TCP is established to this one; `None`: to one that has gone again.
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
    buffers: Buffers,
    watch: Option<&mpsc::Sender<Reached>>,
) -> Result<Stream, ConnectError> {
    let peer = Peer { host, port, tls, proxy: "" };
    let (stream, address) = match route.proxy(host, port, tls.is_some()) {
        None => peer.reach(route, buffers, watch).await?,
        Some((proxy, tls)) => {
            let EndpointUrl { host: name, port: its_port, tls: over_tls } = &proxy.endpoint;
            let behind = Peer { host: name, port: *its_port, tls: over_tls.then_some(tls), proxy: proxy.variable };
            let (stream, address) = behind.reach(route, buffers, watch).await?;
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
        buffers: Buffers,
        watch: Option<&mpsc::Sender<Reached>>,
    ) -> Result<(Stream, Option<SocketAddr>), ConnectError> {
        let notify = |reached: &dyn Fn() -> Reached| {
            if let Some(watch) = watch {
                // Fails only when the receiver needs no more of them.
                let _: Result<(), _> = watch.try_send(reached());
            }
        };
        let mut lookup = route.names.look_up(self.host, self.port);
        let found = lookup.addresses().await.map_err(|failed| self.error(failed))?;
        notify(&|| Reached::Addresses(alternate_families(found.iter().copied())));
        let stream = connect_any(&mut lookup, found, buffers).await.map_err(|failed| self.error(failed))?;
        let address = stream.peer_addr().ok();
        notify(&|| Reached::Peer(address));
        Ok((Stream::Plain(stream.into()), address))
    }

    /// TLS, if it is wanted.
    async fn secure(self, stream: Stream, address: Option<SocketAddr>) -> Result<Stream, ConnectError> {
        let Some(tls) = self.tls else { return Ok(stream) };
        let handshake = handshake(self.host, stream, tls).await;
        handshake.map_err(|(failure, cause)| self.error((failure, address, cause)))
    }

    fn error(self, (failure, address, cause): Failed) -> ConnectError {
        let is_unknown = failure == ConnectFailure::Tls(TlsFailure::UnknownIssuer);
        let cause = match failure {
            ConnectFailure::NoSuchName | ConnectFailure::NameNotResolved | ConnectFailure::TimedOut(Step::Resolve) => {
                resolver_out_of_reach().or_else(asks_nobody).or(cause)
            }
            _ => cause,
        };
        ConnectError {
            host: self.host.into(),
            port: self.port,
            address,
            // An unknown proxy name does not show that the endpoint's name is unknown.
            failure: match failure {
                ConnectFailure::NoSuchName if !self.proxy.is_empty() => ConnectFailure::NameNotResolved,
                failure => failure,
            },
            ca_variable: self.tls.map_or("", Tls::ca_variable),
            proxy: self.proxy,
            issuer: self.tls.filter(|_| is_unknown).and_then(Tls::unknown_issuer),
            cause,
        }
    }
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
