//! Keys in the files that the AWS CLI and the SDKs share. Read anew each time, so that rotated keys are picked up.
//!
//! Keys that stand in the file, or a process that prints them: roles and SSO are refused by name, because silently skipping
//! them would end in a message about the wrong thing. What the credentials file says goes before the configuration file.

use core::{error, fmt};
use std::{
    io,
    path::{Path, PathBuf},
};

use super::is_printable;
use crate::foreign::Secret;
use crate::{
    config::{CredentialSettings, bounded_file},
    firehose::credentials::Credentials,
    limits::credentials as limits,
    sandbox::explained,
};

const ACCESS_KEY_ID: &str = "aws_access_key_id";
const SECRET_ACCESS_KEY: &str = "aws_secret_access_key";
const SESSION_TOKEN: &str = "aws_session_token";
const PROCESS: &str = "credential_process";

/// Other ways to get credentials that a profile can ask for.
const UNSUPPORTED: [&str; 7] = [
    "credential_source",
    "login_session",
    "role_arn",
    "source_profile",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
];

/// What a profile offers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Keys.
    Keys(Credentials),
    /// A command that prints keys.
    Process(String),
}

/// What the chosen profile offers; `None` when no file has the profile or the profile has neither keys nor a process.
///
/// # Errors
/// A file that is there and cannot be used, and a profile other than `default` that is in none of them.
pub(super) fn found(settings: &CredentialSettings) -> Result<Option<Found>, ProfileError> {
    let name = settings.profile.as_str();
    let files = [(&settings.credentials_file, Kind::Credentials), (&settings.config_file, Kind::Config)];
    let (mut any_file, mut any_profile, mut found) = (false, false, None);
    for (path, kind) in files {
        let Some(path) = path else { continue };
        let Some(text) = read(path)? else { continue };
        any_file = true;
        let profile = find(text.trim_start_matches('\u{feff}'), name, kind)
            .map_err(|line| ProfileError::Syntax { path: path.clone(), line })?;
        let Some(profile) = profile else { continue };
        any_profile = true;
        let offered = profile.offers().map_err(|fault| ProfileError::Profile {
            path: path.clone(),
            name: name.to_owned(),
            fault,
        })?;
        found = found.or(offered);
    }
    if any_file && !any_profile && name != "default" {
        let files = [&settings.credentials_file, &settings.config_file].into_iter().flatten().cloned().collect();
        return Err(ProfileError::NotFound { name: name.to_owned(), files });
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Option<String>, ProfileError> {
    match bounded_file::read_text(path, limits::MAX_PROFILE_FILE) {
        Ok(text) => Ok(Some(text)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(ProfileError::Unreadable { path: path.to_owned(), cause: explained(path, cause) }),
    }
}

/// The two files write their headings differently.
#[derive(Clone, Copy)]
enum Kind {
    /// `[name]`
    Credentials,
    /// `[profile name]`, and `[default]`
    Config,
}

impl Kind {
    fn is_heading_of(self, heading: &str, profile: &str) -> bool {
        match self {
            Self::Credentials => heading == profile,
            Self::Config if heading == "default" => profile == "default",
            Self::Config => heading
                .strip_prefix("profile")
                .is_some_and(|name| name.starts_with(char::is_whitespace) && name.trim() == profile),
        }
    }
}

/// The values of one profile that matter here.
#[derive(Default)]
struct Profile<'a> {
    access_key_id: Option<&'a str>,
    secret_access_key: Option<&'a str>,
    session_token: Option<&'a str>,
    process: Option<&'a str>,
    unsupported: Option<&'static str>,
}

/// All sections of the profile, later values before earlier ones; `Err` is the number of a line that cannot be read.
fn find<'a>(text: &'a str, profile: &str, kind: Kind) -> Result<Option<Profile<'a>>, usize> {
    let mut found: Option<Profile<'a>> = None;
    let mut inside = false;
    // A line further in than the setting before it belongs to that setting.
    let mut setting_indent = usize::MAX;
    for (number, line) in (1_usize..).zip(text.lines()) {
        let content = line.trim();
        let indent = line.len() - line.trim_start().len();
        if content.is_empty() || content.starts_with(['#', ';']) || indent > setting_indent {
            continue;
        }
        if let Some(heading) = content.strip_prefix('[') {
            let (heading, _) = heading.split_once(']').ok_or(number)?;
            inside = kind.is_heading_of(heading.trim(), profile);
            setting_indent = usize::MAX;
            if inside {
                found.get_or_insert_default();
            }
        } else if inside && let Some(found) = &mut found {
            let (key, value) = content.split_once('=').ok_or(number)?;
            found.set(key.trim(), value.trim());
            setting_indent = indent;
        }
    }
    Ok(found)
}

