//! The environment as a list of names and values, so that a test needs no process of its own.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use super::{
    problem::{Problem, Problems},
    settings::VARIABLES,
};

/// The variables that have a value.
pub(super) struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// Empty variables count as unset, as in the AWS SDKs.
    pub(super) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(variables.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    /// All names; one that is not UTF-8 is none of ours.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|(name, _)| name.to_str())
    }

    /// A value that names a file, and need not be text. Whoever starts the process may not be a shell, so what stands for the home
    /// directory is read here, as botocore does.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        let path = Path::new(self.value(name)?);
        let in_home = ["~", "$HOME", "${HOME}"].into_iter().find_map(|home| path.strip_prefix(home).ok());
        Some(match (in_home, self.value("HOME")) {
            (Some(rest), Some(home)) => Path::new(home).join(rest),
            _ => path.to_owned(),
        })
    }

    /// A value that is text.
    pub(super) fn text(&self, name: &str, problems: &mut Problems) -> Option<&str> {
        let value = self.value(name)?;
        if value.to_str().is_none() {
            problems.push(Problem::variable(name, "is not UTF-8"));
        }
        value.to_str()
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    fn value(&self, name: &str) -> Option<&OsStr> {
        debug_assert!(VARIABLES.contains(&name), "{name} is not in the list of variables");
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_os_str())
    }
}
