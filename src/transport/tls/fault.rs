//! Why a PEM file cannot be used, in messages that show nothing of its content.

use core::fmt;
use std::path::{Path, PathBuf};

use crate::{config::bounded_file, foreign::file_name};

/// A PEM file and the variable that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemFile {
    pub(super) variable: &'static str,
    pub(super) path: PathBuf,
}

/// Why a PEM file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PemFault {
    /// It has no section.
    NotPem,
    /// It has no section, and begins like DER.
    Binary,
    /// It is cut off, or a line that begins or ends a section is damaged.
    Marks,
    /// The content of a section of this name is not base64.
    NotBase64(String),
    /// The key is encrypted.
    Encrypted,
    /// It has certificates in another form, which this command of OpenSSL converts.
    Wrapped(&'static str),
    /// It has only sections of these names, and not the one that is needed.
    Others(Vec<String>),
}

/// What a PEM file has to contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Certificates, at least one.
    Certificate,
    /// One key, not encrypted.
    Key,
}

impl PemFile {
    pub(super) fn new(variable: &'static str, path: &Path) -> Self {
        Self { variable, path: path.to_owned() }
    }

    pub(super) fn is_named(&self) -> bool {
        !self.path.as_os_str().is_empty()
    }
}

impl fmt::Display for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.variable.ends_with("_KEY") && !bounded_file::is_a_name(&self.path) {
            write!(f, "{} (not shown, it may be the key itself)", self.variable)
        } else {
            write!(f, "{}: {}", self.variable, file_name(&self.path))
        }
    }
}

impl Wanted {
    const fn section(self) -> &'static str {
        match self {
            Self::Certificate => "CERTIFICATE",
            Self::Key => "PRIVATE KEY",
        }
    }
}

/// Writes what is wrong with `file`, and how to correct it.
pub(super) fn explain(f: &mut fmt::Formatter<'_>, file: &PemFile, wanted: Wanted, fault: &PemFault) -> fmt::Result {
    let (path, needed) = (file_name(&file.path), wanted.section());
    write!(f, "{file} ")?;
    match fault {
        PemFault::NotPem => write!(f, "is not PEM: a file with -----BEGIN {needed}----- is needed"),
        PemFault::Binary => {
            let tool = if wanted == Wanted::Key { "pkey" } else { "x509" };
            write!(
                f,
                "is binary, and PEM is needed: convert it with openssl {tool} -inform DER -in {path} -out NEW, or if \
                 it is PKCS #12 with openssl pkcs12 -nodes -in {path} -out NEW"
            )
        }
        PemFault::Marks => f.write_str("is cut off, or a BEGIN or END line in it is damaged: copy it again"),
        PemFault::NotBase64(label) => write!(f, "has a section {label} that is not base64: copy it again"),
        PemFault::Encrypted => write!(
            f,
            "has an encrypted key, and the connector cannot ask for its password: decrypt it with openssl pkey -in \
             {path} -out NEW"
        ),
        PemFault::Wrapped(how) => {
            write!(f, "holds certificates in another form: convert it with openssl {how} -in {path} -out NEW")
        }
        PemFault::Others(labels) => {
            write!(f, "has {} and no {needed}, which is needed", labels.join(", "))?;
            match &*labels[0] {
                "OPENSSH PRIVATE KEY" => write!(f, ": convert it with ssh-keygen -p -m PEM -N \"\" -f {path}"),
                label if label.ends_with("REQUEST") && wanted == Wanted::Certificate => {
                    f.write_str(": it is what the CA makes of the request")
                }
                _ => Ok(()),
            }
        }
    }
}
