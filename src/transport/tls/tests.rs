//! Roots as published, and files that are not what they should be.

use core::error::Error as _;

use ::ring::digest::{SHA256, digest};

use super::roots::ROOTS;
use super::*;
use crate::{
    config::ClientCertificate,
    test_support::{Ca, Folder},
};

#[test]
fn the_built_in_roots_have_the_fingerprints_that_amazon_publishes() {
    let fingerprints = ROOTS.map(|root| data_encoding::HEXLOWER.encode(digest(&SHA256, root).as_ref()));
    assert_eq!(
        fingerprints,
        [
            "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
            "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
            "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
            "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
            "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
        ]
    );
    assert_eq!(built_in_roots().unwrap().len(), ROOTS.len());
}

#[test]
fn to_the_service_and_to_the_broker_the_cheapest_suites_are_offered_first() {
    let clock = Clock::default();
    let (service, broker) = (Tls::for_service(None, &clock), Tls::for_broker(&MqttTls::default(), &clock));
    for tls in [service.unwrap(), broker.unwrap()] {
        assert_eq!(tls.config().crypto_provider().cipher_suites, suites::by_cost());
    }
}

#[test]
fn a_ca_bundle_is_trusted_beside_the_built_in_roots() {
    let folder = Folder::new();
    let bundle = folder.write("ca.pem", Ca::new().pem() + &Ca::new().pem());
    let mut roots = built_in_roots().unwrap();
    add_roots(&mut roots, &PemFile::new(CA_BUNDLE, &bundle)).unwrap();
    assert_eq!(roots.len(), ROOTS.len() + 2);
}

#[test]
fn one_unusable_certificate_does_not_spoil_a_bundle() {
    let folder = Folder::new();
    let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let bundle = folder.write("ca.pem", odd.to_owned() + &Ca::new().pem());
    Tls::for_service(Some(&bundle), &Clock::default()).unwrap();

    let alone = folder.write("odd.pem", odd);
    let error = Tls::for_service(Some(&alone), &Clock::default()).unwrap_err();
    assert!(matches!(error, TlsError::Unusable { .. }), "{error:?}");
}

#[test]
fn errors_name_the_variable_the_file_and_the_fault() {
    let folder = Folder::new();
    let missing = folder.path().join("missing.pem");
    let error = Tls::for_service(Some(&missing), &Clock::default()).unwrap_err();
    assert_eq!(error.to_string(), format!("AWS_CA_BUNDLE: {} cannot be read", missing.display()));
    assert!(error.source().is_some());

    let empty = folder.write("empty.pem", "no PEM here\n");
    let ca = MqttTls { ca: Some(empty.clone()), ..MqttTls::default() };
    let expected = "is not PEM: a file with -----BEGIN CERTIFICATE----- is needed";
    assert_eq!(
        Tls::for_broker(&ca, &Clock::default()).unwrap_err().to_string(),
        format!("FIREHOSE_CONNECTOR_MQTT_CA: {} {expected}", empty.display())
    );

    let cut = folder.write("cut.pem", &Ca::new().pem()[..200]);
    assert!(matches!(Tls::for_service(Some(&cut), &Clock::default()).unwrap_err(), TlsError::NotUsable { .. }));

    let huge = folder.write("huge.pem", vec![b'\n'; 600 * 1024]);
    assert!(matches!(Tls::for_service(Some(&huge), &Clock::default()).unwrap_err(), TlsError::Unreadable { .. }));
}

#[test]
fn a_key_that_belongs_to_another_certificate_is_named() {
    let folder = Folder::new();
    let ca = Ca::new();
    let (ours, other) = (ca.issue("device", (2000, 2100)), ca.issue("device", (2000, 2100)));
    let certificate = folder.write("cert.pem", ours.certificate_pem());
    let client = |key| MqttTls {
        client: Some(ClientCertificate { certificate: certificate.clone(), key }),
        ..MqttTls::default()
    };
    Tls::for_broker(&client(folder.write("key.pem", ours.key_pem())), &Clock::default()).unwrap();

    let wrong = folder.write("wrong.pem", other.key_pem());
    let error = Tls::for_broker(&client(wrong.clone()), &Clock::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "FIREHOSE_CONNECTOR_MQTT_KEY: {} is not the key of the certificate in FIREHOSE_CONNECTOR_MQTT_CERT: {}",
            wrong.display(),
            certificate.display()
        )
    );

    let no_key = folder.write("nokey.pem", ours.certificate_pem());
    assert!(matches!(Tls::for_broker(&client(no_key), &Clock::default()).unwrap_err(), TlsError::NotUsable { .. }));
}
