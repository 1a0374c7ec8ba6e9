//! The service and the credentials, from the variables of the AWS SDKs.
//!
//! The rules are those of the SDKs: which variable wins, and which hosts may be asked for
//! credentials without TLS.

use core::net::IpAddr;
use std::path::PathBuf;

use super::{
    environment::Environment,
    problem::{Problem, Problems},
    settings::flag,
    types::{Aws, ContainerAuthorization, ContainerSettings, CredentialSettings, EndpointUrl, EnvironmentKeys, Secret},
    url::{Url, may_hold_a_password},
};

const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// Where a relative URI points to: the task metadata endpoint of ECS.
const ECS_HOST: &str = "169.254.170.2";

/// Hosts that may be asked without TLS, beside loopback: ECS, and EKS by IPv4 and IPv6.
const PLAIN_HOSTS: [&str; 3] = [ECS_HOST, "169.254.170.23", "fd00:ec2::23"];

/// After a problem some fields may be empty; the caller has no use for them then.
pub(super) fn read(environment: &Environment, problems: &mut Problems) -> Aws {
    Aws {
        endpoint_url: endpoint_url(environment, problems),
        use_fips: flag(environment, "AWS_USE_FIPS_ENDPOINT", ["false", "true"], problems),
        use_dual_stack: flag(environment, "AWS_USE_DUALSTACK_ENDPOINT", ["false", "true"], problems),
        ca_bundle: environment.path("AWS_CA_BUNDLE").map(Into::into),
        credentials: CredentialSettings {
            environment: environment_keys(environment, problems),
            profile: environment.text("AWS_PROFILE", problems).unwrap_or("default").to_owned(),
            credentials_file: aws_file(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            config_file: aws_file(environment, "AWS_CONFIG_FILE", "config"),
            container: container(environment, problems),
        },
    }
}

fn endpoint_url(environment: &Environment, problems: &mut Problems) -> Option<EndpointUrl> {
    if flag(environment, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", ["false", "true"], problems) {
        return None;
    }
    let name = ["AWS_ENDPOINT_URL_FIREHOSE", "AWS_ENDPOINT_URL"].into_iter().find(|name| environment.is_set(name))?;
    let (endpoint, path) = http_url(environment, name, problems)?;
    if path != "/" {
        problems.push(Problem::variable(name, "must end after host and port"));
    }
    Some(endpoint)
}

/// A variable that is an `http` or `https` URL: where to connect, and the path.
fn http_url(environment: &Environment, name: &str, problems: &mut Problems) -> Option<(EndpointUrl, String)> {
    let text = environment.text(name, problems)?;
    let fault = match Url::parse(text) {
        Ok(url) if matches!(url.scheme.as_str(), "http" | "https") => {
            let tls = url.scheme == "https";
            let port = url.port.unwrap_or(if tls { 443 } else { 80 });
            return Some((EndpointUrl { tls, host: url.host, port }, url.path));
        }
        Ok(_) => "must begin with http:// or https://",
        Err(error) => error,
    };
    let problem = Problem::variable(name, fault);
    problems.push(if may_hold_a_password(text) { problem } else { problem.with_text(text) });
    None
}

/// Never shows a value.
fn environment_keys(environment: &Environment, problems: &mut Problems) -> Option<EnvironmentKeys> {
    let [id, secret, token] =
        [ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN].map(|name| header_text(environment, name, problems));
    let (Some(id), Some(secret)) = (id, secret) else {
        let given = [ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN].into_iter().find(|name| environment.is_set(name));
        let missing = [ACCESS_KEY_ID, SECRET_ACCESS_KEY].into_iter().filter(|name| !environment.is_set(name));
        for (missing, given) in missing.filter_map(|missing| Some((missing, given?))) {
            problems.push(Problem::variable(missing, format!("is not set, but {given} is")));
        }
        return None;
    };
    Some(EnvironmentKeys {
        access_key_id: id.to_owned(),
        secret_access_key: Secret::new(secret.to_owned()),
        session_token: token.map(|token| Secret::new(token.to_owned())),
    })
}

/// A secret that becomes, or signs, an HTTP header; a line end from a file in it is the usual mistake.
fn header_text<'a>(environment: &'a Environment, name: &str, problems: &mut Problems) -> Option<&'a str> {
    let text = environment.text(name, problems)?;
    if !text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        problems.push(Problem::variable(name, "must hold printable ASCII characters only, and no line end"));
    }
    Some(text)
}

fn aws_file(environment: &Environment, name: &str, file: &str) -> Option<PathBuf> {
    let home = || environment.path("HOME").map(|home| home.join(".aws").join(file));
    environment.path(name).map(PathBuf::from).or_else(home)
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
        Some(file) => Some(ContainerAuthorization::TokenFile(file.into())),
        None => token.map(|token| ContainerAuthorization::Token(Secret::new(token.to_owned()))),
    };
    Some(ContainerSettings { endpoint, path, authorization })
}

fn may_be_plain(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || PLAIN_HOSTS.iter().any(|plain| plain.parse() == Ok(address)),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests;
