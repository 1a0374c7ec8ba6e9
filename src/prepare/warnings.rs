//! Findings that do not prevent a start, and should be known.

use core::fmt;
use std::time::SystemTime;

use rustix::fs::{Access, access};

use super::files::{Use, files};
use super::spool::segments;
use crate::clock::calendar;
use crate::config::{Config, NoProxy};
use crate::credentials::Source;
use crate::error_chain::error_chain;
use crate::error_chain::words::of_system;
use crate::foreign::{file_name, foreign};
use crate::limits::{CERTIFICATE_EXPIRES, RELEASED};
use crate::memory::{Plan, Short, too_little_memory};
use crate::relay::arn::DeliveryStreamArn;
use crate::relay::pack::Packing;
use crate::transport::tls::last_days;

/// What was found, and what follows from it or what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What was found, as one sentence.
    pub found: String,
    /// What to do, or what follows, in one sentence.
    pub advice: &'static str,
    /// What it is about.
    pub about: About,
}

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Settings and the files that they name.
    Configuration,
    /// Where credentials come from.
    Credentials,
    /// `MemorySize`.
    Memory,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.found, self.advice)
    }
}

/// All of them. Certificates are judged by `now`; files are read.
#[must_use]
pub fn warnings(config: &Config, plan: &Plan, now: SystemTime) -> Vec<Warning> {
    let mut warnings = certificates(config, now);
    warnings.extend(credentials(config));
    warnings.extend(memory(plan));
    warnings.extend(plain_http(config));
    warnings.extend(partition_of(config));
    warnings.extend(packing(config));
    warnings.extend(spool(config));
    warnings.extend(unresolved(config));
    warnings.extend(topics(config));
    warnings
}

/// Those that are logged at each start. Whatever else a check warns of, the log says when it happens.
pub fn at_start(config: &Config, plan: &Plan) -> impl Iterator<Item = Warning> {
    memory(plan)
        .into_iter()
        .chain(packing(config))
        .chain(web_identity(config))
        .chain(unresolved(config))
        .chain(topics(config))
}

/// One of those; `tests/readme.rs` finds their texts by this name, if nothing stands in `format!` but the text.
const fn logged(found: String, advice: &'static str, about: About) -> Warning {
    Warning { found, advice, about }
}

/// Whether the machine or the service has less memory than the plan.
fn memory(plan: &Plan) -> Vec<Warning> {
    let warnings = too_little_memory(plan).into_iter().map(|short| match short {
        Short::Machine { given, needed } => logged(
            format!("MemorySize is {needed} KB and this machine has {given} KB of memory"),
            "lower MemorySize, or records are lost when there are many",
            About::Memory,
        ),
        Short::Service { given, needed } => logged(
            format!("the service is limited to {given} KB (MemoryMax), with MemorySize it takes up to {needed} KB"),
            "raise MemoryMax or lower MemorySize, or records are lost when there are many",
            About::Memory,
        ),
    });
    warnings.collect()
}

/// Whether packing is asked for where records do not wait for each other, or a setting of packing is given and packing is off.
fn packing(config: &Config) -> Option<Warning> {
    let waits = config.connector.version > 1 && !config.connector.publish_interval.is_zero();
    let Packing { bytes, binary, delimiter, at_end } = config.packing;
    let without_effect = match () {
        () if bytes > 0 => None,
        () if binary => Some("FIREHOSE_CONNECTOR_PACK_BINARY"),
        () if !at_end && delimiter.as_bytes() != b"\n" => Some("FIREHOSE_CONNECTOR_DELIMITER"),
        () => None,
    };
    let off = without_effect.map(|variable| {
        logged(
            format!("{variable} has no effect without FIREHOSE_CONNECTOR_PACK"),
            "set that to 5120, or take this one out",
            About::Configuration,
        )
    });
    let alone = (bytes > 0 && !waits).then(|| {
        logged(
            format!("FIREHOSE_CONNECTOR_PACK is {bytes} and records do not wait for a batch"),
            "each goes alone: set PublishInterval to 1 or more, in a definition of version 2 or later",
            About::Configuration,
        )
    });
    off.or(alone)
}

fn web_identity(config: &Config) -> Option<Warning> {
    let variable = config.aws.credentials.passed_over()?;
    Some(logged(
        format!("{variable} asks for a web identity, which is not supported"),
        "credentials come from another source, or are waited for",
        About::Credentials,
    ))
}

/// The variables that Greengrass left without a value.
fn unresolved(config: &Config) -> Vec<Warning> {
    let warnings = config.unresolved.iter().map(|variable| {
        logged(
            format!("{variable} refers to a key that the component's configuration does not have, and counts as unset"),
            "add the key to the configuration, or take the variable out of the recipe",
            About::Configuration,
        )
    });
    warnings.collect()
}

