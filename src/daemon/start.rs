//! From a configuration to a running loop: memory first, then tasks.

use core::{error, fmt};
use std::fs::File;
use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;
use tokio::time::Instant;

use super::Daemon;
use super::counters::Counters;
use super::inlet::Inlet;
use super::notify::Notify;
use super::report::Report;
use super::signals::Signals;
use super::spooling::Spooling;
use super::under_way::UnderWay;
use super::uplink::Uplink;
use crate::clock::{Beat, Clock};
use crate::config::{Config, IsolationMode};
use crate::credentials::{Provider, keep_fresh};
use crate::http;
use crate::memory;
use crate::prepare::{self, Ready};
use crate::relay::arn::{ArnError, DeliveryStreamArn};
use crate::relay::{Relay, Settings};
use crate::sandbox::{self, Confined, Needs};
use crate::source::Acknowledged;
use crate::transport::route::Route;

/// Why the process cannot start.
#[derive(Debug)]
pub enum RunError {
    /// The default delivery stream's ARN is invalid; the configuration has checked it.
    Arn(ArnError),
    /// The memory cannot be had.
    NoMemory,
    /// The kernel refuses what every process may do.
    System(io::Error),
    /// Nobody lets this process in any more, and its records are sent or given up.
    Expelled,
}

impl RunError {
    /// Whether other settings would help.
    #[must_use]
    pub const fn is_configuration(&self) -> bool {
        matches!(self, Self::Arn(_) | Self::NoMemory)
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arn(error) => error.fmt(f),
            Self::NoMemory => f.write_str("the system does not have the memory that MemorySize asks for"),
            Self::System(_) => f.write_str("the system refuses to start the runtime"),
            Self::Expelled => f.write_str("Greengrass no longer accepts this process's token: restart it"),
        }
    }
}

impl error::Error for RunError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::System(error) => Some(error),
            Self::Arn(_) | Self::NoMemory | Self::Expelled => None,
        }
    }
}

/// Runs until a signal ends it, of those that are read from `signals` (see [`super::signals`]). Times are those of
/// `clock`. Calls `started` once, when all that only the start needs is over.
///
/// # Errors
/// Before the first connection; later [`RunError::Expelled`] alone.
pub fn run(ready: Ready, clock: Clock, signals: io::Result<File>, started: &dyn Fn()) -> Result<(), RunError> {
    let signals = signals.map_err(RunError::System)?;
    memory::enforce(&ready.plan, !ready.config.aws.credentials.may_run_processes).map_err(RunError::System)?;
    ready.plan.to_string().lines().for_each(|line| log::debug!("memory: {line}"));
    prepare::at_start(&ready.config, &ready.plan).for_each(|warning| log::warn!("{warning}"));
    // A socket of a kind that none is made of later.
    let notify = Notify::from_environment();
    // After all files of the start, before the first thread and the first connection.
    if let Some(confined) = confine(&ready.config) {
        warn_of_gaps(&confined);
    }
    let (runtime, beat) = runtime().map_err(RunError::System)?;
    let ended = runtime.block_on(async {
        let signals = Signals::new(signals).map_err(RunError::System)?;
        let daemon = assemble(ready, clock, beat, notify)?;
        started();
        // As a task, because waking what `block_on` runs takes a system call.
        let expelled: Result<bool, JoinError> = tokio::spawn(daemon.run(signals)).await;
        if expelled.is_ok_and(|expelled| expelled) { Err(RunError::Expelled) } else { Ok(()) }
    });
    // A name server that does not answer must not hold up the end.
    runtime.shutdown_background();
    ended
}

/// Confines this process as `IsolationMode` asks for; `None`: not at all.
#[must_use]
pub fn confine(config: &Config) -> Option<Confined> {
    match config.connector.isolation {
        IsolationMode::GreengrassContainer => Some(sandbox::confine(&Needs::of(config))),
        IsolationMode::NoContainer => None,
    }
}

