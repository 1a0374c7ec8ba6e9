//! The task on tokio's paused clock; the wall clock runs with it.

use std::{path::PathBuf, time::UNIX_EPOCH};

use tokio::{
    task::JoinHandle,
    time::{Duration, advance},
};

use super::*;
use crate::foreign::Secret;
use crate::{
    clock::Clock,
    config::{ContainerSettings, CredentialSettings, EndpointUrl},
    limits::LOG_BURST,
    test_support::{Endpoint, Folder, http_reply, log_lines},
    transport::route::Route,
    transport::tls::Tls,
};

/// The task and both its ends.
struct Fixture {
    current: watch::Receiver<Option<Credentials>>,
    renew_now: mpsc::Sender<()>,
    failures: Tally,
    task: JoinHandle<()>,
}

impl Fixture {
    fn start(settings: CredentialSettings) -> Self {
        let provider = Provider::new(settings, Route::default(), Tls::for_service(None, &Clock::default()).unwrap());
        let (sender, current) = watch::channel(None);
        let (renew_now, requests) = mpsc::channel(1);
        let failures = Tally::default();
        let start = Instant::now();
        let wall = move || wall_at(start.elapsed());
        let task = tokio::spawn(keep_fresh(provider, wall, sender, requests, failures.clone()));
        Self { current, renew_now, failures, task }
    }

    /// The access key id after the next change.
    async fn changed(&mut self) -> Option<String> {
        self.current.changed().await.unwrap();
        self.current.borrow_and_update().as_ref().map(|credentials| credentials.access_key_id.clone())
    }
}

/// 2018-01-18T08:18:06Z, an hour before the credentials of these tests end.
fn wall_at(elapsed: Duration) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_516_263_486) + elapsed
}

fn temporary(key: &str) -> String {
    let body = format!(r#"{{"AccessKeyId":"{key}","SecretAccessKey":"s","Expiration":"2018-01-18T09:18:06Z"}}"#);
    http_reply("200 OK", &body)
}

fn container(endpoint: EndpointUrl) -> CredentialSettings {
    let container = ContainerSettings { endpoint, path: "/".to_owned(), authorization: None };
    CredentialSettings { container: Some(container), ..profile(None) }
}

fn profile(credentials_file: Option<PathBuf>) -> CredentialSettings {
    CredentialSettings { profile: "default".to_owned(), credentials_file, ..CredentialSettings::default() }
}

fn keys(key: &str) -> String {
    format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = s\n")
}

#[tokio::test(start_paused = true)]
async fn temporary_credentials_are_renewed_before_they_expire() {
    let replies = [temporary("ASIAFIRST"), temporary("ASIASECOND")];
    let endpoint = Endpoint::serve_each(replies.to_vec()).await;
    let start = Instant::now();
    let mut fixture = Fixture::start(container(endpoint.url()));
    assert_eq!(fixture.changed().await.as_deref(), Some("ASIAFIRST"));
    assert_eq!(fixture.changed().await.as_deref(), Some("ASIASECOND"));
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    assert!((52.4..55.1).contains(&minutes), "{minutes}");
}

#[tokio::test(start_paused = true)]
async fn old_credentials_are_used_until_they_expire_and_not_longer() {
    let endpoint = Endpoint::serve_each(vec![temporary("ASIAONLY")]).await;
    let start = Instant::now();
    let mut fixture = Fixture::start(container(endpoint.url()));
    assert_eq!(fixture.changed().await.as_deref(), Some("ASIAONLY"));
    assert_eq!(fixture.changed().await, None);
    let seconds = start.elapsed().as_secs();
    assert!((3600..3605).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_appears_later_is_found() {
    let folder = Folder::new();
    let path = folder.path().join("credentials");
    let mut fixture = Fixture::start(profile(Some(path)));
    advance(Duration::from_secs(3)).await;
    assert_eq!(*fixture.current.borrow(), None);
    folder.write("credentials", keys("AKIALATE"));
    assert_eq!(fixture.changed().await.as_deref(), Some("AKIALATE"));
    assert!(fixture.failures.total() >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_the_service_brings_rotated_keys_in_seconds() {
    let folder = Folder::new();
    let path = folder.write("credentials", keys("AKIAOLD"));
    let mut fixture = Fixture::start(profile(Some(path)));
    assert_eq!(fixture.changed().await.as_deref(), Some("AKIAOLD"));
    let start = Instant::now();
    folder.write("credentials", keys("AKIANEW"));
    fixture.renew_now.send(()).await.unwrap();
    assert_eq!(fixture.changed().await.as_deref(), Some("AKIANEW"));
    assert_eq!(start.elapsed().as_secs(), limits::ON_DEMAND_INTERVAL.as_secs());
}

#[tokio::test(start_paused = true)]
async fn unchanged_keys_notify_nobody() {
    let folder = Folder::new();
    let path = folder.write("credentials", keys("AKIA"));
    let mut fixture = Fixture::start(profile(Some(path)));
    fixture.changed().await;
    let wait = tokio::time::timeout(Duration::from_secs(24 * 3600), fixture.changed()).await;
    assert!(wait.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_its_caller() {
    let Fixture { renew_now, task, .. } = Fixture::start(profile(None));
    drop(renew_now);
    task.await.unwrap();
}

#[test]
fn the_log_has_only_changes_and_few_of_those_that_repeat() {
    log_lines();
    let mut report = Report::default();
    let mut now = time::Instant::from_millis(1);
    let failed = || Err(CredentialsError::NotConfigured { looked_at: "a".to_owned(), ec2: None });
    let found = || {
        let credentials = Credentials {
            access_key_id: "AKIA".to_owned(),
            secret_access_key: Secret::new("s"),
            session_token: None,
            expires_at: None,
        };
        Ok(Fetched { credentials, source: "environment" })
    };
    for fetched in [failed(), failed(), found(), found()] {
        report.log(now, &fetched, wall_at(Duration::ZERO));
    }
    let lines = log_lines();
    assert_eq!(lines[0], "warn: credentials not found: no AWS credentials, provide one of: a");
    assert_eq!(lines[1..], [r#"info: credentials found source="environment" key=AKIA expires_in=never"#]);
    const HOURS: u32 = 100;
    for _ in 0..HOURS * 360 {
        now = now + Duration::from_secs(10);
        report.log(now, &failed(), wall_at(Duration::ZERO));
        report.log(now, &found(), wall_at(Duration::ZERO));
    }
    let lines = log_lines().len();
    assert!(lines <= (LOG_BURST + HOURS * 60) as usize, "{lines}");
}
