//! Files as people have them: taken whole, or refused in words that show nothing of them.

use std::path::Path;

use super::*;
use crate::test_support::{Ca, Folder};

fn certificates(bytes: impl AsRef<[u8]>) -> Result<Vec<CertificateDer<'static>>, String> {
    let folder = Folder::new();
    let file = PemFile::new("VARIABLE", &folder.write("file.pem", bytes));
    file.certificates().map_err(|error| said(&error, &folder))
}

fn key(bytes: impl AsRef<[u8]>) -> Result<PrivateKeyDer<'static>, String> {
    let folder = Folder::new();
    let file = PemFile::new("VARIABLE", &folder.write("file.pem", bytes));
    file.private_key().map_err(|error| said(&error, &folder))
}

fn said(error: &TlsError, folder: &Folder) -> String {
    crate::error_chain::error_chain(error).replace(&format!("{}/", folder.path().display()), "")
}

fn utf_16(text: &str) -> Vec<u8> {
    [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
}

/// The same file in the forms in which it reaches devices.
fn forms(pem: &str) -> Vec<(&'static str, Vec<u8>)> {
    let c_string: String = pem.lines().map(|line| format!("\"{line}\\n\"\n")).collect();
    vec![
        ("as it is", pem.into()),
        ("byte order mark", format!("\u{feff}{pem}").into()),
        ("UTF-16", utf_16(pem)),
        ("CR LF", pem.replace('\n', "\r\n").into()),
        ("CR only", pem.replace('\n', "\r").into()),
        ("blanks around lines", pem.lines().map(|line| format!("  {line}\t\n")).collect::<String>().into()),
        ("empty lines", pem.replace('\n', "\n\n").into()),
        ("glued sections", pem.replace("-----\n-----", "----------").into()),
        ("one line", pem.replace('\n', " ").into()),
        ("no line ends", pem.replace('\n', "").into()),
        ("\\n in two characters", pem.replace('\n', "\\n").into()),
        ("quoted", format!("\"{}\"\n", pem.trim()).into()),
        ("a C string", c_string.into()),
        ("no line end at the end", pem.trim_end().into()),
        ("text between", pem.replace("-----BEGIN", "Bag Attributes\n    friendlyName: Gerät - 7\n-----BEGIN").into()),
        ("a long text before", format!("{}\n{pem}", "remark ".repeat(20_000)).into()),
        ("rulers between", pem.replace("-----BEGIN", "----------------\n\n-----BEGIN").into()),
        ("six dashes", pem.replace("-----", "------").into()),
    ]
}

#[test]
fn every_certificate_of_a_file_is_taken_whatever_form_it_has() {
    let ca = Ca::new();
    let sub = ca.issue_ca((2000, 2100));
    let leaf = sub.issue("device", (2000, 2100));
    let chain = leaf.certificate_pem() + &sub.pem() + &ca.pem();
    let expected = vec![leaf.der(), sub.der(), ca.der()];
    for (form, bytes) in forms(&chain) {
        assert_eq!(certificates(bytes).as_ref(), Ok(&expected), "{form}");
    }
    let combined =
        leaf.key_pem() + "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + &chain;
    assert_eq!(certificates(combined).as_ref(), Ok(&expected), "beside its key");
    let old = chain.replace(" CERTIFICATE", " X509 CERTIFICATE");
    assert_eq!(certificates(old).as_ref(), Ok(&expected), "under an old name");
}

#[test]
fn a_key_is_taken_whatever_form_it_has() {
    let leaf = Ca::new().issue("device", (2000, 2100));
    let expected = key(leaf.key_pem()).unwrap();
    for (form, bytes) in forms(&leaf.key_pem()) {
        assert_eq!(key(bytes).as_ref(), Ok(&expected), "{form}");
    }
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    for before in [parameters.to_owned(), leaf.certificate_pem()] {
        assert_eq!(key(before + &leaf.key_pem()).as_ref(), Ok(&expected));
    }
}

#[test]
fn what_cannot_be_used_is_named_with_the_way_out() {
    let leaf = Ca::new().issue("device", (2000, 2100));
    let (certificate, plain) = (leaf.certificate_pem(), leaf.key_pem());
    let section = |label: &str| format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n");
    let traditional = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: \
        AES-256-CBC,AB01\n\nMAA=\n-----END EC PRIVATE KEY-----\n";
    let encrypted = "VARIABLE: file.pem has an encrypted key, and the connector cannot ask for its password: decrypt \
        it with openssl pkey -in file.pem -out NEW";
    for (bytes, expected) in [
        (section("ENCRYPTED PRIVATE KEY"), encrypted),
        (traditional.into(), encrypted),
        (section("PUBLIC KEY"), "VARIABLE: file.pem has PUBLIC KEY and no PRIVATE KEY, which is needed"),
        (
            certificate.clone() + &section("CERTIFICATE REQUEST"),
            "VARIABLE: file.pem has CERTIFICATE, CERTIFICATE REQUEST and no PRIVATE KEY, which is needed",
        ),
        (
            section("OPENSSH PRIVATE KEY"),
            "VARIABLE: file.pem has OPENSSH PRIVATE KEY and no PRIVATE KEY, which is needed: convert it with \
             ssh-keygen -p -m PEM -N \"\" -f file.pem",
        ),
        (String::new(), "VARIABLE: file.pem is not PEM: a file with -----BEGIN PRIVATE KEY----- is needed"),
        (plain.replace('M', "?"), "VARIABLE: file.pem has a section PRIVATE KEY that is not base64: copy it again"),
    ] {
        assert_eq!(key(bytes).unwrap_err(), expected);
    }
    let other_form = "VARIABLE: file.pem holds certificates in another form: convert it with openssl";
    for (bytes, expected) in [
        (plain.clone(), "VARIABLE: file.pem has PRIVATE KEY and no CERTIFICATE, which is needed"),
        (
            section("NEW CERTIFICATE REQUEST"),
            "VARIABLE: file.pem has NEW CERTIFICATE REQUEST and no CERTIFICATE, which is needed: it is what the CA \
             makes of the request",
        ),
        (certificate.clone() + &section("TRUSTED CERTIFICATE"), &*format!("{other_form} x509 -in file.pem -out NEW")),
        (section("PKCS7"), &*format!("{other_form} pkcs7 -print_certs -in file.pem -out NEW")),
        ("nothing\n".into(), "VARIABLE: file.pem is not PEM: a file with -----BEGIN CERTIFICATE----- is needed"),
    ] {
        assert_eq!(certificates(bytes).unwrap_err(), expected);
    }
    let binary = "VARIABLE: file.pem is binary, and PEM is needed: convert it with openssl x509 -inform DER -in \
        file.pem -out NEW, or if it is PKCS #12 with openssl pkcs12 -nodes -in file.pem -out NEW";
    assert_eq!(certificates(leaf.der()).unwrap_err(), binary);
}

#[test]
fn what_is_cut_or_damaged_is_refused_and_nothing_of_it_is_shown() {
    let leaf = Ca::new().issue("device", (2000, 2100));
    let pem = leaf.key_pem();
    let damaged = "VARIABLE: file.pem is cut off, or a BEGIN or END line in it is damaged: copy it again";
    for (form, bytes) in [
        ("cut within the base64", pem[..pem.len() / 2].to_owned()),
        ("cut within the last line", pem[..pem.len() - 8].to_owned()),
        ("without the last line", pem.lines().take(2).collect::<Vec<_>>().join("\n")),
        ("a dash less behind BEGIN", pem.replacen("KEY-----\n", "KEY----\n", 1)),
        ("no dash behind BEGIN", pem.replacen("KEY-----\n", "KEY", 1)),
        ("one section within another", pem.replacen("KEY-----\n", "KEY-----\n-----BEGIN CERTIFICATE-----\n", 1)),
        ("another end", pem.replace("END PRIVATE", "END RSA PRIVATE")),
        ("an endless section", pem.replacen("KEY-----\n", &format!("KEY-----\n{}", "A".repeat(100_000)), 1)),
        ("a first section that does not end", pem.clone().replace("-----END PRIVATE KEY-----\n", "") + &pem),
    ] {
        assert_eq!(key(&bytes).unwrap_err(), damaged, "{form}");
        assert_eq!(certificates(&bytes).unwrap_err(), damaged, "{form}");
    }
}

#[test]
fn a_key_in_the_place_of_the_name_of_its_file_is_not_shown() {
    let pem = Ca::new().issue("device", (2000, 2100)).key_pem();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    for text in [pem, base64.clone(), base64[..40].to_owned(), format!("/{base64}")] {
        let error = PemFile::new("VARIABLE_KEY", Path::new(&text)).private_key().unwrap_err();
        assert_eq!(error.to_string(), "VARIABLE_KEY (not shown, it may be the key itself) cannot be read");
    }
    let error = PemFile::new("VARIABLE_KEY", Path::new("/etc/no-such-key.pem")).private_key().unwrap_err();
    assert_eq!(error.to_string(), "VARIABLE_KEY: /etc/no-such-key.pem cannot be read");
}

#[test]
fn one_bad_certificate_among_good_ones_is_not_left_out() {
    let ca = Ca::new();
    let error = certificates(ca.pem() + &ca.pem().replace('M', "?")).unwrap_err();
    assert_eq!(error, "VARIABLE: file.pem has a section CERTIFICATE that is not base64: copy it again");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_show_themselves(bytes: Vec<u8>, cut: proptest::sample::Index) {
        let key_pem = Ca::new().issue("device", (2000, 2100)).key_pem();
        let mut text = key_pem.clone().into_bytes();
        let at = cut.index(text.len());
        text.splice(at..at, bytes);
        if let Err(error) = key(text) {
            for line in key_pem.lines().filter(|line| !line.starts_with('-')) {
                proptest::prop_assert!(!error.contains(&line[..12]), "{}", error);
            }
        }
    }
}
