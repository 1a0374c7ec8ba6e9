//! Programs that print credentials, and others.

use super::*;
use crate::foreign::Secret;
use crate::{error_chain::error_chain, test_support::Folder};

const KEYS: &str = r#"{"Version":1,"AccessKeyId":"ASIA","SecretAccessKey":"s","SessionToken":"t","Expiration":"2018-01-18T09:18:06Z"}"#;

async fn refusal(command: &str) -> String {
    error_chain(&credentials(command).await.unwrap_err())
}

#[tokio::test]
async fn what_the_process_prints_is_read() {
    let found = credentials(&format!("cat <<'EOF'\n{KEYS}\nEOF\n")).await.unwrap();
    assert_eq!((found.access_key_id.as_str(), found.session_token.as_ref().map(Secret::expose)), ("ASIA", Some("t")));
    assert!(found.expires_at.is_some());
}

#[tokio::test]
async fn a_failed_process_is_reported_with_its_standard_error() {
    assert_eq!(
        refusal("echo \"no\nkey\" >&2; echo secret; exit 3").await,
        "credential_process fails (exit status: 3): no key"
    );
    let missing = refusal("no-such-program-anywhere").await;
    assert!(missing.contains("exit status: 127"), "{missing}");
}

#[tokio::test]
async fn secrets_in_the_standard_error_of_a_process_are_not_shown() {
    for complaint in [
        r#"{"SecretAccessKey":"SECRETSECRET","SessionToken":"TOKENTOKEN"}"#,
        "+ curl -H Authorization:SECRETSECRET",
        "got SECRETSECRET and wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ] {
        let said = refusal(&format!("echo '{complaint}' >&2; exit 1")).await;
        assert!(!said.contains("SECRETSECRET") && !said.contains("K7MDENG"), "{said}");
    }
    let said = refusal("echo '\"SECRETSECRET\"'").await;
    assert!(said.ends_with("a JSON string and no object, as if it were encoded twice"), "{said}");
}

#[tokio::test]
async fn other_output_is_refused_and_not_shown() {
    for (command, reason) in [
        ("echo secret", "prints something else than credentials: no JSON object"),
        ("echo '{\"Version\":2}'", "Version is not 1"),
        ("echo '{\"Version\":1,\"AccessKeyId\":\"A\"}'", "no SecretAccessKey"),
        ("head -c 1000000 /dev/zero", "prints more than 16384 bytes"),
    ] {
        let error = refusal(command).await;
        assert!(error.contains(reason) && !error.contains("secret"), "{error}");
    }
}

/// A command that says who it is, in a file, and never ends.
fn endless(folder: &Folder) -> (String, std::path::PathBuf) {
    let file = folder.path().join("pid");
    (format!("sh -c 'echo $$ >{0}.new; mv {0}.new {0}; while :; do sleep 1; done' & wait", file.display()), file)
}

fn is_running(pid: &str) -> bool {
    // One that has ended and is not waited for yet runs no more.
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn a_cancelled_process_is_killed_with_all_that_it_started() {
    let folder = Folder::new();
    let (command, file) = endless(&folder);
    let mut process = Box::pin(credentials(&command));
    let pid = loop {
        tokio::select! {
            ended = &mut process => panic!("{ended:?}"),
            () = tokio::time::sleep(core::time::Duration::from_millis(10)) => {}
        }
        if let Ok(pid) = std::fs::read_to_string(&file) {
            break pid;
        }
    };
    assert!(is_running(&pid));
    drop(process);
    while is_running(&pid) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn our_resource_limits_do_not_apply_to_the_process() {
    let command = format!("[ \"$(ulimit -S -d)\" = \"$(ulimit -H -d)\" ] && echo '{KEYS}'");
    credentials(&command).await.unwrap();
}
