//! What is wrong with the configuration: one [`Problem`] per fault, all of them in one [`ConfigError`].

use core::fmt;
use std::path::{Path, PathBuf};

use super::{
    json::Json,
    types::{Config, Connector, Origin},
};
use crate::foreign::{file_name, foreign};

/// One fault of a file or of the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file it is in; `None`: the environment.
    pub file: Option<PathBuf>,
    /// The key or variable; empty when the file as a whole is meant.
    pub key: String,
    /// The value, cut to a readable length, a string in quotes. `None` when there is none or it may be secret.
    pub value: Option<String>,
    /// What would be right.
    pub rule: String,
}

impl Problem {
    /// A fault of an environment variable whose value is not shown.
    pub(super) fn variable(name: &str, rule: impl Into<String>) -> Self {
        Self { file: None, key: foreign(name), value: None, rule: rule.into() }
    }

    /// A fault of a valid `MemorySize`, named by the key or variable that set it.
    #[must_use]
    pub fn memory_size(connector: &Connector, rule: String) -> Self {
        let (file, key) = match connector.origins[2] {
            Origin::Variable(variable) => (None, variable),
            Origin::Definition => (connector.definition.clone(), "MemorySize"),
            Origin::Default => (None, "MemorySize"),
        };
        Self { file, key: key.to_owned(), value: Some(format!("\"{}\"", connector.memory_size)), rule }
    }

    /// A fault of a key in a file.
    pub(super) fn key(file: &Path, key: &str, rule: impl Into<String>) -> Self {
        Self { file: Some(file.to_owned()), ..Self::variable(key, rule) }
    }

    /// A fault of a file as a whole.
    pub(super) fn file(file: &Path, rule: impl Into<String>) -> Self {
        Self::key(file, "", rule)
    }

    /// The same fault, showing the text that has it.
    pub(super) fn with_text(self, text: &str) -> Self {
        Self { value: Some(format!("\"{}\"", foreign(text))), ..self }
    }

    /// The same fault, showing the JSON value that has it if that is not a structure.
    pub(super) fn with_value(self, value: &Json) -> Self {
        match value {
            Json::Text(text) => self.with_text(text),
            Json::Literal(literal) => Self { value: Some(foreign(literal)), ..self },
            Json::Array(_) | Json::Object(_) => self,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file_name(file))?;
        }
        match (self.key.as_str(), &self.value) {
            ("", _) => f.write_str(&self.rule),
            (key, Some(value)) => write!(f, "{key} {value}: {}", self.rule),
            (key, None) => write!(f, "{key}: {}", self.rule),
        }
    }
}

/// All that is wrong; displays one problem per line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigError {
    problems: Vec<Problem>,
    left_out: usize,
    /// The configuration without the problems, see [`ConfigError::rest`].
    rest: Option<Box<Config>>,
}

impl ConfigError {
    /// The problems, in the order in which they were found; at most 64.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The configuration with defaults in place of the problems. It must not be used to run, but to find what else is wrong, so
    /// that everything is reported at once.
    #[must_use]
    pub fn rest(&self) -> Option<&Config> {
        self.rest.as_deref()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{problem}")?;
        }
        if self.left_out > 0 {
            write!(f, "\nand {} more", self.left_out)?;
        }
        Ok(())
    }
}

impl core::error::Error for ConfigError {}

/// Collects problems while the configuration is read.
#[derive(Debug, Default)]
pub(super) struct Problems(ConfigError);

impl Problems {
    /// Problems that are kept; the rest is counted.
    const MAX: usize = 64;

    pub(super) fn push(&mut self, problem: Problem) {
        if self.0.problems.len() < Self::MAX {
            self.0.problems.push(problem);
        } else {
            self.0.left_out += 1;
        }
    }

    /// If something is wrong, it may be for want of these, which Greengrass left without a value. By themselves they are no fault.
    pub(super) fn explain_by(&mut self, unresolved: &[&str]) {
        let is_wrong = !self.0.problems.is_empty();
        for variable in unresolved.iter().filter(|_| is_wrong) {
            let rule = "refers to a key that the component's configuration does not have, and counts as unset: add the key to the \
                configuration, or take the variable out of the recipe";
            self.push(Problem::variable(variable, rule));
        }
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn into_error(self) -> Option<ConfigError> {
        (!self.0.problems.is_empty()).then_some(self.0)
    }

    /// Whether `config` can be used.
    pub(super) fn judge(self, config: Config) -> Result<Config, ConfigError> {
        if self.0.problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError { rest: Some(Box::new(config)), ..self.0 })
        }
    }
}
