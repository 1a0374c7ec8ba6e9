//! The errors of other crates in plain English: many of them display as Rust code.

use core::error::Error;
use core::fmt::{Debug, Write as _};
use std::io;

use rumqttc::v5::mqttbytes;
use rustls::{CertificateError, OtherError, PeerIncompatible};
use serde_json::error::Category;

use crate::foreign::foreign;

/// The text of `error`. `None`: it adds nothing to the sentence before it.
pub(crate) fn words(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return match error.get_ref() {
            // The sentence before it reports the closed connection; rustls adds a page of its manual.
            _ if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Some(inner) => words(inner),
            None => Some(of_system(error)),
        };
    }
    if let Some(error) = error.downcast_ref() {
        return of_tls(error);
    }
    if let Some(error) = error.downcast_ref() {
        return of_mqtt(error);
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        // "connection error": its source is more specific.
        return error.source().is_none().then(|| error.to_string());
    }
    match error.downcast_ref::<serde_json::Error>() {
        // It shows what is there.
        Some(error) if error.classify() == Category::Data => {
            Some(format!("something else is expected at line {} column {}", error.line(), error.column()))
        }
        _ => Some(error.to_string()),
    }
}

/// The name of a variant, such as `NotAuthorized`, as words.
pub(crate) fn spelled(variant: &dyn Debug) -> String {
    let name = format!("{variant:?}");
    let (name, number) = name.split_once('(').unwrap_or((&name, ""));
    if number.starts_with("0x") {
        return format!("number {}", number.trim_end_matches(')'));
    }
    let (mut text, mut before) = (String::with_capacity(name.len() + 8), ' ');
    for c in name.replace("QoS", "Qos").chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            text.push(' ');
        }
        text.push(c.to_ascii_lowercase());
        before = c;
    }
    text
}

/// The system's text without the error number, as in `Connection reset by peer (os error 104)`.
pub(crate) fn of_system(error: &io::Error) -> String {
    let mut text = error.to_string();
    if let Some(end) = text.find(" (os error ") {
        text.truncate(end);
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_lowercase();
        }
    }
    text
}

fn of_mqtt(error: &mqttbytes::Error) -> Option<String> {
    use mqttbytes::Error as Mqtt;
    match error {
        Mqtt::PayloadSizeLimitExceeded { pkt_size, max } => {
            Some(format!("a packet of {pkt_size} bytes, at most {max} fit"))
        }
        Mqtt::BoundaryCrossed(_) | Mqtt::InsufficientBytes(_) => {
            Some("lengths in a packet contradict each other".to_owned())
        }
        error => Some(error.to_string()),
    }
}

fn of_tls(error: &rustls::Error) -> Option<String> {
    use rustls::Error as Tls;
    Some(match error {
        Tls::InvalidCertificate(error) => return of_certificate(error),
        Tls::AlertReceived(alert) => format!("it says \"{}\"", spelled(alert)),
        Tls::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "it has no TLS 1.2 or later".to_owned(),
        Tls::PeerIncompatible(why) => spelled(why),
        Tls::PeerMisbehaved(why) => format!("it breaks the rules: {}", spelled(why)),
        Tls::InappropriateMessage { .. } | Tls::InappropriateHandshakeMessage { .. } => {
            "a message out of place".to_owned()
        }
        Tls::NoCertificatesPresented => "it shows no certificate".to_owned(),
        Tls::DecryptError => "what came cannot be decrypted".to_owned(),
        Tls::General(text) => foreign(text),
        Tls::Other(OtherError(cause)) => return words(&**cause),
        _ => return None,
    })
}

fn of_certificate(error: &CertificateError) -> Option<String> {
    use CertificateError as Of;
    let text = match error {
        Of::BadEncoding => "it cannot be read",
        Of::NotValidYet | Of::NotValidYetContext { .. } => "it is not valid yet",
        Of::Revoked => "it is revoked",
        Of::UnhandledCriticalExtension => CRITICAL,
        Of::BadSignature => "a trusted CA has the same name and another key: it may have been renewed",
        Of::UnsupportedSignatureAlgorithmContext { signature_algorithm_id: id, .. }
        | Of::UnsupportedSignatureAlgorithmForPublicKeyContext { signature_algorithm_id: id, .. } => {
            let name = SIGNATURES
                .iter()
                .find(|(oid, _)| id.ends_with(oid))
                .map_or("an algorithm that is not supported", |(_, name)| name);
            return Some(format!(
                "it is signed with {name}: have it signed with SHA-256, and a key of RSA, P-256 or P-384"
            ));
        }
        Of::NotValidForNameContext { presented, .. } => return Some(names(presented)),
        Of::InvalidPurpose | Of::InvalidPurposeContext { .. } => {
            "it is not for servers: its extended key usage lacks serverAuth"
        }
        Of::Other(OtherError(cause)) => match cause.downcast_ref::<webpki::Error>() {
            Some(error) => return Some(of_path(error)),
            None => return words(&**cause),
        },
        _ => return None,
    };
    Some(text.to_owned())
}

