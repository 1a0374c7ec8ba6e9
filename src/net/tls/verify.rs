//! Judging the dates of a server's certificate when the clock may be behind.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::limits::{RELEASED, net::TLS_CHAIN};

/// What rustls does by itself, but for the beginning of certificates.
///
/// A clock without a battery is behind: it begins at 1970, or when the image was built. So the clock is the earliest that it
/// may be, and never earlier than [`RELEASED`]. A chain is good if there is a time from then on at which all of its
/// certificates are valid. One that ended before is refused.
///
/// The price: until the clock is right, a certificate that has ended since then is accepted, and with it whoever has got
/// hold of its key.
#[derive(Debug)]
pub(super) struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
}

impl Verifier {
    pub(super) const fn new(webpki: Arc<WebPkiServerVerifier>) -> Self {
        Self { webpki }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verify = |time| self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, time);
        let mut result = verify(now.max(UnixTime::since_unix_epoch(RELEASED)));
        for _ in 0..TLS_CHAIN {
            let Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) = result else {
                break;
            };
            result = verify(not_before);
        }
        result
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
