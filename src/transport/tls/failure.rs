//! What can go wrong with TLS between us and a peer, from the errors of rustls.

use core::{error, fmt};
use std::{io, sync::Arc};

use rustls::{AlertDescription, CertificateError};

use super::own::OwnCertificate;
use crate::error_chain::words::spelled;

/// Why a TLS handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsFailure {
    /// The peer's certificate is not signed by a CA that we trust.
    UnknownIssuer,
    /// The peer's certificate has expired, by our clock.
    Expired,
    /// The peer's certificate is for other names.
    WrongName,
    /// The peer's certificate cannot be used for another reason.
    BadCertificate,
    /// The peer's answer is not TLS.
    NotTls,
    /// The peer closed the connection in the middle of the handshake.
    Closed,
    /// The peer wants a client certificate and got none.
    ClientCertificateMissing,
    /// The peer does not accept our client certificate.
    ClientCertificateRefused,
    /// The peer does not accept our client certificate, because it has expired by the peer's clock.
    ClientCertificateExpired,
    /// The peer supports none of our ALPN names.
    NoCommonAlpn,
    /// No common protocol version or cipher suite.
    NoAgreement,
    /// The host is neither a DNS name nor an address.
    InvalidName,
    /// Anything else.
    Other,
}

impl TlsFailure {
    /// The failure behind an error of a TLS stream. `None`: it has another cause.
    ///
    /// With TLS 1.3 a peer refuses our certificate after the handshake, so the first read can fail with it, too.
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
            // A CA that was renewed under its old name shows as a bad signature.
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

/// A peer's alert about our certificate. It is put inside an [`io::Error`], as rustls does with its errors.
#[derive(Debug)]
pub(in crate::transport) struct OwnRefused {
    alert: AlertDescription,
    own: Arc<OwnCertificate>,
}

impl OwnRefused {
    /// Wraps an alert about our certificate; any other `error` is returned as it is.
    pub(in crate::transport) fn explain(error: io::Error, own: Option<&Arc<OwnCertificate>>) -> io::Error {
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
