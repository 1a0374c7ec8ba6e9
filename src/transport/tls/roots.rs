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

use rustls::{RootCertStore, pki_types::CertificateDer};

use super::{error::TlsError, fault::PemFile};

/// As DER.
pub(super) const ROOTS: [&[u8]; 5] = [
    include_bytes!("roots/amazon_root_ca_1.der"),
    include_bytes!("roots/amazon_root_ca_2.der"),
    include_bytes!("roots/amazon_root_ca_3.der"),
    include_bytes!("roots/amazon_root_ca_4.der"),
    include_bytes!("roots/starfield_services_root_g2.der"),
];

/// The built-in trust anchors.
pub(super) fn built_in_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for root in ROOTS {
        roots.add(CertificateDer::from_slice(root)).map_err(TlsError::Defaults)?;
    }
    Ok(roots)
}

/// Adds the CAs of a file. Bundles in the field contain some certificates that cannot serve as a CA here; one that can
/// is enough.
pub(super) fn add_roots(roots: &mut RootCertStore, file: &PemFile) -> Result<(), TlsError> {
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
