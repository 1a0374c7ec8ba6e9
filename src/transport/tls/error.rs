//! Why TLS cannot be set up.

use core::{error, fmt};
use std::io;

use super::fault::{PemFault, PemFile, Wanted, explain};

/// Why TLS cannot be set up: a file is not what its variable asks for.
#[derive(Debug)]
pub enum TlsError {
    /// The file is missing, not permitted, not a regular file, or larger than
    /// [`MAX_PEM_FILE`](crate::limits::net::MAX_PEM_FILE).
    Unreadable {
        /// The file, and the variable that names it.
        file: PemFile,
        /// What the file system says.
        cause: io::Error,
    },
    /// The file does not contain what is needed, or not as PEM.
    NotUsable {
        /// The file, and the variable that names it.
        file: PemFile,
        /// What it should contain.
        wanted: Wanted,
        /// What is wrong.
        fault: PemFault,
    },
    /// PEM, but the content is not a certificate or key that rustls can use.
    Unusable {
        /// The file, and the variable that names it.
        file: PemFile,
        /// What rustls says.
        cause: rustls::Error,
    },
    /// A key of a kind or length that is not supported.
    KeyKind {
        /// The file, and the variable that names it.
        file: PemFile,
    },
    /// The certificate is for another key.
    KeyMismatch {
        /// The file of the key.
        key: PemFile,
        /// The file of the certificate.
        certificate: PemFile,
    },
    /// The built-in roots or defaults do not pass; a fault of this program.
    Defaults(rustls::Error),
}

impl TlsError {
    /// Whether it is about a variable that names no file, which is reported elsewhere.
    #[must_use]
    pub fn has_no_file(&self) -> bool {
        matches!(self, Self::Unreadable { file, .. } if !file.is_named())
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, .. } => write!(f, "{file} cannot be read"),
            Self::NotUsable { file, wanted, fault } => explain(f, file, *wanted, fault),
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
