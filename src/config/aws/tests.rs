//! The variables of the AWS SDKs: which takes precedence, which is refused, and that no secret is shown.

use std::path::Path;

use super::{Aws, EndpointUrl, read};
use crate::config::{
    ContainerAuthorization, ContainerSettings, EnvironmentKeys,
    problem::Problems,
    tests::{environment, lines},
};
use crate::foreign::Secret;

fn aws(variables: &[(&str, &str)]) -> Result<Aws, Vec<String>> {
    let mut problems = Problems::default();
    let aws = read(&environment(variables), &mut problems);
    match lines(problems.into_error()) {
        faults if faults.is_empty() => Ok(aws),
        faults => Err(faults),
    }
}

fn endpoint(tls: bool, host: &str, port: u16) -> EndpointUrl {
    EndpointUrl { tls, host: host.to_owned(), port }
}

#[test]
fn the_endpoint_of_the_service_takes_precedence_over_the_general_one() {
    let general = ("AWS_ENDPOINT_URL", "http://127.0.0.1:5000");
    let own = ("AWS_ENDPOINT_URL_FIREHOSE", "https://vpce.example/");
    assert_eq!(aws(&[]).unwrap().endpoint_url, None);
    assert_eq!(aws(&[general]).unwrap().endpoint_url, Some(endpoint(false, "127.0.0.1", 5000)));
    assert_eq!(aws(&[general, own]).unwrap().endpoint_url, Some(endpoint(true, "vpce.example", 443)));
    assert_eq!(aws(&[("AWS_ENDPOINT_URL", "http://[::1]")]).unwrap().endpoint_url, Some(endpoint(false, "::1", 80)));
}

