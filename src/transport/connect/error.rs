//! Why there is no connection, in words that lead to the cause.

use core::{error, fmt};
use std::{io, net::SocketAddr, sync::Arc};

use ::time::{Date, OffsetDateTime};
use rustls::{AlertDescription, CertificateError, pki_types::UnixTime};

use crate::{error_chain::words::spelled, foreign::foreign, transport::tls::OwnCertificate};

/// Which peer, what happened, and the cause in `source()`.
#[derive(Debug)]
pub struct ConnectError {
    pub(super) host: Box<str>,
    pub(super) port: u16,
    /// The address that answered so; `None` before there was one.
    pub(super) address: Option<SocketAddr>,
    pub(super) failure: ConnectFailure,
    /// The variable that names the proxy that this is about; empty: it is about the host that is meant.
    pub(super) proxy: &'static str,
    /// The variable that adds a CA for this peer.
    pub(super) ca_variable: &'static str,
    /// Whom the peer's certificates name as the CA that is not trusted.
    pub(super) issuer: Option<String>,
    pub(super) cause: Option<io::Error>,
}

impl ConnectError {
    /// What happened, small enough to be kept and compared: log when it changes, not each time.
    #[must_use]
    pub const fn kind(&self) -> ConnectFailure {
        self.failure
    }

    /// The address that answered so, if it came that far.
    pub(crate) const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The last day of the peer's certificate that has ended, and the day by which it was judged.
    fn expiry(&self) -> Option<(Date, Date)> {
        let day = |time: UnixTime| {
            let seconds = time.as_secs().try_into().ok()?;
            Some(OffsetDateTime::from_unix_timestamp(seconds).ok()?.date())
        };
        match self.cause.as_ref()?.get_ref()?.downcast_ref()? {
            rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after }) => {
                Some((day(*not_after)?, day(*time)?))
            }
            _ => None,
        }
    }
}

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
    /// TCP stands, TLS does not.
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

/// What is wrong between us and the peer on the level of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsFailure {
    /// The peer's certificate is not signed by a CA that we trust.
    UnknownIssuer,
    /// The peer's certificate has ended, by our clock.
    Expired,
    /// The peer's certificate is for other names.
    WrongName,
    /// The peer's certificate cannot be used for another reason.
    BadCertificate,
    /// What came back is not TLS.
    NotTls,
    /// The peer closed the connection in the middle of the handshake.
    Closed,
    /// The peer wants a client certificate and got none.
    ClientCertificateMissing,
    /// The peer does not accept our client certificate.
    ClientCertificateRefused,
    /// Because it has ended, by the peer's clock.
    ClientCertificateExpired,
    /// None of our ALPN names suits the peer.
    NoCommonAlpn,
    /// No common protocol version or cipher suite.
    NoAgreement,
    /// The host is neither a DNS name nor an address.
    InvalidName,
    /// Anything else.
    Other,
}

impl TlsFailure {
    /// What an error of a TLS stream means; `None` when TLS is not what went wrong.
    ///
    /// Under TLS 1.3 the peer's opinion of our certificate arrives after the handshake, with the first read: ask
    /// again there.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        use rustls::Error as Tls;
        let error = error.get_ref()?;
        if let Some(refused) = error.downcast_ref::<OwnRefused>() {
            return Some(Self::of_alert(refused.alert));
        }
        Some(match error.downcast_ref::<Tls>()? {
            Tls::InvalidCertificate(certificate) => Self::of_certificate(certificate),
            Tls::AlertReceived(alert) => Self::of_alert(*alert),
            Tls::InvalidMessage(_) => Self::NotTls,
            Tls::PeerIncompatible(_) => Self::NoAgreement,
            Tls::NoApplicationProtocol => Self::NoCommonAlpn,
            _ => Self::Other,
        })
    }

    const fn of_certificate(error: &CertificateError) -> Self {
        match error {
            // A bad signature is what remains of a CA that was renewed under its old name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownIssuer,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::WrongName,
            _ => Self::BadCertificate,
        }
    }

    const fn of_alert(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate => Self::ClientCertificateMissing,
            AlertDescription::CertificateExpired => Self::ClientCertificateExpired,
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => Self::ClientCertificateRefused,
            AlertDescription::NoApplicationProtocol => Self::NoCommonAlpn,
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity => Self::NoAgreement,
            AlertDescription::UnrecognisedName => Self::WrongName,
            _ => Self::Other,
        }
    }
}

