//! Reads issuer, last day and length of the key from a certificate, for messages.
//!
//! rustls' own reader of certificates does not publish these, and linking another one costs more than this: a few
//! elements of DER, none of whose lengths is trusted.

use crate::limits::net::ISSUER_TEXT;

/// The content of the fields that are used here.
pub(super) struct Fields<'a> {
    pub(super) issuer: &'a [u8],
    validity: &'a [u8],
    pub(super) key: &'a [u8],
}

/// `None`: it is not a certificate.
pub(super) fn fields(mut certificate: &[u8]) -> Option<Fields<'_>> {
    let (_, mut signed) = element(&mut certificate)?;
    let (_, mut fields) = element(&mut signed)?;
    // A version, which is missing in version 1, then serial number and signature algorithm.
    if element(&mut fields)?.0 == VERSION {
        element(&mut fields)?;
    }
    element(&mut fields)?;
    let mut next = || element(&mut fields).map(|(_, content)| content);
    let (issuer, validity, _subject, key) = (next()?, next()?, next()?, next()?);
    Some(Fields { issuer, validity, key })
}

/// Organisation and common name of the issuer. `None`: it is not a certificate, or has neither.
pub(super) fn issuer(certificate: &[u8]) -> Option<String> {
    let (mut name, mut text) = (fields(certificate)?.issuer, String::new());
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

/// The last day of this certificate, as year-month-day.
pub(super) fn last_day(certificate: &[u8]) -> Option<String> {
    let mut validity = fields(certificate)?.validity;
    element(&mut validity)?;
    let (tag, time) = element(&mut validity)?;
    // Two digits of the year, from 1950 on (RFC 5280, section 4.1.2.5.1), or four.
    let (century, digits) = match tag {
        UTC_TIME => (if *time.first()? < b'5' { "20" } else { "19" }, time.get(..6)?),
        _ => ("", time.get(..8)?),
    };
    let digits = str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    let (year, day) = digits.split_at(digits.len() - 4);
    Some(format!("{century}{year}-{}-{}", &day[..2], &day[2..]))
}

/// Bits of an RSA key, a multiple of eight. `key`: the content of `SubjectPublicKeyInfo`. `None`: it is not an RSA key.
pub(super) fn rsa_bits(mut key: &[u8]) -> Option<usize> {
    let (_, mut algorithm) = element(&mut key)?;
    if element(&mut algorithm)?.1 != RSA {
        return None;
    }
    let (_, bits) = element(&mut key)?;
    // After the number of unused bits: the modulus, and an exponent.
    let (_, mut numbers) = element(&mut bits.get(1..)?)?;
    let (_, modulus) = element(&mut numbers)?;
    Some(8 * modulus.iter().skip_while(|byte| **byte == 0).count())
}

const VERSION: u8 = 0xA0;
/// `id-at-commonName`, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
/// `id-at-organizationName`, 2.5.4.10.
const ORGANISATION: &[u8] = &[0x55, 4, 10];
/// `rsaEncryption`, 1.2.840.113549.1.1.1.
const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1];
const UTC_TIME: u8 = 0x17;

/// Splits the first element off `der`: its tag and its content.
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
    use crate::test_support::Ca;

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
        let root = include_bytes!("roots/amazon_root_ca_1.der");
        assert_eq!(issuer(root).unwrap(), "O=Amazon, CN=Amazon Root CA 1");
    }

    #[test]
    fn the_name_of_an_unknown_issuer_is_one_line_and_short() {
        let long = "x".repeat(20_000);
        let text = issuer(&of("one\ntwo\u{1b}[31m", &long)).unwrap();
        assert!(text.starts_with("O=one two [31m, CN=xxx") && text.chars().count() == ISSUER_TEXT, "{text}");
    }

    #[test]
    fn the_last_day_is_read_from_either_form_of_a_date() {
        let ca = Ca::new();
        for (year, expected) in [(1999, "1999-01-01"), (2031, "2031-01-01"), (2050, "2050-01-01"), (2100, "2100-01-01")]
        {
            assert_eq!(last_day(&ca.issue("device", (1990, year)).der()).as_deref(), Some(expected));
        }
    }

    #[test]
    fn the_length_of_an_rsa_key_is_read() {
        let bits = |root| rsa_bits(fields(root).unwrap().key);
        assert_eq!(bits(include_bytes!("roots/amazon_root_ca_1.der")), Some(2048));
        assert_eq!(bits(include_bytes!("roots/amazon_root_ca_2.der")), Some(4096));
        assert_eq!(bits(include_bytes!("roots/amazon_root_ca_3.der")), None);
    }

    fn read_all(bytes: &[u8]) {
        issuer(bytes);
        last_day(bytes);
        fields(bytes).and_then(|fields| rsa_bits(fields.key));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            read_all(&bytes);
            rsa_bits(&bytes);
        }

        #[test]
        fn no_damage_makes_it_panic(place: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let mut bytes = include_bytes!("roots/amazon_root_ca_2.der").to_vec();
            let place = place.index(bytes.len().min(400));
            bytes[place] = byte;
            bytes.truncate(cut.index(bytes.len() + 1));
            read_all(&bytes);
        }
    }
}
