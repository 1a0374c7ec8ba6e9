//! From what the process was told to what a start needs: TLS set up, the memory planned. Whoever runs or checks comes by here, so
//! that a check passes what a start passes.
//!
//! - `files`: the PEM files that are named.
//! - `summary`: what the configuration comes down to, for a person.
//! - `warnings`: what a start gets along with and somebody should know.

mod files;
mod summary;
mod warnings;

use core::{error, fmt};

use files::Use;
pub use summary::summary;
pub use warnings::{Warning, certificates, credentials, memory, unresolved};

use crate::clock::Clock;
use crate::config::{Config, ConfigError, Problem};
use crate::memory::{Plan, Tunnels, program_bytes, system_limit};
use crate::transport::tls::{Tls, TlsError, Wanted, file_fault};

/// A configuration that a start can go on with.
#[derive(Debug)]
pub struct Ready {
    /// All that the process was told.
    pub config: Config,
    /// What the memory is for.
    pub plan: Plan,
    /// Towards the service.
    pub service_tls: Tls,
    /// Towards the broker, if that is over TLS.
    pub broker_tls: Option<Tls>,
}

/// Why there can be no start.
#[derive(Debug)]
pub enum Fault {
    /// The definition or a variable.
    Config(ConfigError),
    /// `MemorySize` is too small.
    Memory(Problem),
    /// A certificate or key file is not what it should be.
    Tls(TlsError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Memory(problem) => problem.fmt(f),
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl error::Error for Fault {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Tls(error) => error.source(),
            Self::Config(_) | Self::Memory(_) => None,
        }
    }
}

/// Makes all ready. Certificates are judged by `clock`.
///
/// # Errors
/// All that is wrong, at once: what can be looked at in spite of a wrong definition or variable is.
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
    let plan = Plan::new(bytes, program_bytes(), Tunnels::of(&config))
        .map_err(|small| faults.push(Fault::Memory(Problem::memory_size(&config.connector, small.to_string()))));
    if let Some((name, bytes)) = plan.as_ref().ok().and_then(system_limit) {
        let rule = format!(
            "needs more memory than the {} KB that the system allows ({name}): raise that or lower this",
            bytes / 1024
        );
        faults.push(Fault::Memory(Problem::memory_size(&config.connector, rule)));
    }
    let service_tls = Tls::for_service(config.aws.ca_bundle.as_deref(), clock);
    let broker_tls = config.mqtt.tls.as_ref().map(|tls| Tls::for_broker(tls, clock)).transpose();
    let device_tls = match (&service_tls, &config.aws.credentials.iot) {
        // Read again for each use; what is wrong with it is better said now.
        (Ok(tls), Some(iot)) => tls.as_device(&iot.client, iot.variables).err(),
        _ => None,
    };
    match (plan, service_tls, broker_tls, device_tls) {
        (Ok(plan), Ok(service_tls), Ok(broker_tls), None) if faults.is_empty() => {
            Ok(Ready { config, plan, service_tls, broker_tls })
        }
        (_, service_tls, broker_tls, device_tls) => {
            // TLS cannot be set up with the first file that is wrong, which need not be the only one.
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
