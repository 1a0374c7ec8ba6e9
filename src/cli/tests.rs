//! Command lines, right and wrong, and the help text against what is read.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

use super::{COMMANDS, Command, HELP, HELP_CHECK, HELP_RUN, OPTIONS, Online, UsageError, VERSION, exit, parse};
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
        ("help", Command::Help(HELP)),
        ("--help", Command::Help(HELP)),
        ("-h", Command::Help(HELP)),
        ("run --help", Command::Help(HELP_RUN)),
        ("--help run", Command::Help(HELP_RUN)),
        ("help run", Command::Help(HELP_RUN)),
        ("check -h", Command::Help(HELP_CHECK)),
        ("check --online --help", Command::Help(HELP_CHECK)),
        ("help check", Command::Help(HELP_CHECK)),
        ("version", Command::Version),
        ("--version", Command::Version),
        ("-V", Command::Version),
    ] {
        assert_eq!(run(line), Ok(expected), "{line}");
    }
}

#[test]
fn check_goes_online_when_asked_to() {
    let online = |send_test_record, client_id: Option<&str>| {
        let online = Online { send_test_record, client_id: client_id.map(str::to_owned) };
        Ok(Command::Check { definition: None, json: false, online: Some(online) })
    };
    assert_eq!(run("check --online"), online(false, None));
    assert_eq!(run("--online check --send-test-record"), online(true, None));
    assert_eq!(run("check --client-id gateway --online"), online(false, Some("gateway")));
}

#[test]
fn a_missing_command_is_reported() {
    assert_eq!(parse([""; 0]), Err(UsageError::NoCommand));
    assert_eq!(parse(["--definition", "f"]), Err(UsageError::NoCommand));
}

#[test]
fn a_wrong_argument_is_named_with_the_nearest() {
    for (line, expected) in [
        ("runn", "unknown command \"runn\"; did you mean run?"),
        ("chekc", "unknown command \"chekc\"; did you mean check?"),
        ("start", "unknown command \"start\"; firehose-connector --help lists all"),
        ("run --defintion f", "unknown option \"--defintion\"; did you mean --definition?"),
        ("run --verbose-ish", "unknown option \"--verbose-ish\"; firehose-connector --help lists all"),
        ("run --config f", "unknown option \"--config\"; did you mean --definition?"),
        ("run -d f", "unknown option \"-d\"; did you mean --definition?"),
        ("run -x", "unknown option \"-x\"; firehose-connector --help lists all"),
        ("help me", "unexpected argument \"me\""),
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
fn what_no_broker_would_take_for_a_client_id_is_refused() {
    let longest = "c".repeat(65_535);
    let parse_id =
        |id: &[u8]| parse(["check".into(), "--online".into(), "--client-id".into(), OsStr::from_bytes(id).to_owned()]);
    assert!(parse_id(longest.as_bytes()).is_ok());
    for id in [format!("{longest}c").as_bytes(), b"a\nb", b"\0", b"\xff"] {
        let said = parse_id(id).unwrap_err().to_string();
        assert_eq!(said, "--client-id must be at most 65535 bytes of UTF-8 without control characters");
    }
}

#[test]
fn the_help_names_every_variable_and_exit_code() {
    for name in VARIABLES {
        assert!(HELP.contains(name), "{name}");
    }
    for code in [exit::OK, exit::USAGE, exit::UNAVAILABLE, exit::INTERNAL, exit::OUTPUT, exit::CONFIG] {
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
fn each_help_fits_80_columns_of_ascii() {
    for text in [HELP, HELP_RUN, HELP_CHECK] {
        for line in text.lines() {
            assert!(line.is_ascii() && line.len() <= 80, "{line}");
        }
        assert!(text.ends_with('\n'));
    }
}

#[test]
fn the_help_of_a_command_has_its_options() {
    for option in OPTIONS.iter().filter(|option| !matches!(**option, "--help" | "--version")) {
        assert!(HELP_CHECK.contains(&format!("  {option} ")), "{option}");
    }
    assert!(HELP_RUN.contains("  --definition FILE "));
}

#[test]
fn each_shell_completes_all_commands_and_options() {
    for shell in [
        include_str!("../../targets/completion/firehose-connector.bash"),
        include_str!("../../targets/completion/_firehose-connector"),
        include_str!("../../targets/completion/firehose-connector.fish"),
    ] {
        for word in COMMANDS.iter().chain(&OPTIONS) {
            assert!(shell.contains(&format!("-l {} ", word.trim_start_matches('-'))) || shell.contains(word), "{word}");
        }
    }
}

#[test]
fn the_version_ends_with_the_commit_it_was_built_from() {
    let version = VERSION.strip_prefix("firehose-connector ").unwrap().strip_suffix('\n').unwrap();
    let commit = version.strip_prefix(env!("CARGO_PKG_VERSION")).unwrap();
    let is_commit = |text: &str| text.len() == 12 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    assert!(commit.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')')).is_none_or(is_commit), "{version}");
    let is_checkout = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".git").is_dir();
    assert!(!is_checkout || !commit.is_empty(), "{version}");
}
