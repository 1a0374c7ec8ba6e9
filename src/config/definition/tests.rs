//! Every shape of a definition file, and every way in which one can be wrong.

use std::path::Path;

use super::{Definition, MAX_FILE_BYTES};
use crate::config::{
    json::Json,
    parameters::names,
    problem::Problems,
    tests::{TempFile, lines},
};

/// The definition and the problems of a text.
fn parse(text: &str) -> (Option<Definition>, Vec<String>) {
    let mut problems = Problems::default();
    let definition = Definition::parse(Path::new("f"), text, &names(), &mut problems);
    (definition, lines(problems.into_error()))
}

fn faults(text: &str) -> Vec<String> {
    parse(text).1
}

const ENTRY_4: &str = r#"{"Id": "a", "ConnectorArn":
    "arn:aws:greengrass:eu-west-1::/connectors/KinesisFirehose/versions/4", "Parameters": {"MemorySize": "1"}}"#;
const OTHER: &str =
    r#"{"ConnectorArn": "arn:aws:greengrass:eu-west-1::/connectors/SNS/versions/4", "Parameters": {"Own": 1}}"#;

#[track_caller]
fn assert_found(version: u8, text: &str) {
    let (definition, faults) = parse(text);
    assert_eq!(faults, Vec::<String>::new(), "{text}");
    let definition = definition.unwrap();
    assert_eq!(definition.version, version, "{text}");
    assert_eq!(definition.parameters, [("MemorySize".to_owned(), Json::Text("1".to_owned()))], "{text}");
}

