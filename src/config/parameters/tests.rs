//! Each line of the parameter tables in AWS's documentation at its edges, for each version.

use std::{path::Path, time::Duration};

use super::{Check, File, PARAMETERS, connector, names, number};
use crate::config::{
    Connector, IsolationMode, Origin,
    definition::Definition,
    problem::{Problem, Problems},
    tests::{environment, lines},
};

const ARN: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/stream-name";

/// Reads parameters, given as the inside of a JSON object, of one version.
fn read(version: u8, parameters: &str, variables: &[(&str, &str)]) -> Result<Connector, Vec<String>> {
    let arn = format!("arn:aws:greengrass:eu-west-1::/connectors/KinesisFirehose/versions/{version}");
    let text = format!(r#"{{"ConnectorArn": "{arn}", "Parameters": {{{parameters}}}}}"#);
    let mut problems = Problems::default();
    let definition = Definition::parse(Path::new("f"), &text, &names(), &mut problems).unwrap();
    said(connector(File::Read(&definition), &environment(variables), &mut problems), problems)
}

/// Without who said what, which has a test of its own.
fn said(connector: Connector, problems: Problems) -> Result<Connector, Vec<String>> {
    match lines(problems.into_error()) {
        faults if faults.is_empty() => Ok(Connector { definition: None, origins: <[_; 5]>::default(), ..connector }),
        faults => Err(faults),
    }
}

fn without_file(variables: &[(&str, &str)]) -> Result<Connector, Vec<String>> {
    let mut problems = Problems::default();
    said(connector(File::NotGiven, &environment(variables), &mut problems), problems)
}

/// All required parameters of versions 2 to 5, one of them replaced.
fn with(name: &str, value: &str) -> String {
    let mut parameters = vec![
        ("DefaultDeliveryStreamArn", format!("\"{ARN}\"")),
        ("DeliveryStreamQueueSize", "\"3000\"".to_owned()),
        ("MemorySize", "\"8192\"".to_owned()),
        ("PublishInterval", "\"60\"".to_owned()),
    ];
    parameters.retain(|(other, _)| *other != name);
    parameters.push((name, value.to_owned()));
    parameters.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect::<Vec<_>>().join(", ")
}

fn complete() -> String {
    with("MemorySize", "\"8192\"")
}

#[test]
fn each_version_reads_its_own_parameters() {
    let expected = Connector {
        version: 0,
        default_delivery_stream_arn: ARN.to_owned(),
        queue_size: 3000,
        memory_size: 8192,
        publish_interval: Duration::from_secs(60),
        isolation: IsolationMode::GreengrassContainer,
        touch_memory: false,
        definition: None,
        origins: <[_; 5]>::default(),
    };
    for version in 2..=5 {
        assert_eq!(read(version, &complete(), &[]), Ok(Connector { version, ..expected.clone() }));
    }
    let isolation = IsolationMode::NoContainer;
    assert_eq!(
        read(5, &with("IsolationMode", "\"NoContainer\""), &[]),
        Ok(Connector { version: 5, isolation, ..expected.clone() })
    );
    let version_1 =
        Connector { version: 1, queue_size: 5000, memory_size: 65_535, publish_interval: Duration::ZERO, ..expected };
    assert_eq!(read(1, &format!(r#""DefaultDeliveryStreamArn": "{ARN}""#), &[]), Ok(version_1));
}

const WAY_OUT: &str = ": leave it out, or change the version in ConnectorArn";

#[test]
fn a_parameter_of_another_version_says_which_versions_have_it() {
    for version in 2..=4 {
        assert_eq!(
            read(version, &with("IsolationMode", "\"NoContainer\""), &[]),
            Err(vec![format!(
                "f: IsolationMode \"NoContainer\": version {version} has no IsolationMode, version 5 has{WAY_OUT}"
            )])
        );
    }
    let faults = read(1, &with("IsolationMode", "\"NoContainer\""), &[]).unwrap_err();
    let having = |name, value, versions| format!("f: {name} \"{value}\": version 1 has no {name}, {versions}{WAY_OUT}");
    assert_eq!(
        faults,
        [
            having("DeliveryStreamQueueSize", "3000", "versions 2 to 5 have"),
            having("MemorySize", "8192", "versions 2 to 5 have"),
            having("PublishInterval", "60", "versions 2 to 5 have"),
            having("IsolationMode", "NoContainer", "version 5 has"),
        ]
    );
}

#[test]
fn each_missing_parameter_is_named() {
    let missing = |name: &str, version| format!("f: {name}: is missing; version {version} requires it");
    for version in 2..=5 {
        let names = ["DefaultDeliveryStreamArn", "DeliveryStreamQueueSize", "MemorySize", "PublishInterval"];
        assert_eq!(read(version, "", &[]), Err(names.map(|name| missing(name, version)).to_vec()));
    }
    assert_eq!(read(1, "", &[]), Err(vec![missing("DefaultDeliveryStreamArn", 1)]));
}

#[test]
fn a_misspelt_parameter_is_one_problem_that_names_the_nearest() {
    let text = complete().replace("MemorySize", "memory_size");
    assert_eq!(
        read(5, &text, &[]),
        Err(vec!["f: memory_size \"8192\": unknown parameter; did you mean MemorySize?".to_owned()])
    );
    assert_eq!(
        read(4, &with("Foo", "\"1\""), &[]),
        Err(vec![
            "f: Foo: unknown parameter; version 4 has DefaultDeliveryStreamArn, DeliveryStreamQueueSize, MemorySize, \
             PublishInterval"
                .to_owned()
        ])
    );
}

/// Tries texts for a parameter in each version that has it, in the file and as a variable.
#[track_caller]
fn assert_edges(name: &str, variable: &str, right: &[&str], wrong: &[&str]) {
    for version in 2..=5 {
        for text in right {
            assert!(read(version, &with(name, &format!("{text:?}")), &[]).is_ok(), "{name} {text}");
            assert!(read(version, &complete(), &[(variable, text)]).is_ok(), "{variable} {text}");
        }
        for text in wrong {
            let faults = read(version, &with(name, &format!("{text:?}")), &[]).unwrap_err();
            assert!(faults[0].starts_with(&format!("f: {name} {text:?}: must be")), "{faults:?}");
            assert_eq!(faults.len(), 1, "{faults:?}");
            if !text.is_empty() {
                let faults = read(version, &complete(), &[(variable, text)]).unwrap_err();
                assert!(faults[0].starts_with(&format!("{variable} {text:?}: must be")), "{faults:?}");
            }
        }
    }
}

#[test]
fn the_queue_size_is_2000_or_more() {
    assert_edges(
        "DeliveryStreamQueueSize",
        "DELIVERY_STREAM_QUEUE_SIZE",
        &["2000", "2001", "9999", "10000", "99999", "1000000000000000000000000000000"],
        &["", "0", "1", "999", "1999", "02000", "00000", "-2000", "+2000", "2000.0", "2e3", " 2000", "2000 ", "2_000"],
    );
}

#[test]
fn the_memory_size_is_any_number_of_digits() {
    assert_edges(
        "MemorySize",
        "FIREHOSE_CONNECTOR_MEMORY_SIZE",
        &["0", "1", "00065535", "65535", "18446744073709551616"],
        &["", "-1", "+1", "64 MB", "0x10", "1.5", "\u{0663}"],
    );
}

#[test]
fn the_publish_interval_is_0_to_900() {
    assert_edges(
        "PublishInterval",
        "PUBLISH_INTERVAL",
        &["0", "1", "9", "10", "99", "100", "899", "900"],
        &["", "00", "01", "010", "901", "999", "1000", "-1", "1.5", "10s", " 10"],
    );
}

#[test]
fn the_isolation_mode_is_one_of_two_words() {
    for text in ["nocontainer", "NoContainer ", "Container", "", "NoContainer\nGreengrassContainer"] {
        let faults = read(5, &with("IsolationMode", &format!("{text:?}")), &[]).unwrap_err();
        let rule = "must be GreengrassContainer or NoContainer (^NoContainer$|^GreengrassContainer$)";
        assert_eq!(faults, [format!("f: IsolationMode {text:?}: {rule}")]);
    }
}

#[test]
fn the_delivery_stream_arn_is_checked_part_by_part() {
    for (text, rule) in [
        ("stream-name", "not of the form arn:aws:firehose:region:account:deliverystream/name"),
        ("arn:aws:firehose:eu-west:123456789012:deliverystream/s", "the region must look like eu-west-1"),
        ("arn:aws:firehose:eu-west-1:1234:deliverystream/s", "the account must be 12 digits"),
        (
            "arn:aws:firehose:eu-west-1:account-id:deliverystream/s",
            "the account must be 12 digits; put your own values in place of the placeholders of AWS's example",
        ),
    ] {
        let expected = format!("f: DefaultDeliveryStreamArn {text:?}: {rule}");
        for version in 2..=5 {
            let faults = read(version, &with("DefaultDeliveryStreamArn", &format!("{text:?}")), &[]).unwrap_err();
            assert_eq!(faults, [expected.as_str()]);
        }
        assert_eq!(read(1, &format!(r#""DefaultDeliveryStreamArn": "{text}""#), &[]), Err(vec![expected]));
    }
}

#[test]
fn a_value_that_is_not_a_string_is_refused() {
    for (value, rule) in [
        ("65535", "f: MemorySize 65535: must be a string: put it in quotes, \"65535\""),
        ("-1", "f: MemorySize -1: must be a string: put it in quotes, \"-1\""),
        ("1.5", "f: MemorySize 1.5: must be a string: put it in quotes, \"1.5\""),
        ("true", "f: MemorySize true: must be a string: put it in quotes, \"true\""),
        ("null", "f: MemorySize null: must be a string: put it in quotes, \"null\""),
        ("[\"1\"]", "f: MemorySize: must be a string"),
        ("{}", "f: MemorySize: must be a string"),
    ] {
        assert_eq!(read(5, &with("MemorySize", value), &[]), Err(vec![rule.to_owned()]));
    }
}

#[test]
fn huge_numbers_mean_as_much_as_the_machine_can_count() {
    let huge = "9".repeat(1000);
    let variables = [("DELIVERY_STREAM_QUEUE_SIZE", huge.as_str()), ("FIREHOSE_CONNECTOR_MEMORY_SIZE", huge.as_str())];
    let connector = read(5, &complete(), &variables).unwrap();
    assert_eq!(connector.queue_size, usize::MAX);
    assert_eq!(connector.memory_size, usize::MAX as u64 / 1024);
}

#[test]
fn variables_alone_make_a_version_5_connector() {
    let expected = Connector {
        version: 5,
        default_delivery_stream_arn: ARN.to_owned(),
        queue_size: 5000,
        memory_size: 65_535,
        publish_interval: Duration::from_secs(10),
        isolation: IsolationMode::GreengrassContainer,
        touch_memory: false,
        definition: None,
        origins: <[_; 5]>::default(),
    };
    assert_eq!(without_file(&[("DEFAULT_DELIVERY_STREAM_ARN", ARN)]), Ok(expected.clone()));
    let variables = [
        ("DEFAULT_DELIVERY_STREAM_ARN", ARN),
        ("DELIVERY_STREAM_QUEUE_SIZE", "2000"),
        ("PUBLISH_INTERVAL", "0"),
        ("FIREHOSE_CONNECTOR_MEMORY_SIZE", "8192"),
        ("FIREHOSE_CONNECTOR_MEMORY_TOUCH", "1"),
    ];
    let all = Connector {
        queue_size: 2000,
        memory_size: 8192,
        publish_interval: Duration::ZERO,
        touch_memory: true,
        ..expected
    };
    assert_eq!(without_file(&variables), Ok(all));
    assert_eq!(without_file(&[("PUBLISH_INTERVAL", "901")]).unwrap_err().len(), 2);
}

#[test]
fn a_variable_overrides_the_parameter_and_its_fault() {
    let text = with("DefaultDeliveryStreamArn", "\"arn:aws:firehose:region:account-id:deliverystream/stream-name\"");
    let connector = read(5, &text, &[("DEFAULT_DELIVERY_STREAM_ARN", ARN)]).unwrap();
    assert_eq!(connector.default_delivery_stream_arn, ARN);
    assert_eq!(read(5, &complete(), &[("PUBLISH_INTERVAL", "")]).unwrap().publish_interval, Duration::from_secs(60));
}

#[test]
fn a_variable_for_a_parameter_that_version_1_lacks_is_refused() {
    let parameters = format!(r#""DefaultDeliveryStreamArn": "{ARN}""#);
    for (variable, name) in [
        ("DELIVERY_STREAM_QUEUE_SIZE", "DeliveryStreamQueueSize"),
        ("FIREHOSE_CONNECTOR_MEMORY_SIZE", "MemorySize"),
        ("PUBLISH_INTERVAL", "PublishInterval"),
    ] {
        assert_eq!(
            read(1, &parameters, &[(variable, "5000")]),
            Err(vec![format!("{variable} \"5000\": version 1 has no {name}, versions 2 to 5 have{WAY_OUT}")])
        );
    }
    assert!(read(1, &parameters, &[("DEFAULT_DELIVERY_STREAM_ARN", ARN)]).is_ok());
}

#[test]
fn what_is_taken_is_what_the_documents_patterns_take() {
    for parameter in &PARAMETERS {
        let Check::Pattern(pattern, fits, _) = parameter.check else { continue };
        let pattern = regex_lite::Regex::new(pattern).unwrap();
        let numbers = (0..12_000_u64).chain([u64::MAX]).flat_map(|number| [number.to_string(), format!("0{number}")]);
        let others =
            ["", " 1", "1 ", "-1", "+1", "1.0", "1e3", "١", "NoContainer", "GreengrassContainer", "nocontainer"];
        let long = "9".repeat(30);
        for text in numbers.chain(others.map(str::to_owned)).chain([long]) {
            // The document says that the greatest interval is 900, and its pattern does not.
            let too_great = parameter.name == "PublishInterval" && number(&text) > 900;
            assert_eq!(fits(&text), pattern.is_match(&text) && !too_great, "{}: {text:?}", parameter.name);
        }
    }
}

#[test]
fn the_origin_of_each_parameter_is_known() {
    let text = format!(r#"{{"Parameters": {{{}}}}}"#, complete());
    let mut problems = Problems::default();
    let definition = Definition::parse(Path::new("/f"), &text, &names(), &mut problems).unwrap();
    let variables = environment(&[("PUBLISH_INTERVAL", "5")]);
    let connector = connector(File::Read(&definition), &variables, &mut problems);
    let by_variable = Origin::Variable("PUBLISH_INTERVAL");
    let expected = [Origin::Definition, Origin::Definition, Origin::Definition, by_variable, Origin::Default];
    assert_eq!((connector.origins, connector.definition.as_deref()), (expected, Some(Path::new("/f"))));
    let problem = |connector: &Connector| Problem::memory_size(connector, "is wrong".to_owned()).to_string();
    assert_eq!(problem(&connector), "/f: MemorySize \"8192\": is wrong");
    let by_variable = without_file(&[("DEFAULT_DELIVERY_STREAM_ARN", ARN)]).unwrap();
    let origins = [Origin::Variable("FIREHOSE_CONNECTOR_MEMORY_SIZE"); 5];
    let by_variable = Connector { origins, ..by_variable };
    assert_eq!(problem(&by_variable), "FIREHOSE_CONNECTOR_MEMORY_SIZE \"65535\": is wrong");
}
