//! What is shown, and what is sent.

use serde_json::Value;

use super::report::{Report, STEPS, Step};
use super::test_record::Body;
use crate::cli::exit;
use crate::config::load;
use crate::firehose::request::Call;
use crate::relay::arn::DeliveryStreamArn;

const ARN: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/stream-name";

/// The exit code and what was written.
fn report(json: bool, fill: impl FnOnce(&mut Report<'_>)) -> (u8, String) {
    let mut out = Vec::new();
    let mut report = Report::new(json, &mut out);
    fill(&mut report);
    let code = report.end().unwrap();
    (code, String::from_utf8(out).unwrap())
}

#[test]
fn every_step_has_a_line_in_its_order() {
    let (code, text) = report(true, |report| {
        report.ok(Step::Configuration, "good");
        report.ok(Step::Memory, "enough");
        report.warn(Step::Clock, "off", "set it");
        report.skip_to(Step::Credentials, "no broker");
        report.skip_to(Step::End, "no service");
    });
    let document: Value = serde_json::from_str(&text).unwrap();
    let steps = document["steps"].as_array().unwrap();
    assert!(steps.iter().map(|step| step["step"].as_str().unwrap()).eq(STEPS));
    assert_eq!(
        (code, &document["exit_status"], &document["version"]),
        (0, &0.into(), &env!("CARGO_PKG_VERSION").into())
    );
    let mut clock = steps[2].clone();
    clock["ms"] = 0.into();
    let expected = r#"{"step":"clock","result":"warn","found":"off","advice":"set it","ms":0}"#;
    assert_eq!(clock, serde_json::from_str::<Value>(expected).unwrap());
    assert_eq!((&steps[3]["found"], &steps[13]["found"]), (&"no broker".into(), &"no service".into()));
    assert_eq!(steps[3]["advice"], Value::Null);
}

#[test]
fn the_exit_code_depends_on_where_the_fault_is() {
    let first_fault = |faulty: &[Step]| {
        let all = [Step::Configuration, Step::Memory, Step::Clock, Step::BrokerDns];
        report(false, |report| {
            for step in all {
                if faulty.contains(&step) { report.fail(step, "wrong", None) } else { report.ok(step, "right") }
            }
            report.skip_to(Step::End, "for a test");
        })
    };
    let (code, text) = first_fault(&[]);
    assert!(code == exit::OK && text.ends_with("\nall is well\n"), "{text}");
    let (code, text) = first_fault(&[Step::BrokerDns]);
    assert!(code == exit::UNAVAILABLE && text.ends_with("\nfailed: broker-dns\n"), "{text}");
    assert_eq!(first_fault(&[Step::Configuration, Step::Memory]).0, exit::CONFIG);
    assert_eq!(first_fault(&[Step::Memory, Step::BrokerDns]).0, exit::CONFIG);
}

#[test]
fn a_line_has_its_mark_and_the_advice_below() {
    let (_, text) = report(false, |report| {
        report.fail(Step::Configuration, "one\ntwo", Some("mend both".to_owned()));
        report.skip_to(Step::Clock, "the configuration is wrong");
    });
    let expected = "FAIL  configuration     one\n                        two\n                        -> mend both\n\
                    skip  memory            the configuration is wrong\n";
    assert!(text.starts_with(expected), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_step_has_its_time_and_all_together_have_theirs() {
    use crate::limits::doctor::{ALL, STEP};
    let mut out = Vec::new();
    let mut report = Report::new(false, &mut out);
    let start = tokio::time::Instant::now();
    tokio::time::advance(STEP).await;
    assert_eq!(report.deadline(), start + STEP);
    report.fail(Step::Configuration, "late", None);
    assert_eq!(report.deadline(), start + 2 * STEP);
    tokio::time::advance(ALL - STEP).await;
    report.fail(Step::Memory, "late", None);
    assert_eq!(report.deadline(), start + ALL);
    report.end().unwrap();
    assert!(String::from_utf8(out).unwrap().contains("late (20.0 s)\n"), "what takes long says so");
}

#[test]
fn the_request_is_by_the_call_that_the_configuration_uses() {
    for (interval, call, with, without) in [
        ("0", Call::PutRecord, r#""Record":{"Data":"eA=="}}"#, r#""Record":{}}"#),
        ("10", Call::PutRecordBatch, r#""Records":[{"Data":"eA=="}]}"#, r#""Records":[]}"#),
    ] {
        let variables = [("DEFAULT_DELIVERY_STREAM_ARN", ARN), ("PUBLISH_INTERVAL", interval)];
        let config = load(None, variables.map(|(name, value)| (name.into(), value.into()))).unwrap();
        let arn = DeliveryStreamArn::parse(ARN).unwrap();
        let body = Body::with(b"x", &config, arn).unwrap();
        let text = |body: &Body| String::from_utf8(body.bytes.to_vec()).unwrap();
        assert_eq!((body.call, body.records), (call, 1));
        assert_eq!(text(&body), format!(r#"{{"DeliveryStreamName":"stream-name",{with}"#));
        let body = body.emptied(arn.name);
        assert_eq!((body.call, body.records), (call, 0));
        assert_eq!(text(&body), format!(r#"{{"DeliveryStreamName":"stream-name",{without}"#));
        let long = vec![0; crate::limits::RECORD_BYTES + 1];
        assert!(Body::with(&long, &config, arn).is_none(), "no arena has room for it");
    }
}

#[test]
fn the_test_record_ends_as_all_others_do() {
    let variables = [("DEFAULT_DELIVERY_STREAM_ARN", ARN), ("FIREHOSE_CONNECTOR_DELIMITER_AT_END", "1")];
    let config = load(None, variables.map(|(name, value)| (name.into(), value.into()))).unwrap();
    let body = Body::with(b"x", &config, DeliveryStreamArn::parse(ARN).unwrap()).unwrap();
    assert!(body.bytes.ends_with(br#""Records":[{"Data":"eAo="}]}"#));
}
