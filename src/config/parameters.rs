//! The parameters of the connector: which version has which, what is allowed, and the defaults.
//! The table is that of the connector's documentation.

use core::{ops::RangeInclusive, time::Duration};

use super::{
    definition::{Definition, NEWEST_VERSION},
    environment::Environment,
    greengrass::is_component,
    json::Json,
    nearest::nearest,
    problem::{Problem, Problems},
    settings,
    types::{Connector, IsolationMode, Origin},
};
use crate::relay::arn::DeliveryStreamArn;

struct Parameter {
    name: &'static str,
    /// The variable that overrides it; where there is one, the name in the Greengrass V2 component.
    variable: &'static str,
    /// Versions that have it.
    versions: RangeInclusive<u8>,
    /// Versions that take the variable: those, and what has a default in older ones.
    overridable: RangeInclusive<u8>,
    required: bool,
    check: Check,
    /// For a definition that has no such parameter, and for running without one. The values of
    /// the example in AWS's documentation, which are also those of the V2 component.
    default: Option<&'static str>,
}

enum Check {
    DeliveryStreamArn,
    /// The pattern of AWS's documentation, what it comes to, and that in words.
    Pattern(&'static str, fn(&str) -> bool, &'static str),
}

const PARAMETERS: [Parameter; 5] = [
    Parameter {
        name: "DefaultDeliveryStreamArn",
        variable: "DEFAULT_DELIVERY_STREAM_ARN",
        versions: 1..=5,
        overridable: 1..=5,
        required: true,
        check: Check::DeliveryStreamArn,
        default: None,
    },
    Parameter {
        name: "DeliveryStreamQueueSize",
        variable: "DELIVERY_STREAM_QUEUE_SIZE",
        versions: 2..=5,
        overridable: 2..=5,
        required: true,
        check: Check::Pattern(
            r"^([2-9]\d{3}|[1-9]\d{4,})$",
            |text| is_number(text) && number(text) >= 2000,
            "must be a number of records from 2000 on, in digits without leading zeros",
        ),
        default: Some("5000"),
    },
    Parameter {
        name: "MemorySize",
        variable: "FIREHOSE_CONNECTOR_MEMORY_SIZE",
        versions: 2..=5,
        overridable: 2..=5,
        required: true,
        check: Check::Pattern(r"^[0-9]+$", is_digits, "must be a number of KB, in digits"),
        default: Some("65535"),
    },
    Parameter {
        name: "PublishInterval",
        variable: "PUBLISH_INTERVAL",
        versions: 2..=5,
        overridable: 2..=5,
        required: true,
        check: Check::Pattern(
            r"^([0-9]|[1-9]\d|[1-9]\d\d|900)$",
            |text| is_number(text) && number(text) <= 900,
            "must be a number of seconds from 0 to 900, in digits without leading zeros",
        ),
        default: Some("10"),
    },
    Parameter {
        name: "IsolationMode",
        variable: "FIREHOSE_CONNECTOR_ISOLATION_MODE",
        versions: 5..=5,
        overridable: 1..=5,
        required: false,
        check: Check::Pattern(
            "^NoContainer$|^GreengrassContainer$",
            |text| matches!(text, "NoContainer" | "GreengrassContainer"),
            "must be GreengrassContainer or NoContainer",
        ),
        default: Some("GreengrassContainer"),
    },
];

/// The names of all parameters of all versions.
pub(super) fn names() -> [&'static str; 5] {
    PARAMETERS.each_ref().map(|parameter| parameter.name)
}

/// The parameters of a definition file, single ones overridden by the environment; without a file those from the environment,
/// of the newest version. After a problem the default is used, so that the rest can be checked, too.
pub(super) fn connector(file: File<'_>, environment: &Environment, problems: &mut Problems) -> Connector {
    if let File::Read(definition) = file {
        check_names(definition, problems);
    }
    build(&Source { file, environment }, problems)
}

/// The definition file.
#[derive(Clone, Copy)]
pub(super) enum File<'a> {
    NotGiven,
    /// Its problems are noted.
    Unreadable,
    Read(&'a Definition),
}

fn check_names(definition: &Definition, problems: &mut Problems) {
    let version = definition.version;
    for (name, value) in &definition.parameters {
        let problem = |rule: String| Problem::key(&definition.file, name, rule);
        problems.push(match PARAMETERS.iter().find(|parameter| parameter.name == name) {
            Some(parameter) if parameter.versions.contains(&version) => continue,
            Some(parameter) => problem(not_in(version, parameter)).with_value(value),
            None => match nearest(name, names()) {
                Some(meant) => problem(format!("unknown parameter; did you mean {meant}?")).with_value(value),
                // The value is not shown: under an unknown name it may be a secret.
                None => {
                    let known = PARAMETERS.iter().filter(|parameter| parameter.versions.contains(&version));
                    let known: Vec<_> = known.map(|parameter| parameter.name).collect();
                    problem(format!("unknown parameter; version {version} has {}", known.join(", ")))
                }
            },
        });
    }
}

fn not_in(version: u8, parameter: &Parameter) -> String {
    let (first, last) = (parameter.versions.start(), parameter.versions.end());
    let having =
        if first == last { format!("version {first} has") } else { format!("versions {first} to {last} have") };
    format!(
        "version {version} has no {}, {having}: leave it out, or change the version in ConnectorArn",
        parameter.name
    )
}

