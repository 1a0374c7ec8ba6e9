//! Where credentials come from: the variables of the AWS SDKs, by their rules, and those of the AWS IoT credentials provider.
//!
//! Which hosts may be asked for credentials without TLS is a rule of the SDKs, too.

use core::net::IpAddr;
use std::path::PathBuf;

use super::{
    environment::Environment,
    mqtt,
    problem::{Problem, Problems},
    settings::one_of,
    types::{ContainerAuthorization, ContainerSettings, CredentialSettings, EndpointUrl, EnvironmentKeys, IotSettings},
    url::{Url, http_url, may_hold_a_secret, no_path},
};
use crate::foreign::Secret;

const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
/// The former name of the session token's variable; botocore prefers it.
const SECURITY_TOKEN: &str = "AWS_SECURITY_TOKEN";
const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// Where a relative URI points to: the task metadata endpoint of ECS.
const ECS_HOST: &str = "169.254.170.2";

/// Hosts that may be asked without TLS, beside loopback: ECS, and EKS by IPv4 and IPv6.
const PLAIN_HOSTS: [&str; 3] = [ECS_HOST, "169.254.170.23", "fd00:ec2::23"];

const IOT_ENDPOINT: &str = "FIREHOSE_CONNECTOR_IOT_ENDPOINT";
const IOT_ROLE_ALIAS: &str = "FIREHOSE_CONNECTOR_IOT_ROLE_ALIAS";
const IOT_THING_NAME: &str = "FIREHOSE_CONNECTOR_IOT_THING_NAME";
const IOT_CERTIFICATE: &str = "FIREHOSE_CONNECTOR_IOT_CERT";
const IOT_KEY: &str = "FIREHOSE_CONNECTOR_IOT_KEY";
const EC2_DISABLED: &str = "AWS_EC2_METADATA_DISABLED";
const EC2_ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const EC2_MODE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";
/// In order of precedence, as in botocore.
const PROFILE: [&str; 2] = ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"];
/// Variables that ask for a web identity, which is not supported.
const WEB_IDENTITY: [&str; 2] = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"];
const CREDENTIALS_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";
const CONFIG_FILE: &str = "AWS_CONFIG_FILE";

/// The instance metadata service of EC2, by IPv4 and IPv6 (AWS SDKs, "IMDS credential provider").
const EC2_HOSTS: [&str; 2] = ["169.254.169.254", "fd00:ec2::254"];

/// After a problem some fields may be empty, and the result must not be used.
pub(super) fn read(environment: &Environment, problems: &mut Problems) -> CredentialSettings {
    let profile = PROFILE.into_iter().find(|name| environment.is_set(name));
    let is_named = |name| environment.is_set(name).then_some(name);
    CredentialSettings {
        environment: environment_keys(environment, problems),
        iot: iot(environment, problems),
        profile: profile.and_then(|name| environment.text(name, problems)).unwrap_or("default").to_owned(),
        credentials_file: aws_file(environment, CREDENTIALS_FILE, "credentials"),
        config_file: aws_file(environment, CONFIG_FILE, "config"),
        named: [is_named(CREDENTIALS_FILE), is_named(CONFIG_FILE), profile],
        container: container(environment, problems),
        ec2: ec2(environment, problems),
        ec2_is_named: [EC2_DISABLED, EC2_ENDPOINT, EC2_MODE].into_iter().any(|name| environment.is_set(name)),
        web_identity: WEB_IDENTITY.into_iter().find(|name| environment.names().any(|given| given == *name)),
        may_run_processes: false,
    }
}

/// Never shows a value.
fn environment_keys(environment: &Environment, problems: &mut Problems) -> Option<EnvironmentKeys> {
    const ALL: [&str; 4] = [ACCESS_KEY_ID, SECRET_ACCESS_KEY, SECURITY_TOKEN, SESSION_TOKEN];
    let [id, secret, security_token, session_token] = ALL.map(|name| header_text(environment, name, problems));
    let (Some(id), Some(secret)) = (id, secret) else {
        let given = ALL.into_iter().find(|name| environment.is_set(name));
        let missing = [ACCESS_KEY_ID, SECRET_ACCESS_KEY].into_iter().filter(|name| !environment.is_set(name));
        for (missing, given) in missing.filter_map(|missing| Some((missing, given?))) {
            problems.push(Problem::variable(missing, format!("is not set, but {given} is")));
        }
        return None;
    };
    // Not shown: it may be the secret.
    if !is_key_id(id) {
        let rule = format!("{NO_KEY_ID}: is it the value of {SECRET_ACCESS_KEY}?");
        problems.push(Problem::variable(ACCESS_KEY_ID, rule));
    }
    Some(EnvironmentKeys {
        access_key_id: id.to_owned(),
        secret_access_key: Secret::new(secret),
        session_token: security_token.or(session_token).map(Secret::new),
    })
}

/// Whether a text may be a key id: no secret key that has one of these characters, which three of four have.
pub(crate) fn is_key_id(text: &str) -> bool {
    !text.contains(['/', '+', '='])
}

/// What is wrong with another text.
pub(crate) const NO_KEY_ID: &str = "is no key id, which has letters and digits only";

/// A secret that is sent in an HTTP header, or signs one. The usual mistake is a line end that was copied from a file.
fn header_text<'a>(environment: &'a Environment, name: &str, problems: &mut Problems) -> Option<&'a str> {
    let text = environment.text(name, problems)?;
    if !text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        problems.push(Problem::variable(name, "must hold printable ASCII characters only, and no line end"));
    }
    Some(text)
}

fn aws_file(environment: &Environment, name: &str, file: &str) -> Option<PathBuf> {
    let home = || environment.path("HOME").map(|home| home.join(".aws").join(file));
    environment.path(name).or_else(home)
}

