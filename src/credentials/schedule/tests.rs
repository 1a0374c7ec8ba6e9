//! Hours of waiting on a made-up clock.

use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// `random` that adds nothing; any multiple of what it is taken modulo of.
const NONE: u64 = 0;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn renewed(left: Duration, random: u64) -> Duration {
    Schedule::default().renewed(Some(now() + left), now(), random)
}

#[test]
fn temporary_credentials_are_renewed_five_minutes_ahead() {
    assert_eq!(renewed(60 * MINUTE, NONE), 55 * MINUTE);
    assert_eq!(renewed(12 * 60 * MINUTE, NONE), 715 * MINUTE);
}

#[test]
fn short_lived_credentials_are_renewed_when_a_tenth_is_left() {
    assert_eq!(renewed(15 * MINUTE, NONE), 13 * MINUTE + 30 * SECOND);
}

#[test]
fn devices_that_started_together_do_not_renew_together() {
    assert_eq!(renewed(60 * MINUTE, 150_000), 52 * MINUTE + 30 * SECOND);
    assert_eq!(renewed(60 * MINUTE, 150_001), 55 * MINUTE);
}

#[test]
fn long_lived_keys_are_read_again_every_ten_minutes() {
    assert_eq!(Schedule::default().renewed(None, now(), u64::MAX), 10 * MINUTE);
}

#[test]
fn expired_credentials_do_not_make_it_loop() {
    assert_eq!(renewed(Duration::ZERO, NONE), MINUTE);
    let before = Some(now() - 60 * MINUTE);
    assert_eq!(Schedule::default().renewed(before, now(), NONE), MINUTE);
    assert_eq!(renewed(2 * SECOND, NONE), 10 * SECOND);
}

#[test]
fn an_endpoint_that_repeats_itself_is_asked_a_few_times_until_expiry() {
    let end = now() + 5 * MINUTE;
    let (mut time, mut requests) = (now(), 0);
    let mut schedule = Schedule::default();
    while time < end {
        time += schedule.renewed(Some(end), time, NONE);
        requests += 1;
    }
    assert_eq!(requests, 3);
    assert!(time <= end + 10 * SECOND);
}

#[test]
fn failures_double_the_wait_up_to_five_minutes() {
    let mut schedule = Schedule::default();
    let waits: Vec<_> = (0..11).map(|_| schedule.failed(now(), NONE).as_millis()).collect();
    assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 150_000, 150_000]);
    for _ in 0..100 {
        assert_eq!(schedule.failed(now(), 150_000), 5 * MINUTE);
    }
    schedule.renewed(None, now(), NONE);
    assert_eq!(schedule.failed(now(), NONE).as_millis(), 500);
}

#[test]
fn a_failed_renewal_is_retried_before_the_old_credentials_expire() {
    let mut schedule = Schedule::default();
    let end = now() + 60 * MINUTE;
    schedule.renewed(Some(end), now(), NONE);
    for _ in 0..12 {
        schedule.failed(now(), NONE);
    }
    assert_eq!(schedule.failed(end - 30 * SECOND, NONE), 30 * SECOND);
    assert!(!schedule.has_expired(end - SECOND));
    assert!(schedule.has_expired(end));
    assert_eq!(schedule.failed(end, NONE), 150 * SECOND);
}

proptest! {
    #[test]
    fn every_wait_is_bounded(left in 0_u64..1_000_000, random: u64, failures in 0_u32..80) {
        let mut schedule = Schedule::default();
        let left = Duration::from_secs(left);
        let wait = schedule.renewed(Some(now() + left), now(), random);
        prop_assert!(wait >= 10 * SECOND);
        prop_assert!(wait <= left.max(MINUTE));
        for _ in 0..failures {
            let wait = schedule.failed(now(), random);
            prop_assert!(wait >= SECOND / 2 && wait <= 5 * MINUTE);
        }
    }
}
