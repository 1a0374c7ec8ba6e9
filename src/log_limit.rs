//! Spares the log what a peer can cause again and again.
//!
//! A burst of lines of one kind passes, then one in an interval. Of those held back the newest is said as soon as one may
//! pass, so that the last line of a kind tells how things stand.

use core::fmt;

use log::Level;

use crate::limits::{LOG_BURST, LOG_INTERVAL};
use crate::time::Instant;

/// See the module. One for each kind.
#[derive(Debug, Default)]
pub struct LogLimit {
    said: u32,
    since: Instant,
    newest: Option<(Level, String)>,
    left_out: u64,
}

impl LogLimit {
    /// Says `line` now or, if nothing newer comes, later.
    pub fn info(&mut self, now: Instant, line: fmt::Arguments<'_>) {
        self.say(now, Level::Info, line);
    }

    /// As [`LogLimit::info`].
    pub fn warn(&mut self, now: Instant, line: fmt::Arguments<'_>) {
        self.say(now, Level::Warn, line);
    }

    fn say(&mut self, now: Instant, level: Level, line: fmt::Arguments<'_>) {
        self.left_out += u64::from(self.newest.replace((level, line.to_string())).is_some());
        self.turn(now);
    }

    /// Says what was held back, if a line may pass now.
    pub fn turn(&mut self, now: Instant) {
        if self.newest.is_none() {
            return;
        }
        let intervals = u32::try_from(now.since(self.since).as_millis() / LOG_INTERVAL.as_millis()).unwrap_or(u32::MAX);
        if intervals > 0 {
            self.said = self.said.saturating_sub(intervals);
            self.since = now;
        }
        if self.said < LOG_BURST
            && let Some((level, line)) = self.newest.take()
        {
            self.said += 1;
            match core::mem::take(&mut self.left_out) {
                0 => log::log!(level, "{line}"),
                count => log::log!(level, "{line} ({count} lines like this were left out)"),
            }
        }
    }

    /// When [`LogLimit::turn`] has something to say.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.newest.as_ref().map(|_| self.since + LOG_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::log_lines;

    const BURST: usize = LOG_BURST as usize;

    #[test]
    fn a_flood_of_lines_becomes_a_few_and_the_newest_with_a_count() {
        log_lines();
        let mut limit = LogLimit::default();
        let start = Instant::from_millis(5);
        for number in 0..1000 {
            limit.warn(start, format_args!("{number}"));
        }
        let said: Vec<_> = (0..BURST).map(|number| format!("warn: {number}")).collect();
        assert_eq!(log_lines(), said);
        let later = limit.deadline().unwrap();
        limit.turn(Instant::from_millis(later.as_millis() - 1));
        assert_eq!(log_lines(), Vec::<String>::new());
        limit.turn(later);
        assert_eq!(log_lines(), [format!("warn: 999 ({} lines like this were left out)", 999 - BURST)]);
        assert_eq!(limit.deadline(), None);
    }
}
