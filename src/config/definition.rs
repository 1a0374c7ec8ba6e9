//! The connector definition file: finds the one Kinesis Firehose connector in every shape in which
//! AWS tools write a definition, and leaves the values of its parameters to `parameters`.
//!
//! Misplaced keys and duplicate keys are problems: each may be a setting that somebody believes to be in
//! force.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    bounded_file,
    json::Json,
    nearest::nearest,
    problem::{Problem, Problems},
};
use crate::error_chain::words::of_system;
use crate::foreign::foreign;

/// The connector that a file defines.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) file: PathBuf,
    /// 1 to 5.
    pub(super) version: u8,
    /// Each name is unique, but not yet checked.
    pub(super) parameters: Object,
}

pub(super) type Object = Vec<(String, Json)>;

/// Bytes of a definition file; one with a full list of connectors has a few thousand.
const MAX_FILE_BYTES: usize = 256 * 1024;

/// The version of a definition that names none.
pub(super) const NEWEST_VERSION: u8 = 5;

/// The key by which a shape is recognised, and the keys that may be beside it.
const SHAPES: [(&str, &[&str]); 5] = [
    // The reply of get-connector-definition-version, from the CLI or from boto3.
    ("Definition", &["Arn", "CreationTimestamp", "Id", "NextToken", "ResponseMetadata", "Version"]),
    // The input of create-connector-definition, as --cli-input-json takes it.
    ("InitialVersion", &["AmznClientToken", "Name", "tags"]),
    // Its --initial-version, or the input of create-connector-definition-version.
    ("Connectors", &["AmznClientToken", "ConnectorDefinitionId"]),
    // One entry of that list; its keys are those of any entry.
    ("ConnectorArn", &[]),
    ("Parameters", &[]),
];

/// The end of this connector's ARN, without the version. The region before it does not matter: AWS's documentation leaves it to the
/// user.
const CONNECTOR: &str = "/connectors/KinesisFirehose/versions/";

impl Definition {
    /// Reads a definition file; `None` when there are problems that leave no parameters to check. `known` are the names of all
    /// parameters, by which a file with nothing else is recognized.
    pub(super) fn read(file: &Path, known: &[&str], problems: &mut Problems) -> Option<Self> {
        match bounded_file::read_text(file, MAX_FILE_BYTES as u64) {
            Ok(text) => Self::parse(file, &text, known, problems),
            Err(error) => {
                problems.push(Problem::file(file, format!("cannot be read: {}", of_system(&error))));
                None
            }
        }
    }

    /// Reads the text of a definition file.
    pub(super) fn parse(file: &Path, text: &str, known: &[&str], problems: &mut Problems) -> Option<Self> {
        let mut reader = Reader { file, problems };
        // Editors on Windows put a byte order mark in front.
        let text = text.strip_prefix(bounded_file::BYTE_ORDER_MARK).unwrap_or(text);
        let (version, parameters) = match serde_json::from_str(text) {
            Ok(Json::Object(document)) => reader.document(document, known),
            Ok(_) => reader.fault("", "must be a JSON object"),
            Err(_) if text.trim().is_empty() => {
                reader.fault("", "is empty, and must be a connector definition in JSON")
            }
            Err(error) => reader.fault("", format!("is not JSON: {error}")),
        }?;
        reader.check_unique("", &parameters);
        Some(Self { file: file.to_owned(), version, parameters })
    }
}

/// Walks a document down to the parameters, and collects problems on the way.
struct Reader<'a> {
    file: &'a Path,
    problems: &'a mut Problems,
}

type Found = Option<(u8, Object)>;

