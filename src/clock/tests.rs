use proptest::prelude::*;

use super::*;
use crate::firehose::credentials::Credentials;
use crate::firehose::request::Call;
use crate::firehose::sign::{Unsigned, headers};
use crate::foreign::Secret;
use crate::limits::RELEASED;

const HOUR: i64 = 3_600_000;
const YEAR: i64 = 365 * 24 * HOUR;

/// As HTTP writes it.
fn http_date(millis: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(millis / 1000).unwrap();
    let (day, month) = (&date.weekday().to_string()[..3], &date.month().to_string()[..3]);
    let (hour, minute, second) = date.to_hms();
    format!("{day}, {:02} {month} {:04} {hour:02}:{minute:02}:{second:02} GMT", date.day(), date.year())
}

fn since_1970(time: SystemTime) -> i64 {
    millis(time.duration_since(SystemTime::UNIX_EPOCH).unwrap())
}

/// The seconds that are cut from a date, and those that a test may take.
fn is_about(millis: i64, expected: i64) -> bool {
    (expected - 2000..=expected + 2000).contains(&millis)
}

fn for_certificates_now(clock: &Clock) -> i64 {
    1000 * i64::try_from(clock.current_time().unwrap().as_secs()).unwrap()
}

#[test]
fn a_wrong_clock_is_corrected_and_a_right_one_left_alone() {
    let clock = Clock::default();
    assert!(clock.learn(&http_date(system_millis() + HOUR), clock.now(), false));
    assert!(is_about(since_1970(clock.wall()), system_millis() + HOUR));
    assert!(!clock.learn(&http_date(system_millis() + HOUR), clock.now(), false), "nothing new");
    assert!(clock.learn(&http_date(system_millis()), clock.now(), false), "set right");
    assert_eq!(clock.correction(), 0);
}

#[test]
fn a_date_is_believed_from_a_day_before_the_release_for_some_decades() {
    for (date, is_believed) in [
        (millis(RELEASED), true),
        (millis(RELEASED) - 24 * HOUR, true),
        (millis(RELEASED) - 24 * HOUR - 1000, false),
        (0, false),
        (millis(DATE_LATEST), true),
        (millis(DATE_LATEST) + 1000, false),
        (millis(TIME_LATEST), false),
    ] {
        let clock = Clock::default();
        clock.learn(&http_date(date), clock.now(), true);
        let is_told = clock.verified_start.load(Ordering::Relaxed) != UNKNOWN;
        assert_eq!(is_told, is_believed, "{}", http_date(date));
        assert!(is_believed || clock.correction() == 0);
    }
}

#[test]
fn an_invalid_date_changes_nothing() {
    let clock = Clock::default();
    let before = clock.verified_start.load(Ordering::Relaxed);
    for nonsense in [
        "",
        "yesterday",
        "Thu, 99 Jan 2030 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Fri, 31 Dec 9999 23:59:60 GMT",
        "Fri, 31 Dec 9999 23:59:60 -2359",
        "Sat, 01 Jan 0000 00:00:00 +2359",
        "Thu, 01 Jan 1970 00:00:00 +2359",
        "Thu, 01 Jan 99999 00:00:00 GMT",
    ] {
        assert!(!clock.learn(nonsense, clock.now(), true), "{nonsense}");
        assert_eq!(clock.verified_start.load(Ordering::Relaxed), before, "{nonsense}");
    }
}

#[test]
fn only_an_answer_over_tls_sets_the_time_for_certificates() {
    let clock = Clock::default();
    let (now, past) = (system_millis(), millis(RELEASED));
    assert!(clock.learn(&http_date(past), clock.now(), false));
    assert!(is_about(for_certificates_now(&clock), now));
    assert!(!clock.learn(&http_date(past), clock.now(), true), "signatures know it already");
    assert!(is_about(for_certificates_now(&clock.clone()), past));
}

#[test]
fn a_wrong_time_expires_no_certificate_and_the_next_right_answer_corrects_it() {
    let clock = Clock::default();
    for lie in [millis(DATE_LATEST), system_millis() + YEAR, millis(RELEASED)] {
        clock.learn(&http_date(lie), clock.now(), true);
        assert!(for_certificates_now(&clock) <= system_millis(), "the system's clock is heard, too");
        clock.learn(&http_date(system_millis()), clock.now(), true);
        assert!(is_about(for_certificates_now(&clock), system_millis()));
        assert!(is_about(since_1970(clock.wall()), system_millis()));
    }
}

proptest! {
    /// A certificate has expired only if it has by both times.
    #[test]
    fn the_time_for_certificates_is_that_of_one_clock_and_later_than_neither(service: Option<i64>, system in 0..i64::MAX) {
        let time = for_certificates(service, system);
        prop_assert!(time <= system && service.is_none_or(|service| time <= service));
        prop_assert!(time == system || Some(time) == service);
    }

    #[test]
    fn requests_can_be_signed_at_any_time_a_peer_sends(
        texts in prop::collection::vec(
            prop_oneof![
                any::<String>(),
                (-62_167_219_200_i64..253_402_300_800).prop_map(|seconds| http_date(seconds * 1000)),
                "(Mon|Fri), [0-3][0-9] (Jan|Dec) [0-9]{4} [0-2][0-9]:[0-6][0-9]:[0-6][0-9] (GMT|[-+][0-2][0-9][0-5][0-9])",
            ],
            1..5,
        ),
        sent: u64,
        verified: bool,
        system: Option<i64>,
    ) {
        let clock = Clock::default();
        // As if the system's clock had been stepped since.
        clock.ahead.store(system.unwrap_or_default(), Ordering::Relaxed);
        for text in texts {
            clock.learn(&text, Instant::from_millis(sent), verified);
            let _sent_at = clock.at(clock.now());
            let _judged_by = clock.current_time();
            let credentials = Credentials {
                access_key_id: "AKIDEXAMPLE".to_owned(),
                secret_access_key: Secret::new("secret"),
                session_token: None,
                expires_at: None,
            };
            let unsigned =
                Unsigned { call: Call::PutRecord, region: "eu-west-1", host: "localhost", body_sha256: [0; 32] };
            prop_assert!(headers(&unsigned, &credentials, clock.wall()).is_ok());
        }
    }
}
