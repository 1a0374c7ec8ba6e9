//! What the process needs after its start, by its configuration: folders to read, ports to connect to.

use std::path::{Path, PathBuf};

use super::way;
use crate::config::{Config, ContainerAuthorization, CredentialSettings};

/// Everything that isolation has to leave open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Folders beneath which files are read. Not the files themselves: one that replaces another would be out of reach.
    pub folders: Vec<PathBuf>,
    /// The spool's folder, in which files are created, written and removed.
    pub spool: Option<PathBuf>,
    /// TCP ports that are connected to.
    pub ports: Vec<u16>,
    /// Unix sockets are connected to: the nucleus's.
    pub unix: bool,
}

impl Needs {
    /// What is read and connected to after the start. By then the definition, the password and most certificates have
    /// been read.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let mut folders: Vec<_> =
            FOLDERS.into_iter().filter_map(|folder| Path::new(folder).canonicalize().ok()).collect();
        folders.extend([RESOLVER, HOSTS].into_iter().flat_map(|file| way::folders(Path::new(file))));
        folders.extend(read_again(&config.aws.credentials).into_iter().flat_map(way::folders));
        folders.retain(|folder| folder.is_dir());
        folders.sort();
        folders.dedup();
        let service = config.aws.endpoint_url.as_ref();
        let credentials = match &config.aws.credentials {
            CredentialSettings { environment: Some(_), .. } => [None, None],
            CredentialSettings { iot: Some(iot), .. } => [Some(&iot.endpoint), None],
            CredentialSettings { container, ec2, .. } => {
                [container.as_ref().map(|settings| &settings.endpoint), ec2.as_ref()]
            }
        };
        let mut ports = vec![DNS, service.map_or(HTTPS, |endpoint| endpoint.port)];
        let unix = config.greengrass.is_some();
        let broker_proxy = if unix {
            &None
        } else {
            ports.push(config.mqtt.port);
            &config.mqtt.proxy
        };
        let proxies = [&config.aws.proxy, broker_proxy].into_iter().flatten();
        ports.extend(proxies.map(|proxy| proxy.endpoint.port));
        ports.extend(credentials.into_iter().flatten().map(|endpoint| endpoint.port));
        ports.sort_unstable();
        ports.dedup();
        let spool = config.spool.as_ref().map(|spool| spool.directory.clone());
        Self { folders, spool, ports, unix }
    }
}

/// For answers of name servers that are too long for UDP.
const DNS: u16 = 53;
const HTTPS: u16 = 443;

/// The configuration of name resolution.
pub const RESOLVER: &str = "/etc/resolv.conf";
/// Addresses of hosts that no name server is asked for.
pub const HOSTS: &str = "/etc/hosts";

/// Folders that are read with any configuration. `/etc/resolv.conf` may become a link at any time, to the file of a
/// resolver's service: as a rule in a folder beneath `/run` that is created when the network comes up. A folder that
/// does not exist yet cannot be allowed, so all of `/run` is. The file for systemd's own resolver is beside the
/// programs of systemd.
const FOLDERS: [&str; 5] = ["/etc", "/run", "/var/run", "/lib/systemd", "/usr/lib/systemd"];

/// Files of the sources in use that are read each time credentials are renewed.
fn read_again(credentials: &CredentialSettings) -> Vec<&Path> {
    let CredentialSettings { environment, iot, container, credentials_file, config_file, .. } = credentials;
    if environment.is_some() {
        return Vec::new();
    }
    if let Some(iot) = iot {
        return vec![&iot.client.certificate, &iot.client.key];
    }
    let mut files: Vec<&Path> = [credentials_file, config_file].into_iter().flatten().map(PathBuf::as_path).collect();
    // Allowing `~/.aws` before it exists means allowing the whole home: only if no other source can have the keys.
    if container.is_some() || !files.iter().all(|file| would_be_in_home(file)) {
        files.retain(|file| !would_be_in_home(file));
    }
    if let Some(ContainerAuthorization::TokenFile(token)) = container.as_ref().and_then(|it| it.authorization.as_ref())
    {
        files.push(token);
    }
    files
}

fn would_be_in_home(file: &Path) -> bool {
    let folder = file.parent().filter(|folder| !folder.is_dir());
    folder.and_then(Path::file_name).is_some_and(|name| name == ".aws")
}

#[cfg(test)]
mod tests;