impl Reader<'_> {
    fn document(&mut self, mut document: Object, known: &[&str]) -> Found {
        let shape = SHAPES.iter().find(|(key, _)| document.iter().any(|(name, _)| name == key));
        let Some((key, beside)) = shape else { return self.bare_parameters(document, known) };
        if *key == "ConnectorArn" {
            return self.entries(vec![Json::Object(document)], |_| String::new());
        }
        self.check_keys("", &document, &[&[*key], *beside].concat());
        match *key {
            "Parameters" => Some((NEWEST_VERSION, self.object("Parameters", take(&mut document, "Parameters"))?)),
            "Connectors" => self.list("", document),
            wrapper => {
                let inner = self.object(wrapper, take(&mut document, wrapper))?;
                let prefix = format!("{wrapper}.");
                self.check_keys(&prefix, &inner, &["Connectors"]);
                self.list(&prefix, inner)
            }
        }
    }

    fn bare_parameters(&mut self, document: Object, known: &[&str]) -> Found {
        let keys: Vec<_> = document.iter().map(|(key, _)| key.as_str()).collect();
        if keys.is_empty() || keys.iter().any(|key| nearest(key, known.iter().copied()).is_some()) {
            return Some((NEWEST_VERSION, document));
        }
        let shapes = SHAPES.map(|(key, _)| key);
        let meant = keys.iter().find_map(|key| nearest(key, shapes));
        let hint = meant.map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
        let rule = format!(
            "is no connector definition: one of the keys {} is needed, there is {}{hint}",
            shapes.join(", "),
            foreign(&keys.join(", "))
        );
        self.fault("", rule)
    }

    fn list(&mut self, prefix: &str, mut object: Object) -> Found {
        let key = format!("{prefix}Connectors");
        match take(&mut object, "Connectors") {
            Some(Json::Array(entries)) => self.entries(entries, |index| format!("{key}[{index}].")),
            Some(_) => self.fault(&key, "must be a list"),
            None => self.fault(&key, "is missing"),
        }
    }

    /// The only Kinesis Firehose connector of the list; other connectors are ignored.
    fn entries(&mut self, entries: Vec<Json>, prefix: impl Fn(usize) -> String) -> Found {
        let mut found = Vec::new();
        let mut others = Vec::new();
        let mut unreadable = false;
        for (index, entry) in entries.into_iter().enumerate() {
            let prefix = prefix(index);
            match self.entry(&prefix, entry) {
                Some((arn, entry)) => match version(&arn) {
                    Some(version) => found.push((prefix, arn, version, entry)),
                    None => others.push(arn),
                },
                None => unreadable = true,
            }
        }
        if found.len() > 1 {
            let places: Vec<_> = found.iter().map(|(prefix, ..)| prefix.trim_end_matches('.')).collect();
            return self.fault("Connectors", format!("only one may be KinesisFirehose, not {}", places.join(", ")));
        }
        let Some((prefix, arn, version, mut entry)) = found.pop() else {
            return if unreadable { None } else { self.no_connector(&others) };
        };
        self.check_keys(&prefix, &entry, &["ConnectorArn", "Id", "Parameters"]);
        if version.is_none() {
            let key = format!("{prefix}ConnectorArn");
            self.problems.push(Problem::key(self.file, &key, "the versions are 1 to 5").with_text(&arn));
        }
        let parameters = self.object(&format!("{prefix}Parameters"), take(&mut entry, "Parameters"))?;
        Some((version?, parameters))
    }

    /// An entry and its `ConnectorArn`.
    fn entry(&mut self, prefix: &str, entry: Json) -> Option<(String, Object)> {
        let entry = self.object(prefix.trim_end_matches('.'), Some(entry))?;
        let key = format!("{prefix}ConnectorArn");
        match entry.iter().find(|(name, _)| name == "ConnectorArn") {
            Some((_, Json::Text(arn))) => Some((arn.clone(), entry)),
            Some(_) => self.fault(&key, "must be a string"),
            None => {
                let meant = entry.iter().find(|(name, _)| nearest(name, ["ConnectorArn"]).is_some());
                let hint = meant.map_or_else(String::new, |(name, _)| format!("; {} is no key", foreign(name)));
                self.fault(&key, format!("is missing{hint}"))
            }
        }
    }

    fn no_connector<T>(&mut self, others: &[String]) -> Option<T> {
        let expected = "arn:aws:greengrass:region::/connectors/KinesisFirehose/versions/1 to 5";
        let others: Vec<_> = others.iter().take(10).map(|arn| foreign(arn)).collect();
        let listed = if others.is_empty() { "nothing".to_owned() } else { others.join(", ") };
        self.fault("Connectors", format!("none has the ConnectorArn {expected}; listed: {listed}"))
    }

    fn object(&mut self, key: &str, value: Option<Json>) -> Option<Object> {
        match value {
            Some(Json::Object(object)) => Some(object),
            Some(_) => self.fault(key, "must be a JSON object"),
            None => self.fault(key, "is missing"),
        }
    }

    fn check_keys(&mut self, prefix: &str, object: &Object, known: &[&str]) {
        self.check_unique(prefix, object);
        for (key, _) in object.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            let rule = match nearest(key, known.iter().copied()) {
                Some(meant) => format!("unknown key; did you mean {meant}?"),
                None => format!("unknown key; known here: {}", known.join(", ")),
            };
            self.fault::<()>(&format!("{prefix}{key}"), rule);
        }
    }

    fn check_unique(&mut self, prefix: &str, object: &Object) {
        let mut occurrences = BTreeMap::<_, usize>::new();
        for (key, _) in object {
            let count = occurrences.entry(key).or_default();
            *count += 1;
            if *count == 2 {
                self.fault::<()>(&format!("{prefix}{key}"), "is given more than once");
            }
        }
    }

    /// Adds a problem, and returns `None`.
    fn fault<T>(&mut self, key: &str, rule: impl Into<String>) -> Option<T> {
        self.problems.push(Problem::key(self.file, key, rule));
        None
    }
}

fn take(object: &mut Object, key: &str) -> Option<Json> {
    let index = object.iter().position(|(name, _)| name == key)?;
    Some(object.swap_remove(index).1)
}

/// Whether the ARN is that of this connector, and its version if there is such a version.
fn version(connector_arn: &str) -> Option<Option<u8>> {
    let mut parts = connector_arn.splitn(6, ':');
    let mut part = || parts.next();
    if part()? != "arn" || !part()?.starts_with("aws") || part()? != "greengrass" {
        return None;
    }
    let (_region, account, connector) = (part()?, part()?, part()?);
    let digits = connector.strip_prefix(CONNECTOR).filter(|_| account.is_empty())?;
    Some(match digits.as_bytes() {
        [digit @ b'1'..=b'5'] => Some(digit - b'0'),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
