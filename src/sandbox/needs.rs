//! What the configuration makes the process need once it runs: folders to read in, ports to connect to.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{Config, ContainerAuthorization, CredentialSettings};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Folders beneath which files are read. Folders and not files, because files are replaced by others of their name.
    pub folders: Vec<PathBuf>,
    /// TCP ports that are connected to.
    pub ports: Vec<u16>,
}

impl Needs {
    /// What is read and connected to after the start. The definition, the password and certificates have been read by then.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let mut folders = vec![PathBuf::from("/etc")];
        folders.extend(["/etc/resolv.conf", "/etc/hosts"].into_iter().filter_map(|file| folder(Path::new(file))));
        folders.extend(read_again(&config.aws.credentials).filter_map(folder));
        folders.retain(|folder| folder.is_dir());
        folders.sort();
        folders.dedup();
        let CredentialSettings { container, iot, ec2, .. } = &config.aws.credentials;
        let service = config.aws.endpoint_url.as_ref();
        let credentials = [
            container.as_ref().map(|settings| &settings.endpoint),
            iot.as_ref().map(|settings| &settings.endpoint),
            ec2.as_ref(),
        ];
        let mut ports = vec![DNS, config.mqtt.port, service.map_or(HTTPS, |endpoint| endpoint.port)];
        let proxies = [&config.aws.proxy, &config.mqtt.proxy].into_iter().flatten();
        ports.extend(proxies.map(|proxy| proxy.endpoint.port));
        ports.extend(credentials.into_iter().flatten().map(|endpoint| endpoint.port));
        ports.sort_unstable();
        ports.dedup();
        Self { folders, ports }
    }
}

/// DNS goes by TCP when an answer is long.
const DNS: u16 = 53;
const HTTPS: u16 = 443;

/// Files that are read each time credentials are renewed.
fn read_again(credentials: &CredentialSettings) -> impl Iterator<Item = &Path> {
    let token = credentials.container.as_ref().and_then(|container| match &container.authorization {
        Some(ContainerAuthorization::TokenFile(path)) => Some(path),
        _ => None,
    });
    let device = credentials.iot.iter().flat_map(|iot| [&iot.client.certificate, &iot.client.key]);
    let files = [&credentials.credentials_file, &credentials.config_file].into_iter().flatten();
    files.chain(token).chain(device).map(PathBuf::as_path)
}

/// Where a file is, or will be once somebody makes it: the real folder, or the next one above it that there is, but never
/// the root of all files.
fn folder(file: &Path) -> Option<PathBuf> {
    // A link may lead to where nothing is yet, as /etc/resolv.conf does before the network is up.
    let link = || fs::read_link(file).map_or_else(|_| file.to_owned(), |to| file.with_file_name("").join(to));
    let target = file.canonicalize().unwrap_or_else(|_| link());
    let above = target.ancestors().skip(1).find_map(|folder| folder.canonicalize().ok())?;
    (above != Path::new("/")).then_some(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_yet_needs_the_next_folder_that_is() {
        let here = std::env::temp_dir().canonicalize().unwrap();
        assert_eq!(folder(&here.join("no-such-folder/deeper/file")), Some(here));
        assert_eq!(folder(Path::new("/no-such-folder/file")), None);
    }

    #[test]
    fn a_link_needs_the_folder_that_it_leads_to() {
        let here = std::env::temp_dir().canonicalize().unwrap().join(format!("needs-{}", std::process::id()));
        fs::create_dir_all(here.join("run/resolve")).unwrap();
        fs::create_dir_all(here.join("etc")).unwrap();
        let link = here.join("etc/resolv.conf");
        std::os::unix::fs::symlink("../run/resolve/stub-resolv.conf", &link).unwrap();
        assert_eq!(folder(&link), Some(here.join("run/resolve")));
        fs::remove_dir_all(&here).unwrap();
    }
}
