//! One profile's section in a shared file.
//!
//! Read as botocore does, with more patience for blanks, comments and byte order marks. A line that botocore would read
//! as something else than it seems to be is refused.

use crate::config::is_key_id;
use crate::credentials::printable::is_printable;
use crate::firehose::credentials::Credentials;
use crate::foreign::Secret;

pub(super) const ACCESS_KEY_ID: &str = "aws_access_key_id";
pub(super) const SECRET_ACCESS_KEY: &str = "aws_secret_access_key";
const SESSION_TOKEN: &str = "aws_session_token";
/// The former name of [`SESSION_TOKEN`]; botocore prefers it.
const SECURITY_TOKEN: &str = "aws_security_token";
const PROCESS: &str = "credential_process";

/// Other ways to get credentials that a profile can ask for.
pub(super) const UNSUPPORTED: [&str; 7] = [
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
pub(in crate::credentials) enum Found {
    /// Keys.
    Keys(Credentials),
    /// A command that prints keys.
    Process(String),
}

/// Which of the two files: their headings differ.
#[derive(Clone, Copy)]
pub(super) enum Kind {
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

/// Splits a heading into words as a shell does, because `aws configure` puts a name with blanks into quotes. `None`: an
/// open quote or escape.
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

/// The settings of a profile that are used here.
#[derive(Default)]
pub(super) struct Profile<'a> {
    access_key_id: Option<&'a str>,
    secret_access_key: Option<&'a str>,
    session_token: Option<&'a str>,
    security_token: Option<&'a str>,
    process: Option<&'a str>,
    unsupported: Option<&'static str>,
}

/// A line that cannot be read as its author meant it.
pub(super) struct InvalidLine {
    /// Counted from 1.
    pub(super) number: usize,
    /// What is wrong, the end of a sentence that begins with the line's number.
    pub(super) what: &'static str,
}

/// Finds the section of `profile` in the text of a file. `None`: there is no such section.
///
/// # Errors
/// A line that is invalid, or that botocore would take for something else than it seems to be.
pub(super) fn find<'a>(text: &'a str, profile: &str, kind: Kind) -> Result<Option<Profile<'a>>, InvalidLine> {
    let mut found: Option<Profile<'a>> = None;
    let (mut inside, mut any_heading) = (false, false);
    // A line that is indented more than the setting above continues its value.
    let (mut setting_indent, mut setting_is_used) = (usize::MAX, false);
    // CR LF is trimmed below; a file without LF has lines that end in CR alone.
    let line_end = if text.contains('\n') { '\n' } else { '\r' };
    for (number, content) in (1_usize..).zip(text.split(line_end)) {
        let invalid = |what| Err(InvalidLine { number, what });
        let indent = content.len() - content.trim_start().len();
        let content = content.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        if indent > setting_indent {
            if setting_is_used {
                return invalid("goes on with the value above, because it is indented more: indent it the same");
            }
        } else if let Some(heading) = content.strip_prefix('[') {
            let Some((heading, _)) = heading.split_once(']') else { return invalid(NOT_A_SETTING) };
            let heading = heading.trim();
            // In botocore its values apply to all sections.
            if heading == "DEFAULT" {
                return invalid("is [DEFAULT], which is not supported: the name is [default]");
            }
            (any_heading, inside) = (true, kind.is_heading_of(heading, profile));
            setting_indent = usize::MAX;
            if inside && found.replace(Profile::default()).is_some() {
                return invalid("begins the profile again, make it one section");
            }
        } else if !any_heading {
            return invalid("is before the first [heading]");
        } else if inside && let Some(found) = &mut found {
            let Some((key, value)) = content.split_once(['=', ':']) else { return invalid(NOT_A_SETTING) };
            (setting_indent, setting_is_used) = (indent, true);
            match found.set(key.trim(), value.trim()) {
                Stored::New => {}
                Stored::Twice => return invalid("has a key that the profile already has"),
                Stored::Ignored => setting_is_used = false,
            }
        }
    }
    Ok(found)
}

const NOT_A_SETTING: &str = "is neither \"[heading]\" nor \"key = value\"";

/// What became of a setting.
enum Stored {
    New,
    /// The profile had it already.
    Twice,
    /// Not used here.
    Ignored,
}

/// Without ` # ...` or ` ; ...` at the end; keys and tokens contain no blanks.
fn without_comment(value: &str) -> &str {
    let comment = value.match_indices(['#', ';']).find(|(at, _)| value[..*at].ends_with(char::is_whitespace));
    comment.map_or(value, |(at, _)| value[..at].trim_end())
}

impl<'a> Profile<'a> {
    fn set(&mut self, key: &str, value: &'a str) -> Stored {
        let is = |name: &str| key.eq_ignore_ascii_case(name);
        if let Some(name) = UNSUPPORTED.into_iter().find(|name| is(name)) {
            self.unsupported = Some(name);
            return Stored::Ignored;
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
            return Stored::Ignored;
        };
        // In a command `#` may be part of an argument.
        let value = if is(PROCESS) { value } else { without_comment(value) };
        if place.replace(value).is_some() { Stored::Twice } else { Stored::New }
    }

    /// Keys, or the command that prints them. Keys take precedence in the credentials file, the command in the
    /// configuration file.
    ///
    /// # Errors
    /// Half of a key pair, a value that is no key, a source that is not supported.
    pub(super) fn offers(&self, kind: Kind) -> Result<Option<Found>, Fault> {
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
            // botocore takes them as a part of it, too, but nothing that AWS gives out has any.
            if value.is_some_and(|value| value.starts_with(['"', '\''])) {
                return Err(Fault::Quoted(key));
            }
        }
        match (given(self.access_key_id), given(self.secret_access_key)) {
            (None, None) => Ok(process),
            (None, Some(_)) => Err(Fault::Missing(ACCESS_KEY_ID)),
            (Some(_), None) => Err(Fault::Missing(SECRET_ACCESS_KEY)),
            (Some(id), Some(_)) if !is_key_id(id) => Err(Fault::NotKeyId),
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
    /// It names a source of credentials that is not supported, by this key.
    Unsupported(&'static str),
    /// Half of a key pair: this key is missing or empty.
    Missing(&'static str),
    /// The value of this key contains other characters than printable ASCII.
    NotPrintable(&'static str),
    /// The value of `aws_access_key_id` is a secret key.
    NotKeyId,
    /// The value of this key is in quotes.
    Quoted(&'static str),
}
