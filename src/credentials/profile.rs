//! Keys in the files that the AWS CLI and the SDKs share. Read again each time, so that rotated keys are picked up.
//!
//! A profile gives keys, or a process that prints them. Roles and SSO are refused by name, because skipping them
//! silently would end in a message about the wrong thing. The credentials file takes precedence over the configuration
//! file.

mod section;
#[cfg(test)]
mod tests;

use core::{error, fmt};
use std::{
    io,
    path::{Path, PathBuf},
};

pub use section::Fault;
pub(super) use section::Found;
use section::{ACCESS_KEY_ID, InvalidLine, Kind, SECRET_ACCESS_KEY, find};

use crate::{
    config::{CredentialSettings, NO_KEY_ID, bounded_file},
    foreign::file_name,
    limits::credentials as limits,
    sandbox::explained,
};

/// What the chosen profile offers. `None`: neither a file nor a profile was named, and the default ones have neither
/// keys nor a process.
///
/// # Errors
/// A file exists and cannot be used, or a named file or profile has neither keys nor a process.
pub(super) fn found(settings: &CredentialSettings) -> Result<Option<Found>, ProfileError> {
    let CredentialSettings { profile: name, credentials_file, config_file, .. } = settings;
    let [credentials_named, config_named, profile_named] = settings.named;
    let files = [(credentials_file, credentials_named, Kind::Credentials), (config_file, config_named, Kind::Config)];
    let (mut found, mut is_there, mut missing) = (None, false, None);
    for (path, named, kind) in files {
        let Some(path) = path else { continue };
        let Some(text) = read(path)? else {
            let not_there = |variable| ProfileError::NotThere { variable, path: path.clone() };
            missing = missing.or_else(|| named.map(not_there));
            continue;
        };
        let profile = find(text.trim_start_matches(bounded_file::BYTE_ORDER_MARK), name, kind)
            .map_err(|InvalidLine { number, what }| ProfileError::Line { path: path.clone(), line: number, what })?;
        let Some(profile) = profile else { continue };
        is_there = true;
        let offered = profile.offers(kind).map_err(|fault| ProfileError::Profile {
            path: path.clone(),
            name: name.clone(),
            fault,
        })?;
        found = found.or(offered);
    }
    let Some(variable) = profile_named.or(credentials_named).or(config_named).filter(|_| found.is_none()) else {
        return Ok(found);
    };
    if let Some(missing) = missing {
        return Err(missing);
    }
    // The files may have been named for a region only; then the keys come from the container endpoint.
    if settings.container.is_some() && (is_there || profile_named.is_none()) {
        return Ok(None);
    }
    let files = [credentials_file, config_file].into_iter().flatten().cloned().collect();
    Err(ProfileError::Nowhere { variable, name: name.clone(), files, is_there })
}

fn read(path: &Path) -> Result<Option<String>, ProfileError> {
    match bounded_file::read_text(path, limits::MAX_PROFILE_FILE) {
        Ok(text) => Ok(Some(text)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(ProfileError::Unreadable { path: path.to_owned(), cause: explained(path, cause) }),
    }
}

/// Why the shared files give no keys although they are there.
#[derive(Debug)]
pub enum ProfileError {
    /// No permission, not a regular file, larger than [`limits::MAX_PROFILE_FILE`], not UTF-8.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        cause: io::Error,
    },
    /// An invalid line. It is not shown, as it may contain a secret.
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The profile cannot be used.
    Profile {
        /// The file.
        path: PathBuf,
        /// The profile.
        name: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The profile is in no file, or has neither keys nor a process there.
    Nowhere {
        /// The variable that names the profile or the files.
        variable: &'static str,
        /// The profile.
        name: String,
        /// The files that were searched.
        files: Vec<PathBuf>,
        /// It is in one of them.
        is_there: bool,
    },
    /// A named file does not exist, and no other one has keys.
    NotThere {
        /// The variable that names it.
        variable: &'static str,
        /// The missing file.
        path: PathBuf,
    },
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, .. } => write!(f, "{} cannot be read", file_name(path)),
            Self::Line { path, line, what } => write!(f, "{}: line {line} {what}", file_name(path)),
            Self::Profile { path, name, fault: Fault::Missing(key) } => {
                write!(f, "{}: profile {name:?} has no {key}", file_name(path))
            }
            Self::Profile { path, name, fault: Fault::NotPrintable(key) } => {
                write!(
                    f,
                    "{}: profile {name:?} has a {key} with other characters than printable ASCII",
                    file_name(path)
                )
            }
            Self::Profile { path, name, fault: Fault::NotKeyId } => write!(
                f,
                "{}: {ACCESS_KEY_ID} of profile {name:?} {NO_KEY_ID}, perhaps it is the value of {SECRET_ACCESS_KEY}",
                file_name(path)
            ),
            Self::Profile { path, name, fault: Fault::Quoted(key) } => {
                write!(f, "{}: profile {name:?} has {key} in quotes: leave them out", file_name(path))
            }
            Self::Profile { path, name, fault: Fault::Unsupported(key) } => write!(
                f,
                "{}: profile {name:?} has {key}, which is not supported: give {ACCESS_KEY_ID} and {SECRET_ACCESS_KEY}, \
                 or choose another profile with AWS_PROFILE",
                file_name(path)
            ),
            Self::Nowhere { variable, name, files, is_there } => {
                let what = if *is_there { "neither keys nor credential_process for" } else { "no" };
                write!(f, "{variable}: {what} profile {name:?} in")?;
                let mut separator = " ";
                for path in files {
                    write!(f, "{separator}{}", file_name(path))?;
                    separator = " or ";
                }
                Ok(())
            }
            Self::NotThere { variable, path } => {
                write!(f, "{variable}: {} is not there yet, and no other file has keys", file_name(path))
            }
        }
    }
}

impl error::Error for ProfileError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unreadable { cause, .. } => Some(cause),
            Self::Line { .. } | Self::Profile { .. } | Self::Nowhere { .. } | Self::NotThere { .. } => None,
        }
    }
}

#[cfg(any(test, fuzzing))]
pub(super) fn fuzz(text: &str) {
    for (name, kind) in [("default", Kind::Credentials), ("a b", Kind::Config)] {
        if let Ok(Some(profile)) = find(text, name, kind) {
            let _: Result<Option<Found>, Fault> = profile.offers(kind);
        }
    }
}
