use std::os::unix::fs::symlink;

use super::*;

/// An empty folder of this test's own that goes with it.
struct Here(PathBuf);

impl Here {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().canonicalize().unwrap().join(format!("way-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with(&self, folder: &str) -> PathBuf {
        let folder = self.0.join(folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn a_file_that_is_not_there_yet_needs_the_next_folder_that_is() {
    let here = Here::new("missing");
    let file = here.0.join("no-such-folder/deeper/file");
    assert_eq!(folder(&file), Some(here.0.clone()));
    assert_eq!(folders(&file), std::slice::from_ref(&here.0), "and none above it");
    assert!(folders(Path::new("/no-such-folder/file")).is_empty(), "never the root of all files");
}

#[test]
fn every_link_of_the_way_counts_also_if_it_leads_nowhere_yet() {
    let here = Here::new("two-links");
    let (etc, run) = (here.with("etc"), here.with("run"));
    symlink("resolv-conf.systemd", etc.join("resolv.conf")).unwrap();
    symlink("../run/systemd/resolve/resolv.conf", etc.join("resolv-conf.systemd")).unwrap();
    assert_eq!(folder(&etc.join("resolv.conf")), Some(run.clone()));
    assert!(folders(&etc.join("resolv.conf")).contains(&etc));

    symlink("run", here.0.join("var-run")).unwrap();
    symlink("../var-run/connman/resolv.conf", etc.join("by-folder")).unwrap();
    assert_eq!(folder(&etc.join("by-folder")), Some(run));
}

#[test]
fn a_version_chosen_by_a_link_may_be_another_one_beside_it_or_beside_the_link() {
    let here = Here::new("current");
    let (versions, chosen) = (here.with("store/versions"), here.with("chosen"));
    fs::create_dir(versions.join("v1")).unwrap();
    symlink(versions.join("v1"), chosen.join("current")).unwrap();
    let found = folders(&chosen.join("current/credentials"));
    assert!(found.contains(&versions) && found.contains(&chosen), "{found:?}");
}

#[test]
fn a_folder_may_be_replaced_by_its_neighbour_but_a_home_is_not_opened_for_that() {
    let here = Here::new("replaced");
    let (keys, hidden) = (here.with("keys"), here.with("home/.aws"));
    assert_eq!(folders(&keys.join("credentials")), [here.0.clone(), keys]);
    assert_eq!(folders(&hidden.join("credentials")), [hidden]);
}

#[test]
fn folders_of_the_whole_system_are_opened_for_files_in_them_only() {
    let here = Here::new("wide");
    // `/tmp`, or wherever temporary files go.
    let above = here.0.parent().unwrap().to_owned();
    assert_eq!(folders(&above.join("token")).last(), Some(&above));
    assert!(folders(Path::new("/var/no-such-folder-here/token")).iter().all(|folder| folder != Path::new("/")));
}

#[test]
fn links_in_a_circle_come_to_an_end() {
    let here = Here::new("circle");
    symlink("b", here.0.join("a")).unwrap();
    symlink("a", here.0.join("b")).unwrap();
    assert_eq!(folder(&here.0.join("a")), Some(here.0.clone()));
}
