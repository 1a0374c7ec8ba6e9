//! The real binary on good and bad configurations: exit status and words.

#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::path::PathBuf;
use std::process::{Command, Output};

const ARN: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/stream-name";

/// Runs the binary with nothing but `environment`, under the emulator that `FIREHOSE_CONNECTOR_RUNNER` names, if any: a test
/// that is itself emulated cannot count on the kernel to know what to do with its binary.
fn connector(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let binary = env!("CARGO_BIN_EXE_firehose-connector");
    let mut command = match std::env::var("FIREHOSE_CONNECTOR_RUNNER") {
        Ok(runner) => {
            let mut command = Command::new(runner);
            command.arg(binary);
            command
        }
        Err(_) => Command::new(binary),
    };
    command.args(arguments).env_clear().envs(environment.iter().copied()).output().unwrap()
}

fn definition(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn check(name: &str, content: &str) -> (i32, String) {
    let path = definition(name, content);
    let output = connector(&["check", "--definition", path.to_str().unwrap()], &[]);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn a_good_definition_is_shown_with_its_memory_and_ends_with_0() {
    let parameters = format!(
        r#"{{"DefaultDeliveryStreamArn":"{ARN}","DeliveryStreamQueueSize":"5000","MemorySize":"65535","PublishInterval":"10"}}"#
    );
    let (code, text) = check("good.json", &parameters);
    assert_eq!(code, 0, "{text}");
    for part in ["the configuration is good", ARN, "records and statuses", "65535 KB", "largest MQTT packet"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn every_fault_of_a_definition_is_named_at_once_and_ends_with_78() {
    let parameters = r#"{"DefaultDeliveryStreamArn":"arn:aws:s3:eu-west-1:1:x","DeliveryStreamQueueSize":"1999",
        "MemorySze":"65535","PublishInterval":"901"}"#;
    let (code, text) = check("bad.json", parameters);
    assert_eq!(code, 78);
    for part in ["DefaultDeliveryStreamArn", "1999", "MemorySze", "MemorySize", "901"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_definition_that_is_no_file_is_named_and_not_waited_for() {
    let fifo = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("definition.fifo");
    if !fifo.exists() {
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    }
    for path in [fifo.to_str().unwrap(), env!("CARGO_TARGET_TMPDIR")] {
        for command in ["check", "run"] {
            let output = connector(&[command, "--definition", path], &[]);
            assert_eq!(output.status.code(), Some(78));
            assert_eq!(
                String::from_utf8(output.stderr).unwrap().trim(),
                format!("{path}: cannot be read: not a regular file")
            );
        }
    }
}

#[test]
fn too_small_a_memory_size_is_answered_with_the_least_that_works() {
    let environment = |size| [("DEFAULT_DELIVERY_STREAM_ARN", ARN), ("FIREHOSE_CONNECTOR_MEMORY_SIZE", size)];
    let output = connector(&["check"], &environment("100"));
    assert_eq!(output.status.code(), Some(78));
    let text = String::from_utf8(output.stderr).unwrap();
    let least = text.trim().strip_prefix("MemorySize is 100 (KB), the least that works here is ").unwrap();
    assert_eq!(connector(&["check"], &environment(least)).status.code(), Some(0));
}

#[test]
fn a_definition_that_cannot_be_read_or_is_not_given_is_a_fault_of_the_configuration() {
    for arguments in [&["run"][..], &["check"], &["run", "--definition", "/no/such/file"]] {
        let output = connector(arguments, &[]);
        assert_eq!(output.status.code(), Some(78), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn missing_certificate_files_and_too_little_memory_are_found_together() {
    let environment = [
        ("DEFAULT_DELIVERY_STREAM_ARN", ARN),
        ("FIREHOSE_CONNECTOR_MQTT_URL", "mqtts://broker.example"),
        ("FIREHOSE_CONNECTOR_MQTT_CA", "/no/such/ca.pem"),
        ("AWS_CA_BUNDLE", "/no/such/bundle.pem"),
        ("FIREHOSE_CONNECTOR_MEMORY_SIZE", "1"),
    ];
    let output = connector(&["check"], &environment);
    assert_eq!(output.status.code(), Some(78));
    let text = String::from_utf8(output.stderr).unwrap();
    for part in ["FIREHOSE_CONNECTOR_MQTT_CA: /no/such/ca.pem", "AWS_CA_BUNDLE: /no/such/bundle.pem", "MemorySize is 1"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_64_and_help_and_version_with_0() {
    for (arguments, code) in
        [(&[][..], 64), (&["rnu"], 64), (&["run", "--no-such"], 64), (&["--help"], 0), (&["--version"], 0)]
    {
        let output = connector(arguments, &[]);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert_eq!(output.stdout.is_empty(), code != 0, "{arguments:?}");
        assert_eq!(output.stderr.is_empty(), code == 0, "{arguments:?}");
    }
}
