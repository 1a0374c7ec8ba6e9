//! `check --online`: goes the whole way that a record and its status go, and says of each step what it found.
//!
//! It goes by the connector's own code, so it fails where the connector would, in the same words. Nothing is relayed and
//! nothing is stored, unless a test record is asked for. A step that fails does not hold up those that do not need it.
//!
//! - `report`: the steps, and how they are shown.
//! - `connection`: name, TCP and TLS, of either side.
//! - `broker`, `service`: the two sides.
//! - `test_record`: the request that the service is asked with.

mod broker;
mod connection;
mod report;
mod service;
mod test_record;

use std::io::Write;
use std::time::SystemTime;

use ::time::OffsetDateTime;
use tokio::runtime::Builder;

use crate::cli::Online;
use crate::config::{Config, ConfigError};
use crate::limits::{RELEASED, memory as limits};
use crate::memory::{Plan, Tunnels, program_bytes};
use crate::net::chain;
use crate::net::clock::Clock;
use crate::net::tls::Tls;
pub use report::STEPS;
use report::{Report, Step};

/// Looks at `config` and, if `online` says how, at broker and service; writes what it finds to `out`, as JSON if wanted.
///
/// Answers the exit code: [`OK`](crate::cli::exit::OK), [`CONFIG`](crate::cli::exit::CONFIG) when the configuration is at fault, or
/// [`UNAVAILABLE`](crate::cli::exit::UNAVAILABLE) when anything else is. Ends within [`ALL`](crate::limits::doctor::ALL).
pub fn examine(config: Result<Config, ConfigError>, json: bool, online: Option<&Online>, out: &mut dyn Write) -> u8 {
    let mut report = Report::new(json, out);
    let subject = match (prepare(config, &mut report), online) {
        (Some(subject), Some(online)) => (subject, online),
        (subject, _) => {
            let why = if subject.is_some() { "not asked for, see --online" } else { "the configuration is wrong" };
            report.skip_to(Step::End, why);
            return report.end();
        }
    };
    // As the connector's: names are looked up on threads, one for each side.
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(limits::THREADS).build();
    let Ok(runtime) = runtime else {
        report.fail(Step::Clock, "the system refuses to start the runtime", None);
        report.skip_to(Step::End, "there is no runtime");
        return report.end();
    };
    runtime.block_on(async {
        let (subject, online) = subject;
        clock(&subject.clock, &mut report);
        broker::examine(&subject, online, &mut report).await;
        service::examine(&subject, online, &mut report).await;
    });
    // A name server that does not answer must not hold up the end.
    runtime.shutdown_background();
    report.end()
}

/// What is examined.
struct Subject {
    config: Config,
    plan: Plan,
    clock: Clock,
    broker_tls: Option<Tls>,
    service_tls: Tls,
}

/// Says how configuration and memory are; `None` when one of them is wrong.
fn prepare(config: Result<Config, ConfigError>, report: &mut Report<'_>) -> Option<Subject> {
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            report.fail(Step::Configuration, error.to_string(), None);
            return None;
        }
    };
    let clock = Clock::default();
    let service_tls = Tls::for_service(config.aws.ca_bundle.as_deref(), &clock);
    let broker_tls = config.mqtt.tls.as_ref().map(|tls| Tls::for_broker(tls, &clock)).transpose();
    let files: Vec<_> = [service_tls.as_ref().err(), broker_tls.as_ref().err()].into_iter().flatten().collect();
    if files.is_empty() {
        let arn = &config.connector.default_delivery_stream_arn;
        report.ok(Step::Configuration, format!("version {} of the connector, {arn}", config.connector.version));
    } else {
        let files: Vec<_> = files.into_iter().map(|error| chain(error)).collect();
        report.fail(Step::Configuration, files.join("\n"), None);
    }
    let bytes = usize::try_from(config.connector.memory_size).unwrap_or(usize::MAX).saturating_mul(1024);
    let plan = Plan::new(bytes, program_bytes(), Tunnels::of(&config));
    match &plan {
        Ok(plan) => {
            let text = format!("{} KB, of which {} KB for records and statuses", plan.total / 1024, plan.arena / 1024);
            report.ok(Step::Memory, text);
        }
        Err(error) => report.fail(Step::Memory, error.to_string(), None),
    }
    Some(Subject { plan: plan.ok()?, clock, broker_tls: broker_tls.ok()?, service_tls: service_tls.ok()?, config })
}

/// The system's clock alone; the service's time comes with its answer.
fn clock(clock: &Clock, report: &mut Report<'_>) {
    let now = clock.wall();
    if now < SystemTime::UNIX_EPOCH + RELEASED {
        let found = format!("to this device it is {}, which is before this program was made", utc(now));
        report.warn(
            Step::Clock,
            found,
            "set the clock if others need it: certificates and signatures do without, see README, \"Time\"",
        );
    } else {
        report.ok(Step::Clock, format!("to this device it is {}", utc(now)));
    }
}

fn utc(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let (hour, minute, second) = time.to_hms();
    format!("{} {hour:02}:{minute:02}:{second:02} UTC", time.date())
}

#[cfg(test)]
mod tests;
