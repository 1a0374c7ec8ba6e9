//! Greengrass as the source of publishes: whether it is, and what `FIREHOSE_CONNECTOR_*` and Greengrass itself say of it.

use super::{
    environment::Environment,
    json::Json,
    problem::{Problem, Problems},
    settings::one_of,
    types::{Greengrass, PubsubTopic},
};
use crate::foreign::Secret;
use crate::limits::greengrass::{SOCKET_BYTES, TOKEN_BYTES, TOPIC_BYTES, TOPICS as MOST_TOPICS};
use crate::relay::message::{BINARY_TOPIC, JSON_TOPIC};

const SOURCE: &str = "FIREHOSE_CONNECTOR_SOURCE";
const TOPICS: &str = "FIREHOSE_CONNECTOR_PUBSUB_TOPICS";
const STATUS_TO_CLOUD: &str = "FIREHOSE_CONNECTOR_STATUS_TO_IOT_CORE";
/// What Greengrass sets for each component that it starts.
const SOCKET: &str = "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT";
const TOKEN: &str = "SVCUID";
const URL: &str = "FIREHOSE_CONNECTOR_MQTT_URL";
/// What only a broker has a use for.
const OF_A_BROKER: [&str; 5] = [
    URL,
    "FIREHOSE_CONNECTOR_MQTT_USERNAME",
    "FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE",
    "FIREHOSE_CONNECTOR_MQTT_PROXY",
    "FIREHOSE_CONNECTOR_ACKNOWLEDGE",
];

/// Whether Greengrass has started us.
pub(super) fn is_component(environment: &Environment) -> bool {
    environment.is_set(SOCKET) && environment.is_set(TOKEN)
}

/// `None`: publishes come from a broker.
pub(super) fn read(environment: &Environment, problems: &mut Problems) -> Option<Greengrass> {
    let is_greengrass = match environment.text(SOURCE, problems) {
        Some("greengrass") => true,
        Some("mqtt") => false,
        Some(text) => {
            problems.push(Problem::variable(SOURCE, "must be mqtt or greengrass").with_text(text));
            return None;
        }
        // A component that names a broker wants that.
        None => is_component(environment) && !environment.is_set(URL),
    };
    let (idle, rule): (&[&str], _) = if is_greengrass {
        (&OF_A_BROKER, format!("has no effect with Greengrass as the source: leave it out, or set {SOURCE} to mqtt"))
    } else {
        (
            &[TOPICS, STATUS_TO_CLOUD],
            format!("has no effect with a broker as the source: leave it out, or set {SOURCE} to greengrass"),
        )
    };
    // The recipe sets what it knows whichever source is chosen.
    let is_component = is_component(environment);
    let idle = idle.iter().filter(|name| environment.is_set(name) && (is_greengrass || !is_component));
    for name in idle {
        problems.push(Problem::variable(name, rule.clone()));
    }
    if !is_greengrass {
        return None;
    }
    if !cfg!(feature = "greengrass") {
        problems.push(Problem::variable(SOURCE, "must be mqtt: this program was built without Greengrass"));
        return None;
    }
    for name in [SOCKET, TOKEN].into_iter().filter(|name| !environment.is_set(name)) {
        problems.push(Problem::variable(name, "is not set: Greengrass sets it for the components that it starts"));
    }
    let token = environment.text(TOKEN, problems).unwrap_or_default();
    if token.len() > TOKEN_BYTES || token.contains(char::is_control) {
        let rule = format!("must be a token of at most {TOKEN_BYTES} bytes; it is not shown");
        problems.push(Problem::variable(TOKEN, rule));
    }
    let socket = environment.path(SOCKET).unwrap_or_default();
    if socket.as_os_str().len() > SOCKET_BYTES {
        let rule =
            format!("must be a path of at most {SOCKET_BYTES} bytes, as each socket's: shorten Greengrass's root path");
        problems.push(Problem::variable(SOCKET, rule));
    }
    Some(Greengrass {
        socket,
        token: Secret::new(token),
        topics: topics(environment, problems),
        status_to_cloud: one_of(environment, STATUS_TO_CLOUD, ["0", "1"], problems),
    })
}

