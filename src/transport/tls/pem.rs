//! Reads PEM files as they are found in the field.
//!
//! Only the BEGIN and END marks and base64 count: files come with a byte order mark, as UTF-16, with other line ends,
//! on one line, with `\n` as two characters and quotes around, with sections that follow each other without a line end,
//! and with text between. The content may be a key, so nothing of it gets into a message but the name of a section.

use std::io::{self, BufRead, BufReader};

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{PemObject, SectionKind},
};

use super::{
    error::TlsError,
    fault::{PemFault, PemFile, Wanted},
};
use crate::{
    config::bounded_file,
    limits::net::{MAX_PEM_FILE, PEM_LABEL, PEM_LABELS, PEM_SECTION},
    sandbox::explained,
};

/// One section, its text unchanged.
struct Section {
    label: String,
    text: Vec<u8>,
}

impl PemFile {
    /// All certificates, at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let mut certificates = Vec::new();
        self.each(Wanted::Certificate, |section| match &*section.label {
            // The second is the name that early versions of OpenSSL wrote.
            "CERTIFICATE" | "X509 CERTIFICATE" => {
                certificates.push(section.decode("CERTIFICATE")?.1.into());
                Ok(true)
            }
            "TRUSTED CERTIFICATE" => Err(PemFault::Wrapped("x509")),
            "PKCS7" | "CMS" => Err(PemFault::Wrapped("pkcs7 -print_certs")),
            _ => Ok(false),
        })?;
        Ok(certificates)
    }

    /// The first key.
    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let mut key = None;
        self.each(Wanted::Key, |section| match &*section.label {
            "ENCRYPTED PRIVATE KEY" => Err(PemFault::Encrypted),
            _ if memchr::memmem::find(&section.text, b"4,ENCRYPTED").is_some() => Err(PemFault::Encrypted),
            label @ ("PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY") if key.is_none() => {
                let (kind, der) = section.decode(label)?;
                key = PrivateKeyDer::from_pem(kind, der);
                Ok(true)
            }
            _ => Ok(false),
        })?;
        key.ok_or_else(|| self.fault(Wanted::Key, PemFault::NotPem))
    }

    fn fault(&self, wanted: Wanted, fault: PemFault) -> TlsError {
        TlsError::NotUsable { file: self.clone(), wanted, fault }
    }

    /// Hands each section to `take`, which returns whether it is of the wanted kind; at least one has to be.
    fn each(&self, wanted: Wanted, take: impl FnMut(&Section) -> Result<bool, PemFault>) -> Result<(), TlsError> {
        let unreadable = |cause| TlsError::Unreadable { file: self.clone(), cause: explained(&self.path, cause) };
        let file = bounded_file::open(&self.path, MAX_PEM_FILE).map_err(unreadable)?;
        match sections(BufReader::new(file), take) {
            Ok(None) => Ok(()),
            Ok(Some(fault)) => Err(self.fault(wanted, fault)),
            Err(cause) => Err(unreadable(cause)),
        }
    }
}

/// What encloses the words that begin and end a section.
const DASHES: &[u8] = b"-----";
/// The first byte of DER: a `SEQUENCE`.
const DER_SEQUENCE: u8 = 0x30;

/// Hands each section to a function, and returns what is wrong with the file, if anything.
fn sections(
    mut file: impl BufRead,
    mut take: impl FnMut(&Section) -> Result<bool, PemFault>,
) -> io::Result<Option<PemFault>> {
    let head = file.fill_buf()?;
    let is_binary = head.first() == Some(&DER_SEQUENCE) && !head.is_ascii();
    let (mut open, mut others, mut taken) = (None::<Section>, Vec::new(), false);
    let mut text = Vec::new();
    for byte in file.bytes() {
        match byte? {
            // PEM is ASCII: this is a byte order mark, the other half of UTF-16, or a comment.
            0 | 0x80.. => continue,
            byte => text.push(byte),
        }
        if text.len() > PEM_SECTION {
            // A comment, of which only the end counts; or a damaged section.
            if open.is_some() {
                return Ok(Some(PemFault::Marks));
            }
            text.drain(..PEM_SECTION / 2);
        }
        let Some(before) = text.strip_suffix(DASHES) else { continue };
        match (mark(before), &mut open) {
            (Mark::None, None) => {}
            (Mark::None, Some(section)) if section.text.is_empty() => section.text.extend_from_slice(before),
            (Mark::Begin(label), None) => open = Some(Section { label: label.to_owned(), text: Vec::new() }),
            (Mark::End(label), Some(section)) if section.label == label => {
                match take(section) {
                    Ok(true) => taken = true,
                    Ok(false) if others.len() < PEM_LABELS && !others.contains(&section.label) => {
                        others.push(core::mem::take(&mut section.label));
                    }
                    Ok(false) => {}
                    Err(fault) => return Ok(Some(fault)),
                }
                open = None;
            }
            _ => return Ok(Some(PemFault::Marks)),
        }
        text.clear();
    }
    Ok(if open.is_some() || mark(&text) != Mark::None {
        Some(PemFault::Marks)
    } else if taken {
        None
    } else if !others.is_empty() {
        Some(PemFault::Others(others))
    } else {
        Some(if is_binary { PemFault::Binary } else { PemFault::NotPem })
    })
}

/// What precedes five dashes.
#[derive(Debug, PartialEq, Eq)]
enum Mark<'a> {
    None,
    Begin(&'a str),
    End(&'a str),
    Damaged,
}

fn mark(text: &[u8]) -> Mark<'_> {
    // If there were more than five dashes, the rest is here.
    let text = without_dashes(text).trim_ascii();
    let (make, label): (fn(_) -> _, _) = match (text.strip_prefix(b"BEGIN "), text.strip_prefix(b"END ")) {
        (Some(label), _) => (Mark::Begin, label),
        (None, Some(label)) => (Mark::End, label),
        (None, None) => return Mark::None,
    };
    let is_label = |b: &u8| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b' ');
    match str::from_utf8(label.trim_ascii()) {
        Ok(label) if label.len() <= PEM_LABEL && label.as_bytes().iter().all(is_label) => make(label),
        _ => Mark::Damaged,
    }
}

fn without_dashes(text: &[u8]) -> &[u8] {
    let dashes = text.iter().take_while(|byte| **byte == b'-').count();
    &text[dashes..]
}

impl Section {
    /// Decodes the content, as that of a section called `label`.
    fn decode(&self, label: &str) -> Result<(SectionKind, Vec<u8>), PemFault> {
        let mut pem = format!("-----BEGIN {label}-----\n").into_bytes();
        let mut is_escaped = false;
        for &byte in without_dashes(&self.text) {
            match byte {
                // The second character of `\n` or `\r`.
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' | b' ' | b'\t'..=b'\r' => {}
                _ => pem.push(byte),
            }
        }
        pem.extend_from_slice(format!("\n-----END {label}-----\n").as_bytes());
        PemObject::from_pem_slice(&pem).map_err(|_| PemFault::NotBase64(self.label.clone()))
    }
}

#[cfg(test)]
mod tests;
