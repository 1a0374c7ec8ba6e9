//! Chains with all kinds of dates, judged by clocks of all kinds.

use ::time::{Date, Month, OffsetDateTime, Time};
use rustls::crypto::ring;

use super::*;
use crate::clock::for_certificates;
use crate::test_support::{Ca, Leaf};

const HOST: &str = "localhost";

/// By a clock in the middle of `year`.
fn judge(year: i32, ca: &Ca, between: &[&Ca], leaf: &Leaf) -> Result<(), CertificateError> {
    judge_by(None, year, ca, between, leaf)
}

/// The same, when an answer over TLS had the middle of the year `service` as its time.
fn judge_by(service: Option<i32>, system: i32, ca: &Ca, between: &[&Ca], leaf: &Leaf) -> Result<(), CertificateError> {
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let verifier = Verifier { roots: ca.roots(), algorithms, unknown_issuer: watch::Sender::default() };
    let between: Vec<_> = between.iter().map(|ca| ca.der()).collect();
    let millis = |year| {
        let day = OffsetDateTime::new_utc(Date::from_calendar_date(year, Month::July, 1).unwrap(), Time::MIDNIGHT);
        1000 * day.unix_timestamp()
    };
    let millis = for_certificates(service.map(millis), millis(system));
    let now = UnixTime::since_unix_epoch(core::time::Duration::from_millis(millis.try_into().unwrap()));
    let name = ServerName::try_from(HOST).unwrap();
    match verifier.verify_server_cert(&leaf.der(), &between, &name, &[], now) {
        Ok(_) => Ok(()),
        Err(Error::InvalidCertificate(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

fn is_expired(result: Result<(), CertificateError>) -> bool {
    matches!(result, Err(CertificateError::ExpiredContext { .. }))
}

#[test]
fn at_1970_a_certificate_is_good_that_ends_after_the_release() {
    let ca = Ca::new();
    for years in [(2000, 2100), (2090, 2091)] {
        assert_eq!(judge(1970, &ca, &[], &ca.issue(HOST, years)), Ok(()), "{years:?}");
    }
    let result = judge(1970, &ca, &[], &ca.issue(HOST, (2000, 2020)));
    let Err(CertificateError::ExpiredContext { time, .. }) = result else { panic!("{result:?}") };
    assert_eq!(time, UnixTime::since_unix_epoch(RELEASED));
}

#[test]
fn a_clock_at_the_images_build_accepts_certificates_issued_later() {
    let ca = Ca::new();
    assert_eq!(judge(2050, &ca, &[], &ca.issue(HOST, (2000, 2100))), Ok(()));
    assert_eq!(judge(2050, &ca, &[], &ca.issue(HOST, (2060, 2061))), Ok(()));
    assert!(is_expired(judge(2050, &ca, &[], &ca.issue(HOST, (2000, 2050)))));
}

#[test]
fn a_chain_needs_a_time_at_which_all_of_it_is_valid() {
    let ca = Ca::new();
    for (between, leaf, is_good) in [
        ((2060, 2070), (2065, 2066), true),
        ((2065, 2066), (2060, 2070), true),
        ((2060, 2070), (2080, 2090), false),
        ((2080, 2090), (2060, 2070), false),
    ] {
        let sub = ca.issue_ca(between);
        let result = judge(1970, &ca, &[&sub], &sub.issue(HOST, leaf));
        assert_eq!(result.is_ok(), is_good, "{result:?}");
        assert_eq!(is_expired(result), !is_good);
    }
}

#[test]
fn a_wrong_clock_excuses_neither_a_wrong_name_nor_an_unknown_ca() {
    let ca = Ca::new();
    for years in [(2000, 2100), (2090, 2091)] {
        let result = judge(1970, &ca, &[], &ca.issue("elsewhere.example", years));
        assert!(matches!(result, Err(CertificateError::NotValidForNameContext { .. })), "{result:?}");
        let result = judge(1970, &ca, &[], &Ca::new().issue(HOST, years));
        assert_eq!(result, Err(CertificateError::UnknownIssuer));
    }
}

#[test]
fn a_certificate_is_expired_only_by_both_the_services_time_and_the_systems_clock() {
    let ca = Ca::new();
    let leaf = ca.issue(HOST, (2020, 2040));
    for (service, system, is_good) in [
        // A lie ahead, to a clock that is right, and to one that was never set.
        (Some(2060), 2030, true),
        (Some(2060), 1970, true),
        // The right time, for a clock that has jumped ahead, and before it is known.
        (Some(2030), 2099, true),
        (None, 2099, false),
        // Expired by both clocks, or by the only one that is known.
        (Some(2050), 2050, false),
        (Some(2050), 2099, false),
        (None, 2050, false),
    ] {
        let result = judge_by(service, system, &ca, &[], &leaf);
        assert_eq!(result.is_ok(), is_good, "{service:?}, {system}: {result:?}");
        assert_eq!(is_expired(result), !is_good, "{service:?}, {system}");
    }
}

#[test]
fn no_clock_excuses_a_wrong_name_an_unknown_ca_or_dates_that_never_meet() {
    let (ca, stranger) = (Ca::new(), Ca::new());
    let later = ca.issue_ca((2060, 2070));
    for service in [None, Some(1970), Some(2030), Some(2065), Some(2099)] {
        for system in [1970, 2030, 2065, 2099] {
            let judge = |ca: &Ca, between: &[&Ca], leaf: &Leaf| judge_by(service, system, ca, between, leaf);
            for years in [(2000, 2100), (2090, 2100)] {
                let result = judge(&ca, &[], &ca.issue("elsewhere.example", years));
                assert!(matches!(result, Err(CertificateError::NotValidForNameContext { .. })), "{result:?}");
                let result = judge(&ca, &[], &stranger.issue(HOST, years));
                assert_eq!(result, Err(CertificateError::UnknownIssuer));
            }
            assert!(is_expired(judge(&ca, &[], &ca.issue(HOST, (2000, 2026)))));
            assert!(is_expired(judge(&ca, &[&later], &later.issue(HOST, (2000, 2059)))));
        }
    }
}
