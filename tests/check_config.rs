//! The real binary on good and bad configurations: exit status and words.

#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const ARN: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/stream-name";

/// Runs the binary with nothing but `environment`, under the emulator that `FIREHOSE_CONNECTOR_RUNNER` names, if any: a
/// test that is itself emulated cannot count on the kernel to know what to do with its binary.
fn connector(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    command(arguments, environment).output().unwrap()
}

fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let binary = env!("CARGO_BIN_EXE_firehose-connector");
    let mut command = match std::env::var("FIREHOSE_CONNECTOR_RUNNER") {
        Ok(runner) => {
            let mut command = Command::new(runner);
            command.arg(binary);
            command
        }
        Err(_) => Command::new(binary),
    };
    command.args(arguments).env_clear().envs(environment.iter().copied());
    command
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
fn a_definition_that_is_not_a_file_is_named_and_not_waited_for() {
    let fifo = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("definition.fifo");
    if !fifo.exists() {
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    }
    for path in [fifo.to_str().unwrap(), env!("CARGO_TARGET_TMPDIR")] {
        for command in ["check", "run"] {
            let output = connector(&[command, "--definition", path], &[]);
            assert_eq!(output.status.code(), Some(78));
            let said = String::from_utf8(output.stderr).unwrap();
            // What runs has a log, whose lines begin with time and level.
            let said = if command == "run" { said.split_once(" error: ").unwrap().1 } else { &said };
            assert_eq!(said.trim(), format!("{path}: cannot be read: not a regular file"));
        }
    }
}

#[test]
fn too_small_a_memory_size_is_answered_with_the_least_that_works() {
    let environment = |size| [("DEFAULT_DELIVERY_STREAM_ARN", ARN), ("FIREHOSE_CONNECTOR_MEMORY_SIZE", size)];
    let output = connector(&["check"], &environment("100"));
    assert_eq!(output.status.code(), Some(78));
    let text = String::from_utf8(output.stderr).unwrap();
    let least = text.strip_prefix("FIREHOSE_CONNECTOR_MEMORY_SIZE \"100\": must be at least ").unwrap();
    let least = least.split_once(" (KB)").unwrap().0;
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
    for part in [
        "FIREHOSE_CONNECTOR_MQTT_CA: /no/such/ca.pem",
        "AWS_CA_BUNDLE: /no/such/bundle.pem",
        "FIREHOSE_CONNECTOR_MEMORY_SIZE \"1\": must be at least ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn every_form_of_check_finds_all_that_a_start_would_refuse() {
    let parameters = format!(
        r#"{{"DefaultDeliveryStreamArn":"{ARN}","DeliveryStreamQueueSize":"5000","MemorySize":"100","PublishInterval":"901"}}"#
    );
    let path = definition("all.json", &parameters);
    let path = path.to_str().unwrap();
    let environment = [
        ("FIREHOSE_CONNECTOR_IOT_ENDPOINT", "c0.credentials.iot.eu-west-1.amazonaws.com"),
        ("FIREHOSE_CONNECTOR_IOT_ROLE_ALIAS", "gate way"),
        ("FIREHOSE_CONNECTOR_IOT_CERT", "/no/such/device.pem"),
        ("FIREHOSE_CONNECTOR_IOT_KEY", "/etc/no-such-device.key"),
        ("FIREHOSE_CONNECTOR_MQTT_URL", "broker:1883"),
        ("FIREHOSE_CONNECTOR_MQTT_CA", "/no/such/ca.pem"),
        ("AWS_CA_BUNDLE", "/no/such/bundle.pem"),
    ];
    for words in [&["run"][..], &["check"], &["check", "--json"], &["check", "--online"]] {
        let output = connector(&[words, &["--definition", path]].concat(), &environment);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap().replace('\\', "");
        assert_eq!(output.status.code(), Some(78), "{words:?}: {text}");
        for part in [
            &format!("{path}: PublishInterval \"901\": must be"),
            &format!("{path}: MemorySize \"100\": must be at least "),
            "FIREHOSE_CONNECTOR_IOT_ROLE_ALIAS \"gate way\": must be",
            "FIREHOSE_CONNECTOR_MQTT_URL \"broker:1883\": is not a URL of the form",
            "FIREHOSE_CONNECTOR_IOT_CERT: /no/such/device.pem cannot be read",
            "FIREHOSE_CONNECTOR_IOT_KEY: /etc/no-such-device.key cannot be read",
            "FIREHOSE_CONNECTOR_MQTT_CA: /no/such/ca.pem cannot be read",
            "AWS_CA_BUNDLE: /no/such/bundle.pem cannot be read",
        ] {
            assert!(text.contains(part), "{words:?}: {part}: {text}");
        }
    }
    // A device certificate alone, which is read again for each use.
    let environment = [
        environment[0],
        ("FIREHOSE_CONNECTOR_IOT_ROLE_ALIAS", "gateway"),
        environment[2],
        environment[3],
        ("DEFAULT_DELIVERY_STREAM_ARN", ARN),
    ];
    for words in [&["run"][..], &["check"], &["check", "--json"], &["check", "--online"]] {
        let output = connector(words, &environment);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(78), "{words:?}: {text}");
        assert!(text.contains("FIREHOSE_CONNECTOR_IOT_CERT: /no/such/device.pem cannot be read"), "{words:?}: {text}");
    }
}