fn build(source: &Source<'_>, problems: &mut Problems) -> Connector {
    let version = source.version();
    let values = PARAMETERS.each_ref().map(|parameter| source.value(parameter, problems));
    let origins = values.map(|(_, origin)| origin);
    let [arn, queue_size, memory_size, interval, isolation] = values.map(|(value, _)| value);
    let touch_memory = settings::one_of(source.environment, "FIREHOSE_CONNECTOR_MEMORY_TOUCH", ["0", "1"], problems);
    let interval = match version {
        // Version 1 has no batches.
        1 => Duration::ZERO,
        _ => Duration::from_secs(number(interval)),
    };
    Connector {
        version,
        default_delivery_stream_arn: arn.to_owned(),
        queue_size: usize::try_from(number(queue_size)).unwrap_or(usize::MAX),
        memory_size: number(memory_size).min(usize::MAX as u64 / 1024),
        publish_interval: interval,
        isolation: match isolation {
            "NoContainer" => IsolationMode::NoContainer,
            _ => IsolationMode::GreengrassContainer,
        },
        touch_memory,
        definition: match source.file {
            File::Read(definition) => Some(definition.file.clone()),
            File::NotGiven | File::Unreadable => None,
        },
        origins,
    }
}

/// A number whose pattern was checked, so only an overflow can go wrong.
fn number(digits: &str) -> u64 {
    digits.parse().unwrap_or(u64::MAX)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Without leading zeros.
fn is_number(text: &str) -> bool {
    is_digits(text) && (text == "0" || !text.starts_with('0'))
}

/// Where values come from: the environment, then the definition, then the table.
struct Source<'a> {
    file: File<'a>,
    environment: &'a Environment,
}

impl<'a> Source<'a> {
    const fn version(&self) -> u8 {
        match self.file {
            File::Read(definition) => definition.version,
            File::NotGiven | File::Unreadable => NEWEST_VERSION,
        }
    }

    /// The value in force and its origin; after a problem, which is added, the default.
    fn value(&self, parameter: &Parameter, problems: &mut Problems) -> (&'a str, Origin) {
        let version = self.version();
        let variable = parameter.variable;
        let default = (parameter.default.unwrap_or_default(), Origin::Default);
        if self.environment.is_set(variable) {
            let Some(text) = self.environment.text(variable, problems) else { return default };
            let is_taken = parameter.overridable.contains(&version);
            let fault = if is_taken { check(parameter, text).err() } else { Some(not_in(version, parameter)) };
            let Some(rule) = fault else { return (text, Origin::Variable(variable)) };
            problems.push(Problem::variable(variable, rule).with_text(text));
            return default;
        }
        match self.file {
            File::Read(definition) if parameter.versions.contains(&version) => {
                in_definition(definition, parameter, problems).map_or(default, |text| (text, Origin::Definition))
            }
            File::NotGiven if parameter.default.is_none() => {
                problems.push(if is_component(self.environment) {
                    Problem::variable(variable, "is not set: give it in the component's configuration")
                } else {
                    let rule = "is not set: name a connector definition file there or with --definition, \
                        or set at least DEFAULT_DELIVERY_STREAM_ARN";
                    Problem::variable("FIREHOSE_CONNECTOR_DEFINITION", rule)
                });
                default
            }
            _ => default,
        }
    }
}

/// The value of a parameter. `None`: it is not given, or a problem was added.
fn in_definition<'a>(definition: &'a Definition, parameter: &Parameter, problems: &mut Problems) -> Option<&'a str> {
    let Some((name, value)) = definition.parameters.iter().find(|(name, _)| name == parameter.name) else {
        // A misspelt name is one problem, not two.
        let misspelt = definition.parameters.iter().any(|(name, _)| nearest(name, [parameter.name]).is_some());
        if parameter.required && !misspelt {
            let rule = format!("is missing; version {} requires it", definition.version);
            problems.push(Problem::key(&definition.file, parameter.name, rule));
        }
        return None;
    };
    let rule = match value {
        Json::Text(text) => match check(parameter, text) {
            Ok(()) => return Some(text),
            Err(rule) => rule,
        },
        Json::Literal(literal) => format!("must be a string: put it in quotes, \"{literal}\""),
        Json::Array(_) | Json::Object(_) => "must be a string".to_owned(),
    };
    problems.push(Problem::key(&definition.file, name, rule).with_value(value));
    None
}

/// # Errors
/// The rule that is broken.
fn check(parameter: &Parameter, text: &str) -> Result<(), String> {
    match parameter.check {
        Check::DeliveryStreamArn => match DeliveryStreamArn::parse(text) {
            Ok(_) => Ok(()),
            Err(error) if is_placeholder(text) => {
                Err(format!("{error}; put your own values in place of the placeholders of AWS's example"))
            }
            Err(error) => Err(error.to_string()),
        },
        Check::Pattern(_, fits, _) if fits(text) => Ok(()),
        Check::Pattern(pattern, _, rule) => Err(format!("{rule} ({pattern})")),
    }
}

/// Copied from AWS's documentation without filling in `arn:aws:firehose:region:account-id:...`.
fn is_placeholder(text: &str) -> bool {
    text.split(':').any(|part| part == "region" || part == "account-id")
}

#[cfg(test)]
mod tests;
