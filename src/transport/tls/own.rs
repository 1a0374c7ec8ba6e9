//! The client certificate of this device, and its key.

use core::fmt;
use std::sync::Arc;

use rustls::{
    ClientConfig, ConfigBuilder, InconsistentKeys,
    client::WantsClientCert,
    crypto::ring,
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::{certificate, error::TlsError, fault::PemFile};
use crate::config::ClientCertificate;

/// The client certificate: what a message needs when a peer refuses it.
#[derive(Debug)]
pub struct OwnCertificate {
    file: PemFile,
    last_day: Option<String>,
}

impl fmt::Display for OwnCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)?;
        match &self.last_day {
            Some(day) => write!(f, ", whose last day is {day}"),
            None => Ok(()),
        }
    }
}

/// Reads certificate and key from the files that the two variables name.
pub(super) fn with_client_certificate(
    config: ConfigBuilder<ClientConfig, WantsClientCert>,
    client: &ClientCertificate,
    [certificate, key]: [&'static str; 2],
) -> Result<(ClientConfig, Option<OwnCertificate>), TlsError> {
    let (certificate, key) = (PemFile::new(certificate, &client.certificate), PemFile::new(key, &client.key));
    let chain = certificate.certificates()?;
    let private_key = key.private_key()?;
    let last_day = chain.first().and_then(|certificate| certificate::last_day(certificate));
    let Ok(private_key) = ring::sign::any_supported_type(&private_key) else {
        return Err(TlsError::KeyKind { file: key });
    };
    let certified = CertifiedKey::new(chain, private_key);
    match certified.keys_match() {
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            return Err(TlsError::KeyMismatch { key, certificate });
        }
        // X.509 version 1, as `openssl x509 -req` makes it, cannot be read here; it is the peer's to judge.
        Err(cause @ rustls::Error::InvalidCertificate(_)) if last_day.is_none() => {
            return Err(TlsError::Unusable { file: certificate, cause });
        }
        _ => {}
    }
    let config = config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    Ok((config, Some(OwnCertificate { file: certificate, last_day })))
}
