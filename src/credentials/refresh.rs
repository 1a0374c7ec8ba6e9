//! The task that renews credentials: it waits as scheduled, asks the chain, and hands over the result.
//!
//! One renewal at a time. The old credentials stay in use until they expire. Only changes are logged, and few of them.

use std::time::SystemTime;

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::error::CredentialsError;
use super::provider::{Fetched, Provider};
use super::schedule::Schedule;
use crate::{
    error_chain::error_chain, firehose::credentials::Credentials, http::tally::Tally, limits::credentials as limits,
    log_limit::LogLimit, random::random_number, time,
};

/// Keeps the credentials in `sender` valid, from now on; `None` when they have expired and cannot be renewed.
///
/// `wall` returns the best estimate of the wall time. Each message in `renew_now` means that the service refused the
/// credentials; they are renewed [`limits::ON_DEMAND_INTERVAL`] after the last attempt at the earliest, however many
/// messages come. `failures` counts attempts without success. Ends when the other end of `renew_now` is dropped.
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
        report.log(since(start), &fetched, wall());
        let wait = match fetched {
            Ok(Fetched { credentials, .. }) => {
                let wait = schedule.renewed(credentials.expires_at, wall(), random_number());
                // Messages that are here by now were about the previous credentials.
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

/// What was logged last.
#[derive(Default)]
struct Report {
    source: Option<&'static str>,
    failure: Option<String>,
    limit: LogLimit,
}

impl Report {
    fn log(&mut self, now: time::Instant, fetched: &Result<Fetched, CredentialsError>, wall: SystemTime) {
        match fetched {
            Ok(Fetched { credentials, source }) => {
                if self.failure.take().is_some() || self.source != Some(source) {
                    let left = credentials.expires_at.map(|end| end.duration_since(wall).unwrap_or_default().as_secs());
                    let left = left.map_or_else(|| "never".to_owned(), |seconds| format!("{seconds}s"));
                    let key = credentials.shown_id();
                    self.limit
                        .info(now, format_args!("credentials found source=\"{source}\" key={key} expires_in={left}"));
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
