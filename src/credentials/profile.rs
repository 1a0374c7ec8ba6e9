//! Keys in the files that the AWS CLI and the SDKs share. Read anew each time, so that rotated keys are picked up.
//!
//! As botocore reads them, with a little more patience for blanks, comments and byte order marks. Keys that stand in the file, or
//! a process that prints them: roles and SSO are refused by name, because silently skipping them would end in a message about the
//! wrong thing. What the credentials file says goes before the configuration file.

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
/// What it was called once. botocore looks at it first.
const SECURITY_TOKEN: &str = "aws_security_token";
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

/// What the chosen profile offers; `None` when nobody named a file or a profile, and there are neither keys nor a process in
/// the usual ones.
///
/// # Errors
/// A file that is there and cannot be used; what was named and has neither.
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
            .map_err(|WrongLine { line, what }| ProfileError::Line { path: path.clone(), line, what })?;
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
    // A region may be all that was wanted of the files; then the container's variables say where the keys are.
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
            Self::Config => words(heading).is_some_and(|words| words == ["profile", profile]),
        }
    }
}

/// The words of a heading, as a shell takes them: `aws configure` writes a name with blanks in quotes.
fn words(heading: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (None::<String>, None);
    let mut rest = heading.chars();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().push(rest.next()?),
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// The values of one profile that matter here.
#[derive(Default)]
struct Profile<'a> {
    access_key_id: Option<&'a str>,
    secret_access_key: Option<&'a str>,
    session_token: Option<&'a str>,
    security_token: Option<&'a str>,
    process: Option<&'a str>,
    unsupported: Option<&'static str>,
}

/// A line that cannot be read as somebody meant it.
struct WrongLine {
    /// Counted from 1.
    line: usize,
    what: &'static str,
}

/// The profile's section; what botocore would read as something else than it seems to be is refused.
fn find<'a>(text: &'a str, profile: &str, kind: Kind) -> Result<Option<Profile<'a>>, WrongLine> {
    let mut found: Option<Profile<'a>> = None;
    let (mut inside, mut any_heading) = (false, false);
    // A line further in than the setting before it belongs to that setting, which may be one of those that matter.
    let (mut setting_indent, mut setting_matters) = (usize::MAX, false);
    // CR LF is trimmed away; CR alone is from where it ends a line by itself.
    let line_end = if text.contains('\n') { '\n' } else { '\r' };
    for (line, content) in (1_usize..).zip(text.split(line_end)) {
        let wrong = |what| Err(WrongLine { line, what });
        let indent = content.len() - content.trim_start().len();
        let content = content.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        if indent > setting_indent {
            if setting_matters {
                return wrong("goes on with the value above, because it is indented more: indent it the same");
            }
        } else if let Some(heading) = content.strip_prefix('[') {
            let Some((heading, _)) = heading.split_once(']') else { return wrong(NO_SETTING) };
            let heading = heading.trim();
            // To botocore that are values for all sections.
            if heading == "DEFAULT" {
                return wrong("is [DEFAULT], which is not supported: the name is [default]");
            }
            (any_heading, inside) = (true, kind.is_heading_of(heading, profile));
            setting_indent = usize::MAX;
            if inside && found.replace(Profile::default()).is_some() {
                return wrong("begins the profile again, make it one section");
            }
        } else if !any_heading {
            return wrong("is before the first [heading]");
        } else if inside && let Some(found) = &mut found {
            let Some((key, value)) = content.split_once(['=', ':']) else { return wrong(NO_SETTING) };
            (setting_indent, setting_matters) = (indent, true);
            match found.set(key.trim(), value.trim()) {
                Set::New => {}
                Set::Again => return wrong("has a key that stood in the profile before"),
                Set::Other => setting_matters = false,
            }
        }
    }
    Ok(found)
}

const NO_SETTING: &str = "is neither \"[heading]\" nor \"key = value\"";

/// What a setting was.
enum Set {
    New,
    Again,
    /// None of those that matter.
    Other,
}

