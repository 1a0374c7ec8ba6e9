use super::super::tests::{environment, lines};
use super::*;

const STARTED: [(&str, &str); 2] = [(SOCKET, "../../ipc.socket"), (TOKEN, "0123456789ABCDEF")];

/// What follows, and the lines that a user sees.
fn read(variables: &[(&str, &str)]) -> (Option<Greengrass>, Vec<String>) {
    let mut problems = Problems::default();
    let found = super::read(&environment(variables), &mut problems);
    (found, lines(problems.into_error()))
}

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    STARTED.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn the_source_is_the_one_that_is_named_or_greengrass_if_that_started_us_and_nobody_named_a_broker() {
    let broker = (URL, "mqtt://broker");
    for (variables, expected) in [
        (vec![], false),
        (vec![STARTED[0]], false),
        (STARTED.to_vec(), true),
        (with(&[broker]), false),
        (with(&[(SOURCE, "mqtt")]), false),
        (with(&[(SOURCE, "greengrass")]), true),
    ] {
        let (found, problems) = read(&variables);
        // A program without it says so.
        let is_built_in = cfg!(feature = "greengrass");
        assert_eq!(found.is_some(), expected && is_built_in, "{variables:?}");
        assert_eq!(problems.is_empty(), is_built_in || !expected, "{problems:?}");
    }
}

#[test]
fn with_a_broker_as_the_source_the_recipes_own_lines_do_no_harm() {
    let recipe = [(SOURCE, "mqtt"), (URL, "mqtt://broker"), (TOPICS, "{}"), (STATUS_TO_CLOUD, "0")];
    assert_eq!(read(&with(&recipe)), (None, vec![]));
    assert_eq!(read(&recipe).1.len(), 2, "elsewhere nobody reads them");
}

#[cfg(feature = "greengrass")]
#[test]
fn the_defaults_are_those_of_the_component_of_aws_and_the_path_stays_relative() {
    let Some(Greengrass { socket, token, topics, status_to_cloud }) = read(&STARTED).0 else { panic!("none") };
    assert_eq!(socket.to_str(), Some("../../ipc.socket"), "Greengrass keeps it short, for sockets have short names");
    assert_eq!((token.expose(), status_to_cloud), ("0123456789ABCDEF", false));
    let filters: Vec<_> = topics.iter().map(|topic| (&*topic.filter, topic.cloud)).collect();
    assert_eq!(filters, [("kinesisfirehose/message", false), ("kinesisfirehose/message/binary/#", false)]);
}

#[cfg(feature = "greengrass")]
#[test]
fn topics_are_read_as_the_component_of_aws_has_them() {
    let text = r#"{"0":{"type":"Pubsub","topic":"a/+/b"},"1":{"topic":"a/#","type":"IotCore"},"2":{"type":"PUB_SUB","topic":"a/+/b"},"3":null}"#;
    let (found, problems) = read(&with(&[(TOPICS, text), (STATUS_TO_CLOUD, "1")]));
    assert_eq!(problems, [""; 0]);
    let found = found.unwrap();
    let filters: Vec<_> = found.topics.iter().map(|topic| (&*topic.filter, topic.cloud)).collect();
    assert_eq!(filters, [("a/+/b", false), ("a/#", true)]);
    assert!(found.status_to_cloud);
}