const CRITICAL: &str = "it has a critical extension that is not known here";

/// The last arcs of algorithms that are still in use and not supported here.
const SIGNATURES: [(&[u8], &str); 4] = [
    // 1.2.840.113549.1.1.5, with its parameters
    (&[0xF7, 0x0D, 1, 1, 5, 5, 0], "RSA and SHA-1"),
    // 1.2.840.10045.4.1
    (&[0xCE, 0x3D, 4, 1], "ECDSA and SHA-1"),
    // 1.2.840.10045.4.3.4
    (&[0xCE, 0x3D, 4, 3, 4], "ECDSA and SHA-512"),
    // 1.3.101.113
    (&[0x2B, 0x65, 0x71], "Ed448"),
];

fn of_path(error: &webpki::Error) -> String {
    use webpki::Error as Path;
    match error {
        Path::CaUsedAsEndEntity => "it is a CA itself (CA:TRUE): a certificate for a server (CA:FALSE) is needed",
        Path::EndEntityUsedAsCa => "it is signed by one that is no CA (CA:FALSE)",
        Path::UnsupportedCertVersion => "it is of X.509 version 1: version 3 with a subjectAltName is needed",
        Path::UnsupportedCriticalExtension => CRITICAL,
        Path::NameConstraintViolation => "its CA may not sign for this name",
        Path::PathLenConstraintViolated => "its CA may not sign for other CAs",
        other => return spelled(other),
    }
    .to_owned()
}

/// The names of a certificate, each written by webpki as `DnsName("name")`.
fn names(presented: &[String]) -> String {
    let mut text = String::new();
    for name in presented {
        let name = name.split_once('(').map_or(&**name, |(_, name)| name);
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _: core::fmt::Result = write!(text, "{separator}{}", name.trim_matches(['(', ')', '"']));
    }
    if text.is_empty() { "it lists none, make one with a subjectAltName".to_owned() } else { foreign(&text) }
}

#[cfg(test)]
mod tests {
    use rustls::AlertDescription;
    use rustls::pki_types::ServerName;

    use super::*;

    fn of(error: impl Into<rustls::Error>) -> Option<String> {
        words(&io::Error::other(error.into()))
    }

    #[test]
    fn a_variant_is_spelled_as_words() {
        for (variant, expected) in [
            (&AlertDescription::UnknownCA as &dyn Debug, "unknown ca"),
            (&AlertDescription::Unknown(7), "number 0x7"),
            (&PeerIncompatible::NoCipherSuitesInCommon, "no cipher suites in common"),
            (&mqttbytes::v5::DisconnectReasonCode::QoSNotSupported, "qos not supported"),
        ] {
            assert_eq!(spelled(variant), expected);
        }
    }

    #[test]
    fn a_certificate_for_other_names_is_described_by_its_names() {
        let refused = |presented: &[&str]| {
            of(CertificateError::NotValidForNameContext {
                expected: ServerName::try_from("broker").unwrap(),
                presented: presented.iter().map(|name| (*name).to_owned()).collect(),
            })
        };
        let said = refused(&["DnsName(\"a.example\")", "IpAddress(10.0.0.1)"]);
        assert_eq!(said.as_deref(), Some("a.example, 10.0.0.1"));
        assert_eq!(refused(&[]).as_deref(), Some("it lists none, make one with a subjectAltName"));
    }

    #[test]
    fn no_error_of_another_crate_shows_its_type() {
        let incompatible = PeerIncompatible::NoSignatureSchemesInCommon;
        for (error, expected) in [
            (
                of(rustls::Error::AlertReceived(AlertDescription::HandshakeFailure)),
                Some("it says \"handshake failure\""),
            ),
            (of(incompatible), Some("no signature schemes in common")),
            (of(rustls::InvalidMessage::InvalidContentType), None),
            (of(CertificateError::UnknownIssuer), None),
            (words(&mqttbytes::Error::BoundaryCrossed(256)), Some("lengths in a packet contradict each other")),
            (words(&io::Error::from(io::ErrorKind::BrokenPipe)), Some("broken pipe")),
            (words(&io::Error::from_raw_os_error(libc::ECONNRESET)), Some("connection reset by peer")),
            (words(&io::Error::from(io::ErrorKind::UnexpectedEof)), None),
        ] {
            assert_eq!(error.as_deref(), expected);
        }
        let error = serde_json::from_str::<u8>("\"wJalrXUtnFEMI\"").unwrap_err();
        assert_eq!(words(&error).unwrap(), "something else is expected at line 1 column 15");
    }
}
