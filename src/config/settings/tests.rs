//! The names of variables, flags and the log filter.

use std::ffi::OsString;

use super::{LogFormat, VARIABLES, counters_interval, log_filter, log_format, one_of, refuse_unknown};
use crate::config::{
    environment::Environment,
    problem::Problems,
    tests::{environment, lines},
};

#[test]
fn an_unknown_name_of_ours_is_a_fault_with_the_nearest() {
    let variables = [
        ("FIREHOSE_CONNECTOR_MQTT_PASSWORD", "hidden"),
        ("FIREHOSE_CONNECTOR_MQTT_CLIENTID", "a"),
        ("FIREHOSE_CONNECTOR_FOO", "a"),
        ("FIREHOSE_CONNECTOR_BAR", ""),
        ("FIREHOSE_CONNECTOR_LOG", "info"),
        ("AWS_LAMBDA", "a"),
        ("PATH", "a"),
    ];
    let mut problems = Problems::default();
    refuse_unknown(&environment(&variables), &mut problems);
    assert_eq!(
        lines(problems.into_error()),
        [
            "FIREHOSE_CONNECTOR_MQTT_PASSWORD: unknown variable; did you mean FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE?",
            "FIREHOSE_CONNECTOR_MQTT_CLIENTID: unknown variable; did you mean FIREHOSE_CONNECTOR_MQTT_CLIENT_ID?",
            "FIREHOSE_CONNECTOR_FOO: unknown variable; --help lists those that there are",
        ]
    );
}

#[test]
fn a_name_that_other_programs_have_for_the_same_leads_to_ours() {
    for (name, meant) in [
        ("MQTT_HOST", "FIREHOSE_CONNECTOR_MQTT_URL"),
        ("MQTT_PORT", "FIREHOSE_CONNECTOR_MQTT_URL"),
        ("MQTT_SERVER", "FIREHOSE_CONNECTOR_MQTT_URL"),
        ("MQTT_TLS", "FIREHOSE_CONNECTOR_MQTT_URL"),
        ("BROKER_URL", "FIREHOSE_CONNECTOR_MQTT_URL"),
        ("HOST", "FIREHOSE_CONNECTOR_MQTT_URL"),
        ("MQTT_USER", "FIREHOSE_CONNECTOR_MQTT_USERNAME"),
        ("MQTT_PASS", "FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE"),
        ("MQTT_CAFILE", "FIREHOSE_CONNECTOR_MQTT_CA"),
        ("MQTT_CLIENTID", "FIREHOSE_CONNECTOR_MQTT_CLIENT_ID"),
        ("MQTT_KEYFILE", "FIREHOSE_CONNECTOR_MQTT_KEY"),
        ("LOG_LEVEL", "FIREHOSE_CONNECTOR_LOG"),
        ("STREAM_ARN", "DEFAULT_DELIVERY_STREAM_ARN"),
    ] {
        let name = format!("FIREHOSE_CONNECTOR_{name}");
        let mut problems = Problems::default();
        refuse_unknown(&environment(&[(&name, "a")]), &mut problems);
        let expected = format!("{name}: unknown variable; did you mean {meant}?");
        assert_eq!(lines(problems.into_error()), [expected]);
    }
    let mut problems = Problems::default();
    refuse_unknown(&environment(&[("FIREHOSE_CONNECTOR_MQTT_TOPIC", "a")]), &mut problems);
    let expected = "FIREHOSE_CONNECTOR_MQTT_TOPIC: unknown variable; the topics are those of the connector";
    assert_eq!(lines(problems.into_error()), [expected]);
}

#[test]
fn every_known_name_is_accepted() {
    let variables: Vec<_> = VARIABLES.iter().map(|name| (*name, "a")).collect();
    let mut problems = Problems::default();
    refuse_unknown(&environment(&variables), &mut problems);
    assert_eq!(problems.into_error(), None);
}

#[test]
fn a_flag_is_one_of_two_words() {
    const NAME: &str = "FIREHOSE_CONNECTOR_MEMORY_TOUCH";
    for (text, expected) in [("", Some(false)), ("0", Some(false)), ("1", Some(true)), ("yes", None), ("01", None)] {
        let mut problems = Problems::default();
        let value = one_of(&environment(&[(NAME, text)]), NAME, ["0", "1"], &mut problems);
        assert_eq!(problems.into_error().is_none().then_some(value), expected, "{text}");
    }
}

#[test]
fn the_log_filter_is_levels_and_targets_with_levels() {
    let filter = |text| {
        let mut problems = Problems::default();
        let filter = log_filter(&environment(&[("FIREHOSE_CONNECTOR_LOG", text)]), &mut problems);
        problems.into_error().is_none().then_some(filter)
    };
    assert_eq!(filter("").as_deref(), Some("info"));
    for text in ["off", "WARN", "debug", "warn,firehose_connector=debug", "rumqttc=trace, info"] {
        assert_eq!(filter(text).as_deref(), Some(text));
    }
    for text in ["loud", "infoo", "a=", "a=b=info", "info,", "info/regex"] {
        assert_eq!(filter(text), None, "{text}");
    }
}

#[test]
fn the_interval_of_the_counters_is_in_seconds_and_zero_means_none() {
    const NAME: &str = "FIREHOSE_CONNECTOR_COUNTERS_INTERVAL";
    for (text, expected) in [
        ("", Ok(None)),
        ("0", Ok(None)),
        ("1", Ok(Some(1))),
        ("86400", Ok(Some(86_400))),
        ("86401", Err(())),
        ("-1", Err(())),
        ("1.5", Err(())),
        ("60s", Err(())),
    ] {
        let mut problems = Problems::default();
        let interval = counters_interval(&environment(&[(NAME, text)]), &mut problems);
        match lines(problems.into_error()).as_slice() {
            [] => assert_eq!(Ok(interval.map(|interval| interval.as_secs())), expected, "{text}"),
            [line] => {
                let rule = "must be a number of seconds from 1 to 86400, or 0 for none";
                assert_eq!(*line, format!("{NAME} {text:?}: {rule}"));
                assert_eq!(expected, Err(()), "{text}");
            }
            lines => panic!("{lines:?}"),
        }
    }
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf_8_is_a_fault_where_text_is_needed() {
    use std::os::unix::ffi::OsStringExt as _;
    let bytes = OsString::from_vec(vec![b'/', 0xff]);
    let variables = [("FIREHOSE_CONNECTOR_LOG".into(), bytes.clone()), ("AWS_CA_BUNDLE".into(), bytes)];
    let environment = Environment::new(variables);
    let mut problems = Problems::default();
    log_filter(&environment, &mut problems);
    assert!(environment.path("AWS_CA_BUNDLE").is_some());
    assert_eq!(lines(problems.into_error()), ["FIREHOSE_CONNECTOR_LOG: is not UTF-8"]);
}

#[test]
fn a_log_format_is_one_of_three_words() {
    let format = |text| {
        let mut problems = Problems::default();
        let format = log_format(&environment(&[("FIREHOSE_CONNECTOR_LOG_FORMAT", text)]), &mut problems);
        problems.into_error().map_or(Ok(format), |error| Err(error.to_string()))
    };
    let formats = ["", "text", "json", "syslog"].map(format);
    assert_eq!(formats, [LogFormat::Auto, LogFormat::Text, LogFormat::Json, LogFormat::Syslog].map(Ok));
    let refused = "FIREHOSE_CONNECTOR_LOG_FORMAT \"JSON\": must be text, json or syslog";
    assert_eq!(format("JSON"), Err(refused.to_owned()));
}
