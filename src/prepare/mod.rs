//! Turns the configuration into what a start needs: TLS set up, memory planned. `run` and all forms of `check` use it,
//! so a check accepts exactly what a start accepts.
//!
//! - `allowed`: the open files and the stack that the system allows.
//! - `fault`: what prevents a start.
//! - `files`: the PEM files that are named.
//! - `spool`: the spool's directory.
//! - `summary`: the effects of the configuration, for `check`.
//! - `warnings`: what does not prevent a start, and should be known.

mod allowed;
mod fault;
mod files;
mod spool;
mod summary;
mod warnings;

pub use fault::Fault;
use files::Use;
pub use spool::spool;
pub use summary::summary;
pub use warnings::{About, Warning, at_start, warnings};

use crate::clock::Clock;
use crate::config::{Config, ConfigError, Problem};
use crate::memory::{Plan, Tunnels, program_bytes, system_limit};
use crate::transport::tls::{Tls, Wanted, file_fault};

/// A configuration that is ready for a start.
#[derive(Debug)]
pub struct Ready {
    /// The configuration.
    pub config: Config,
    /// The division of `MemorySize`.
    pub plan: Plan,
    /// TLS settings for the service.
    pub service_tls: Tls,
    /// TLS settings for the broker; `None`: plain TCP.
    pub broker_tls: Option<Tls>,
}

/// Reads the files, plans memory, and makes room for open files. Certificates are judged by `clock`.
///
/// # Errors
/// Everything that is wrong, at once: files and memory are checked even if the definition or a variable is wrong.
pub fn prepare(loaded: Result<Config, ConfigError>, clock: &Clock) -> Result<Ready, Vec<Fault>> {
    let mut faults = Vec::new();
    let config = match loaded {
        Ok(config) => config,
        Err(error) => {
            let rest = error.rest().cloned();
            faults.push(Fault::Config(error));
            let Some(rest) = rest else { return Err(faults) };
            rest
        }
    };
    let bytes = usize::try_from(config.connector.memory_size).unwrap_or(usize::MAX).saturating_mul(1024);
    let mut plan = Plan::new(bytes, program_bytes(), Tunnels::of(&config), config.spool.is_some())
        .map_err(|small| faults.push(Fault::Memory(Problem::memory_size(&config.connector, small.to_string()))));
    if let (Ok(plan), Some(greengrass)) = (&mut plan, &config.greengrass) {
        plan.status = plan.status.min(greengrass.status_bytes());
        plan.greengrass = true;
    }
    if let Some((name, bytes)) = plan.as_ref().ok().and_then(system_limit) {
        let rule = format!(
            "needs more memory than the {} KB that the system allows ({name}): raise that or lower this",
            bytes / 1024
        );
        faults.push(Fault::Memory(Problem::memory_size(&config.connector, rule)));
    }
    faults.extend(allowed::raise());
    let service_tls = Tls::for_service(config.aws.ca_bundle.as_deref(), clock);
    let broker_tls = config.mqtt.tls.as_ref().map(|tls| Tls::for_broker(tls, clock)).transpose();
    let device_tls = match (&service_tls, &config.aws.credentials.iot) {
        // It is read again for each use, but a fault is better reported now.
        (Ok(tls), Some(iot)) => tls.as_device(&iot.client, iot.variables).err(),
        _ => None,
    };
    match (plan, service_tls, broker_tls, device_tls) {
        (Ok(plan), Ok(service_tls), Ok(broker_tls), None) if faults.is_empty() => {
            Ok(Ready { config, plan, service_tls, broker_tls })
        }
        (_, service_tls, broker_tls, device_tls) => {
            // Setting up TLS reports only the first wrong file, so each file is checked by itself, too.
            let each = files::files(&config).into_iter().filter_map(|(variable, file, what)| {
                file_fault(variable, file, if what == Use::Key { Wanted::Key } else { Wanted::Certificate })
            });
            let mut said = Vec::new();
            let set_up = [service_tls.err(), broker_tls.err(), device_tls].into_iter().flatten();
            for fault in each.chain(set_up.filter(|fault| !fault.has_no_file())) {
                let text = fault.to_string();
                if !said.contains(&text) {
                    said.push(text);
                    faults.push(Fault::Tls(fault));
                }
            }
            Err(faults)
        }
    }
}

#[cfg(test)]
mod tests;