#[test]
fn a_file_that_is_missing_is_named_beside_a_variable_that_is() {
    let arn = ("DEFAULT_DELIVERY_STREAM_ARN", ARN);
    let (endpoint, alias) = (
        ("FIREHOSE_CONNECTOR_IOT_ENDPOINT", "c0.credentials.iot.eu-west-1.amazonaws.com"),
        ("FIREHOSE_CONNECTOR_IOT_ROLE_ALIAS", "gateway"),
    );
    let url = |scheme: &'static str| ("FIREHOSE_CONNECTOR_MQTT_URL", scheme);
    for (variables, expected) in [
        (
            &[arn, endpoint, alias, ("FIREHOSE_CONNECTOR_IOT_CERT", "/no/cert")][..],
            &[
                "FIREHOSE_CONNECTOR_IOT_CERT: needs FIREHOSE_CONNECTOR_IOT_KEY beside it",
                "FIREHOSE_CONNECTOR_IOT_CERT: /no/cert cannot be read",
            ][..],
        ),
        (
            &[arn, url("mqtts://broker"), ("FIREHOSE_CONNECTOR_MQTT_KEY", "/etc/no-such.key")],
            &[
                "FIREHOSE_CONNECTOR_MQTT_KEY: needs FIREHOSE_CONNECTOR_MQTT_CERT beside it",
                "FIREHOSE_CONNECTOR_MQTT_KEY: /etc/no-such.key cannot be read",
            ],
        ),
        (
            &[arn, url("mqtt://broker"), ("FIREHOSE_CONNECTOR_MQTT_CA", "/no/ca")],
            &[
                "FIREHOSE_CONNECTOR_MQTT_CA: has no effect without mqtts:// in FIREHOSE_CONNECTOR_MQTT_URL",
                "FIREHOSE_CONNECTOR_MQTT_CA: /no/ca cannot be read",
            ],
        ),
    ] {
        let output = connector(&["check"], variables);
        let text = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<_> = text.lines().map(|line| line.split(": no such file").next().unwrap()).collect();
        assert_eq!(lines, expected);
    }
}

