//! Which source is asked, and the error when there is none.

use super::*;
use crate::foreign::Secret;
use crate::{
    clock::Clock,
    config::{ContainerSettings, EnvironmentKeys},
    test_support::{Endpoint, Folder, http_reply},
};

const KEYS: &str = "[default]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = s\n";
const REPLY: &str = r#"{"AccessKeyId":"ASIACONTAINER","SecretAccessKey":"s"}"#;

async fn fetch(settings: &CredentialSettings) -> Result<Fetched, CredentialsError> {
    Provider::new(settings.clone(), Route::default(), Tls::for_service(None, &Clock::default()).unwrap()).fetch().await
}

#[tokio::test]
async fn the_environment_precedes_the_profile_and_the_profile_the_container() {
    let folder = Folder::new();
    let endpoint = Endpoint::serve(http_reply("200 OK", REPLY)).await;
    let mut settings = CredentialSettings {
        environment: Some(EnvironmentKeys {
            access_key_id: "AKIAENV".to_owned(),
            secret_access_key: Secret::new("s"),
            session_token: None,
        }),
        profile: "default".to_owned(),
        credentials_file: Some(folder.write("credentials", KEYS)),
        config_file: None,
        container: Some(ContainerSettings { endpoint: endpoint.url(), path: "/".to_owned(), authorization: None }),
        ..CredentialSettings::default()
    };
    let found = fetch(&settings).await.unwrap();
    assert_eq!((found.credentials.access_key_id.as_str(), found.source), ("AKIAENV", "environment"));
    settings.environment = None;
    let found = fetch(&settings).await.unwrap();
    assert_eq!((found.credentials.access_key_id.as_str(), found.source), ("AKIAPROFILE", "shared profile"));
    folder.write("credentials", "");
    let found = fetch(&settings).await.unwrap();
    assert_eq!((found.credentials.access_key_id.as_str(), found.source), ("ASIACONTAINER", "container endpoint"));
}

#[tokio::test]
async fn a_broken_source_is_not_skipped() {
    let folder = Folder::new();
    let endpoint = Endpoint::serve(http_reply("200 OK", REPLY)).await;
    let settings = CredentialSettings {
        profile: "default".to_owned(),
        credentials_file: Some(folder.write("credentials", "[default]\nrole_arn = x\n")),
        container: Some(ContainerSettings { endpoint: endpoint.url(), path: "/".to_owned(), authorization: None }),
        ..CredentialSettings::default()
    };
    assert!(matches!(fetch(&settings).await, Err(CredentialsError::Profile(_))));
}

#[tokio::test]
async fn a_named_source_is_waited_for_and_no_other_is_asked() {
    let folder = Folder::new();
    let replies = ["token", "role", REPLY].map(|body| http_reply("200 OK", body));
    let instance = Endpoint::serve_each(replies.to_vec()).await;
    let settings = |named| CredentialSettings {
        profile: "default".to_owned(),
        credentials_file: Some(folder.path().join("credentials")),
        named,
        ec2: Some(instance.url()),
        ..CredentialSettings::default()
    };
    for (place, variable) in [(0, "AWS_SHARED_CREDENTIALS_FILE"), (2, "AWS_PROFILE")] {
        let mut named = [None; 3];
        named[place] = Some(variable);
        let error = fetch(&settings(named)).await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("{variable}: ")), "{error}");
    }
    let mut container = settings([Some("AWS_SHARED_CREDENTIALS_FILE"), None, None]);
    container.container =
        Some(ContainerSettings { endpoint: instance.url(), path: "/".to_owned(), authorization: None });
    assert!(matches!(fetch(&container).await, Err(CredentialsError::Profile(profile::ProfileError::NotThere { .. }))));
    folder.write("credentials", KEYS);
    let found = fetch(&settings([Some("AWS_SHARED_CREDENTIALS_FILE"), None, None])).await.unwrap();
    assert_eq!(found.credentials.access_key_id, "AKIAPROFILE");
}

#[tokio::test]
async fn without_any_source_all_that_were_tried_are_listed() {
    let settings = CredentialSettings {
        profile: "default".to_owned(),
        credentials_file: Some("/nowhere/credentials".into()),
        ..CredentialSettings::default()
    };
    assert_eq!(
        fetch(&settings).await.unwrap_err().to_string(),
        "no AWS credentials, provide one of: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; \
         FIREHOSE_CONNECTOR_IOT_ENDPOINT and FIREHOSE_CONNECTOR_IOT_ROLE_ALIAS; keys of profile \"default\" in \
         /nowhere/credentials (AWS_SHARED_CREDENTIALS_FILE) or AWS_CONFIG_FILE; \
         AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI"
    );
}

#[tokio::test]
async fn a_process_is_run_where_that_is_allowed_and_refused_in_isolation() {
    let folder = Folder::new();
    let process = "[default]\ncredential_process = printf \
        '{\"Version\":1,\"AccessKeyId\":\"ASIAPROCESS\",\"SecretAccessKey\":\"s\"}'\n";
    let mut settings = CredentialSettings {
        profile: "default".to_owned(),
        credentials_file: Some(folder.write("credentials", process)),
        ..CredentialSettings::default()
    };
    let error = fetch(&settings).await.unwrap_err().to_string();
    assert!(error.ends_with("set IsolationMode, or FIREHOSE_CONNECTOR_ISOLATION_MODE, to NoContainer"), "{error}");
    settings.may_run_processes = true;
    let found = fetch(&settings).await.unwrap();
    assert_eq!((found.credentials.access_key_id.as_str(), found.source), ("ASIAPROCESS", "credential_process"));
}

#[tokio::test]
async fn the_ec2_metadata_service_is_asked_last() {
    let role = r#"{"Code":"Success","AccessKeyId":"ASIAINSTANCE","SecretAccessKey":"s","Token":"t"}"#;
    let replies = ["token", "role", role].map(|body| http_reply("200 OK", body));
    let endpoint = Endpoint::serve_each(replies.to_vec()).await;
    let settings = CredentialSettings {
        profile: "default".to_owned(),
        ec2: Some(endpoint.url()),
        ..CredentialSettings::default()
    };
    let found = fetch(&settings).await.unwrap();
    assert_eq!((found.credentials.access_key_id.as_str(), found.source), ("ASIAINSTANCE", "EC2 instance metadata"));
    // The source is gone.
    let error = fetch(&settings).await.unwrap_err();
    let text = crate::error_chain::error_chain(&error);
    assert!(text.contains("EC2 instance metadata was asked: credentials endpoint 127.0.0.1:"), "{text}");
}