/// `pubsubTopics` of the component's configuration, as JSON.
fn topics(environment: &Environment, problems: &mut Problems) -> Vec<PubsubTopic> {
    let Some(text) = environment.text(TOPICS, problems) else {
        // Those of AWS's own component.
        let local = |filter: String| PubsubTopic { filter, cloud: false };
        return vec![local(JSON_TOPIC.to_owned()), local(format!("{BINARY_TOPIC}/#"))];
    };
    let mut topics = Vec::new();
    let fault = match serde_json::from_str(text) {
        Ok(Json::Object(entries)) => entries.iter().find_map(|(number, entry)| topic(number, entry, &mut topics).err()),
        _ => Some(String::new()),
    };
    let fault = fault.or_else(|| topics.is_empty().then(String::new));
    if let Some(fault) = fault {
        let rule = format!(
            "must be JSON such as {{\"0\": {{\"type\": \"Pubsub\", \"topic\": \"{JSON_TOPIC}\"}}}}, with at most {MOST_TOPICS} topics \
             of 1 to {TOPIC_BYTES} bytes and the type Pubsub or IotCore{fault}"
        );
        problems.push(Problem::variable(TOPICS, rule).with_text(text));
    }
    topics
}

/// An entry that is `null` is none: so a deployment takes one out that the recipe has. Nucleus lite does not merge that.
///
/// # Errors
/// Which part is wrong.
fn topic(number: &str, entry: &Json, topics: &mut Vec<PubsubTopic>) -> Result<(), String> {
    let member = |name| match entry {
        Json::Object(members) => members.iter().find_map(|(key, value)| match value {
            Json::Text(text) if key == name => Some(text.as_str()),
            _ => None,
        }),
        _ => None,
    };
    if matches!(entry, Json::Literal(literal) if literal == "null") {
        return Ok(());
    }
    let wrong = |what| Err(format!("; \"{}\" {what}", crate::foreign::foreign(number)));
    // In the component's configuration it reads `Pubsub`, for Lambda functions `PUB_SUB`.
    let cloud = match member("type") {
        Some(text) if ["Pubsub", "PUB_SUB"].iter().any(|name| text.eq_ignore_ascii_case(name)) => false,
        Some(text) if ["IotCore", "IOT_CORE"].iter().any(|name| text.eq_ignore_ascii_case(name)) => true,
        _ => return wrong("has no such type"),
    };
    let filter = member("topic").filter(|text| (1..=TOPIC_BYTES).contains(&text.len()));
    let Some(filter) = filter else { return wrong("has no such topic") };
    let topic = PubsubTopic { filter: filter.to_owned(), cloud };
    // Twice the same would deliver everything twice.
    if topics.contains(&topic) {
        return Ok(());
    }
    if topics.len() == MOST_TOPICS {
        return wrong("is one too many");
    }
    topics.push(topic);
    Ok(())
}

impl PubsubTopic {
    /// Whether a topic on which records come can match.
    #[must_use]
    pub fn brings_records(&self) -> bool {
        self.matches(JSON_TOPIC, false) || self.matches(BINARY_TOPIC, true)
    }

    /// Whether a message can match both, so that it is delivered twice.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.filter.split('/'), other.filter.split('/'));
        self.cloud == other.cloud
            && loop {
                match (ours.next(), theirs.next()) {
                    (Some("#"), _) | (_, Some("#")) | (None, None) => break true,
                    (Some(one), Some(other)) if one == other || one == "+" || other == "+" => {}
                    _ => break false,
                }
            }
    }

    /// `open`: the topic may have further levels.
    fn matches(&self, topic: &str, open: bool) -> bool {
        let mut levels = topic.split('/');
        for wanted in self.filter.split('/') {
            match (wanted, levels.next()) {
                ("#", _) => return self.filter.find('#') == Some(self.filter.len() - 1),
                (_, None) => return open,
                ("+", Some(_)) => {}
                (wanted, Some(level)) if wanted == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }
}

#[cfg(test)]
mod tests;