#[test]
fn the_origin_of_each_setting_and_its_effect_are_shown() {
    let parameters = format!(
        r#"{{"DefaultDeliveryStreamArn":"{ARN}","DeliveryStreamQueueSize":"5000","MemorySize":"65535","PublishInterval":"10"}}"#
    );
    let path = definition("shown.json", &parameters);
    let environment = [
        ("PUBLISH_INTERVAL", "5"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("FIREHOSE_CONNECTOR_MQTT_PROXY", "http://user:hidden@proxy.example:3128"),
    ];
    let shown = |more: &[(&str, &str)]| {
        let output = connector(&["check", "--definition", path.to_str().unwrap()], &[&environment, more].concat());
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = shown(&[]);
    for line in [
        &format!("definition                  {}, version 5 of the connector", path.display()),
        "DeliveryStreamQueueSize     5000 records",
        "PublishInterval             5 s (PUBLISH_INTERVAL)",
        "IsolationMode               GreengrassContainer (default)",
        "broker                      mqtt://127.0.0.1:1883 by the proxy proxy.example:3128 (FIREHOSE_CONNECTOR_MQTT_PROXY), client id \"firehose-connector\"",
        "service                     https://firehose.eu-west-1.amazonaws.com (of the region)",
        "credentials                 environment",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(text.starts_with("the configuration is good\n\n") && !text.contains("hidden"), "{text}");
    let text =
        shown(&[("AWS_ENDPOINT_URL", "http://[::1]:4566/"), ("FIREHOSE_CONNECTOR_MQTT_URL", "mqtt://[fd00::1]:80")]);
    for line in ["service                     http://[::1]:4566 (AWS_ENDPOINT_URL)\n", "mqtt://[fd00::1]:80 by"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let text = shown(&[("FIREHOSE_CONNECTOR_PACK", "5120")]);
    assert!(
        text.contains("packing                     records of up to 5120 bytes, with %0A between them\n"),
        "{text}"
    );
}

#[test]
fn packing_without_batching_is_warned_of() {
    let pack = [("DEFAULT_DELIVERY_STREAM_ARN", ARN), ("FIREHOSE_CONNECTOR_PACK", "5120")];
    let warning = "FIREHOSE_CONNECTOR_PACK is 5120 and records do not wait for a batch; each goes alone: set \
        PublishInterval to 1 or more, in a definition of version 2 or later";
    for (interval, is_warned) in [("0", true), ("1", false)] {
        let output = connector(&["check"], &[&pack[..], &[("PUBLISH_INTERVAL", interval)]].concat());
        assert_eq!(output.status.code(), Some(0));
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert_eq!(said.contains(warning), is_warned, "{said}");
    }
}

#[test]
fn how_to_pack_without_packing_is_warned_of() {
    let advice = "has no effect without FIREHOSE_CONNECTOR_PACK; set that to 5120, or take this one out";
    let (binary, delimiter) = (("FIREHOSE_CONNECTOR_PACK_BINARY", "1"), ("FIREHOSE_CONNECTOR_DELIMITER", "|"));
    let (pack, at_end) = (("FIREHOSE_CONNECTOR_PACK", "5120"), ("FIREHOSE_CONNECTOR_DELIMITER_AT_END", "1"));
    for (variables, without_effect) in [
        (&[binary][..], Some(binary.0)),
        (&[delimiter], Some(delimiter.0)),
        (&[delimiter, at_end], None),
        (&[binary, delimiter, pack], None),
    ] {
        let output = connector(&["check"], &[&[("DEFAULT_DELIVERY_STREAM_ARN", ARN)], variables].concat());
        assert_eq!(output.status.code(), Some(0));
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        let expected = without_effect.map(|variable| format!("{variable} {advice}"));
        assert_eq!(expected.is_some(), said.contains(advice), "{said}");
        assert!(expected.is_none_or(|line| said.contains(&line)), "{said}");
    }
}

#[test]
fn a_configuration_without_credentials_is_good_with_a_warning() {
    let arn = ("DEFAULT_DELIVERY_STREAM_ARN", ARN);
    let off = ("AWS_EC2_METADATA_DISABLED", "true");
    for (more, warning) in [
        (
            &[][..],
            "warning: no source of credentials is configured, so the role of an EC2 instance will be asked for at 169.254.169.254; configure a source",
        ),
        (&[off], "warning: no AWS credentials, provide one of: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; "),
        (
            &[off, ("AWS_SHARED_CREDENTIALS_FILE", "/etc/no-such-file")],
            "warning: AWS_SHARED_CREDENTIALS_FILE: /etc/no-such-file is not there yet, and no other file has keys; ",
        ),
    ] {
        let environment = [&[arn], more].concat();
        let output = connector(&["check"], &environment);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains(&format!("\n{warning}")), "{warning}: {text}");
        let output = connector(&["check", "--json"], &environment);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        let found = warning.strip_prefix("warning: ").unwrap().split_once("; ").unwrap().0;
        assert!(text.contains(r#""result":"warn""#) && text.contains(found), "{text}");
    }
    for instance in
        [("AWS_EC2_METADATA_DISABLED", "false"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")]
    {
        let text = String::from_utf8(connector(&["check"], &[arn, instance]).stdout).unwrap();
        assert!(!text.contains("warning"), "{text}");
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

#[test]
fn without_a_command_the_last_line_says_so() {
    let output = connector(&["--definition", "x"], &[]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(text.contains("DEFAULT_DELIVERY_STREAM_ARN"), "the help: {text}");
    assert_eq!(text.lines().last(), Some("no command given: run, check, help or version"));
}

/// Each is a line of a text of several lines, or of a document, so it has to be made safe by itself.
#[test]
fn the_name_of_a_file_forges_no_line() {
    const NAME: &str = "/x\n\u{1b}[31mforged: ok";
    let keys = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")];
    let arn = ("DEFAULT_DELIVERY_STREAM_ARN", ARN);
    let [tls, ca] = [("FIREHOSE_CONNECTOR_MQTT_URL", "mqtts://broker"), ("FIREHOSE_CONNECTOR_MQTT_CA", NAME)];
    let [spool, profile] = ["FIREHOSE_CONNECTOR_SPOOL", "AWS_SHARED_CREDENTIALS_FILE"].map(|variable| (variable, NAME));
    let by_option: &[&str] = &["--definition", NAME];
    for (options, environment) in [
        (by_option, vec![]),
        (&[], vec![arn, tls, ca]),
        (&[], vec![arn, spool, keys[0], keys[1]]),
        (&[], vec![arn, profile]),
    ] {
        for form in [&["check"][..], &["check", "--json"]] {
            let output = connector(&[form, options].concat(), &environment);
            let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            let shown = text.lines().find(|line| line.contains("forged: ok")).unwrap();
            assert!(shown.contains("/x") && !shown.contains('\u{1b}'), "{environment:?}: {text}");
        }
    }
}

#[test]
fn output_that_cannot_be_written_ends_with_74_and_a_sentence() {
    let arn = [("DEFAULT_DELIVERY_STREAM_ARN", ARN)];
    for arguments in [&["check"][..], &["check", "--json"], &["--help"], &["help", "check"], &["--version"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = command(arguments, &arn).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(74), "{arguments:?}: {said}");
        assert_eq!(said, "standard output cannot be written: No space left on device (os error 28)\n");
    }
}

#[test]
fn a_closed_pipe_ends_it_silently_by_sigpipe() {
    let arn = [("DEFAULT_DELIVERY_STREAM_ARN", ARN)];
    for arguments in [&["check"][..], &["check", "--json"], &["--help"], &["--version"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(arguments, &arn).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments:?}");
        // An emulator may hand the signal on as a status.
        let ended = output.status.signal().or_else(|| output.status.code().map(|code| code - 128));
        assert_eq!(ended, Some(13), "{arguments:?}");
    }
}

#[test]
fn a_web_identity_is_named_in_a_warning() {
    let asked = [("DEFAULT_DELIVERY_STREAM_ARN", ARN), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/token")];
    let container = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/credentials")];
    let keys = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let warning = "\nwarning: AWS_WEB_IDENTITY_TOKEN_FILE asks for a web identity, which is not supported; \
        credentials come from another source, or are waited for\n";
    for (more, source, is_told) in
        [(&[][..], "none yet", true), (&container, "container endpoint", true), (&keys, "environment", false)]
    {
        for words in [&["check"][..], &["check", "--json"]] {
            let output = connector(words, &[&asked, more].concat());
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.status.code(), Some(0), "{text}");
            let sentence = "AWS_WEB_IDENTITY_TOKEN_FILE asks for a web identity";
            assert_eq!(text.matches(sentence).count(), usize::from(is_told), "{text}");
            if words.len() == 1 {
                assert_eq!(text.contains(warning), is_told, "{text}");
                assert!(text.contains(&format!("credentials                 {source}\n")), "{source}: {text}");
            }
            assert!(!text.contains("EC2"), "{text}");
        }
    }
}

#[cfg(target_pointer_width = "64")]
#[test]
fn more_memory_than_the_machine_has_is_warned_of_with_both_figures() {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total = info.split_ascii_whitespace().nth(1).unwrap();
    let environment = [("DEFAULT_DELIVERY_STREAM_ARN", ARN), ("FIREHOSE_CONNECTOR_MEMORY_SIZE", "4000000000000")];
    let sentence = format!("MemorySize is 4000000000000 KB and this machine has {total} KB of memory");
    for words in [&["check"][..], &["check", "--json"]] {
        let output = connector(words, &environment);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.code() == Some(0) && text.contains(&sentence), "{text}");
    }
}