/// The topics of Greengrass on which no record can come, and those whose records come twice.
fn topics(config: &Config) -> Vec<Warning> {
    let topics: Vec<_> = config.greengrass.iter().flat_map(|greengrass| &greengrass.topics).collect();
    let mut warnings = Vec::new();
    for (index, topic) in topics.iter().enumerate() {
        let filter = foreign(&topic.filter);
        if !topic.brings_records() {
            warnings.push(logged(
                format!("pubsubTopics has {filter}, from which nothing is taken"),
                "records come on kinesisfirehose/message and kinesisfirehose/message/binary/#",
                About::Configuration,
            ));
        }
        if let Some(other) = topics[..index].iter().find(|other| other.overlaps(topic)) {
            let other = foreign(&other.filter);
            warnings.push(logged(
                format!("pubsubTopics has {other} and {filter}: what matches both comes twice"),
                "take one of them out, or give it the other's topic: the same twice counts once",
                About::Configuration,
            ));
        }
    }
    warnings
}

/// Whether records leave the machine without encryption.
pub(super) fn plain_http(config: &Config) -> Option<Warning> {
    let (endpoint, variable) = (config.aws.endpoint_url.as_ref()?, config.aws.endpoint_variable?);
    let stays = endpoint.tls || NoProxy::default().covers(&endpoint.host, endpoint.port);
    (!stays).then(|| Warning {
        found: format!(
            "{variable}: records and the session token go to {} without encryption",
            foreign(&endpoint.host)
        ),
        advice: "write https:// if the network is not your own",
        about: About::Configuration,
    })
}

/// Whether the default delivery stream's region is in another partition.
pub(super) fn partition_of(config: &Config) -> Option<Warning> {
    let arn = DeliveryStreamArn::parse(&config.connector.default_delivery_stream_arn).ok()?;
    let right = arn.partition_of_region().filter(|right| *right != arn.partition)?;
    // An endpoint that is named has none.
    config.aws.endpoint_url.is_none().then(|| Warning {
        found: format!("DefaultDeliveryStreamArn has the partition {} and a region of {right}", arn.partition),
        advice: "correct one of them, or no record is delivered",
        about: About::Configuration,
    })
}

/// Whether the spool's directory cannot be used, as far as can be seen without writing.
fn spool(config: &Config) -> Option<Warning> {
    let directory = &config.spool.as_ref()?.directory;
    let usable =
        segments(directory).and_then(|_| Ok(access(directory, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)?));
    usable.err().map(|error| Warning {
        found: format!("FIREHOSE_CONNECTOR_SPOOL: {} cannot be used: {}", file_name(directory), of_system(&error)),
        advice: "make it a directory of the connector's user that can be written; without it records are held in \
            memory only",
        about: About::Configuration,
    })
}

/// What is wrong with the sources of credentials. Files are read; no request is made.
pub(super) fn credentials(config: &Config) -> Vec<Warning> {
    let passed_over = web_identity(config);
    // Without another source, that one's fault says the same in other words.
    let source =
        source(config).filter(|source| passed_over.as_ref().is_none_or(|w| !source.found.starts_with(&w.found)));
    passed_over.into_iter().chain(source).collect()
}

fn source(config: &Config) -> Option<Warning> {
    let settings = &config.aws.credentials;
    match Source::of(settings) {
        Ok(Source::Ec2(endpoint)) if !settings.ec2_is_named => Some(Warning {
            found: format!(
                "no source of credentials is configured, so the role of an EC2 instance will be asked for at {}",
                endpoint.host
            ),
            advice: "configure a source, see \"Credentials\" in targets/service/README.md; on a device that is no \
                instance set AWS_EC2_METADATA_DISABLED=true, or whoever answers there on a strange network hands out \
                the keys",
            about: About::Credentials,
        }),
        Ok(source) => source.fault().map(|fault| waits(&fault)),
        Err(error) => Some(waits(&error)),
    }
}

fn waits(error: &dyn core::error::Error) -> Warning {
    Warning {
        found: error_chain(error),
        advice: "records wait until there are credentials: a source is asked again and again",
        about: About::Credentials,
    }
}

/// Our certificates, and CAs, that expire soon or have expired by `now`; a time before this release is ignored.
pub(super) fn certificates(config: &Config, now: SystemTime) -> Vec<Warning> {
    let now = now.max(SystemTime::UNIX_EPOCH + RELEASED);
    let (today, soon) = (day(now), day(now + CERTIFICATE_EXPIRES));
    let ending = files(config).into_iter().filter_map(|(variable, file, what)| {
        let days = || last_days(variable, file).into_iter();
        let day = match what {
            // A chain is valid until its first certificate expires; of several CAs one is enough.
            Use::Certificate => days().min(),
            Use::Trust => days().max(),
            Use::Key => None,
        };
        Some((variable, file, day.filter(|day| *day < soon)?))
    });
    ending
        .map(|(variable, file, day)| {
            let ends = if day < today { "expired" } else { "expires" };
            // Unlike the others, this one is read again for each renewal.
            let is_read_again = variable.starts_with("FIREHOSE_CONNECTOR_IOT_");
            Warning {
                found: format!("{variable}: {} {ends} on {day}", file_name(file)),
                advice: if is_read_again {
                    "put a new one there: once it has expired there are no credentials"
                } else {
                    "put a new one there and restart the connector: once it has expired there is no connection"
                },
                about: About::Configuration,
            }
        })
        .collect()
}

fn day(time: SystemTime) -> String {
    calendar(time).date().to_string()
}
