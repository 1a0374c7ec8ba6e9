//! What we trust and who we are, as rustls configurations.
//!
//! The trust anchors of Amazon Trust Services are built in (`roots/`), so that a device image needs no CA package. They
//! are all the roots that AWS endpoints chain to. Taken as they are from Mozilla's CA list:
//!
//! | File                             | Name                                              | Expires    |
//! |----------------------------------|---------------------------------------------------|------------|
//! | `amazon_root_ca_1.der`           | Amazon Root CA 1 (RSA 2048)                       | 2038-01-17 |
//! | `amazon_root_ca_2.der`           | Amazon Root CA 2 (RSA 4096)                       | 2040-05-26 |
//! | `amazon_root_ca_3.der`           | Amazon Root CA 3 (P-256)                          | 2040-05-26 |
//! | `amazon_root_ca_4.der`           | Amazon Root CA 4 (P-384)                          | 2040-05-26 |
//! | `starfield_services_root_g2.der` | Starfield Services Root Certificate Authority - G2 | 2037-12-31 |
//!
//! Revocation is not checked. How the dates of certificates are judged while the clock may be wrong: `Verifier`.

mod certificate;
mod pem;
mod verify;

use core::{error, fmt};
use std::{io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, ConfigBuilder, InconsistentKeys, RootCertStore,
    client::{Resumption, WantsClientCert},
    crypto::ring,
    pki_types::CertificateDer,
    sign::{CertifiedKey, SingleCertAndKey},
};

use crate::{
    clock::Clock,
    config::{ClientCertificate, MqttTls},
    limits::net as limits,
};
pub use pem::{PemFault, PemFile, Wanted};
use verify::{Stranger, Verifier};

const ROOTS: [&[u8]; 5] = [
    include_bytes!("roots/amazon_root_ca_1.der"),
    include_bytes!("roots/amazon_root_ca_2.der"),
    include_bytes!("roots/amazon_root_ca_3.der"),
    include_bytes!("roots/amazon_root_ca_4.der"),
    include_bytes!("roots/starfield_services_root_g2.der"),
];

const CA_BUNDLE: &str = "AWS_CA_BUNDLE";
const MQTT_CA: &str = "FIREHOSE_CONNECTOR_MQTT_CA";
const MQTT_CERT: &str = "FIREHOSE_CONNECTOR_MQTT_CERT";
const MQTT_KEY: &str = "FIREHOSE_CONNECTOR_MQTT_KEY";

/// How to speak TLS with one kind of peer. Cheap to clone; clones share the remembered sessions.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    /// What `config` was made of.
    trust: Trust,
    ca_variable: &'static str,
    own: Option<Arc<OwnCertificate>>,
}

/// The certificate that we show: what is known of it when a peer does not like it.
#[derive(Debug)]
pub struct OwnCertificate {
    file: PemFile,
    last_day: Option<String>,
}

/// Whom to trust, and since when.
#[derive(Debug, Clone)]
struct Trust {
    verifier: Arc<Verifier>,
    clock: Clock,
}

impl Tls {
    /// Towards AWS: the built-in roots, and beside them the CAs in the PEM file `ca_bundle` (`AWS_CA_BUNDLE`).
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

    /// The same trust, and a certificate of our own, which is read now; `variables` name its file and that of its key.
    ///
    /// # Errors
    /// A file cannot be used; see [`TlsError`].
    pub fn as_device(&self, client: &ClientCertificate, variables: [&'static str; 2]) -> Result<Self, TlsError> {
        let config = with_client_certificate(self.trust.builder()?, client, variables)?;
        Ok(Self::new(config, self.trust.clone(), self.ca_variable))
    }

    /// Towards the broker: the CAs in the given file or else the built-in roots, our certificate, ALPN. Certificates are
    /// judged by `clock`.
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

    /// The configuration itself.
    #[must_use]
    pub const fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// What is shown to a peer that asks who we are.
    #[must_use]
    pub const fn own(&self) -> Option<&Arc<OwnCertificate>> {
        self.own.as_ref()
    }

    /// The variable that adds a CA, for the message about a server that nobody vouches for.
    #[must_use]
    pub const fn ca_variable(&self) -> &'static str {
        self.ca_variable
    }

    /// The CA that the last server named for which nobody vouches. Ask as soon as the handshake has failed: another one may
    /// follow.
    #[must_use]
    pub fn stranger(&self) -> Option<String> {
        self.trust.verifier.stranger.name()
    }
}

