//! What can go wrong on the way to a peer, whichever step it is: small enough to be kept and compared.

use core::fmt;
use std::{io, net::SocketAddr};

pub use super::tls::TlsFailure;

/// A step that failed: what happened, the address that it was about, and the cause.
pub(super) type Failed = (ConnectFailure, Option<SocketAddr>, Option<io::Error>);

/// What happened to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectFailure {
    /// The name server says that the name does not exist, or has no address.
    NoSuchName,
    /// No name server knows, or none answers.
    NameNotResolved,
    /// The host is there, the port is closed.
    Refused,
    /// No route, network down, or another error of the socket.
    Unreachable,
    /// A step took longer than its limit in `limits::net`.
    TimedOut(Step),
    /// The proxy is there and makes no connection.
    Proxy(ProxyFailure),
    /// TCP is established, TLS is not.
    Tls(TlsFailure),
}

/// Why a proxy makes no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyFailure {
    /// It wants a login, or another one, and answers with this status.
    Login(u16),
    /// It answers with this status.
    Refuses(u16),
    /// It closes the connection, or answers with something else than HTTP.
    NotHttp,
}

impl ConnectFailure {
    /// Whether nothing came back but from this device, or from its name server: as far as can be told it has no network.
    #[must_use]
    pub const fn is_offline(self) -> bool {
        matches!(self, Self::Unreachable | Self::NameNotResolved | Self::TimedOut(Step::Resolve))
    }
}

/// The steps of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Asking for the addresses.
    Resolve,
    /// TCP.
    Connect,
    /// The proxy's connection with the host that is meant.
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
