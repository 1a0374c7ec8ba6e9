//! Files as people and tools write them.

use std::error::Error as _;

use super::*;
use crate::foreign::Secret;
use crate::net::test_support::Folder;

fn settings(folder: &Folder, profile: &str) -> CredentialSettings {
    CredentialSettings {
        profile: profile.to_owned(),
        credentials_file: Some(folder.path().join("credentials")),
        config_file: Some(folder.path().join("config")),
        ..CredentialSettings::default()
    }
}

/// The keys of the profile.
fn credentials(settings: &CredentialSettings) -> Result<Option<Credentials>, ProfileError> {
    found(settings).map(|found| {
        found.map(|found| match found {
            Found::Keys(credentials) => credentials,
            Found::Process(command) => panic!("{command}"),
        })
    })
}

/// The access key id found in a credentials file.
fn key_in(text: &str, profile: &str) -> Result<Option<String>, ProfileError> {
    let folder = Folder::new();
    folder.write("credentials", text);
    credentials(&settings(&folder, profile)).map(|found| found.map(|credentials| credentials.access_key_id))
}

#[test]
fn the_chosen_profile_is_read() {
    let text = "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = d\n\
                [gateway]\naws_access_key_id=ASIAGATEWAY\r\n  # a comment\n; another\nregion = eu-west-1\n\
                AWS_SECRET_ACCESS_KEY  =  a/b+c=#1  # rotated in May\naws_session_token = t==\n";
    let folder = Folder::new();
    folder.write("credentials", text);
    let found = credentials(&settings(&folder, "gateway")).unwrap().unwrap();
    assert_eq!(found.access_key_id, "ASIAGATEWAY");
    assert_eq!(found.secret_access_key.expose(), "a/b+c=#1");
    assert_eq!(found.session_token.as_ref().map(Secret::expose), Some("t=="));
    assert_eq!(found.expires_at, None);
    assert_eq!(key_in(text, "default").unwrap().as_deref(), Some("AKIADEFAULT"));
}

#[test]
fn a_rotated_key_is_picked_up() {
    let folder = Folder::new();
    let settings = settings(&folder, "default");
    assert_eq!(credentials(&settings).unwrap(), None);
    for key in ["AKIAOLD", "AKIANEW"] {
        folder.write("credentials", format!("[default]\naws_access_key_id={key}\naws_secret_access_key=s\n"));
        assert_eq!(credentials(&settings).unwrap().unwrap().access_key_id, key);
    }
}

#[test]
fn the_configuration_file_has_its_own_headings_and_comes_second() {
    let folder = Folder::new();
    let settings = settings(&folder, "gateway");
    folder.write(
        "config",
        "[gateway]\naws_access_key_id = WRONG\naws_secret_access_key = x\n\
         [ profile  gateway ] # ours\naws_access_key_id = AKIACONFIG\naws_secret_access_key = s\n",
    );
    assert_eq!(credentials(&settings).unwrap().unwrap().access_key_id, "AKIACONFIG");
    folder.write("credentials", "[gateway]\naws_access_key_id = AKIAFIRST\naws_secret_access_key = s\n");
    assert_eq!(credentials(&settings).unwrap().unwrap().access_key_id, "AKIAFIRST");
}

#[test]
fn settings_inside_settings_are_passed_over() {
    let text = "[default]\ns3 =\n  aws_access_key_id = WRONG\n  no equals sign\naws_access_key_id = AKIA\naws_secret_access_key = s\n";
    assert_eq!(key_in(text, "default").unwrap().as_deref(), Some("AKIA"));
    let indented = "[default]\n  aws_access_key_id = AKIA\n  aws_secret_access_key = s\n";
    assert_eq!(key_in(indented, "default").unwrap().as_deref(), Some("AKIA"));
}

#[test]
fn a_profile_without_keys_leaves_the_way_to_the_next_source() {
    assert_eq!(key_in("[default]\nregion = eu-west-1\n", "default").unwrap(), None);
    assert_eq!(key_in("", "default").unwrap(), None);
    assert_eq!(key_in("[default]\naws_access_key_id =\naws_secret_access_key =\n", "default").unwrap(), None);
}

#[test]
fn a_named_profile_that_is_nowhere_is_an_error() {
    let folder = Folder::new();
    let path = folder.write("credentials", "[default]\naws_access_key_id = A\naws_secret_access_key = s\n");
    let error = credentials(&settings(&folder, "gatway")).unwrap_err();
    let config = folder.path().join("config");
    assert_eq!(
        error.to_string(),
        format!("AWS_PROFILE: no profile \"gatway\" in {} or {}", path.display(), config.display())
    );
}

#[test]
fn half_a_key_pair_names_the_missing_half() {
    let error = key_in("[default]\naws_access_key_id = AKIA\n", "default").unwrap_err();
    assert!(error.to_string().ends_with("credentials: profile \"default\" has no aws_secret_access_key"), "{error}");
    let error = key_in("[default]\naws_secret_access_key = s\n", "default").unwrap_err();
    assert!(error.to_string().ends_with("has no aws_access_key_id"), "{error}");
}

#[test]
fn other_ways_to_credentials_are_refused_by_name() {
    for key in UNSUPPORTED {
        let error = key_in(&format!("[default]\n{key} = x\n"), "default").unwrap_err();
        assert!(error.to_string().contains(&format!("has {key}, which is not supported")), "{error}");
        assert_eq!(key_in(&format!("[other]\n{key} = x\n"), "default").unwrap(), None);
    }
    let folder = Folder::new();
    folder.write("credentials", "[default]\naws_access_key_id = A\naws_secret_access_key = s\n");
    folder.write("config", "[default]\nrole_arn = arn:aws:iam::123456789012:role/a\n");
    assert!(credentials(&settings(&folder, "default")).is_err());
}

#[test]
fn a_line_that_cannot_be_read_is_numbered_and_not_shown() {
    let error = key_in("# keys\n[default]\naws_secret_access_key verysecret\n", "default").unwrap_err();
    let text = error.to_string();
    assert!(text.ends_with("credentials: line 3 is neither \"[heading]\" nor \"key = value\""), "{text}");
    assert!(!format!("{error:?}").contains("verysecret"));
    assert!(key_in("[default\n", "default").is_err());
}

#[test]
fn keys_with_odd_characters_are_refused() {
    let error = key_in("[default]\naws_access_key_id = A\naws_secret_access_key = \u{201c}s\u{201d}\n", "default");
    let text = error.unwrap_err().to_string();
    assert!(text.ends_with("has a aws_secret_access_key with other characters than printable ASCII"), "{text}");
}

#[test]
fn a_file_that_is_there_and_cannot_be_read_is_an_error() {
    let folder = Folder::new();
    folder.write("credentials", [0xff, 0xfe]);
    let error = credentials(&settings(&folder, "default")).unwrap_err();
    assert!(error.to_string().ends_with("credentials cannot be read"), "{error}");
    assert!(error.source().is_some());
}

#[test]
fn a_process_counts_where_there_are_no_keys() {
    let folder = Folder::new();
    let settings = settings(&folder, "default");
    folder.write("config", "[default]\ncredential_process = /opt/keys --for \"a b\" # not a comment\n");
    let process = Found::Process("/opt/keys --for \"a b\" # not a comment".to_owned());
    assert_eq!(found(&settings).unwrap(), Some(process));
    let keys = "aws_access_key_id = AKIA\naws_secret_access_key = s\n";
    folder.write("config", format!("[default]\ncredential_process = /opt/keys\n{keys}"));
    assert_eq!(credentials(&settings).unwrap().unwrap().access_key_id, "AKIA");
}
