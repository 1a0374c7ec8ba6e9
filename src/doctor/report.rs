//! The results of the steps: a line for each as it ends, or one JSON document at the end.

use std::io::{self, Write};

use serde::Serialize;
use tokio::time::Instant;

use crate::cli::exit;
use crate::foreign;
use crate::limits::doctor as limits;

/// The steps, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "greengrass"),
    expect(dead_code, reason = "the steps of Greengrass are in the JSON all the same")
)]
pub(super) enum Step {
    Configuration,
    Memory,
    Clock,
    BrokerDns,
    BrokerTcp,
    BrokerTls,
    BrokerLogin,
    BrokerSubscribe,
    BrokerPublish,
    IpcSocket,
    IpcToken,
    IpcSubscribe,
    IpcPublish,
    Credentials,
    ServiceDns,
    ServiceTcp,
    ServiceTls,
    Firehose,
    ServiceClock,
    TestRecord,
    /// After the last step.
    End,
}

/// The names of the steps, in their order. They are part of the JSON and stay as they are.
pub const STEPS: [&str; Step::End as usize] = [
    "configuration",
    "memory",
    "clock",
    "broker-dns",
    "broker-tcp",
    "broker-tls",
    "broker-login",
    "broker-subscribe",
    "broker-publish",
    "ipc-socket",
    "ipc-token",
    "ipc-subscribe",
    "ipc-publish",
    "credentials",
    "service-dns",
    "service-tcp",
    "service-tls",
    "firehose",
    "service-clock",
    "test-record",
];

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mark {
    Ok,
    /// Not as it should be, but the connector works.
    Warn,
    Fail,
    /// Not tried.
    Skip,
}

#[derive(Debug, Serialize)]
struct Line {
    step: &'static str,
    result: Mark,
    found: String,
    advice: Option<String>,
    ms: u64,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    version: &'static str,
    exit_status: u8,
    steps: &'a [Line],
}

/// Collects results, and writes them.
pub(super) struct Report<'a> {
    json: bool,
    out: &'a mut dyn Write,
    lines: Vec<Line>,
    start: Instant,
    step_start: Instant,
    /// The first error of writing, if any.
    written: io::Result<()>,
}

impl<'a> Report<'a> {
    pub(super) fn new(json: bool, out: &'a mut dyn Write) -> Self {
        let now = Instant::now();
        Self { json, out, lines: Vec::with_capacity(STEPS.len()), start: now, step_start: now, written: Ok(()) }
    }

    /// Reports that `step`, which is the next one, succeeded.
    pub(super) fn ok(&mut self, step: Step, found: impl Into<String>) {
        self.push(step, Mark::Ok, found.into(), None);
    }

    pub(super) fn warn(&mut self, step: Step, found: impl Into<String>, advice: impl Into<String>) {
        self.push(step, Mark::Warn, found.into(), Some(advice.into()));
    }

    /// Reports a failure. `advice`: what to do, unless `found` says it already.
    pub(super) fn fail(&mut self, step: Step, found: impl Into<String>, advice: Option<String>) {
        self.push(step, Mark::Fail, found.into(), advice);
    }

    pub(super) fn skip(&mut self, step: Step, why: &str) {
        self.push(step, Mark::Skip, why.to_owned(), None);
    }

    /// Skips all steps up to `step`, which is not skipped.
    pub(super) fn skip_to(&mut self, step: Step, why: &str) {
        while let Some(name) = STEPS.get(self.lines.len()..step as usize).and_then(<[&str]>::first) {
            self.line(name, Mark::Skip, why.to_owned(), None);
        }
    }

    /// The same for steps that are of no interest here, so that only the JSON has them.
    pub(super) fn pass_to(&mut self, step: Step, why: &str) {
        let json = core::mem::replace(&mut self.json, true);
        self.skip_to(step, why);
        self.json = json;
    }

    /// The deadline of the current step: [`limits::STEP`] from its start, and [`limits::ALL`] from the first one's.
    pub(super) fn deadline(&self) -> Instant {
        (self.step_start + limits::STEP).min(self.start + limits::ALL)
    }

    /// Writes the summary or the JSON document, and returns the exit code.
    ///
    /// # Errors
    /// Some of the output could not be written.
    pub(super) fn end(mut self) -> io::Result<u8> {
        let exit_status = match self.lines.iter().position(|line| line.result == Mark::Fail) {
            None => exit::OK,
            Some(first) if first < Step::Clock as usize => exit::CONFIG,
            Some(_) => exit::UNAVAILABLE,
        };
        let text = if self.json {
            let version = env!("CARGO_PKG_VERSION");
            let document = Document { version, exit_status, steps: &self.lines };
            // Strings and numbers are always JSON.
            serde_json::to_string(&document).unwrap_or_default()
        } else {
            let with = |mark| -> Vec<_> { self.lines.iter().filter(|l| l.result == mark).map(|l| l.step).collect() };
            let (failed, warned) = (with(Mark::Fail), with(Mark::Warn));
            match (&failed[..], &warned[..]) {
                ([], []) => "\nall is well".to_owned(),
                ([], warned) => format!("\nit works; not as it should be: {}", warned.join(", ")),
                (failed, _) => format!("\nfailed: {}", failed.join(", ")),
            }
        };
        self.write(&format!("{text}\n"));
        self.written.map(|()| exit_status)
    }

    fn push(&mut self, step: Step, result: Mark, found: String, advice: Option<String>) {
        debug_assert_eq!(self.lines.len(), step as usize, "each step has one line, in their order");
        if let Some(name) = STEPS.get(step as usize) {
            self.line(name, result, found, advice);
        }
    }

    fn line(&mut self, name: &'static str, result: Mark, found: String, advice: Option<String>) {
        // The text may come from a peer. Faults of the configuration have a line each.
        let clean = |text: &str| text.lines().map(foreign::line).collect::<Vec<_>>().join("\n");
        let (found, advice) = (clean(&found), advice.as_deref().map(clean));
        let now = Instant::now();
        let took = now - self.step_start;
        self.step_start = now;
        if !self.json {
            let mark = match result {
                Mark::Ok => "ok",
                Mark::Warn => "warn",
                Mark::Fail => "FAIL",
                Mark::Skip => "skip",
            };
            let mut text = format!("{mark:<5} {name:<17} {}", found.replace('\n', "\n                        "));
            if took >= limits::NOTICEABLE {
                text.push_str(&format!(" ({:.1} s)", took.as_secs_f32()));
            }
            if let Some(advice) = &advice {
                text.push_str(&format!("\n{:<23} -> {advice}", ""));
            }
            self.write(&format!("{text}\n"));
        }
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.lines.push(Line { step: name, result, found, advice, ms });
    }

    /// Writes `text`. An error does not stop the check; [`Report::end`] returns it.
    fn write(&mut self, text: &str) {
        if self.written.is_ok() {
            self.written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        }
    }
}
