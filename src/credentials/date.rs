//! Reads the expiry of temporary credentials.
//!
//! botocore accepts what dateutil can read. Of that, this reads what a program may write: ISO 8601 in its basic and
//! extended form, with any separator and any offset, and the form of mail and HTTP. A time without an offset is
//! ambiguous and refused, as botocore does.

use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use time::{Date, Month, OffsetDateTime, UtcOffset, format_description::well_known::Rfc2822};

use crate::limits::TIME_LATEST;

/// The time in `text`, rounded down to seconds. `None`: it is invalid, ambiguous or before 1970.
pub(super) fn date(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let time = iso(text).or_else(|| OffsetDateTime::parse(text, &Rfc2822).ok())?;
    // With an offset, the last day of the year 9999 reaches into the year 10000.
    let seconds = u64::try_from(time.unix_timestamp()).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds).min(TIME_LATEST))
}

fn iso(text: &str) -> Option<OffsetDateTime> {
    let mut rest = text;
    let year = u16::from(number(&mut rest)?) * 100 + u16::from(number(&mut rest)?);
    let apart = skip(&mut rest, &['-', '/']);
    let month = Month::try_from(number(&mut rest)?).ok()?;
    if apart && !skip(&mut rest, &['-', '/']) {
        return None;
    }
    let date = Date::from_calendar_date(i32::from(year), month, number(&mut rest)?).ok()?;
    skip(&mut rest, &['T', 't', ' ']);
    let (hour, apart) = (number(&mut rest)?, skip(&mut rest, &[':']));
    let minute = number(&mut rest)?;
    let second = if skip(&mut rest, &[':']) || !apart && rest.starts_with(|c: char| c.is_ascii_digit()) {
        number(&mut rest)?
    } else {
        0
    };
    if skip(&mut rest, &['.', ',']) {
        let fraction = rest;
        rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        if fraction.len() == rest.len() {
            return None;
        }
    }
    let offset = offset(rest.trim_start())?;
    Some(date.with_hms(hour, minute, second).ok()?.assume_offset(offset))
}

fn offset(text: &str) -> Option<UtcOffset> {
    if matches!(text, "Z" | "z" | "UTC" | "GMT") {
        return Some(UtcOffset::UTC);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let mut rest = text.strip_prefix(['+', '-'])?;
    let hours = number(&mut rest)?;
    skip(&mut rest, &[':']);
    let minutes = if rest.is_empty() { 0 } else { number(&mut rest)? };
    let seconds = (i32::from(hours) * 60 + i32::from(minutes)) * 60;
    rest.is_empty().then(|| UtcOffset::from_whole_seconds(sign * seconds).ok())?
}

/// Splits a number of two digits off the front.
fn number(rest: &mut &str) -> Option<u8> {
    let (digits, after) = rest.split_at_checked(2).filter(|(digits, _)| digits.bytes().all(|b| b.is_ascii_digit()))?;
    *rest = after;
    digits.parse().ok()
}

/// Splits one of `these` off the front. Returns whether there was one.
fn skip(rest: &mut &str, these: &[char]) -> bool {
    let after = rest.strip_prefix(these);
    *rest = after.unwrap_or(rest);
    after.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_every_form_that_programs_write() {
        for text in [
            "2018-01-18T09:18:06Z",
            "2018-01-18T09:18:06.123Z",
            "2018-01-18T09:18:06.123456789z",
            "2018-01-18T09:18:06,5Z",
            "2018-01-18T10:18:06+01:00",
            "2018-01-18T05:48:06-0330",
            "2018-01-18 08:18:06.000000 -01",
            "2018-01-18t09:18:06 UTC",
            "2018/01/18 09:18:06 GMT",
            "20180118T091806Z",
            "20180118T09:18:06Z",
            "2018-01-18T091806+0000",
            "20180118091806Z",
            " 2018-01-18T09:18:06+00:00\n",
            "Thu, 18 Jan 2018 09:18:06 GMT",
            "Thu, 18 Jan 2018 10:18:06 +0100",
        ] {
            assert_eq!(date(text), UNIX_EPOCH.checked_add(Duration::from_secs(1_516_267_086)), "{text}");
        }
        assert_eq!(date("2018-01-18T09:18Z"), date("2018-01-18T09:18:00Z"));
    }

    #[test]
    fn an_ambiguous_time_is_refused() {
        for text in [
            "",
            "tomorrow",
            "1516267086",
            "2018-01-18",
            "2018-01-18Z",
            "2018-01-18T09:18:06",
            "2018-01-18T09:18:06EST",
            "2018-01-18T09:18:06.Z",
            "2018-01-18T09:18:06Z.",
            "2018-01-18T09:18:06+25:00:00",
            "2018-01-18T09:18:60Z",
            "2018-01-18T24:00:00Z",
            "2018-13-18T09:18:06Z",
            "2018-02-30T09:18:06Z",
            "2018-0118T09:18:06Z",
            "1969-12-31T23:59:59Z",
            "2018-01-18T09:18:0\u{665}Z",
            "\u{ff12}018-01-18T09:18:06Z",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn no_expiry_is_later_than_a_date_can_be_written() {
        assert_eq!(date("9999-12-31T23:59:59-23:59"), date("9999-12-31T23:59:59Z"));
        assert!(date("9999-12-31T23:59:59-23:59").is_some());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String, digits in "[0-9TZ:+./ -]{0,40}") {
            let _: [Option<SystemTime>; 2] = [date(&text), date(&digits)];
        }
    }
}