fn warn_of_gaps(confined: &Confined) {
    if !confined.missing.is_empty() {
        log::warn!("this system cannot confine the connector completely: {confined}");
    }
    if rustix::process::geteuid().is_root() {
        log::warn!(
            "the connector runs as root: isolation leaves it what only root may read beneath /etc and /run, \
             /etc/shadow among it; run it as a user of its own"
        );
    }
}

/// One thread runs everything; others come and go to resolve names.
fn runtime() -> io::Result<(Runtime, Beat)> {
    let start = Instant::now();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    Ok((runtime, Beat::new(start)))
}

fn assemble(ready: Ready, clock: Clock, beat: Beat, notify: Notify) -> Result<Daemon, RunError> {
    let Ready { config, plan, service_tls, broker_tls } = ready;
    // All fields, so that a new one cannot be forgotten: read before this, here, or nowhere.
    let Config {
        connector,
        mqtt,
        greengrass,
        aws,
        log: _,
        log_format: _,
        counters_interval,
        acknowledge,
        packing,
        spool,
        unresolved: _,
    } = config;
    let arn = DeliveryStreamArn::parse(&connector.default_delivery_stream_arn).map_err(RunError::Arn)?;
    let mut relay = Box::new(Relay::new(&Settings {
        version: connector.version,
        default_delivery_stream: arn,
        queue_size: connector.queue_size,
        publish_interval: connector.publish_interval,
        arena_bytes: plan.arena,
        connections: plan.connections,
        acknowledge,
        packing,
        seed: crate::random::random_number(),
    }));
    if connector.touch_memory {
        relay.touch().map_err(|_| RunError::NoMemory)?;
    }
    let counters = Counters::new(mqtt.client_id.clone(), counters_interval);
    let mut acknowledged = format!("acknowledged when {}", acknowledge.as_str());
    let inlet = match greengrass {
        Some(greengrass) => {
            acknowledged = "not acknowledged".to_owned();
            Inlet::Greengrass(greengrass)
        }
        None => {
            let route = Route::to_any(mqtt.proxy.clone(), &service_tls);
            Inlet::Mqtt(mqtt, route, broker_tls)
        }
    };
    log::info!(
        "firehose-connector {} starts, version {} of the connector, {}, delivery stream {}, publishes are {}",
        env!("CARGO_PKG_VERSION"),
        connector.version,
        inlet.name(),
        arn.text,
        acknowledged
    );

    // Where each record is sent at once, each is read at once.
    let broker = inlet.open(&plan, relay.gathers().then_some(beat));

    // A connection has at most one chunk asked for and one answer given that are not taken yet.
    let (event, events) = mpsc::channel(2 * plan.connections);
    let route = Route::https(aws.proxy.clone(), &service_tls);
    let connections = (0..plan.connections).map(|_| {
        let (request, requests) = mpsc::channel(1);
        let connected = counters.service_connections.clone();
        tokio::spawn(http::serve(requests, event.clone(), route.clone(), service_tls.clone(), connected));
        request
    });
    let uplink = Uplink::new(aws.clone(), plan.chunk, connections);

    let (found, credentials) = watch::channel(None);
    let (renew, renewals) = mpsc::channel(1);
    let wall = clock.clone();
    let provider = Provider::new(aws.credentials, route, service_tls);
    tokio::spawn(keep_fresh(provider, move || wall.wall(), found, renewals, counters.credentials_failed.clone()));

    let peer = broker.peer;
    Ok(Daemon {
        clock,
        beat,
        relay,
        broker,
        uplink,
        spooling: spool.and_then(|spool| Spooling::start(spool, plan.entry, peer.disk_wait())),
        events,
        credentials,
        renew,
        refused_at: None,
        counters,
        report: Report::new(peer),
        notify,
        under_way: UnderWay::default(),
        status_bytes: None,
        left_behind: false,
        forgetful: false,
        acknowledged: Acknowledged::default(),
        held_up: false,
        expelled: false,
        drain_by: None,
        drained_from: crate::time::Instant::default(),
    })
}
