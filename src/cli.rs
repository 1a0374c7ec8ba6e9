//! The command line: what was asked for, and the help text. Printing and exiting are left to `main`.

use core::fmt;
use std::{ffi::OsString, path::PathBuf};

use lexopt::{Arg, Parser};

use crate::config::nearest;
use crate::limits::MQTT_FIELD_BYTES;

/// Exit codes, from `sysexits.h`.
pub mod exit {
    /// A clean end: stopped by a signal, or `check` found nothing wrong.
    pub const OK: u8 = 0;
    /// The command line is wrong.
    pub const USAGE: u8 = 64;
    /// `check --online`: broker, credentials or service do not work. `run`: Greengrass refuses the token of this process, and wants a
    /// new process for a new one.
    pub const UNAVAILABLE: u8 = 69;
    /// A fault of the program itself.
    pub const INTERNAL: u8 = 70;
    /// Standard output cannot be written.
    pub const OUTPUT: u8 = 74;
    /// The configuration is wrong or cannot be read.
    pub const CONFIG: u8 = 78;
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Relay until a signal stops the process.
    Run {
        /// The connector definition; takes precedence over `FIREHOSE_CONNECTOR_DEFINITION`.
        definition: Option<PathBuf>,
    },
    /// Read the configuration, report what is wrong with it or show what follows from it, and exit.
    Check {
        /// As for `Run`.
        definition: Option<PathBuf>,
        /// `--json`
        json: bool,
        /// `--online`
        online: Option<Online>,
    },
    /// Print this text: [`HELP`], or that of one command.
    Help(&'static str),
    /// Print [`VERSION`].
    Version,
}

/// Options of `--online`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Online {
    /// `--send-test-record`
    pub send_test_record: bool,
    /// `--client-id`
    pub client_id: Option<String>,
}

/// Why a command line is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageError {
    /// There is no command; [`HELP`] is the best answer.
    NoCommand,
    /// The first word is not a command. With the command that was probably meant.
    UnknownCommand(String, Option<&'static str>),
    /// The command has no such option. With the option that was probably meant.
    UnknownOption(String, Option<&'static str>),
    /// The value of `--client-id` is no client id.
    NotAClientId,
    /// An option without its value, which the second text describes.
    NoValue(&'static str, &'static str),
    /// An option that is given twice.
    Second(&'static str),
    /// An option without the one that it needs, which is the second text.
    Misplaced(&'static str, &'static str),
    /// A word after the command.
    Unexpected(String),
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name, meant) = match self {
            Self::NoCommand => return f.write_str("no command given: run, check, help or version"),
            Self::NotAClientId => {
                return write!(
                    f,
                    "{CLIENT_ID} must be at most {MQTT_FIELD_BYTES} bytes of UTF-8 without control characters"
                );
            }
            Self::NoValue(option, what) => return write!(f, "{option} needs {what}"),
            Self::Second(option) => return write!(f, "{option} is given more than once"),
            Self::Misplaced(option, what) => return write!(f, "{option} goes with {what} only"),
            Self::Unexpected(text) => return write!(f, "unexpected argument {text:?}"),
            Self::UnknownCommand(name, meant) => ("command", name, meant),
            Self::UnknownOption(name, meant) => ("option", name, meant),
        };
        write!(f, "unknown {kind} {name:?}")?;
        match meant {
            Some(meant) => write!(f, "; did you mean {meant}?"),
            None => f.write_str("; firehose-connector --help lists all"),
        }
    }
}

impl core::error::Error for UsageError {}

const COMMANDS: [&str; 4] = ["run", "check", "help", "version"];
const OPTIONS: [&str; 7] = [DEFINITION, JSON, ONLINE, TEST_RECORD, CLIENT_ID, "--help", "--version"];
const DEFINITION: &str = "--definition";
const JSON: &str = "--json";
const ONLINE: &str = "--online";
const TEST_RECORD: &str = "--send-test-record";
const CLIENT_ID: &str = "--client-id";

