//! Judges the dates of a server's certificate when the clock may be behind.

use core::fmt;
use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use tokio::sync::watch;

use super::certificate::{fields, issuer, rsa_bits};
use crate::limits::{
    RELEASED,
    net::{RSA_BITS, TLS_CHAIN},
};

/// Verifies like rustls, except for the start of validity of certificates.
///
/// A clock without a battery is behind: it starts at 1970, or at the image's build. So the time of the
/// [`Clock`](crate::clock::Clock), or [`RELEASED`] if that is later, counts as the earliest possible time. A chain is
/// valid if there is a time from then on at which all of its certificates are valid. One that expired before is
/// refused.
///
/// The price: until the clock is right, a certificate that has expired since then is accepted, and so is whoever has
/// stolen its key.
///
/// It repeats the steps of rustls' `WebPkiServerVerifier` instead of wrapping it, which would link the reader of
/// revocation lists.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) roots: RootCertStore,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    /// The issuer at the end of the last chain that no trusted CA has signed. rustls' error has a place for it only in
    /// a custom error, for which the peer would get the alert `certificate_unknown` instead of `unknown_ca`.
    pub(super) unknown_issuer: watch::Sender<Option<String>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let verify = |time| {
            let algorithms = self.algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, time, algorithms)
        };
        let mut result = verify(now.max(UnixTime::since_unix_epoch(RELEASED)));
        for _ in 0..TLS_CHAIN {
            let Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) = result else {
                break;
            };
            result = verify(not_before);
        }
        if let Some(weak) = self.weak_key(end_entity, intermediates, &result) {
            result = Err(weak.into());
        }
        let is_unknown = matches!(
            result,
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature))
        );
        let last = intermediates.last().unwrap_or(end_entity);
        self.unknown_issuer.send_replace(if is_unknown { issuer(last) } else { None });
        result?;
        verify_server_name(&certificate, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms).map_err(key_missing)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms).map_err(key_missing)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Verifier {
    /// The error about a key that is too short or too long, where rustls reports a bad or unsupported signature.
    fn weak_key(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        result: &Result<(), Error>,
    ) -> Option<Cause> {
        let weak = |key: &[u8]| rsa_bits(key).filter(|bits| !RSA_BITS.contains(bits)).map(Cause::WeakKey);
        let of = |certificate: &CertificateDer<'_>| weak(fields(certificate)?.key);
        match result {
            Ok(()) => of(end_entity),
            Err(Error::InvalidCertificate(CertificateError::BadSignature)) => {
                let issuer = fields(intermediates.last().unwrap_or(end_entity))?.issuer;
                let roots = self.roots.roots.iter().filter(|root| root.subject.ends_with(issuer));
                roots
                    .map(|root| &*root.subject_public_key_info)
                    .find_map(weak)
                    .or_else(|| intermediates.iter().find_map(of))
            }
            Err(_) => None,
        }
    }
}

/// The cause of a bad signature.
#[derive(Debug)]
enum Cause {
    /// An RSA key of this many bits.
    WeakKey(usize),
    /// The server's key is not that of its certificate.
    OtherKey,
}

fn key_missing(error: Error) -> Error {
    match error {
        Error::InvalidCertificate(CertificateError::BadSignature) => Cause::OtherKey.into(),
        error => error,
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(cause))))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (RSA_BITS.start(), RSA_BITS.end());
        match self {
            Self::WeakKey(bits) => {
                write!(f, "its RSA key, or that of its CA, has {bits} bits, and {least} to {most} are needed")
            }
            Self::OtherKey => f.write_str("the key that it is used with is another one"),
        }
    }
}

impl core::error::Error for Cause {}

#[cfg(test)]
mod tests;