#[cfg(feature = "greengrass")]
#[test]
fn topics_that_cannot_be_read_are_shown_with_what_is_wrong() {
    let long = format!(r#"{{"7":{{"type":"Pubsub","topic":"{}"}}}}"#, "x".repeat(TOPIC_BYTES + 1));
    let many: Vec<_> = (0..=MOST_TOPICS).map(|n| format!(r#""{n}":{{"type":"Pubsub","topic":"t{n}"}}"#)).collect();
    for (text, end) in [
        ("kinesisfirehose/message", "IotCore"),
        ("{}", "IotCore"),
        (r#"{"0":null}"#, "IotCore"),
        ("[]", "IotCore"),
        (r#"{"0":"a"}"#, r#"; "0" has no such type"#),
        (r#"{"0":{"type":"Mqtt","topic":"a"}}"#, r#"; "0" has no such type"#),
        (r#"{"0":{"Type":"Pubsub","topic":"a"}}"#, r#"; "0" has no such type"#),
        (r#"{"0":{"type":"Pubsub","topic":""}}"#, r#"; "0" has no such topic"#),
        (&*long, r#"; "7" has no such topic"#),
        (&*format!("{{{}}}", many.join(",")), r#"; "16" is one too many"#),
    ] {
        let (_, problems) = read(&with(&[(TOPICS, text)]));
        assert!(
            matches!(&problems[..], [line] if line.starts_with(TOPICS) && line.ends_with(end)),
            "{text}: {problems:?}"
        );
    }
}

#[cfg(feature = "greengrass")]
#[test]
fn what_has_no_effect_is_told_with_the_way_out() {
    let (_, problems) = read(&with(&[(SOURCE, "greengrass"), (URL, "mqtt://broker")]));
    let rule = "has no effect with Greengrass as the source: leave it out, or set FIREHOSE_CONNECTOR_SOURCE to mqtt";
    assert_eq!(problems, [format!("{URL}: {rule}")]);
    let long = "x".repeat(108);
    let (_, problems) = read(&[(SOCKET, &long), STARTED[1]]);
    assert!(matches!(&problems[..], [line] if line.contains("at most 107 bytes")), "{problems:?}");
    let (_, problems) = read(&[(SOCKET, &long[1..]), STARTED[1]]);
    assert_eq!(problems, [""; 0]);
    let (_, problems) = read(&with(&[("FIREHOSE_CONNECTOR_ACKNOWLEDGE", "held")]));
    assert_eq!(problems, [format!("FIREHOSE_CONNECTOR_ACKNOWLEDGE: {rule}")]);
    let (_, problems) = read(&[(STATUS_TO_CLOUD, "1")]);
    let rule =
        "has no effect with a broker as the source: leave it out, or set FIREHOSE_CONNECTOR_SOURCE to greengrass";
    assert_eq!(problems, [format!("{STATUS_TO_CLOUD}: {rule}")]);
    let (_, problems) = read(&[(SOURCE, "greengrass"), (TOKEN, "one\ntwo")]);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(!problems.concat().contains("two"), "{problems:?}");
}

#[test]
fn a_filter_that_no_topic_of_records_matches_is_known() {
    let brings = |filter: &str| PubsubTopic { filter: filter.to_owned(), cloud: false }.brings_records();
    for filter in [
        JSON_TOPIC,
        BINARY_TOPIC,
        "kinesisfirehose/message/binary/#",
        "kinesisfirehose/message/binary/7",
        "kinesisfirehose/message/binary/+/+",
        "kinesisfirehose/+/binary",
        "kinesisfirehose/#",
        "kinesisfirehose/message/#",
        "+/+",
        "+/+/+/7",
        "#",
    ] {
        assert!(brings(filter), "{filter}");
    }
    for filter in [
        "sensors/a",
        "kinesisfirehose",
        "kinesisfirehose/message/",
        "kinesisfirehose/messages/#",
        "kinesisfirehose/#/message",
        "kinesisfirehose/message#",
        "#/#",
        "+",
        "",
    ] {
        assert!(!brings(filter), "{filter}");
    }
}

#[test]
fn filters_that_a_topic_can_match_both_of_are_known() {
    let topic = |filter: &str| PubsubTopic { filter: filter.to_owned(), cloud: false };
    for (one, other, both) in [
        (JSON_TOPIC, "kinesisfirehose/message/binary/#", false),
        (JSON_TOPIC, "kinesisfirehose/#", true),
        (JSON_TOPIC, "kinesisfirehose/message/#", true),
        (JSON_TOPIC, "kinesisfirehose/+", true),
        (JSON_TOPIC, "+", false),
        ("a/+/c", "a/b/+", true),
        ("a/+/c", "a/b/d", false),
        ("a/b", "a/b/c", false),
        ("#", "a", true),
    ] {
        assert_eq!(
            (topic(one).overlaps(&topic(other)), topic(other).overlaps(&topic(one))),
            (both, both),
            "{one} {other}"
        );
    }
    let cloud = PubsubTopic { cloud: true, ..topic("#") };
    assert!(!cloud.overlaps(&topic("#")), "it is another message");
}
