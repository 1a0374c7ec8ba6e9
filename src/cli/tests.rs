//! Command lines, right and wrong, and the help text against what is read.

use super::{Command, HELP, Online, UsageError, VERSION, exit, parse};
use crate::config::VARIABLES;

fn run(line: &str) -> Result<Command, String> {
    parse(line.split_whitespace()).map_err(|error| error.to_string())
}

#[test]
fn each_command_is_understood() {
    let file = Some("f.json".into());
    for (line, expected) in [
        ("run", Command::Run { definition: None }),
        ("run --definition f.json", Command::Run { definition: file.clone() }),
        ("run --definition=f.json", Command::Run { definition: file.clone() }),
        ("--definition f.json run", Command::Run { definition: file.clone() }),
        ("check", Command::Check { definition: None, json: false, online: None }),
        ("check --json --definition f.json", Command::Check { definition: file, json: true, online: None }),
        ("help", Command::Help),
        ("--help", Command::Help),
        ("-h", Command::Help),
        ("run --help", Command::Help),
        ("version", Command::Version),
        ("--version", Command::Version),
        ("-V", Command::Version),
    ] {
        assert_eq!(run(line), Ok(expected), "{line}");
    }
}

#[test]
fn check_goes_online_when_it_is_told_to() {
    let online = |send_test_record, client_id: Option<&str>| {
        let online = Online { send_test_record, client_id: client_id.map(str::to_owned) };
        Ok(Command::Check { definition: None, json: false, online: Some(online) })
    };
    assert_eq!(run("check --online"), online(false, None));
    assert_eq!(run("--online check --send-test-record"), online(true, None));
    assert_eq!(run("check --client-id gateway --online"), online(false, Some("gateway")));
}

#[test]
fn without_a_command_there_is_none() {
    assert_eq!(parse([""; 0]), Err(UsageError::NoCommand));
    assert_eq!(parse(["--definition", "f"]), Err(UsageError::NoCommand));
}

#[test]
fn a_wrong_argument_is_named_with_the_nearest() {
    for (line, expected) in [
        ("runn", "unknown command \"runn\"; did you mean run?"),
        ("chekc", "unknown command \"chekc\"; did you mean check?"),
        ("start", "unknown command \"start\"; --help lists all"),
        ("run --defintion f", "unknown option \"--defintion\"; did you mean --definition?"),
        ("run --verbose-ish", "unknown option \"--verbose-ish\"; --help lists all"),
        ("run -d f", "unknown option \"-d\"; --help lists all"),
        ("run f.json", "unexpected argument \"f.json\""),
        ("run run", "unexpected argument \"run\""),
        ("run --definition", "--definition needs a file name"),
        ("run --definition=", "--definition needs a file name"),
        ("run --definition a --definition b", "--definition is given more than once"),
        ("check --online --client-id", "--client-id needs a client id"),
        ("check --online --client-id a --client-id b", "--client-id is given more than once"),
        ("run --online", "--online goes with check only"),
        ("run --json", "--json goes with check only"),
        ("check --send-test-record", "--send-test-record goes with check --online only"),
        ("check --client-id a", "--client-id goes with check --online only"),
        ("check --offline", "unknown option \"--offline\"; did you mean --online?"),
    ] {
        assert_eq!(run(line), Err(expected.to_owned()), "{line}");
    }
}

#[test]
fn the_help_names_every_variable_and_exit_code() {
    for name in VARIABLES {
        assert!(HELP.contains(name), "{name}");
    }
    for code in [exit::OK, exit::USAGE, exit::UNAVAILABLE, exit::INTERNAL, exit::CONFIG] {
        assert!(HELP.lines().any(|line| line.trim_start().starts_with(&format!("{code} "))), "{code}");
    }
}

#[test]
fn the_help_names_no_variable_that_is_not_read() {
    let words = HELP.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    for name in words.filter(|word| word.starts_with("FIREHOSE_CONNECTOR_") || word.starts_with("AWS_")) {
        assert!(VARIABLES.contains(&name) || name == "FIREHOSE_CONNECTOR_", "{name}");
    }
}

#[test]
fn the_help_fits_100_columns_of_ascii() {
    for line in HELP.lines() {
        assert!(line.is_ascii() && line.len() <= 100, "{line}");
    }
    assert!(HELP.ends_with('\n'));
    assert!(VERSION.starts_with("firehose-connector "));
}
