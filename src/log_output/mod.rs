//! The log: each message is one line on standard error, written without waiting for a reader.
//!
//! A line for which there is no room is dropped and counted, and the count is logged as soon as there is room again.
//! Each line is one write of at most `PIPE_BUF` bytes, so that a pipe takes it whole or not at all.
//!
//! - `shape`: the format of a line: time, level, priority, JSON.
//! - `stderr`: writing to standard error without blocking.

mod shape;
mod stderr;

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use std::panic::{self, Location, PanicHookInfo};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::clock::Clock;
use crate::config::LogFormat;
use shape::Shape;
use stderr::StandardError;

/// Target of lines that the log filter never drops: those that were asked for, and why the process does not start.
pub const ALWAYS: &str = "always";

/// Lines that could not be written, and were not reported yet.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Whether lost lines have to be reported; [`Log::flush`] does so as soon as there is room.
#[must_use]
pub fn has_lost() -> bool {
    LOST.load(Ordering::Relaxed) > 0
}

/// Sends all messages of the process, those of panics included, to standard error from here on.
///
/// `filter` is `FIREHOSE_CONNECTOR_LOG`; times are those of `clock`. Only the first call counts.
pub fn install(filter: &str, format: LogFormat, clock: Clock) {
    let filter = env_logger::Builder::new().parse_filters(filter).filter_module(ALWAYS, LevelFilter::Info).build();
    let most = filter.filter();
    let stderr = StandardError::take();
    let shape = Shape::of(format, stderr.is_journal(), stderr.is_terminal());
    if log::set_boxed_logger(Box::new(LogOutput { filter, shape, stderr, clock })).is_ok() {
        log::set_max_level(most);
        panic::set_hook(Box::new(log_panic));
    }
}

/// Logs why the process does not start, a line for each line of `text`, whatever the log filter is.
pub fn complain(text: &str) {
    for line in text.lines() {
        log::log!(target: ALWAYS, Level::Error, "{line}");
    }
}

/// The panic hook. The standard one would block until its output is read.
fn log_panic(panic: &PanicHookInfo<'_>) {
    log_fault(panic.payload_as_str(), panic.location());
}

fn log_fault(what: Option<&str>, place: Option<&Location<'_>>) {
    let what = what.unwrap_or("no words");
    let place = place.map_or_else(|| "a place unknown".to_owned(), ToString::to_string);
    log::error!("internal error, exiting: {what}, at {place}");
}

/// The logger of the process.
struct LogOutput {
    /// Decides which messages are logged; it writes none.
    filter: env_logger::Logger,
    shape: Shape,
    stderr: StandardError,
    clock: Clock,
}

impl LogOutput {
    /// Logs how many lines were lost, if any. Returns false while there is no room for that.
    fn report_lost(&self) -> bool {
        let lost = LOST.load(Ordering::Relaxed);
        let said = lost == 0 || self.write(Level::Warn, format_args!("{lost} lines of the log could not be written"));
        if said {
            LOST.fetch_sub(lost, Ordering::Relaxed);
        }
        said
    }

    /// Returns false if there is no room for the line.
    fn write(&self, level: Level, message: fmt::Arguments<'_>) -> bool {
        self.stderr.write(&self.shape.line(self.clock.wall(), level, &message.to_string()))
    }
}

impl Log for LogOutput {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.filter.filter()
    }

    fn log(&self, record: &Record<'_>) {
        if self.filter.matches(record) && !(self.report_lost() && self.write(record.level(), *record.args())) {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {
        self.report_lost();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::log_lines;

    /// Without a panic: the static binaries abort on the first one.
    #[test]
    fn a_panic_is_logged_as_one_line() {
        log_lines();
        log_fault(Some("5 is not\nfour"), Some(Location::caller()));
        let lines = log_lines();
        let [line] = &lines[..] else { panic!("{lines:?}") };
        let expected = "error: internal error, exiting: 5 is not\nfour, at src/log_output/mod.rs:";
        assert!(line.starts_with(expected), "{line}");
    }
}
