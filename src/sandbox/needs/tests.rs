use std::ffi::OsString;
use std::fs;

use super::*;

const ARN: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/s";

fn needs(variables: &[(&str, &str)]) -> Needs {
    let variables = [("DEFAULT_DELIVERY_STREAM_ARN", ARN)].iter().chain(variables);
    let variables: Vec<(OsString, OsString)> = variables.map(|(name, value)| (name.into(), value.into())).collect();
    Needs::of(&crate::config::load(None, variables).unwrap())
}

fn home(name: &str) -> PathBuf {
    let home = std::env::temp_dir().canonicalize().unwrap().join(format!("needs-{name}-{}", std::process::id()));
    fs::create_dir_all(&home).unwrap();
    home
}

#[test]
fn keys_of_the_environment_need_no_folder_and_no_port_of_credentials() {
    let home = home("environment");
    fs::create_dir_all(home.join(".aws")).unwrap();
    let token = home.join("token");
    let needs = needs(&[
        ("HOME", home.to_str().unwrap()),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:8037/"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap()),
    ]);
    assert_eq!(needs.ports, [53, 443, 1883]);
    assert!(needs.folders.iter().all(|folder| !folder.starts_with(&home)), "{needs:?}");
    fs::remove_dir_all(&home).unwrap();
}

#[test]
fn a_home_is_opened_only_to_wait_for_keys_in_it() {
    let (home, elsewhere) = (home("home"), home("elsewhere"));
    let credentials = elsewhere.join("credentials");
    let in_home = [("HOME", home.to_str().unwrap())];
    let named = [in_home[0], ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap())];
    assert!(needs(&in_home).folders.contains(&home));
    assert!(!needs(&named).folders.contains(&home) && needs(&named).folders.contains(&elsewhere));
    let keys = home.join(".aws");
    fs::create_dir_all(&keys).unwrap();
    assert!(!needs(&in_home).folders.contains(&home) && needs(&in_home).folders.contains(&keys));
    for folder in [home, elsewhere] {
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn wherever_a_resolver_may_put_its_file_can_be_read() {
    let folders = needs(&[]).folders;
    for folder in ["/etc", "/run"].map(|folder| Path::new(folder).canonicalize().unwrap()) {
        assert!(folders.contains(&folder), "{folders:?}");
    }
    assert!(folders.iter().all(|folder| folder != Path::new("/")));
}

#[cfg(feature = "greengrass")]
#[test]
fn a_greengrass_component_connects_to_sockets_and_to_the_token_exchange_service_and_to_no_broker() {
    let needs = needs(&[
        ("SVCUID", "0123456789ABCDEF"),
        ("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT", "/greengrass/v2/ipc.socket"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost:8037/2016-11-01/credentialprovider/"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]);
    assert_eq!((needs.ports, needs.unix), (vec![53, 443, 8037], true));
}
