//! Configuration: the connector definition and the environment, read once at start.
//!
//! - `types`: the result, all of it checked. No other module reads a variable, except those of the service manager (`daemon`) and
//!   of journald (`log_output`).
//! - `definition`, `parameters`: the connector definition file and the connector's parameters.
//! - `environment`: the variables that are read.
//! - `settings`, `packing`, `mqtt`, `greengrass`, `aws`, `credentials`, `proxy`: their values, by topic.
//! - `endpoint`: the service's endpoint for a delivery stream.
//! - `problem`: everything that is wrong, collected.
//!
//! Only the definition and the password file are read here. Certificates are read when the process
//! starts, profile and token files each time that credentials are renewed.

mod aws;
pub mod bounded_file;
mod credentials;
mod definition;
mod endpoint;
mod environment;
mod greengrass;
mod json;
mod mqtt;
mod nearest;
mod no_proxy;
mod packing;
mod parameters;
mod problem;
mod proxy;
mod settings;
mod types;
mod url;

/// Reads a definition that anybody may have written, see [`crate::fuzz`].
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (environment, mut problems) = (Environment::new([]), Problems::default());
    if let Some(definition) = Definition::parse(Path::new("fuzz.json"), text, &parameters::names(), &mut problems) {
        parameters::connector(parameters::File::Read(&definition), &environment, &mut problems);
    }
    assert!(problems.into_error().is_none_or(|error| !error.to_string().is_empty()));
}

#[cfg(test)]
mod tests;

use std::{ffi::OsString, path::Path};

pub(crate) use self::{
    credentials::{NO_KEY_ID, is_key_id},
    nearest::nearest,
};
pub use self::{
    environment::VARIABLES,
    no_proxy::NoProxy,
    problem::{ConfigError, Problem},
    types::{
        Aws, ClientCertificate, Config, Connector, ContainerAuthorization, ContainerSettings, CredentialSettings,
        EndpointUrl, EnvironmentKeys, Greengrass, IotSettings, IsolationMode, LogFormat, Mqtt, MqttTls, MqttVersion,
        Origin, Proxy, PubsubTopic, Spool, host_and_port,
    },
};

use self::{definition::Definition, environment::Environment, problem::Problems};

/// Reads and checks all of the configuration.
///
/// `definition` is the path from the command line, which takes precedence over `FIREHOSE_CONNECTOR_DEFINITION`.
/// `environment` is the process environment, such as [`std::env::vars_os`]. An empty variable
/// counts as unset, as in the AWS SDKs.
///
/// # Errors
/// All that is wrong with the file and with the environment, at once.
pub fn load(
    definition: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Config, ConfigError> {
    let environment = Environment::new(environment);
    let mut problems = Problems::default();

    settings::refuse_unknown(&environment, &mut problems);
    environment.refuse_quoted(&mut problems);
    let path = definition.map(Path::to_owned).or_else(|| environment.path("FIREHOSE_CONNECTOR_DEFINITION"));
    let definition = path.as_ref().map(|path| Definition::read(path, &parameters::names(), &mut problems));
    let file = match &definition {
        None => parameters::File::NotGiven,
        Some(None) => parameters::File::Unreadable,
        Some(Some(definition)) => parameters::File::Read(definition),
    };
    let connector = parameters::connector(file, &environment, &mut problems);
    let mqtt = mqtt::read(&environment, &mut problems);
    let greengrass = greengrass::read(&environment, &mut problems);
    let mut aws = aws::read(&environment, &mut problems);
    aws.credentials.may_run_processes = connector.isolation == IsolationMode::NoContainer;
    let log = settings::log_filter(&environment, &mut problems);
    let log_format = settings::log_format(&environment, &mut problems);
    let counters_interval = settings::counters_interval(&environment, &mut problems);
    let acknowledge = settings::acknowledge(&environment, &mut problems);
    let packing = packing::read(&environment, &mut problems);
    let spool = settings::spool(&environment, &mut problems);

    let unresolved = environment.unresolved();
    problems.explain_by(&unresolved);
    problems.judge(Config {
        connector,
        mqtt,
        greengrass,
        aws,
        log,
        log_format,
        counters_interval,
        acknowledge,
        packing,
        spool,
        unresolved,
    })
}