fn container(environment: &Environment, problems: &mut Problems) -> Option<ContainerSettings> {
    let (endpoint, path) = match environment.text(RELATIVE_URI, problems) {
        Some(path) => {
            if Url::parse(&format!("http://{ECS_HOST}{path}")).is_err() || !path.starts_with('/') {
                problems.push(Problem::variable(RELATIVE_URI, "must be a path that begins with /").with_text(path));
            }
            (EndpointUrl { tls: false, host: ECS_HOST.to_owned(), port: 80 }, path.to_owned())
        }
        None => http_url(environment, FULL_URI, problems)?,
    };
    if !endpoint.tls && !may_be_plain(&endpoint.host) {
        let rule = format!("must begin with https://, or have a loopback host or one of {}", PLAIN_HOSTS.join(", "));
        problems.push(Problem::variable(FULL_URI, rule).with_text(&endpoint.host));
    }
    let token = header_text(environment, TOKEN, problems);
    let authorization = match environment.path(TOKEN_FILE) {
        Some(file) => Some(ContainerAuthorization::TokenFile(file)),
        None => token.map(|token| ContainerAuthorization::Token(Secret::new(token))),
    };
    Some(ContainerSettings { endpoint, path, authorization })
}

fn may_be_plain(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || PLAIN_HOSTS.iter().any(|plain| plain.parse() == Ok(address)),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// The credentials provider, if all that it needs is set. By default the device certificate is the one for the broker.
fn iot(environment: &Environment, problems: &mut Problems) -> Option<IotSettings> {
    const NAMES: [&str; 5] = [IOT_ENDPOINT, IOT_ROLE_ALIAS, IOT_THING_NAME, IOT_CERTIFICATE, IOT_KEY];
    let given = NAMES.into_iter().find(|name| environment.is_set(name))?;
    for missing in [IOT_ENDPOINT, IOT_ROLE_ALIAS].into_iter().filter(|name| !environment.is_set(name)) {
        problems.push(Problem::variable(missing, format!("is not set, but {given} is")));
    }
    let variables = [[IOT_CERTIFICATE, IOT_KEY], [mqtt::CERTIFICATE, mqtt::KEY]]
        .into_iter()
        .find(|pair| pair.iter().any(|name| environment.is_set(name)));
    let client =
        variables.and_then(|[certificate, key]| mqtt::client_certificate(environment, certificate, key, problems));
    if variables.is_none() {
        let rule = format!("is not set, nor is {}, but {given} is: a device certificate is needed", mqtt::CERTIFICATE);
        problems.push(Problem::variable(IOT_CERTIFICATE, rule));
    }
    let alias = environment.text(IOT_ROLE_ALIAS, problems);
    if let Some(alias) = alias.filter(|alias| !is_role_alias(alias)) {
        let rule = "must be 1 to 128 letters, digits, or any of = , @ - _";
        problems.push(Problem::variable(IOT_ROLE_ALIAS, rule).with_text(alias));
    }
    let thing_name = header_text(environment, IOT_THING_NAME, problems);
    let endpoint = iot_endpoint(environment, problems);
    Some(IotSettings {
        // After a problem these are placeholders, so that the certificate can still be checked.
        endpoint: endpoint.unwrap_or_else(|| EndpointUrl { tls: true, host: String::new(), port: 443 }),
        role_alias: alias.unwrap_or_default().to_owned(),
        thing_name: thing_name.map(str::to_owned),
        client: client?,
        variables: variables?,
    })
}

/// The host as `aws iot describe-endpoint --endpoint-type iot:CredentialProvider` prints it, or a URL.
fn iot_endpoint(environment: &Environment, problems: &mut Problems) -> Option<EndpointUrl> {
    let text = environment.text(IOT_ENDPOINT, problems)?;
    let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let fault = match Url::parse(&url) {
        Ok(url) if url.scheme != "https" => "must begin with https://, or with the host",
        Ok(url) if url.path != "/" => "must end after host and port",
        Ok(url) if is_of_data(&url.host) => {
            "is the endpoint for data: give that which aws iot describe-endpoint prints with --endpoint-type \
             iot:CredentialProvider"
        }
        Ok(url) => return Some(EndpointUrl { tls: true, host: url.host, port: url.port.unwrap_or(443) }),
        Err(error) => error,
    };
    let problem = Problem::variable(IOT_ENDPOINT, fault);
    problems.push(if may_hold_a_secret(text) { problem } else { problem.with_text(text) });
    None
}

/// Whether an endpoint of AWS IoT is that of its broker, `....iot.region.amazonaws.com`, with `-ats` or without.
fn is_of_data(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.contains(".amazonaws.com") && host.contains(".iot.") && !host.contains(".credentials.iot.")
}

/// AWS IoT API, `CreateRoleAlias`: `[\w=,@-]+`.
fn is_role_alias(text: &str) -> bool {
    let may = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b',' | b'@' | b'-' | b'_');
    (1..=128).contains(&text.len()) && text.bytes().all(may)
}

fn ec2(environment: &Environment, problems: &mut Problems) -> Option<EndpointUrl> {
    let is_off = one_of(environment, EC2_DISABLED, ["false", "true"], problems);
    let by_ipv6 = one_of(environment, EC2_MODE, ["IPv4", "IPv6"], problems);
    if is_off {
        return None;
    }
    if environment.is_set(EC2_ENDPOINT) {
        let (endpoint, path) = http_url(environment, EC2_ENDPOINT, problems)?;
        if path != "/" {
            problems.push(Problem::variable(EC2_ENDPOINT, no_path(&path)));
        }
        return Some(endpoint);
    }
    Some(EndpointUrl { tls: false, host: EC2_HOSTS[usize::from(by_ipv6)].to_owned(), port: 80 })
}
