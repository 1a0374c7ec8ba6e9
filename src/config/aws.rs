//! The service, from the variables of the AWS SDKs and by their rules.

use super::{
    credentials,
    environment::Environment,
    problem::{Problem, Problems},
    proxy,
    settings::one_of,
    types::{Aws, EndpointUrl},
    url::{http_url, no_path},
};

/// After a problem some fields may be empty, and the result must not be used.
pub(super) fn read(environment: &Environment, problems: &mut Problems) -> Aws {
    let endpoint_variable = endpoint_variable(environment, problems);
    Aws {
        endpoint_url: endpoint_variable.and_then(|name| endpoint_url(environment, name, problems)),
        endpoint_variable,
        use_fips: one_of(environment, "AWS_USE_FIPS_ENDPOINT", ["false", "true"], problems),
        use_dual_stack: one_of(environment, "AWS_USE_DUALSTACK_ENDPOINT", ["false", "true"], problems),
        proxy: proxy::for_https(environment, problems),
        ca_bundle: environment.path("AWS_CA_BUNDLE"),
        credentials: credentials::read(environment, problems),
    }
}

fn endpoint_variable(environment: &Environment, problems: &mut Problems) -> Option<&'static str> {
    if one_of(environment, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", ["false", "true"], problems) {
        return None;
    }
    ["AWS_ENDPOINT_URL_FIREHOSE", "AWS_ENDPOINT_URL"].into_iter().find(|name| environment.is_set(name))
}

fn endpoint_url(environment: &Environment, name: &str, problems: &mut Problems) -> Option<EndpointUrl> {
    let (endpoint, path) = http_url(environment, name, problems)?;
    if path != "/" {
        problems.push(Problem::variable(name, no_path(&path)));
    }
    Some(endpoint)
}

#[cfg(test)]
mod tests;
