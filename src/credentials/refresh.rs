//! The task that keeps credentials fresh: waits as the schedule says, asks the chain, hands over what it gets.
//!
//! One renewal at a time. The old credentials stay in use until their end. The log has changes only, and few of them.

use std::time::SystemTime;

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{CredentialsError, Fetched, Provider, Schedule};
use crate::{
    error_chain::error_chain, firehose::credentials::Credentials, http::tally::Tally, limits::credentials as limits,
    log_limit::LogLimit, random::random_number, time,
};

/// Puts credentials into `sender` as long as the process wants them, beginning at once; `None` when they have expired
/// and cannot be renewed.
///
/// `wall` is the best guess at the wall time. A message in `renew_now` says that the service refused the credentials;
/// they are renewed [`limits::ON_DEMAND_INTERVAL`] after the last attempt at the earliest, however many messages come.
/// Counts in `failures` each attempt that brought none. Ends when the other end of `renew_now` is dropped.
pub async fn keep_fresh(
    provider: Provider,
    wall: impl Fn() -> SystemTime + Send + 'static,
    sender: watch::Sender<Option<Credentials>>,
    mut renew_now: mpsc::Receiver<()>,
    failures: Tally,
) {
    let start = Instant::now();
    let mut schedule = Schedule::default();
    let mut report = Report::default();
    loop {
        let fetched = provider.fetch().await;
        report.tell(since(start), &fetched, wall());
        let wait = match fetched {
            Ok(Fetched { credentials, .. }) => {
                let wait = schedule.renewed(credentials.expires_at, wall(), random_number());
                // A message that is here by now was about the credentials before these.
                while renew_now.try_recv().is_ok() {}
                replace(&sender, Some(credentials));
                wait
            }
            Err(_) => {
                failures.count();
                if schedule.has_expired(wall()) {
                    replace(&sender, None);
                }
                schedule.failed(wall(), random_number())
            }
        };
        let attempt = Instant::now();
        tokio::select! {
            () = sleep_until(attempt + wait) => {}
            message = renew_now.recv() => match message {
                Some(()) => sleep_until(attempt + wait.min(limits::ON_DEMAND_INTERVAL)).await,
                None => return,
            },
        }
    }
}

fn since(start: Instant) -> time::Instant {
    time::Instant::default() + start.elapsed()
}

fn replace(sender: &watch::Sender<Option<Credentials>>, credentials: Option<Credentials>) {
    sender.send_if_modified(|current| {
        let is_new = *current != credentials;
        *current = credentials;
        is_new
    });
}

/// What the log has said last.
#[derive(Default)]
struct Report {
    source: Option<&'static str>,
    failure: Option<String>,
    limit: LogLimit,
}

impl Report {
    fn tell(&mut self, now: time::Instant, fetched: &Result<Fetched, CredentialsError>, wall: SystemTime) {
        match fetched {
            Ok(Fetched { credentials, source }) => {
                if self.failure.take().is_some() || self.source != Some(source) {
                    let end = credentials.expires_at.map(|end| end.duration_since(wall).unwrap_or_default().as_secs());
                    let end = end.map_or_else(|| "none".to_owned(), |seconds| format!("{seconds}s"));
                    let key = credentials.shown_id();
                    self.limit.info(now, format_args!("credentials found source=\"{source}\" key={key} end={end}"));
                }
                self.source = Some(source);
            }
            Err(error) => {
                let failure = error_chain(error);
                if self.failure.as_ref() != Some(&failure) {
                    self.limit.warn(now, format_args!("credentials not found: {failure}"));
                    self.failure = Some(failure);
                }
            }
        }
        self.limit.flush(now);
    }
}

#[cfg(test)]
mod tests;