fn built_in_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for root in ROOTS {
        roots.add(CertificateDer::from_slice(root)).map_err(TlsError::Defaults)?;
    }
    Ok(roots)
}

/// What is wrong with a PEM file by itself.
#[must_use]
pub fn file_fault(variable: &'static str, file: &Path, wanted: Wanted) -> Option<TlsError> {
    let file = PemFile::new(variable, file);
    match wanted {
        Wanted::Certificate => file.certificates().err(),
        Wanted::Key => file.private_key().err(),
    }
}

/// The last day of each certificate in a PEM file, as year-month-day; none of a file that cannot be used.
#[must_use]
pub fn last_days(variable: &'static str, file: &Path) -> Vec<String> {
    let certificates = PemFile::new(variable, file).certificates().unwrap_or_default();
    certificates.iter().filter_map(|certificate| certificate::last_day(certificate)).collect()
}

/// Bundles in the field hold the odd certificate that cannot serve as a CA here; one that can is enough.
fn add_roots(roots: &mut RootCertStore, file: &PemFile) -> Result<(), TlsError> {
    let before = roots.len();
    let mut refused = None;
    for certificate in file.certificates()? {
        if let Err(error) = roots.add(certificate) {
            refused = Some(error);
        }
    }
    match refused {
        Some(cause) if roots.len() == before => Err(TlsError::Unusable { file: file.clone(), cause }),
        _ => Ok(()),
    }
}

impl Trust {
    fn new(roots: RootCertStore, clock: &Clock) -> Self {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        let verifier = Verifier { roots, algorithms, stranger: Stranger::default() };
        Self { verifier: Arc::new(verifier), clock: clock.clone() }
    }

    fn builder(&self) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_details(provider, Arc::new(self.clock.clone()));
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Defaults)?;
        let verifier = Arc::clone(&self.verifier);
        Ok(builder.dangerous().with_custom_certificate_verifier(verifier))
    }
}

fn with_client_certificate(
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
        // One of X.509 version 1, as `openssl x509 -req` makes it, cannot be read here; the peer alone judges it.
        Err(cause @ rustls::Error::InvalidCertificate(_)) if last_day.is_none() => {
            return Err(TlsError::Unusable { file: certificate, cause });
        }
        _ => {}
    }
    let config = config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    Ok((config, Some(OwnCertificate { file: certificate, last_day })))
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

/// Why TLS cannot be set up: a file is not what its variable asks for.
#[derive(Debug)]
pub enum TlsError {
    /// Missing, no permission, not a regular file, larger than [`limits::MAX_PEM_FILE`].
    Unreadable {
        /// Which.
        file: PemFile,
        /// What the file system says.
        cause: io::Error,
    },
    /// It does not hold what is wanted, or not as PEM.
    NotUsable {
        /// Which.
        file: PemFile,
        /// What it should hold.
        wanted: Wanted,
        /// What is wrong.
        fault: PemFault,
    },
    /// PEM, but the content is not a certificate or key that rustls can use.
    Unusable {
        /// Which.
        file: PemFile,
        /// What rustls says.
        cause: rustls::Error,
    },
    /// A key of a kind or length that is not supported.
    KeyKind {
        /// Which.
        file: PemFile,
    },
    /// The certificate is for another key.
    KeyMismatch {
        /// The key.
        key: PemFile,
        /// The certificate.
        certificate: PemFile,
    },
    /// The built-in roots or defaults do not pass; a fault of this program.
    Defaults(rustls::Error),
}

impl TlsError {
    /// Whether it is about a file that is not named, which is said elsewhere.
    #[must_use]
    pub fn has_no_file(&self) -> bool {
        matches!(self, Self::Unreadable { file, .. } if !file.is_named())
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, .. } => write!(f, "{file} cannot be read"),
            Self::NotUsable { file, wanted, fault } => pem::explain(f, file, *wanted, fault),
            Self::Unusable { file, .. } => write!(f, "{file} is PEM but cannot be used"),
            Self::KeyKind { file } => {
                write!(f, "{file} has a key of another kind than RSA (2048 to 8192 bits), P-256, P-384 and Ed25519")
            }
            Self::KeyMismatch { key, certificate } => {
                write!(f, "{key} is not the key of the certificate in {certificate}")
            }
            Self::Defaults(_) => f.write_str("the built-in TLS settings are refused"),
        }
    }
}

impl error::Error for TlsError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unreadable { cause, .. } => Some(cause),
            Self::Unusable { cause, .. } | Self::Defaults(cause) => Some(cause),
            Self::NotUsable { .. } | Self::KeyKind { .. } | Self::KeyMismatch { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
