//! The log: each message is one line on standard error, and whoever reads it is never waited for.
//!
//! A line that finds no room is dropped and counted, and the count is said as soon as there is room again. Each line is one
//! write of less than `PIPE_BUF` bytes, so that a pipe takes it whole or not at all.
//!
//! - `shape`: what stands before and around a message.
//! - `stderr`: what standard error is, and how it is written to without waiting.

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

/// Target of lines that pass whatever the log filter is: those that were asked for, and why the process does not start.
pub const ALWAYS: &str = "always";

/// Lines that could not be written and of which nobody has heard yet.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Whether lines wait to be reported as lost; then [`Log::flush`] does so, once it can.
#[must_use]
pub fn has_lost() -> bool {
    LOST.load(Ordering::Relaxed) > 0
}

/// Has all messages of the process, its last words in a panic included, go to standard error from here on.
///
/// `filter` is `FIREHOSE_CONNECTOR_LOG`; times are those of `clock`. Only the first call counts.
pub fn install(filter: &str, format: LogFormat, clock: Clock) {
    let filter = env_logger::Builder::new().parse_filters(filter).filter_module(ALWAYS, LevelFilter::Info).build();
    let most = filter.filter();
    let stderr = StandardError::take();
    let shape = Shape::of(format, stderr.is_journal(), stderr.is_terminal());
    if log::set_boxed_logger(Box::new(LogOutput { filter, shape, stderr, clock })).is_ok() {
        log::set_max_level(most);
        panic::set_hook(Box::new(last_words));
    }
}

/// Says why the process does not start, whatever the log filter is.
pub fn complain(text: &str) {
    for line in text.lines() {
        log::log!(target: ALWAYS, Level::Error, "{line}");
    }
}

/// What the process says when it ends by a fault of its own. The usual words would wait for whoever reads them.
fn last_words(panic: &PanicHookInfo<'_>) {
    fault(panic.payload_as_str(), panic.location());
}

fn fault(what: Option<&str>, place: Option<&Location<'_>>) {
    let what = what.unwrap_or("no words");
    let place = place.map_or_else(|| "a place unknown".to_owned(), ToString::to_string);
    log::error!("a fault of the program, which ends: {what}, at {place}");
}

/// See the module.
struct LogOutput {
    /// What is said; nothing is written by it.
    filter: env_logger::Logger,
    shape: Shape,
    stderr: StandardError,
    clock: Clock,
}

impl LogOutput {
    /// Says how many lines were lost, if any. Answers false while it cannot be said.
    fn catch_up(&self) -> bool {
        let lost = LOST.load(Ordering::Relaxed);
        let said = lost == 0 || self.write(Level::Warn, format_args!("{lost} lines of the log could not be written"));
        if said {
            LOST.fetch_sub(lost, Ordering::Relaxed);
        }
        said
    }

    /// Answers false when there is no room.
    fn write(&self, level: Level, message: fmt::Arguments<'_>) -> bool {
        self.stderr.write(&self.shape.line(self.clock.wall(), level, &message.to_string()))
    }
}

impl Log for LogOutput {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.filter.filter()
    }

    fn log(&self, record: &Record<'_>) {
        if self.filter.matches(record) && !(self.catch_up() && self.write(record.level(), *record.args())) {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {
        self.catch_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::log_lines;

    /// Not by a panic: the static binaries end with the first one.
    #[test]
    fn last_words_are_a_line_of_the_log() {
        log_lines();
        fault(Some("5 is not\nfour"), Some(Location::caller()));
        let lines = log_lines();
        let [line] = &lines[..] else { panic!("{lines:?}") };
        let expected = "error: a fault of the program, which ends: 5 is not\nfour, at src/log_output/mod.rs:";
        assert!(line.starts_with(expected), "{line}");
    }
}