/// Reads the arguments, without the name of the program.
///
/// # Errors
/// The first argument that is wrong.
pub fn parse(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Command, UsageError> {
    let mut parser = Parser::from_args(arguments);
    let mut command: Option<&'static str> = None;
    let mut definition = None;
    let (mut help, mut json, mut online, mut wanted) = (false, false, false, Online::default());
    while let Some(argument) = parser.next().map_err(unexpected)? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => help = true,
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Version),
            Arg::Long("definition") => {
                let file = parser.value().ok().filter(|file| !file.is_empty());
                let file = file.ok_or(UsageError::NoValue(DEFINITION, "a file name"))?;
                if definition.replace(PathBuf::from(file)).is_some() {
                    return Err(UsageError::Second(DEFINITION));
                }
            }
            Arg::Long("json") => json = true,
            Arg::Long("online") => online = true,
            Arg::Long("send-test-record") => wanted.send_test_record = true,
            Arg::Long("client-id") => {
                let id = parser.value().ok().filter(|id| !id.is_empty());
                let id = id.ok_or(UsageError::NoValue(CLIENT_ID, "a client id"))?.into_string().ok();
                let id = id.filter(|id| id.len() <= MQTT_FIELD_BYTES && !id.contains(char::is_control));
                let id = id.ok_or(UsageError::NotAClientId)?;
                if wanted.client_id.replace(id).is_some() {
                    return Err(UsageError::Second(CLIENT_ID));
                }
            }
            Arg::Long(name) => {
                let name = format!("--{name}");
                // The name of this option in other programs.
                let meant = if name == "--config" { Some(DEFINITION) } else { nearest(&name, OPTIONS) };
                return Err(UsageError::UnknownOption(name, meant));
            }
            Arg::Short(name) => {
                let meant = OPTIONS.into_iter().find(|option| option.trim_start_matches('-').starts_with(name));
                return Err(UsageError::UnknownOption(format!("-{name}"), meant));
            }
            Arg::Value(word) if command.is_none() => {
                let name = word.to_string_lossy().into_owned();
                let known = COMMANDS.into_iter().find(|known| *known == name);
                command = Some(known.ok_or_else(|| {
                    let meant = nearest(&name, COMMANDS);
                    UsageError::UnknownCommand(name, meant)
                })?);
            }
            Arg::Value(word) if command == Some("help") && word == "run" => return Ok(Command::Help(HELP_RUN)),
            Arg::Value(word) if command == Some("help") && word == "check" => return Ok(Command::Help(HELP_CHECK)),
            Arg::Value(word) => return Err(UsageError::Unexpected(word.to_string_lossy().into_owned())),
        }
    }
    if help || command == Some("help") {
        return Ok(Command::Help(match command {
            Some("run") => HELP_RUN,
            Some("check") => HELP_CHECK,
            _ => HELP,
        }));
    }
    let misplaced = |option, given: bool, what| if given { Err(UsageError::Misplaced(option, what)) } else { Ok(()) };
    if command.is_some_and(|command| command != "check") {
        misplaced(ONLINE, online, "check")?;
        misplaced(JSON, json, "check")?;
    }
    misplaced(TEST_RECORD, wanted.send_test_record && !online, "check --online")?;
    misplaced(CLIENT_ID, wanted.client_id.is_some() && !online, "check --online")?;
    match command {
        Some("run") => Ok(Command::Run { definition }),
        Some("check") => Ok(Command::Check { definition, json, online: online.then_some(wanted) }),
        Some(_) => Ok(Command::Version),
        None => Err(UsageError::NoCommand),
    }
}

fn unexpected(error: lexopt::Error) -> UsageError {
    match error {
        lexopt::Error::UnexpectedValue { value, .. } => UsageError::Unexpected(value.to_string_lossy().into_owned()),
        other => UsageError::Unexpected(other.to_string()),
    }
}

/// Name, version and, if it was built from a checkout, commit.
pub const VERSION: &str =
    concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"), env!("FIREHOSE_CONNECTOR_COMMIT"), "\n");

/// The help text; at most 80 columns, like those below.
pub const HELP: &str = include_str!("cli/help.txt");
/// The help text of `run`.
pub const HELP_RUN: &str = include_str!("cli/help-run.txt");
/// The help text of `check`.
pub const HELP_CHECK: &str = include_str!("cli/help-check.txt");

#[cfg(test)]
mod tests;
