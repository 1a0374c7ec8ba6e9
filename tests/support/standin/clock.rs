//! The service's clock, which may differ from this machine's: it sets `Date`, and signatures are judged by it.

use std::time::{SystemTime, UNIX_EPOCH};

use super::call::Refusal;

/// How old or young a signature may be, seconds.
const TOLERANCE: i64 = 300;

/// Seconds since 1970 on a clock that is `ahead` of this machine's.
#[expect(clippy::disallowed_methods, reason = "a stand-in is another machine")]
pub(super) fn now(ahead: i64) -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or_default().saturating_add(ahead)
}

/// As the `Date` header has it.
pub(super) fn http_date(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let [year, month, day, hour, minute, second] = calendar(seconds);
    let weekday = usize::try_from(seconds.div_euclid(DAY).rem_euclid(7)).unwrap_or_default();
    let month = usize::try_from(month - 1).unwrap_or_default();
    format!("{}, {day:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT", DAYS[weekday], MONTHS[month])
}

/// Judges `X-Amz-Date`, such as `20150830T123600Z`: texts of this form are in the order of their times.
pub(super) fn judge(signed: &str, now: i64) -> Result<(), Refusal> {
    let earliest = amz_date(now - TOLERANCE);
    let latest = amz_date(now + TOLERANCE);
    let message = if signed < earliest.as_str() {
        format!("Signature expired: {signed} is now earlier than {earliest} ({} - 5 min.)", amz_date(now))
    } else if signed > latest.as_str() {
        format!("Signature not yet current: {signed} is still later than {latest} ({} + 5 min.)", amz_date(now))
    } else {
        return Ok(());
    };
    Err(Refusal { code: "InvalidSignatureException", message })
}

fn amz_date(seconds: i64) -> String {
    let [year, month, day, hour, minute, second] = calendar(seconds);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

const DAY: i64 = 24 * 3600;

/// Year, month, day, hour, minute, second.
fn calendar(seconds: i64) -> [i64; 6] {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut day, second) = (seconds.max(0) / DAY, seconds.max(0) % DAY);
    let mut year = 1970;
    while day >= 365 + i64::from(is_leap(year)) {
        day -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    [year, month, day + 1, second / 3600, second / 60 % 60, second % 60]
}
