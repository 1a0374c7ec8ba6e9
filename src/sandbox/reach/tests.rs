use std::os::unix::fs::symlink;

use super::*;

fn denied() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}

#[test]
fn isolation_is_blamed_for_folders_it_does_not_know_and_for_nothing_else() {
    let here = std::env::temp_dir().canonicalize().unwrap().join(format!("reach-{}", std::process::id()));
    let (known, unknown) = (here.join("known"), here.join("unknown"));
    fs::create_dir_all(known.join("deeper")).unwrap();
    fs::create_dir_all(&unknown).unwrap();
    remember(std::slice::from_ref(&known));
    symlink(unknown.join("token"), known.join("token")).unwrap();

    let explanation = explained(&known.join("token"), denied()).to_string();
    assert!(explanation.starts_with("isolation ") && explanation.contains(unknown.to_str().unwrap()), "{explanation}");
    for own in ["deeper/token", "no-such-folder/token"] {
        assert!(explained(&known.join(own), denied()).get_ref().is_none(), "its permissions are to be looked at");
    }
    assert!(explained(&unknown.join("token"), io::ErrorKind::NotFound.into()).get_ref().is_none());

    // Another folder of the same name is not the one that was opened.
    fs::rename(&known, here.join("old")).unwrap();
    fs::create_dir(&known).unwrap();
    assert!(explained(&known.join("key"), denied()).to_string().contains(known.to_str().unwrap()));
    fs::remove_dir_all(&here).unwrap();
}
