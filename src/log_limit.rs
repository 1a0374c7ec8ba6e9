//! Rate limit for log lines that a peer can cause again and again.
//!
//! A burst of lines of one kind passes, then one in each interval. Of the lines held back, the newest is logged as soon
//! as the limit allows, with the number of those left out: so the last line of a kind always shows the current state.

use core::fmt;

use log::Level;

use crate::limits::{LOG_BURST, LOG_INTERVAL};
use crate::time::Instant;

/// The limit for one kind of line.
#[derive(Debug, Default)]
pub struct LogLimit {
    /// Lines of the burst that are used up; one is given back in each [`LOG_INTERVAL`].
    used: u32,
    since: Instant,
    /// The newest line held back.
    newest: Option<(Level, String)>,
    /// Older lines that the newest has replaced.
    left_out: u64,
}

impl LogLimit {
    /// Logs `line` now or, if the limit is reached and nothing newer replaces it, later.
    pub fn info(&mut self, now: Instant, line: fmt::Arguments<'_>) {
        self.say(now, Level::Info, line);
    }

    /// As [`LogLimit::info`], as a warning.
    pub fn warn(&mut self, now: Instant, line: fmt::Arguments<'_>) {
        self.say(now, Level::Warn, line);
    }

    fn say(&mut self, now: Instant, level: Level, line: fmt::Arguments<'_>) {
        self.left_out += u64::from(self.newest.replace((level, line.to_string())).is_some());
        self.flush(now);
    }

    /// Logs the line that was held back, if the limit allows one now.
    pub fn flush(&mut self, now: Instant) {
        if self.newest.is_none() {
            return;
        }
        let intervals = u32::try_from(now.since(self.since).as_millis() / LOG_INTERVAL.as_millis()).unwrap_or(u32::MAX);
        if intervals > 0 {
            self.used = self.used.saturating_sub(intervals);
            self.since = now;
        }
        if self.used < LOG_BURST
            && let Some((level, line)) = self.newest.take()
        {
            self.used += 1;
            match core::mem::take(&mut self.left_out) {
                0 => log::log!(level, "{line}"),
                count => log::log!(level, "{line} ({count} lines like this were left out)"),
            }
        }
    }

    /// When [`LogLimit::flush`] has to be called; `None` while nothing is held back.
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
        limit.flush(Instant::from_millis(later.as_millis() - 1));
        assert_eq!(log_lines(), Vec::<String>::new());
        limit.flush(later);
        assert_eq!(log_lines(), [format!("warn: 999 ({} lines like this were left out)", 999 - BURST)]);
        assert_eq!(limit.deadline(), None);
    }
}