/// Cuts ` # ...` and ` ; ...`; a key or token has no blanks.
fn without_comment(value: &str) -> &str {
    let comment = value.match_indices(['#', ';']).find(|(at, _)| value[..*at].ends_with(char::is_whitespace));
    comment.map_or(value, |(at, _)| value[..at].trim_end())
}

impl<'a> Profile<'a> {
    fn set(&mut self, key: &str, value: &'a str) -> Set {
        let is = |name: &str| key.eq_ignore_ascii_case(name);
        if let Some(name) = UNSUPPORTED.into_iter().find(|name| is(name)) {
            self.unsupported = Some(name);
            return Set::Other;
        }
        let place = if is(ACCESS_KEY_ID) {
            &mut self.access_key_id
        } else if is(SECRET_ACCESS_KEY) {
            &mut self.secret_access_key
        } else if is(SESSION_TOKEN) {
            &mut self.session_token
        } else if is(SECURITY_TOKEN) {
            &mut self.security_token
        } else if is(PROCESS) {
            &mut self.process
        } else {
            return Set::Other;
        };
        // To a shell a comment may be something else.
        let value = if is(PROCESS) { value } else { without_comment(value) };
        if place.replace(value).is_some() { Set::Again } else { Set::New }
    }

    /// In the credentials file keys go before a process, in the configuration file it is the other way round.
    fn offers(&self, kind: Kind) -> Result<Option<Found>, Fault> {
        if let Some(key) = self.unsupported {
            return Err(Fault::Unsupported(key));
        }
        let given = |value: Option<&'a str>| value.filter(|value| !value.is_empty());
        let process = given(self.process).map(|command| Found::Process(command.to_owned()));
        if matches!(kind, Kind::Config) && process.is_some() {
            return Ok(process);
        }
        let values = [
            (ACCESS_KEY_ID, self.access_key_id),
            (SECRET_ACCESS_KEY, self.secret_access_key),
            (SECURITY_TOKEN, self.security_token),
            (SESSION_TOKEN, self.session_token),
        ];
        for (key, value) in values {
            if value.is_some_and(|value| !is_printable(value)) {
                return Err(Fault::NotPrintable(key));
            }
        }
        match (given(self.access_key_id), given(self.secret_access_key)) {
            (None, None) => Ok(process),
            (None, Some(_)) => Err(Fault::Missing(ACCESS_KEY_ID)),
            (Some(_), None) => Err(Fault::Missing(SECRET_ACCESS_KEY)),
            (Some(id), Some(secret)) => Ok(Some(Found::Keys(Credentials {
                access_key_id: id.to_owned(),
                secret_access_key: Secret::new(secret),
                session_token: given(self.security_token).or_else(|| given(self.session_token)).map(Secret::new),
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
    /// A line that cannot be read as it is meant. It is not shown, as it may be a secret.
    Line {
        /// Which.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
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
    /// The profile is in no file, or has neither keys nor a process there.
    Nowhere {
        /// What names the profile or the files.
        variable: &'static str,
        /// The profile.
        name: String,
        /// Where it was looked for.
        files: Vec<PathBuf>,
        /// It is in one of them.
        is_there: bool,
    },
    /// A file that was named is not there, and no other has keys.
    NotThere {
        /// What names it.
        variable: &'static str,
        /// What is not there.
        path: PathBuf,
    },
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, .. } => write!(f, "{} cannot be read", path.display()),
            Self::Line { path, line, what } => write!(f, "{}: line {line} {what}", path.display()),
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
            Self::Nowhere { variable, name, files, is_there } => {
                let what = if *is_there { "neither keys nor credential_process for" } else { "no" };
                write!(f, "{variable}: {what} profile {name:?} in")?;
                let mut separator = " ";
                for path in files {
                    write!(f, "{separator}{}", path.display())?;
                    separator = " or ";
                }
                Ok(())
            }
            Self::NotThere { variable, path } => {
                write!(f, "{variable}: {} is not there yet, and no other file has keys", path.display())
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

#[cfg(test)]
mod tests;
