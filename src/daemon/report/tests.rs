//! What is logged, and how often.

use super::*;
use crate::daemon::uplink::Problem;
use crate::firehose::credentials::Credentials;
use crate::foreign::Secret;
use crate::http::SendError;
use crate::limits::{LOG_BURST, LOG_INTERVAL};
use crate::mqtt::MqttError;
use crate::relay::Settled;
use crate::test_support::log_lines;

fn done(problem: Option<SendError>, failures: (u32, u32)) -> EndedRequest {
    EndedRequest {
        name: "telemetry".try_into().unwrap(),
        settled: Settled::default(),
        problem: problem.map(Problem::Send),
        failures,
        clock_corrected: None,
        renew_credentials: false,
        signed_by: Credentials {
            access_key_id: String::new(),
            secret_access_key: Secret::new(""),
            session_token: None,
            expires_at: None,
        },
    }
}

#[test]
fn a_reason_is_logged_when_it_changes() {
    log_lines();
    let (mut report, now) = (Report::default(), Instant::default());
    let offline = || Some(SendError::Stalled);
    let waits = "warn: delivery stream telemetry waits, trying on: ";
    for (failures, problem) in [((0, 1), offline()), ((1, 2), offline()), ((2, 3), Some(SendError::ReplyTooLong))] {
        report.settled(now, &done(problem, failures));
    }
    report.settled(now, &done(Some(SendError::ReplyTooLong), (3, 4)));
    report.settled(now, &done(None, (4, 5)));
    report.settled(now, &done(None, (5, 0)));
    report.settled(now, &done(offline(), (0, 1)));
    let [stalled, too_long] = [SendError::Stalled, SendError::ReplyTooLong].map(|error| format!("{waits}{error}"));
    let put_off = "warn: delivery stream telemetry put off 0 records, trying on";
    let again = "info: delivery stream telemetry takes records again";
    assert_eq!(log_lines(), [&*stalled, &*too_long, put_off, again, &*stalled]);
}

#[test]
fn what_is_remembered_of_delivery_streams_is_bounded() {
    let mut report = Report::default();
    for number in 0..10 * STREAMS {
        let name = number.to_string().as_str().try_into().unwrap();
        report.settled(Instant::default(), &EndedRequest { name, ..done(Some(SendError::Stalled), (0, 1)) });
    }
    assert_eq!(report.service.len(), STREAMS);
    log_lines();
}

#[test]
fn the_last_lines_count_all_that_is_not_known_to_be_delivered() {
    log_lines();
    let counters = Counters { received: 900, succeeded: 100, failed: 800, ..Counters::default() };
    Report::default().stopped(
        Left { stopped: Stopped { failed: 700, in_flight: 500, left: 40, spooled: 20 }, statuses: 389, spooled: 60 },
        counters,
        2,
    );
    let expected = [
        "info: stopped: 900 received, 100 succeeded, 800 failed",
        "info: 60 records and statuses are in the spool, for the next start",
        "info: 40 publishes were not acknowledged: the broker keeps them for the next start",
        "error: 200 records were not sent",
        "error: 500 records were not confirmed by the service and may have been stored",
        "error: 2 statuses were lost: no room for them, or too long for the broker",
        "error: 389 statuses were not confirmed by the broker",
    ];
    assert_eq!(log_lines(), expected);
    Report::default().stopped(Left { stopped: Stopped::default(), statuses: 0, spooled: 0 }, counters, 0);
    assert_eq!(log_lines(), expected[..1]);
}

#[test]
fn a_flood_of_signals_is_a_few_lines() {
    log_lines();
    let mut report = Report::default();
    for _ in 0..1000 {
        report.nothing_to_reload(Instant::default());
        report.signal_ignored(Instant::default(), 64);
    }
    assert_eq!(log_lines().len(), LOG_BURST as usize);
}

#[test]
fn a_year_of_flapping_leaves_a_bounded_log_with_true_last_lines() {
    const STEP: Duration = Duration::from_secs(100);
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    log_lines();
    let mut report = Report::default();
    let start = Instant::from_millis(1);
    let mut now = start;
    let mut count = 0;
    let mut last = Vec::new();
    while now.since(start) < YEAR {
        report.broker_down(now, &MqttError::Closed(None));
        report.settled(now, &done(Some(SendError::Stalled), (0, 1)));
        report.settled(now, &done(None, (1, 0)));
        report.broker_up(now, true, Terms::default());
        now = now + STEP;
        report.flush(now);
        last = log_lines();
        count += last.len();
    }
    let most_of_a_kind = u128::from(LOG_BURST) + YEAR.as_millis() / LOG_INTERVAL.as_millis();
    assert!(count as u128 <= 2 * most_of_a_kind, "{count}");
    if let Some(later) = report.deadline(now) {
        report.flush(later);
        last = log_lines();
    }
    let [broker, service] = &last[..] else { panic!("{last:?}") };
    assert!(broker.starts_with("info: broker connected, session resumed"), "{broker}");
    assert!(service.starts_with("info: delivery stream telemetry takes records again"), "{service}");
    assert_eq!(report.deadline(now), None);
}
