//! Files as people and tools write them.

use std::error::Error as _;

use super::section::UNSUPPORTED;
use super::*;
use crate::firehose::credentials::Credentials;
use crate::foreign::Secret;
use crate::test_support::Folder;

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
fn the_configuration_file_has_its_own_headings_and_the_credentials_file_takes_precedence() {
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
fn nested_settings_are_skipped() {
    let text = "[default]\ns3 =\n  aws_access_key_id = WRONG\n  no equals sign\naws_access_key_id = AKIA\naws_secret_access_key = s\n";
    assert_eq!(key_in(text, "default").unwrap().as_deref(), Some("AKIA"));
    let indented = "[default]\n  aws_access_key_id = AKIA\n  aws_secret_access_key = s\n";
    assert_eq!(key_in(indented, "default").unwrap().as_deref(), Some("AKIA"));
}

#[test]
fn after_a_profile_without_keys_the_next_source_is_asked() {
    assert_eq!(key_in("[default]\nregion = eu-west-1\n", "default").unwrap(), None);
    assert_eq!(key_in("", "default").unwrap(), None);
    assert_eq!(key_in("[default]\naws_access_key_id =\naws_secret_access_key =\n", "default").unwrap(), None);
}

#[test]
fn a_named_profile_that_no_file_has_is_an_error() {
    let folder = Folder::new();
    let settings = CredentialSettings { named: [None, None, Some("AWS_PROFILE")], ..settings(&folder, "gatway") };
    let [path, config] = ["credentials", "config"].map(|name| folder.path().join(name));
    let nowhere = format!("AWS_PROFILE: no profile \"gatway\" in {} or {}", path.display(), config.display());
    assert_eq!(credentials(&settings).unwrap_err().to_string(), nowhere);
    folder.write("credentials", "[default]\naws_access_key_id = A\naws_secret_access_key = s\n");
    assert_eq!(credentials(&settings).unwrap_err().to_string(), nowhere);
    folder.write("config", "[profile gatway]\nregion = eu-west-1\n");
    let empty = nowhere.replace("no profile", "neither keys nor credential_process for profile");
    assert_eq!(credentials(&settings).unwrap_err().to_string(), empty);
}

#[test]
fn a_named_file_is_waited_for_unless_the_other_one_has_keys() {
    for (named, missing, other) in [(0, "credentials", "config"), (1, "config", "credentials")] {
        let folder = Folder::new();
        let mut settings = settings(&folder, "default");
        settings.named[named] = Some("THE_VARIABLE");
        for content in [None, Some(""), Some("[default]\nregion = x\n")] {
            content.map(|content| folder.write(other, content));
            let text = credentials(&settings).unwrap_err().to_string();
            let path = folder.path().join(missing);
            assert_eq!(text, format!("THE_VARIABLE: {} is not there yet, and no other file has keys", path.display()));
        }
        folder.write(other, "[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = s\n");
        assert_eq!(credentials(&settings).unwrap().unwrap().access_key_id, "AKIAOTHER");
        folder.write(other, "");
        folder.write(missing, "[default]\naws_access_key_id = AKIANOW\naws_secret_access_key = s\n");
        assert_eq!(credentials(&settings).unwrap().unwrap().access_key_id, "AKIANOW");
    }
}

#[test]
fn names_in_quotes_are_those_that_aws_configure_writes() {
    let keys = "aws_access_key_id = AKIA\naws_secret_access_key = s\n";
    for (heading, profile) in [
        ("profile \"my profile\"", "my profile"),
        ("profile 'my profile'", "my profile"),
        ("profile my\\ profile", "my profile"),
        ("profile \t \"plain\" ", "plain"),
        ("profile 'it'\"'\"'s'", "it's"),
        ("profile \"say \\\"hi\\\"\"", "say \"hi\""),
        ("profile default", "default"),
    ] {
        let folder = Folder::new();
        folder.write("config", format!("[{heading}]\n{keys}"));
        assert!(credentials(&settings(&folder, profile)).unwrap().is_some(), "{heading}");
    }
    for heading in ["profile my profile", "profile \"my profile", "\"my profile\"", "my profile", "profilemy profile"] {
        let folder = Folder::new();
        folder.write("config", format!("[{heading}]\n{keys}"));
        assert_eq!(credentials(&settings(&folder, "my profile")).unwrap(), None, "{heading}");
    }
    assert_eq!(key_in(&format!("[my profile]\n{keys}"), "my profile").unwrap().as_deref(), Some("AKIA"));
}

#[test]
fn keys_in_quotes_are_refused_by_name() {
    for (line, key) in
        [("aws_access_key_id = \"A\"", "aws_access_key_id"), ("aws_session_token='t'", "aws_session_token")]
    {
        let folder = Folder::new();
        let text = format!("[default]\naws_secret_access_key = s\n{line}\n");
        let path = folder.write("credentials", text);
        let said = credentials(&settings(&folder, "default")).unwrap_err().to_string();
        assert_eq!(said, format!("{}: profile \"default\" has {key} in quotes: leave them out", path.display()));
    }
}

#[test]
fn swapped_keys_are_reported_and_not_shown() {
    let text = "[default]\naws_access_key_id = wJalr/hidden\naws_secret_access_key = AKIA";
    let said = key_in(text, "default").unwrap_err().to_string();
    assert!(said.ends_with(
        ": aws_access_key_id of profile \"default\" is no key id, which has letters and digits only, perhaps it is the value of \
         aws_secret_access_key"
    ), "{said}");
}

#[test]
fn a_token_may_have_its_former_name() {
    let token = |lines: &str| {
        let folder = Folder::new();
        folder.write("credentials", format!("[default]\naws_access_key_id: A\naws_secret_access_key : s\n{lines}"));
        let found = credentials(&settings(&folder, "default")).unwrap().unwrap();
        found.session_token.map(|token| token.expose().to_owned())
    };
    assert_eq!(token("aws_security_token = old\n").as_deref(), Some("old"));
    assert_eq!(token("aws_session_token = new\naws_security_token = old\n").as_deref(), Some("old"));
    assert_eq!(token("aws_session_token = new\naws_security_token =\n").as_deref(), Some("new"));
    assert_eq!(token(""), None);
}

#[test]
fn byte_order_marks_and_any_line_ends_are_accepted() {
    let text = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = s\n";
    for text in [format!("\u{feff}{text}"), text.replace('\n', "\r\n"), text.replace('\n', "\r")] {
        assert_eq!(key_in(&text, "default").unwrap().as_deref(), Some("AKIA"), "{text:?}");
    }
}

#[test]
fn what_botocore_would_read_otherwise_is_refused_with_its_line() {
    for (text, line, what) in [
        ("aws_access_key_id = A\n[default]\n", 1, "is before the first [heading]"),
        ("[DEFAULT]\naws_access_key_id = A\n", 1, "is [DEFAULT], which is not supported: the name is [default]"),
        ("[default]\nregion = x\n[a]\n[default]\n", 4, "begins the profile again, make it one section"),
        ("[default]\naws_access_key_id = A\naws_access_key_id = B\n", 3, "has a key that the profile already has"),
        (
            "[default]\naws_secret_access_key = s\n\n  aws_session_token = t\n",
            4,
            "goes on with the value above, because it is indented more: indent it the same",
        ),
    ] {
        let error = key_in(text, "default").unwrap_err().to_string();
        assert!(error.ends_with(&format!("credentials: line {line} {what}")), "{error}");
    }
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
fn a_process_is_used_where_there_are_no_keys() {
    let folder = Folder::new();
    let settings = settings(&folder, "default");
    folder.write("config", "[default]\ncredential_process = /opt/keys --for \"a b\" # not a comment\n");
    let process = Found::Process("/opt/keys --for \"a b\" # not a comment".to_owned());
    assert_eq!(found(&settings).unwrap(), Some(process));
    // To botocore it goes before keys of the configuration file, and not before those of the credentials file.
    let both = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = s\ncredential_process = /opt/keys\n";
    folder.write("config", both);
    assert_eq!(found(&settings).unwrap(), Some(Found::Process("/opt/keys".to_owned())));
    folder.write("credentials", both);
    assert_eq!(credentials(&settings).unwrap().unwrap().access_key_id, "AKIA");
}
