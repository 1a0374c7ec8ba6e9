//! What can go wrong while connecting to a peer, in a form that is small enough to be kept and compared.

use core::fmt;
use std::{io, net::SocketAddr};

pub use super::tls::TlsFailure;

/// A failed step: what happened, the address that was tried, and the cause.
pub(super) type Failed = (ConnectFailure, Option<SocketAddr>, Option<io::Error>);

/// What happened to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectFailure {
    /// The name does not exist, or has no address.
    NoSuchName,
    /// The name cannot be resolved now: no name server answers, or none can tell.
    NameNotResolved,
    /// The host answers, the port is closed.
    Refused,
    /// No route, network down, or another error of the socket.
    Unreachable,
    /// A step missed its deadline, see `limits::net`.
    TimedOut(Step),
    /// The proxy answers, and did not connect further.
    Proxy(ProxyFailure),
    /// TCP is established, the TLS handshake failed.
    Tls(TlsFailure),
}

/// Why a proxy did not connect further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyFailure {
    /// It wants a login, or another one; the status of its answer.
    Login(u16),
    /// Any other status of its answer.
    Refuses(u16),
    /// It closes the connection, or its answer is not HTTP.
    NotHttp,
}

impl ConnectFailure {
    /// Whether the device seems to have no network: nothing but the device itself, or its name server, has answered.
    #[must_use]
    pub const fn is_offline(self) -> bool {
        matches!(self, Self::Unreachable | Self::NameNotResolved | Self::TimedOut(Step::Resolve))
    }
}

/// The steps of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Name resolution.
    Resolve,
    /// TCP.
    Connect,
    /// The proxy's connection to the peer.
    Proxy,
    /// TLS.
    TlsHandshake,
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchName => f.write_str("has no address: check the name"),
            Self::NameNotResolved => f.write_str("cannot be looked up: check the network and the name server"),
            Self::Refused => f.write_str("refuses connections: check the port and that the peer is running"),
            Self::Unreachable => f.write_str("cannot be reached: check the network"),
            Self::TimedOut(Step::Resolve) => f.write_str("got no answer from the name server in time"),
            Self::TimedOut(Step::Connect) => f.write_str("did not answer in time: check the network and firewalls"),
            Self::TimedOut(Step::TlsHandshake) => {
                f.write_str("did not complete the TLS handshake in time: check that the port is for TLS")
            }
            Self::TimedOut(Step::Proxy) => f.write_str("did not connect further in time"),
            Self::Proxy(failure) => failure.fmt(f),
            Self::Tls(failure) => failure.fmt(f),
        }
    }
}

impl fmt::Display for ProxyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(status) => write!(f, "wants another login ({status}): put user and password into its URL"),
            Self::Refuses(status @ (502..=504)) => {
                write!(f, "cannot connect further ({status}): check its own network, and the name that it looks up")
            }
            Self::Refuses(status) => {
                write!(f, "does not let this connection through ({status}): have it allow host and port")
            }
            Self::NotHttp => f.write_str("does not answer as a proxy: check its host, port and scheme"),
        }
    }
}
