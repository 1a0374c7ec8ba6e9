//! Why a connection could not be established, with its likely cause.

use core::{error, fmt};
use std::{io, net::SocketAddr};

use ::time::{Date, OffsetDateTime};
use rustls::{CertificateError, pki_types::UnixTime};

use crate::{
    config::host_and_port,
    foreign::foreign,
    transport::failure::{ConnectFailure, TlsFailure},
};

/// A failed attempt: the peer, what happened, and the cause in `source()`.
#[derive(Debug)]
pub struct ConnectError {
    pub(super) host: Box<str>,
    pub(super) port: u16,
    /// The address that was tried; `None`: the name was not resolved.
    pub(super) address: Option<SocketAddr>,
    pub(super) failure: ConnectFailure,
    /// The variable that names the proxy, if that is what failed; empty: the peer itself failed.
    pub(super) proxy: &'static str,
    /// The variable that adds a CA for this peer.
    pub(super) ca_variable: &'static str,
    /// The untrusted CA that the peer's certificates name.
    pub(super) issuer: Option<String>,
    pub(super) cause: Option<io::Error>,
}

impl ConnectError {
    /// What happened, in a form that is small enough to be kept and compared.
    #[must_use]
    pub const fn kind(&self) -> ConnectFailure {
        self.failure
    }

    /// One with nothing but this failure.
    #[cfg(test)]
    pub(crate) fn of(failure: ConnectFailure) -> Self {
        let host = "broker.test".into();
        Self { host, port: 1883, address: None, failure, proxy: "", ca_variable: "", issuer: None, cause: None }
    }

    /// The address that was tried, if the name was resolved.
    pub(crate) const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The last day of the peer's expired certificate, and the day by which it was judged.
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

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.proxy.is_empty() {
            write!(f, "the proxy of {}, ", self.proxy)?;
        }
        f.write_str(&host_and_port(&self.host, self.port))?;
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
            // A clock that is ahead cannot be distinguished from an expired certificate.
            (_, Some((end, today))) => write!(
                f,
                " shows a certificate that expired on {end}, and to this device it is {today}: the certificate has to \
                 be renewed, or the clock to be set"
            ),
            (failure, None) => write!(f, " {failure}"),
        }
    }
}

impl error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        // rustls' text contains the seconds since the expiry, so it would be logged again each time.
        self.cause.as_ref().filter(|_| self.expiry().is_none()).map(|cause| cause as _)
    }
}
