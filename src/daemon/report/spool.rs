//! What the log says of the spool.

use std::io;
use std::path::Path;

use log::error;
use rustix::io::Errno;

use super::Report;
use crate::error_chain::words::of_system;
use crate::keeper::Health;
use crate::spool;
use crate::spool::operation::Fault;
use crate::time::Instant;

/// What the log has said of the spool last.
#[derive(Debug, Default)]
pub(super) struct Logged {
    health: Option<Health>,
    holds: bool,
    damaged: u64,
    left_alone: u64,
}

impl Report {
    pub(in crate::daemon) fn no_spool(error: &io::Error) {
        error!(
            "there is no spool, records are held in memory only: its thread cannot be started: {}",
            of_system(error)
        );
    }

    /// Logs what has changed about the spool in `directory`.
    pub(in crate::daemon) fn spool(
        &mut self,
        now: Instant,
        directory: &Path,
        health: Health,
        counters: &spool::Counters,
    ) {
        let (logged, limit) = (&mut self.spool, &mut self.spool_limit);
        let before = logged.health.replace(health).unwrap_or(Health::Well);
        if before != health {
            let directory = directory.display();
            match health {
                Health::Well => limit.info(now, format_args!("the spool takes records again")),
                Health::Full => limit.warn(
                    now,
                    format_args!(
                        "the spool is full: when memory is, too, new records fail, see FIREHOSE_CONNECTOR_SPOOL_SIZE"
                    ),
                ),
                Health::Hangs => limit.warn(
                    now,
                    format_args!(
                        "the spool in {directory} cannot be used, records are held in memory only: \
                         its disk does not respond"
                    ),
                ),
                Health::Fails(fault) => limit.warn(
                    now,
                    format_args!(
                        "the spool in {directory} cannot be used, records are held in memory only, trying on: \
                         {fault}: {}",
                        advice(fault)
                    ),
                ),
            }
        }
        if core::mem::replace(&mut logged.holds, counters.records > 0) != (counters.records > 0) {
            if counters.records > 0 {
                limit.info(now, format_args!("records wait in the spool until the service takes them"));
            } else {
                limit.info(now, format_args!("the spool is empty again"));
            }
        }
        if counters.damaged > core::mem::replace(&mut logged.damaged, counters.damaged) {
            let damaged = counters.damaged;
            limit.warn(now, format_args!("{damaged} records of the spool were damaged on the disk and are lost"));
        }
        let left_alone = counters.newer + counters.unreadable;
        if left_alone > core::mem::replace(&mut logged.left_alone, left_alone) {
            limit.warn(
                now,
                format_args!(
                    "{left_alone} files of the spool cannot be read, have another one's name, or are of a later version: \
                     they stay for another start"
                ),
            );
        }
    }
}

/// What to do about a disk that fails.
const fn advice(Fault(number): Fault) -> &'static str {
    match Errno::from_raw_os_error(number) {
        Errno::NOENT | Errno::NOTDIR => "create it, owned by the connector's user, and restart the connector",
        Errno::ACCESS | Errno::PERM => "it has to be there at the start, and belong to the connector's user",
        Errno::AGAIN => "another process uses it: give each connector a directory of its own",
        Errno::ROFS => "mount it writable",
        Errno::NOSPC | Errno::DQUOT => "make room on its disk, or lower FIREHOSE_CONNECTOR_SPOOL_SIZE",
        _ => "have its disk checked",
    }
}