#[test]
fn configured_endpoints_can_be_ignored() {
    let url = ("AWS_ENDPOINT_URL", "not even a URL");
    for yes in ["true", "TRUE"] {
        assert_eq!(aws(&[url, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", yes)]).unwrap().endpoint_url, None);
    }
    assert!(aws(&[url, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")]).is_err());
    assert_eq!(
        aws(&[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "1")]),
        Err(vec!["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS \"1\": must be false or true".to_owned()])
    );
}

#[test]
fn an_endpoint_is_http_or_https_without_a_path() {
    const EXAMPLE: &str = "such as https://endpoint.example or http://127.0.0.1:4566";
    for (url, rule) in [
        ("127.0.0.1:5000", "is not a URL of the form scheme://host:port"),
        ("ftp://host", "must begin with http:// or https://"),
    ] {
        assert_eq!(
            aws(&[("AWS_ENDPOINT_URL_FIREHOSE", url)]),
            Err(vec![format!("AWS_ENDPOINT_URL_FIREHOSE {url:?}: {rule}, {EXAMPLE}")])
        );
    }
    assert_eq!(
        aws(&[("AWS_ENDPOINT_URL", "https://host/path")]),
        Err(vec!["AWS_ENDPOINT_URL: must end after host and port, without /path".to_owned()])
    );
    assert_eq!(
        aws(&[("AWS_ENDPOINT_URL", "https://host/?X-Amz-Signature=hidden")]),
        Err(vec!["AWS_ENDPOINT_URL: must end after host and port, without /?".to_owned()])
    );
    assert_eq!(
        aws(&[("AWS_ENDPOINT_URL", "https://user:hidden@host")]),
        Err(vec!["AWS_ENDPOINT_URL: must not hold a user name or password, such as https://endpoint.example or http://127.0.0.1:4566".to_owned()])
    );
}

#[test]
fn the_kind_of_endpoint_is_a_choice() {
    let plain = aws(&[]).unwrap();
    assert!(!plain.use_fips && !plain.use_dual_stack);
    assert!(aws(&[("AWS_USE_FIPS_ENDPOINT", "true")]).unwrap().use_fips);
    assert!(aws(&[("AWS_USE_DUALSTACK_ENDPOINT", "True")]).unwrap().use_dual_stack);
    assert!(aws(&[("AWS_USE_FIPS_ENDPOINT", "yes")]).is_err());
}

#[test]
fn keys_in_the_environment_come_as_a_pair() {
    let id = ("AWS_ACCESS_KEY_ID", "AKIA");
    let secret = ("AWS_SECRET_ACCESS_KEY", "hidden");
    let token = ("AWS_SESSION_TOKEN", "hidden too");
    let mut keys = EnvironmentKeys {
        access_key_id: "AKIA".to_owned(),
        secret_access_key: Secret::new("hidden"),
        session_token: None,
    };
    assert_eq!(aws(&[]).unwrap().credentials.environment, None);
    assert_eq!(aws(&[id, secret]).unwrap().credentials.environment, Some(keys.clone()));
    keys.session_token = Some(Secret::new("hidden too"));
    assert_eq!(aws(&[id, secret, token]).unwrap().credentials.environment, Some(keys));

    let missing = |name, given| format!("{name}: is not set, but {given} is");
    assert_eq!(aws(&[id]), Err(vec![missing("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")]));
    assert_eq!(
        aws(&[id, ("AWS_SECRET_ACCESS_KEY", "")]),
        Err(vec![missing("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")])
    );
    assert_eq!(aws(&[secret]), Err(vec![missing("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]));
    assert_eq!(
        aws(&[token]),
        Err(vec![
            missing("AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"),
            missing("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        ])
    );
}

#[test]
fn swapped_keys_are_reported_and_not_shown() {
    let faults = aws(&[("AWS_ACCESS_KEY_ID", "wJalrXUtnFEMI/K7MDENG"), ("AWS_SECRET_ACCESS_KEY", "AKIDEXAMPLE")]);
    let expected =
        "AWS_ACCESS_KEY_ID: is no key id, which has letters and digits only: is it the value of AWS_SECRET_ACCESS_KEY?";
    assert_eq!(faults, Err(vec![expected.to_owned()]));
}

#[test]
fn a_line_end_in_a_secret_is_a_fault_that_does_not_show_it() {
    let rule = "must hold printable ASCII characters only, and no line end";
    let pair = |name: &'static str| {
        let mut variables =
            vec![("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_SESSION_TOKEN", "c")];
        variables.retain(|(other, _)| *other != name);
        variables.push((name, "hidden\n"));
        variables
    };
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        assert_eq!(aws(&pair(name)), Err(vec![format!("{name}: {rule}")]));
    }
    let container = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://host/"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hidden\r\nX: y"),
    ];
    assert_eq!(aws(&container), Err(vec![format!("AWS_CONTAINER_AUTHORIZATION_TOKEN: {rule}")]));
}

#[test]
fn profile_files_are_in_the_home_directory_unless_named() {
    let credentials = aws(&[]).unwrap().credentials;
    assert_eq!((credentials.credentials_file, credentials.config_file), (None, None));
    assert_eq!(credentials.profile, "default");

    let home = ("HOME", "/home/gateway");
    let credentials = aws(&[home, ("AWS_PROFILE", "gateway")]).unwrap().credentials;
    assert_eq!(credentials.credentials_file.as_deref(), Some(Path::new("/home/gateway/.aws/credentials")));
    assert_eq!(credentials.config_file.as_deref(), Some(Path::new("/home/gateway/.aws/config")));
    assert_eq!(credentials.profile, "gateway");

    let named = [home, ("AWS_SHARED_CREDENTIALS_FILE", "/a"), ("AWS_CONFIG_FILE", "/b")];
    let credentials = aws(&named).unwrap().credentials;
    assert_eq!(credentials.credentials_file.as_deref(), Some(Path::new("/a")));
    assert_eq!(credentials.config_file.as_deref(), Some(Path::new("/b")));
    assert_eq!(aws(&[("AWS_CA_BUNDLE", "/c")]).unwrap().ca_bundle.as_deref(), Some(Path::new("/c")));
}

#[test]
fn the_container_endpoint_is_a_path_at_ecs_or_a_url() {
    let container = |variables: &[_]| aws(variables).unwrap().credentials.container;
    let relative = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials?id=1");
    let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost:8090/2016-11-01/credentialprovider/");
    let expected =
        |endpoint, path: &str| Some(ContainerSettings { endpoint, path: path.to_owned(), authorization: None });
    assert_eq!(container(&[]), None);
    let at_ecs = expected(endpoint(false, "169.254.170.2", 80), "/v2/credentials?id=1");
    assert_eq!(container(&[relative]), at_ecs);
    assert_eq!(container(&[relative, full]), at_ecs);
    let at_nucleus = expected(endpoint(false, "localhost", 8090), "/2016-11-01/credentialprovider/");
    assert_eq!(container(&[full]), at_nucleus);
    for path in ["v2/credentials", "@host/", ":80/", "/a b"] {
        let faults = aws(&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", path)]).unwrap_err();
        assert!(faults[0].ends_with("must be a path that begins with /"), "{faults:?}");
    }
}

#[test]
fn a_container_endpoint_without_tls_is_near() {
    let full = |url: &str| aws(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)]);
    for host in ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"] {
        assert!(full(&format!("http://{host}/")).is_ok(), "{host}");
    }
    assert!(full("https://anywhere.example/").is_ok());
    for host in ["anywhere.example", "10.0.0.1", "169.254.169.254", "[fd00:ec2::254]", "localhost.example"] {
        let faults = full(&format!("http://{host}/")).unwrap_err();
        assert_eq!(
            faults,
            [format!(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI \"{}\": must begin with https://, or have a loopback host or one \
                 of 169.254.170.2, 169.254.170.23, fd00:ec2::23",
                host.trim_matches(['[', ']'])
            )]
        );
    }
}

#[test]
fn a_token_file_takes_precedence_over_a_token() {
    let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost/");
    let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hidden");
    let file = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token");
    let authorization = |variables: &[_]| aws(variables).unwrap().credentials.container.unwrap().authorization;
    assert_eq!(authorization(&[full]), None);
    assert_eq!(authorization(&[full, token]), Some(ContainerAuthorization::Token(Secret::new("hidden"))));
    assert_eq!(authorization(&[full, token, file]), Some(ContainerAuthorization::TokenFile("/token".into())));
}

#[test]
fn the_host_header_leaves_out_the_default_port() {
    let authority = |tls, host, port| endpoint(tls, host, port).authority();
    assert_eq!(authority(false, "a.example", 80), "a.example");
    assert_eq!(authority(true, "a.example", 443), "a.example");
    assert_eq!(authority(true, "a.example", 80), "a.example:80");
    assert_eq!(authority(false, "fd00:ec2::23", 80), "[fd00:ec2::23]");
    assert_eq!(authority(false, "::1", 8080), "[::1]:8080");
}

const DEVICE: [(&str, &str); 4] = [
    ("FIREHOSE_CONNECTOR_IOT_ENDPOINT", "c123.credentials.iot.eu-west-1.amazonaws.com"),
    ("FIREHOSE_CONNECTOR_IOT_ROLE_ALIAS", "gateway-role"),
    ("FIREHOSE_CONNECTOR_MQTT_CERT", "/etc/device.pem"),
    ("FIREHOSE_CONNECTOR_MQTT_KEY", "/etc/device.key"),
];

#[test]
fn the_credentials_provider_takes_the_certificate_of_its_own_or_that_for_the_broker() {
    let iot = aws(&DEVICE).unwrap().credentials.iot.unwrap();
    assert_eq!(iot.endpoint, endpoint(true, "c123.credentials.iot.eu-west-1.amazonaws.com", 443));
    assert_eq!((iot.role_alias.as_str(), iot.thing_name.as_deref()), ("gateway-role", None));
    assert_eq!(iot.client.certificate, Path::new("/etc/device.pem"));
    assert_eq!(iot.variables, ["FIREHOSE_CONNECTOR_MQTT_CERT", "FIREHOSE_CONNECTOR_MQTT_KEY"]);
    let own = [
        ("FIREHOSE_CONNECTOR_IOT_CERT", "/own.pem"),
        ("FIREHOSE_CONNECTOR_IOT_KEY", "/own.key"),
        ("FIREHOSE_CONNECTOR_IOT_THING_NAME", "gateway-7"),
    ];
    let iot = aws(&[&DEVICE[..], &own[..]].concat()).unwrap().credentials.iot.unwrap();
    assert_eq!((iot.client.key.as_path(), iot.thing_name.as_deref()), (Path::new("/own.key"), Some("gateway-7")));
    assert_eq!(aws(&DEVICE[2..]).unwrap().credentials.iot, None, "the broker's certificate alone asks for nothing");
}

#[test]
fn half_of_a_credentials_provider_is_named() {
    for (left_out, faults) in [
        (0, vec!["FIREHOSE_CONNECTOR_IOT_ENDPOINT: is not set, but FIREHOSE_CONNECTOR_IOT_ROLE_ALIAS is"]),
        (1, vec!["FIREHOSE_CONNECTOR_IOT_ROLE_ALIAS: is not set, but FIREHOSE_CONNECTOR_IOT_ENDPOINT is"]),
        (2, vec!["FIREHOSE_CONNECTOR_MQTT_KEY: needs FIREHOSE_CONNECTOR_MQTT_CERT beside it"]),
    ] {
        let mut variables = DEVICE.to_vec();
        variables.remove(left_out);
        assert_eq!(aws(&variables).unwrap_err(), faults);
    }
    let faults = aws(&DEVICE[..2]).unwrap_err();
    assert!(faults[0].ends_with("a device certificate is needed"), "{faults:?}");
}

#[test]
fn an_invalid_credentials_provider_is_refused() {
    const OF_DATA: &str = "is the endpoint for data: give that which aws iot describe-endpoint prints with --endpoint-type \
                           iot:CredentialProvider";
    for (name, text, rule) in [
        ("FIREHOSE_CONNECTOR_IOT_ENDPOINT", "http://host", "must begin with https://, or with the host"),
        ("FIREHOSE_CONNECTOR_IOT_ENDPOINT", "host/path", "must end after host and port"),
        ("FIREHOSE_CONNECTOR_IOT_ENDPOINT", "c123-ats.iot.eu-west-1.amazonaws.com", OF_DATA),
        ("FIREHOSE_CONNECTOR_IOT_ENDPOINT", "c123.iot.cn-north-1.amazonaws.com.cn", OF_DATA),
        ("FIREHOSE_CONNECTOR_IOT_ROLE_ALIAS", "a/b", "must be 1 to 128 letters, digits, or any of = , @ - _"),
    ] {
        let others = DEVICE.into_iter().filter(|(other, _)| *other != name);
        let variables: Vec<_> = others.chain([(name, text)]).collect();
        assert_eq!(aws(&variables).unwrap_err(), [format!("{name} {text:?}: {rule}")]);
    }
}

#[test]
fn an_ec2_instance_is_asked_by_either_protocol_or_not_at_all() {
    let ec2 = |variables: &[_]| aws(variables).unwrap().credentials.ec2;
    assert_eq!(ec2(&[]), Some(endpoint(false, "169.254.169.254", 80)));
    let by_ipv6 = ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv6");
    assert_eq!(ec2(&[by_ipv6]), Some(endpoint(false, "fd00:ec2::254", 80)));
    let other = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1338/");
    assert_eq!(ec2(&[by_ipv6, other]), Some(endpoint(false, "127.0.0.1", 1338)));
    assert_eq!(ec2(&[other, ("AWS_EC2_METADATA_DISABLED", "true")]), None);
}

#[test]
fn the_home_directory_in_a_file_name_needs_no_shell() {
    for name in ["~/keys", "$HOME/keys", "${HOME}/keys", "/home/gateway/keys"] {
        let home = ("HOME", "/home/gateway");
        let credentials = aws(&[home, ("AWS_SHARED_CREDENTIALS_FILE", name)]).unwrap().credentials;
        assert_eq!(credentials.credentials_file.as_deref(), Some(Path::new("/home/gateway/keys")), "{name}");
        assert_eq!(credentials.config_file.as_deref(), Some(Path::new("/home/gateway/.aws/config")));
        let bundle = aws(&[home, ("AWS_CA_BUNDLE", name)]).unwrap().ca_bundle;
        assert_eq!(bundle.as_deref(), Some(Path::new("/home/gateway/keys")), "{name}");
    }
    for name in ["~other/keys", "keys/~/x"] {
        let credentials = aws(&[("HOME", "/h"), ("AWS_CONFIG_FILE", name)]).unwrap().credentials;
        assert_eq!(credentials.config_file.as_deref(), Some(Path::new(name)));
    }
    let without = aws(&[("AWS_CONFIG_FILE", "~/config")]).unwrap().credentials;
    assert_eq!(without.config_file.as_deref(), Some(Path::new("~/config")), "there is no home");
}

#[test]
fn a_session_token_may_have_its_former_name() {
    let keys = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let (old, new) = (("AWS_SECURITY_TOKEN", "old"), ("AWS_SESSION_TOKEN", "new"));
    for (tokens, expected) in [(&[old][..], "old"), (&[new], "new"), (&[new, old], "old")] {
        let environment = aws(&[&keys, tokens].concat()).unwrap().credentials.environment.unwrap();
        assert_eq!(environment.session_token.unwrap().expose(), expected);
    }
    assert_eq!(aws(&[old]).unwrap_err()[0], "AWS_ACCESS_KEY_ID: is not set, but AWS_SECURITY_TOKEN is");
}

#[test]
fn of_the_two_names_for_a_profile_the_one_that_botocore_prefers_takes_precedence() {
    let profile = |variables: &[(&str, &str)]| {
        let settings = aws(variables).unwrap().credentials;
        (settings.profile, settings.named[2])
    };
    let (old, new) = (("AWS_DEFAULT_PROFILE", "old"), ("AWS_PROFILE", "new"));
    assert_eq!(profile(&[]), ("default".to_owned(), None));
    assert_eq!(profile(&[new]), ("new".to_owned(), Some("AWS_PROFILE")));
    assert_eq!(profile(&[new, old]), ("old".to_owned(), Some("AWS_DEFAULT_PROFILE")));
}