/// What a peer says of the certificate that we showed. It stands inside of an [`io::Error`], as rustls' own do.
#[derive(Debug)]
pub(super) struct OwnRefused {
    alert: AlertDescription,
    own: Arc<OwnCertificate>,
}

impl OwnRefused {
    /// `error` itself if it is about something else.
    pub(super) fn explain(error: io::Error, own: Option<&Arc<OwnCertificate>>) -> io::Error {
        let Some(own) = own else { return error };
        match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(&rustls::Error::AlertReceived(alert))
                if matches!(
                    TlsFailure::of_alert(alert),
                    TlsFailure::ClientCertificateRefused | TlsFailure::ClientCertificateExpired
                ) =>
            {
                io::Error::new(error.kind(), Self { alert, own: Arc::clone(own) })
            }
            _ => error,
        }
    }
}

impl fmt::Display for OwnRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it says \"{}\" of {}", spelled(&self.alert), self.own)
    }
}

impl error::Error for OwnRefused {}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.proxy.is_empty() {
            write!(f, "the proxy of {}, ", self.proxy)?;
        }
        write!(f, "{}:{}", self.host, self.port)?;
        if let Some(address) = self.address
            && address.ip().to_string() != *self.host
        {
            write!(f, " ({})", address.ip())?;
        }
        match (self.failure, self.expiry()) {
            (failure @ ConnectFailure::Tls(TlsFailure::UnknownIssuer), _) => {
                write!(f, " {failure}")?;
                if let Some(issuer) = &self.issuer {
                    write!(f, ", but \"{}\"", foreign(issuer))?;
                }
                write!(f, ": name the PEM file of its CA in {}", self.ca_variable)
            }
            // A clock that is ahead cannot be told from a certificate that has ended.
            (_, Some((end, today))) => write!(
                f,
                " shows a certificate that ended on {end}, and to this device it is {today}: the certificate has to be \
                 renewed, or the clock to be set"
            ),
            (failure, None) => write!(f, " {failure}"),
        }
    }
}

impl error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        // What rustls says of an expiry counts its seconds, so that it would be news each time.
        self.cause.as_ref().filter(|_| self.expiry().is_none()).map(|cause| cause as _)
    }
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

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownIssuer => "shows a certificate that no trusted CA has signed",
            Self::Expired => "shows a certificate that has expired: renew it, or set this device's clock",
            Self::WrongName => "shows a certificate for another name: use a name that it lists",
            Self::BadCertificate => "shows a certificate that cannot be used",
            Self::NotTls => "does not speak TLS: check the port and the scheme",
            Self::Closed => "closed the connection during the TLS handshake: check that the port is for TLS",
            Self::ClientCertificateMissing => {
                "asks for a client certificate: for a broker, name one in FIREHOSE_CONNECTOR_MQTT_CERT"
            }
            Self::ClientCertificateRefused => {
                "does not accept our client certificate: check that it is registered and active"
            }
            Self::ClientCertificateExpired => {
                "says that our client certificate has expired: renew it, or set the peer's clock"
            }
            Self::NoCommonAlpn => {
                "does not know our ALPN protocol names: for a broker, check FIREHOSE_CONNECTOR_MQTT_ALPN"
            }
            Self::NoAgreement => "has no TLS version or cipher in common with us, or misses a client certificate",
            Self::InvalidName => "is neither a DNS name nor an address",
            Self::Other => "broke off the TLS handshake",
        })
    }
}
