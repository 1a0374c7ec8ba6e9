//! `check --online`: tries each step on the path of a record and its status, and reports what it found.
//!
//! It uses the connector's own code, so it fails where the connector would, in the same words. Nothing is relayed or stored,
//! unless a test record is asked for. Steps that do not depend on a failed one are tried all the same.
//!
//! - `report`: the steps, and how they are shown.
//! - `connection`: DNS, TCP and TLS, for either peer.
//! - `broker`, `nucleus`, `service`: the steps of each peer.
//! - `test_record`: the request that the service is asked with.

mod broker;
mod connection;
#[cfg(feature = "greengrass")]
mod nucleus;
mod report;
mod service;
mod test_record;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::SystemTime;

use tokio::runtime::Builder;

use crate::cli::Online;
use crate::clock::{Clock, calendar};
use crate::config::{Config, ConfigError};
use crate::error_chain::error_chain;
use crate::limits::RELEASED;
use crate::prepare::{self, About, Fault, Ready};
pub use report::STEPS;
use report::{Report, Step};

/// Checks `config` and, if `online` is given, broker and service; writes what it finds to `out`, as JSON if `json`.
///
/// Returns the exit code: [`OK`](crate::cli::exit::OK), [`CONFIG`](crate::cli::exit::CONFIG) when the configuration is at fault, or
/// [`UNAVAILABLE`](crate::cli::exit::UNAVAILABLE) when anything else is. Ends within [`ALL`](crate::limits::doctor::ALL).
///
/// # Errors
/// `out` cannot be written. All steps were tried all the same.
pub fn examine(
    config: Result<Config, ConfigError>,
    json: bool,
    online: Option<&Online>,
    out: &mut dyn Write,
) -> io::Result<u8> {
    let mut report = Report::new(json, out);
    let subject = match (prepare(config, online.is_some(), &mut report), online) {
        (Some(subject), Some(online)) => (subject, online),
        (subject, _) => {
            let why = if subject.is_some() { "not asked for, see --online" } else { "the configuration is wrong" };
            report.skip_to(Step::End, why);
            return report.end();
        }
    };
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else {
        report.fail(Step::Clock, "the system refuses to start the runtime", None);
        report.skip_to(Step::End, "there is no runtime");
        return report.end();
    };
    runtime.block_on(async {
        let (subject, online) = subject;
        clock(&subject.clock, &mut report);
        match &subject.ready.config.greengrass {
            None => {
                broker::examine(&subject, online, &mut report).await;
                report.pass_to(Step::Credentials, "publishes come from a broker");
            }
            Some(greengrass) => {
                report.pass_to(Step::IpcSocket, "publishes come from Greengrass");
                #[cfg(feature = "greengrass")]
                nucleus::examine(&subject.ready, greengrass, &mut report).await;
                #[cfg(not(feature = "greengrass"))]
                let _: &crate::config::Greengrass = greengrass;
            }
        }
        service::examine(&subject, online, &mut report).await;
    });
    // A name server that does not answer must not hold up the end.
    runtime.shutdown_background();
    report.end()
}

/// What is examined.
struct Subject {
    ready: Ready,
    clock: Clock,
}

/// Reports configuration and memory; `None`: one of them is invalid.
fn prepare(config: Result<Config, ConfigError>, online: bool, report: &mut Report<'_>) -> Option<Subject> {
    let clock = Clock::default();
    let ready = match prepare::prepare(config, &clock) {
        Ok(ready) => ready,
        Err(faults) => {
            let (memory, others): (Vec<_>, Vec<_>) = faults.iter().partition(|fault| matches!(fault, Fault::Memory(_)));
            let lines =
                |faults: Vec<&Fault>| faults.into_iter().map(|fault| error_chain(fault)).collect::<Vec<_>>().join("\n");
            if others.is_empty() {
                report.ok(Step::Configuration, "nothing is wrong but MemorySize");
            } else {
                report.fail(Step::Configuration, lines(others), None);
            }
            if memory.is_empty() {
                report.ok(Step::Memory, "MemorySize is large enough");
            } else {
                report.fail(Step::Memory, lines(memory), None);
            }
            return None;
        }
    };
    let Ready { config, plan, .. } = &ready;
    let arn = &config.connector.default_delivery_stream_arn;
    let mut found = vec![format!("version {} of the connector, {arn}", config.connector.version)];
    if let (Some(first), Some(spool)) = (found.first_mut(), prepare::spool(config)) {
        first.push_str(&format!(", spool {spool}"));
    }
    let mut warnings = prepare::warnings(config, plan, clock.wall());
    // Online, credentials have a step of their own.
    warnings.retain(|warning| !online || warning.about != About::Credentials);
    let (short, warnings): (Vec<_>, Vec<_>) = warnings.into_iter().partition(|warning| warning.about == About::Memory);
    if warnings.is_empty() {
        report.ok(Step::Configuration, found.remove(0));
    } else {
        let advice: BTreeSet<_> = warnings.iter().map(|warning| warning.advice).collect();
        found.extend(warnings.into_iter().map(|warning| warning.found));
        report.warn(Step::Configuration, found.join("\n"), advice.into_iter().collect::<Vec<_>>().join("; "));
    }
    let text = format!("{} KB, of which {} KB for records and statuses", plan.total / 1024, plan.arena / 1024);
    match short.first() {
        None => report.ok(Step::Memory, text),
        Some(first) => {
            let found = short.iter().fold(text, |text, warning| text + "\n" + &warning.found);
            report.warn(Step::Memory, found, first.advice);
        }
    }
    Some(Subject { ready, clock })
}

/// Reports the system's clock by itself; it is compared with the service's time when the service has answered.
fn clock(clock: &Clock, report: &mut Report<'_>) {
    let now = clock.wall();
    if now < SystemTime::UNIX_EPOCH + RELEASED {
        let found = format!("to this device it is {}, which is before this program was made", utc(now));
        report.warn(
            Step::Clock,
            found,
            "set the clock if others need it: certificates and signatures do without, see \"Time\" in targets/service/README.md",
        );
    } else {
        report.ok(Step::Clock, format!("to this device it is {}", utc(now)));
    }
}

fn utc(time: SystemTime) -> String {
    let time = calendar(time);
    let (hour, minute, second) = time.to_hms();
    format!("{} {hour:02}:{minute:02}:{second:02} UTC", time.date())
}

#[cfg(test)]
mod tests;