/// Cuts ` # ...` and ` ; ...`; a key or token has no blanks.
fn without_comment(value: &str) -> &str {
    let comment = value.match_indices(['#', ';']).find(|(at, _)| value[..*at].ends_with(char::is_whitespace));
    comment.map_or(value, |(at, _)| value[..at].trim_end())
}

impl<'a> Profile<'a> {
    fn set(&mut self, key: &str, value: &'a str) {
        let is = |name: &str| key.eq_ignore_ascii_case(name);
        // To a shell a comment may be something else.
        let value = if is(PROCESS) { value } else { without_comment(value) };
        let value = Some(value).filter(|value| !value.is_empty());
        if is(ACCESS_KEY_ID) {
            self.access_key_id = value;
        } else if is(SECRET_ACCESS_KEY) {
            self.secret_access_key = value;
        } else if is(SESSION_TOKEN) {
            self.session_token = value;
        } else if is(PROCESS) {
            self.process = value;
        } else if let Some(name) = UNSUPPORTED.into_iter().find(|name| is(name)) {
            self.unsupported = Some(name);
        }
    }

    /// Keys go before a process, as in the SDKs.
    fn offers(&self) -> Result<Option<Found>, Fault> {
        if let Some(key) = self.unsupported {
            return Err(Fault::Unsupported(key));
        }
        let values = [
            (ACCESS_KEY_ID, self.access_key_id),
            (SECRET_ACCESS_KEY, self.secret_access_key),
            (SESSION_TOKEN, self.session_token),
        ];
        for (key, value) in values {
            if value.is_some_and(|value| !is_printable(value)) {
                return Err(Fault::NotPrintable(key));
            }
        }
        match (self.access_key_id, self.secret_access_key) {
            (None, None) => Ok(self.process.map(|command| Found::Process(command.to_owned()))),
            (None, Some(_)) => Err(Fault::Missing(ACCESS_KEY_ID)),
            (Some(_), None) => Err(Fault::Missing(SECRET_ACCESS_KEY)),
            (Some(id), Some(secret)) => Ok(Some(Found::Keys(Credentials {
                access_key_id: id.to_owned(),
                secret_access_key: Secret::new(secret),
                session_token: self.session_token.map(Secret::new),
                expires_at: None,
            }))),
        }
    }
}

/// What is wrong with a profile that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It asks for credentials in a way that is not supported, by this key.
    Unsupported(&'static str),
    /// Half of a key pair: this key is not there or empty.
    Missing(&'static str),
    /// The value of this key has other characters than a key or token can have.
    NotPrintable(&'static str),
}

/// Why the shared files give no keys although they are there.
#[derive(Debug)]
pub enum ProfileError {
    /// No permission, not a regular file, larger than [`limits::MAX_PROFILE_FILE`], not UTF-8.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the file system says.
        cause: io::Error,
    },
    /// A line that is neither `[heading]` nor `key = value`. It is not shown, as it may be a secret.
    Syntax {
        /// Which.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// The profile cannot be used.
    Profile {
        /// Which.
        path: PathBuf,
        /// The profile.
        name: String,
        /// Why.
        fault: Fault,
    },
    /// `AWS_PROFILE` names a profile that no file has.
    NotFound {
        /// The profile.
        name: String,
        /// Where it was looked for.
        files: Vec<PathBuf>,
    },
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, .. } => write!(f, "{} cannot be read", path.display()),
            Self::Syntax { path, line } => {
                write!(f, "{}: line {line} is neither \"[heading]\" nor \"key = value\"", path.display())
            }
            Self::Profile { path, name, fault: Fault::Missing(key) } => {
                write!(f, "{}: profile {name:?} has no {key}", path.display())
            }
            Self::Profile { path, name, fault: Fault::NotPrintable(key) } => {
                write!(f, "{}: profile {name:?} has a {key} with other characters than printable ASCII", path.display())
            }
            Self::Profile { path, name, fault: Fault::Unsupported(key) } => write!(
                f,
                "{}: profile {name:?} has {key}, which is not supported: give {ACCESS_KEY_ID} and {SECRET_ACCESS_KEY}, \
                 or choose another profile with AWS_PROFILE",
                path.display()
            ),
            Self::NotFound { name, files } => {
                write!(f, "AWS_PROFILE: no profile {name:?} in")?;
                let mut separator = " ";
                for path in files {
                    write!(f, "{separator}{}", path.display())?;
                    separator = " or ";
                }
                Ok(())
            }
        }
    }
}

impl error::Error for ProfileError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unreadable { cause, .. } => Some(cause),
            Self::Syntax { .. } | Self::Profile { .. } | Self::NotFound { .. } => None,
        }
    }
}

#[cfg(test)]
#[path = "profile_tests.rs"]
mod tests;