#[test]
fn every_shape_that_aws_tools_write_is_read() {
    let list = format!(r#"{{"Connectors": [{ENTRY_4}]}}"#);
    assert_found(4, &list);
    assert_found(4, &format!("\u{feff}{list}"));
    assert_found(
        4,
        &format!(r#"{{"Arn": "x", "CreationTimestamp": "x", "Definition": {list}, "Id": "x", "Version": "x"}}"#),
    );
    assert_found(4, &format!(r#"{{"Name": "MyGreengrassConnectors", "InitialVersion": {list}}}"#));
    assert_found(4, &format!(r#"{{"ConnectorDefinitionId": "x", "Connectors": [{ENTRY_4}]}}"#));
    assert_found(4, ENTRY_4);
    assert_found(5, r#"{"Parameters": {"MemorySize": "1"}}"#);
    assert_found(5, r#"{"MemorySize": "1"}"#);
}

#[test]
fn other_connectors_in_the_list_are_not_looked_at() {
    assert_found(4, &format!(r#"{{"Connectors": [{OTHER}, {ENTRY_4}, {OTHER}]}}"#));
}

#[test]
fn the_version_is_that_of_the_connector_arn() {
    let entry = |arn: &str| format!(r#"{{"ConnectorArn": "{arn}", "Parameters": {{"MemorySize": "1"}}}}"#);
    for version in 1..=5 {
        for prefix in
            ["aws:greengrass:us-east-1", "aws:greengrass:", "aws:greengrass:region", "aws-cn:greengrass:cn-north-1"]
        {
            let arn = format!("arn:{prefix}::/connectors/KinesisFirehose/versions/{version}");
            assert_found(version, &entry(&arn));
        }
    }
    for version in ["0", "6", "05", "", "5 ", "latest"] {
        let arn = format!("arn:aws:greengrass:eu-west-1::/connectors/KinesisFirehose/versions/{version}");
        assert_eq!(faults(&entry(&arn)), [format!("f: ConnectorArn \"{arn}\": the versions are 1 to 5")]);
    }
}

#[test]
fn two_connectors_are_one_too_many() {
    let text = format!(r#"{{"Connectors": [{ENTRY_4}, {OTHER}, {ENTRY_4}]}}"#);
    assert_eq!(faults(&text), ["f: Connectors: only one may be KinesisFirehose, not Connectors[0], Connectors[2]"]);
}

#[test]
fn without_the_connector_the_others_are_listed() {
    for (entries, listed) in [
        ("", "nothing"),
        (OTHER, "arn:aws:greengrass:eu-west-1::/connectors/SNS/versions/4"),
        (
            r#"{"ConnectorArn": "arn:aws:greengrass:eu-west-1:123456789012:/connectors/KinesisFirehose/versions/5"}"#,
            "arn:aws:greengrass:eu-west-1:123456789012:/connectors/KinesisFirehose/versions/5",
        ),
    ] {
        let faults = faults(&format!(r#"{{"Connectors": [{entries}]}}"#));
        let expected = "arn:aws:greengrass:region::/connectors/KinesisFirehose/versions/1 to 5";
        assert_eq!(faults, [format!("f: Connectors: none has the ConnectorArn {expected}; listed: {listed}")]);
    }
}

#[test]
fn a_wrong_shape_names_the_key_and_what_belongs_there() {
    for (text, expected) in [
        ("[]", "f: must be a JSON object"),
        (r#"{"Connectors": {}}"#, "f: Connectors: must be a list"),
        (r#"{"Connectors": ["x"]}"#, "f: Connectors[0]: must be a JSON object"),
        (r#"{"Connectors": [{"Id": "x"}]}"#, "f: Connectors[0].ConnectorArn: is missing"),
        (
            r#"{"Connectors": [{"ConectorArn": "x"}]}"#,
            "f: Connectors[0].ConnectorArn: is missing; ConectorArn is no key",
        ),
        (r#"{"Connectors": [{"ConnectorArn": 5}]}"#, "f: Connectors[0].ConnectorArn: must be a string"),
        (r#"{"Definition": {}}"#, "f: Definition.Connectors: is missing"),
        (r#"{"Definition": []}"#, "f: Definition: must be a JSON object"),
        (r#"{"InitialVersion": {"Connectors": 1}}"#, "f: InitialVersion.Connectors: must be a list"),
        (r#"{"Parameters": "x"}"#, "f: Parameters: must be a JSON object"),
        (
            r#"{"ConnectorArn": "arn:aws:greengrass:::/connectors/KinesisFirehose/versions/1"}"#,
            "f: Parameters: is missing",
        ),
        (
            r#"{"Arn": "x", "LatestVersion": "y"}"#,
            "f: is no connector definition: one of the keys Definition, InitialVersion, Connectors, ConnectorArn, \
             Parameters is needed, there is Arn, LatestVersion",
        ),
        (
            r#"{"Conectors": []}"#,
            "f: is no connector definition: one of the keys Definition, InitialVersion, Connectors, ConnectorArn, \
             Parameters is needed, there is Conectors; did you mean Connectors?",
        ),
    ] {
        assert_eq!(faults(text), [expected], "{text}");
    }
}

#[test]
fn an_unknown_key_names_the_nearest_or_all_that_are_known() {
    let entry = r#"{"id": "x", "Other": 1, "ConnectorArn":
        "arn:aws:greengrass:::/connectors/KinesisFirehose/versions/5", "Parameters": {}}"#;
    assert_eq!(
        faults(&format!(r#"{{"Connectors": [{entry}], "Version": "1"}}"#)),
        [
            "f: Version: unknown key; known here: Connectors, AmznClientToken, ConnectorDefinitionId",
            "f: Connectors[0].id: unknown key; did you mean Id?",
            "f: Connectors[0].Other: unknown key; known here: ConnectorArn, Id, Parameters",
        ]
    );
}

#[test]
fn a_key_given_twice_is_a_fault_wherever_it_is_read() {
    let list = format!(r#"{{"Connectors": [{ENTRY_4}], "Connectors": []}}"#);
    assert_eq!(faults(&list), ["f: Connectors: is given more than once"]);
    let parameters = r#"{"MemorySize": "1", "PublishInterval": "1", "MemorySize": "2", "MemorySize": "3"}"#;
    assert_eq!(faults(parameters), ["f: MemorySize: is given more than once"]);
    let parameters = format!(r#"{{"Parameters": {parameters}}}"#);
    assert_eq!(faults(&parameters), ["f: MemorySize: is given more than once"]);
    let entry = r#"{"Id": "x", "Id": "y", "ConnectorArn":
        "arn:aws:greengrass:::/connectors/KinesisFirehose/versions/5", "Parameters": {}}"#;
    assert_eq!(faults(&format!(r#"{{"Connectors": [{entry}]}}"#)), ["f: Connectors[0].Id: is given more than once"]);
    assert_eq!(faults(entry), ["f: Id: is given more than once"]);
}

#[test]
fn broken_json_names_line_and_column() {
    assert_eq!(faults("{\n  \"MemorySize\": \"1\",\n}"), ["f: is not JSON: trailing comma at line 3 column 1"]);
    for empty in ["", "\u{feff}\n"] {
        assert_eq!(faults(empty), ["f: is empty, and must be a connector definition in JSON"]);
    }
    let [bomb] = &faults(&"[".repeat(MAX_FILE_BYTES))[..] else { panic!("one problem") };
    assert!(bomb.contains("recursion limit exceeded at line 1"), "{bomb}");
}

#[test]
fn a_file_is_read_up_to_its_limit_and_as_utf_8() {
    let read = |content: &[u8]| {
        let file = TempFile::new(content);
        let mut problems = Problems::default();
        let found = Definition::read(file.path(), &names(), &mut problems).is_some();
        let prefix = format!("{}: ", file.path().display());
        let faults = lines(problems.into_error());
        (found, faults.iter().map(|line| line.strip_prefix(&prefix).unwrap().to_owned()).collect::<Vec<_>>())
    };
    let mut content = br#"{"MemorySize": "1"}"#.to_vec();
    content.resize(MAX_FILE_BYTES, b' ');
    assert_eq!(read(&content), (true, vec![]));
    content.push(b' ');
    assert_eq!(read(&content), (false, vec!["cannot be read: 262145 bytes, at most 262144 are read".to_owned()]));
    assert_eq!(read(b"{\"a\xff\": 1}"), (false, vec!["cannot be read: not UTF-8 at byte 3".to_owned()]));
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let mut problems = Problems::default();
    assert!(Definition::read(Path::new("/nonexistent/definition.json"), &names(), &mut problems).is_none());
    let [line] = &lines(problems.into_error())[..] else { panic!("one problem") };
    assert_eq!(line, "/nonexistent/definition.json: cannot be read: no such file or directory");
}
