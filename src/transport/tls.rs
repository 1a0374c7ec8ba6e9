//! Trusted CAs and our own certificate, as rustls configurations.
//!
//! Revocation is not checked. `Verifier` judges the dates of certificates while the clock may be wrong.

mod certificate;
mod error;
mod failure;
mod fault;
mod own;
mod pem;
mod roots;
mod suites;
mod verify;

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore,
    client::{Resumption, WantsClientCert},
    crypto::{CryptoProvider, ring},
};
use tokio::sync::watch;

use crate::{
    clock::Clock,
    config::{ClientCertificate, MqttTls},
    limits::net as limits,
};
pub use error::TlsError;
pub(super) use failure::OwnRefused;
pub use failure::TlsFailure;
pub use fault::{PemFault, PemFile, Wanted};
pub use own::OwnCertificate;
use own::with_client_certificate;
use roots::{add_roots, built_in_roots};
use verify::Verifier;

const CA_BUNDLE: &str = "AWS_CA_BUNDLE";
const MQTT_CA: &str = "FIREHOSE_CONNECTOR_MQTT_CA";
const MQTT_CERT: &str = "FIREHOSE_CONNECTOR_MQTT_CERT";
const MQTT_KEY: &str = "FIREHOSE_CONNECTOR_MQTT_KEY";

/// TLS settings for one kind of peer. Cheap to clone; clones share the remembered sessions.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    /// What `config` was made from.
    trust: Trust,
    ca_variable: &'static str,
    own: Option<Arc<OwnCertificate>>,
}

/// Trusted CAs, and the clock by which certificates are judged.
#[derive(Debug, Clone)]
struct Trust {
    verifier: Arc<Verifier>,
    clock: Clock,
}

impl Tls {
    /// For AWS: trusts the built-in roots and the CAs in the PEM file `ca_bundle` (`AWS_CA_BUNDLE`).
    ///
    /// Each CA of the bundle stays in memory with about 0.5 KiB. Certificates are judged by `clock`.
    ///
    /// # Errors
    /// The file cannot be used; see [`TlsError`].
    pub fn for_service(ca_bundle: Option<&Path>, clock: &Clock) -> Result<Self, TlsError> {
        let mut roots = built_in_roots()?;
        if let Some(path) = ca_bundle {
            add_roots(&mut roots, &PemFile::new(CA_BUNDLE, path))?;
        }
        let trust = Trust::new(roots, clock);
        Ok(Self::new((trust.builder()?.with_no_client_auth(), None), trust, CA_BUNDLE))
    }

    /// The same trust with a client certificate, which is read now; `variables` name its file and that of its key.
    ///
    /// # Errors
    /// A file cannot be used; see [`TlsError`].
    pub fn as_device(&self, client: &ClientCertificate, variables: [&'static str; 2]) -> Result<Self, TlsError> {
        let config = with_client_certificate(self.trust.builder()?, client, variables)?;
        Ok(Self::new(config, self.trust.clone(), self.ca_variable))
    }

    /// For the broker: trusts the CAs in the given file, or else the built-in roots; with client certificate and ALPN,
    /// if set. Certificates are judged by `clock`.
    ///
    /// # Errors
    /// A file cannot be used; see [`TlsError`].
    pub fn for_broker(settings: &MqttTls, clock: &Clock) -> Result<Self, TlsError> {
        let roots = match &settings.ca {
            None => built_in_roots()?,
            Some(path) => {
                let mut roots = RootCertStore::empty();
                add_roots(&mut roots, &PemFile::new(MQTT_CA, path))?;
                roots
            }
        };
        let trust = Trust::new(roots, clock);
        let mut config = match &settings.client {
            None => (trust.builder()?.with_no_client_auth(), None),
            Some(client) => with_client_certificate(trust.builder()?, client, [MQTT_CERT, MQTT_KEY])?,
        };
        config.0.alpn_protocols = settings.alpn.iter().map(|name| name.clone().into_bytes()).collect();
        Ok(Self::new(config, trust, MQTT_CA))
    }

    fn new((mut config, own): (ClientConfig, Option<OwnCertificate>), trust: Trust, ca_variable: &'static str) -> Self {
        config.resumption = Resumption::in_memory_sessions(limits::TLS_SESSIONS);
        Self { config: Arc::new(config), trust, ca_variable, own: own.map(Arc::new) }
    }

    /// The configuration for rustls.
    #[must_use]
    pub const fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// The client certificate.
    #[must_use]
    pub const fn own(&self) -> Option<&Arc<OwnCertificate>> {
        self.own.as_ref()
    }

    /// The variable that adds a CA, for the message about an untrusted server.
    #[must_use]
    pub const fn ca_variable(&self) -> &'static str {
        self.ca_variable
    }

    /// The CA named by the last server whose certificate no trusted CA has signed. To be called right after the
    /// handshake has failed, before another one.
    #[must_use]
    pub fn unknown_issuer(&self) -> Option<String> {
        self.trust.verifier.unknown_issuer.borrow().clone()
    }
}

/// What is wrong with a PEM file, if anything.
#[must_use]
pub fn file_fault(variable: &'static str, file: &Path, wanted: Wanted) -> Option<TlsError> {
    let file = PemFile::new(variable, file);
    match wanted {
        Wanted::Certificate => file.certificates().err(),
        Wanted::Key => file.private_key().err(),
    }
}

/// The last day of each certificate in a PEM file, as year-month-day; empty if the file cannot be used.
#[must_use]
pub fn last_days(variable: &'static str, file: &Path) -> Vec<String> {
    let certificates = PemFile::new(variable, file).certificates().unwrap_or_default();
    certificates.iter().filter_map(|certificate| certificate::last_day(certificate)).collect()
}

impl Trust {
    fn new(roots: RootCertStore, clock: &Clock) -> Self {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        let verifier = Verifier { roots, algorithms, unknown_issuer: watch::Sender::default() };
        Self { verifier: Arc::new(verifier), clock: clock.clone() }
    }

    fn builder(&self) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
        let provider = Arc::new(CryptoProvider { cipher_suites: suites::by_cost(), ..ring::default_provider() });
        let builder = ClientConfig::builder_with_details(provider, Arc::new(self.clock.clone()));
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Defaults)?;
        let verifier = Arc::clone(&self.verifier);
        Ok(builder.dangerous().with_custom_certificate_verifier(verifier))
    }
}

#[cfg(test)]
mod tests;
