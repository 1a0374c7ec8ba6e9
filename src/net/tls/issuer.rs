//! Whom a certificate names as its issuer, in words for a person.
//!
//! No reader of certificates is linked for that: rustls' own knows where the name is, and not how to write it. What
//! stands here reads four elements of DER and believes none of their lengths.

use crate::limits::net::ISSUER_TEXT;

/// Organisation and common name of the issuer of this certificate; `None` when it is none, or names nobody.
pub(super) fn issuer(certificate: &[u8]) -> Option<String> {
    let (mut outer, mut text) = (certificate, String::new());
    let (_, mut signed) = element(&mut outer)?;
    let (_, mut fields) = element(&mut signed)?;
    // A version, which the oldest do without, then serial number and signature algorithm.
    if element(&mut fields)?.0 == VERSION {
        element(&mut fields)?;
    }
    element(&mut fields)?;
    let (_, mut name) = element(&mut fields)?;
    while let Some((_, mut set)) = element(&mut name) {
        while let Some((_, mut attribute)) = element(&mut set) {
            let (kind, value) = (element(&mut attribute)?.1, element(&mut attribute)?.1);
            let label = match kind {
                COMMON_NAME => "CN=",
                ORGANISATION => "O=",
                _ => continue,
            };
            let separator = if text.is_empty() { "" } else { ", " };
            text.extend([separator, label, &String::from_utf8_lossy(value)]);
        }
    }
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    Some(printable.take(ISSUER_TEXT).collect()).filter(|text: &String| !text.is_empty())
}

const VERSION: u8 = 0xA0;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
/// 2.5.4.10
const ORGANISATION: &[u8] = &[0x55, 4, 10];

/// Takes an element from the front of `der`: its tag and its content.
fn element<'a>(der: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&[tag, first], rest) = der.split_first_chunk()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) =
            rest.split_at_checked(usize::from(first & 0x7F)).filter(|(digits, _)| digits.len() <= 3)?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *der = rest;
    Some((tag, content))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, CertifiedIssuer, DistinguishedName, DnType, KeyPair};

    use super::*;
    use crate::net::test_support::Ca;

    fn of(organisation: &str, common_name: &str) -> Vec<u8> {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "DE");
        params.distinguished_name.push(DnType::OrganizationName, organisation);
        params.distinguished_name.push(DnType::CommonName, common_name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn organisation_and_name_are_shown() {
        assert_eq!(issuer(&of("Zscaler Inc.", "Zscaler Root CA")).unwrap(), "O=Zscaler Inc., CN=Zscaler Root CA");
        let leaf = Ca::named("The CA").issue("localhost", (2000, 2100));
        assert!(issuer(&leaf.der()).unwrap().ends_with("CN=The CA"));
        let root = include_bytes!("../roots/amazon_root_ca_1.der");
        assert_eq!(issuer(root).unwrap(), "O=Amazon, CN=Amazon Root CA 1");
    }

    #[test]
    fn what_a_stranger_calls_itself_is_one_line_and_short() {
        let long = "x".repeat(20_000);
        let text = issuer(&of("one\ntwo\u{1b}[31m", &long)).unwrap();
        assert!(text.starts_with("O=one two [31m, CN=xxx") && text.chars().count() == ISSUER_TEXT, "{text}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            issuer(&bytes);
        }

        #[test]
        fn no_damage_makes_it_panic(place: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let mut bytes = include_bytes!("../roots/amazon_root_ca_2.der").to_vec();
            let place = place.index(bytes.len().min(200));
            bytes[place] = byte;
            bytes.truncate(cut.index(bytes.len() + 1));
            issuer(&bytes);
        }
    }
}
