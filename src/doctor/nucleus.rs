//! The nucleus's steps: the socket, the token, and whether the component may subscribe and publish.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::broker::empty_status;
use super::report::{Report, Step};
use crate::config::Greengrass;
use crate::error_chain::error_chain;
use crate::foreign::file_name;
use crate::greengrass::{Declined, GreengrassError, Probe};
use crate::prepare::Ready;
use crate::relay::message::STATUS_TOPIC;

/// Reports all steps that concern the nucleus. A component that runs meanwhile is left alone: the nucleus takes its token twice.
pub(super) async fn examine(ready: &Ready, greengrass: &Greengrass, report: &mut Report<'_>) {
    let mut probe = match Probe::connect(&greengrass.socket, ready.plan.packet, report.deadline()).await {
        Ok(probe) => probe,
        Err(error) => {
            let advice = "run the check as the component does, and see whether the nucleus runs".to_owned();
            report.fail(Step::IpcSocket, error_chain(&error), Some(advice));
            return report.skip_to(Step::Credentials, "no connection with the nucleus");
        }
    };
    report.ok(Step::IpcSocket, format!("{} accepts connections", file_name(&greengrass.socket)));
    if let Err(error) = probe.log_in(&greengrass.token, report.deadline()) {
        let is_refused = error.is_for_the_token();
        let advice = "a token is good for one start of a component: run the check from its recipe";
        let advice = if is_refused { Some(advice) } else { advice_for(&error) };
        report.fail(Step::IpcToken, error_chain(&error), advice.map(str::to_owned));
        let why = if is_refused { "the nucleus does not take the token" } else { end(&error) };
        return report.skip_to(Step::Credentials, why);
    }
    report.ok(Step::IpcToken, "the nucleus takes the token of this process");

    let (mut declined, mut advice) = (Vec::new(), BTreeSet::new());
    for topic in &greengrass.topics {
        match probe.subscribe(topic, report.deadline()) {
            Ok(None) => {}
            Ok(Some(Declined { why, unauthorized })) => {
                declined.push(format!("the nucleus does not deliver \"{}\": {why}", topic.filter));
                advice.insert(match unauthorized {
                    true => {
                        "let the component subscribe: accessControl in its configuration must name each topic as it stands there"
                    }
                    false => declined_advice(topic.cloud),
                });
            }
            Err(error) => {
                report.fail(Step::IpcSubscribe, error_chain(&error), advice_for(&error).map(str::to_owned));
                return report.skip_to(Step::Credentials, end(&error));
            }
        }
    }
    if declined.is_empty() {
        let filters: Vec<_> = greengrass.topics.iter().map(|topic| topic.filter.as_str()).collect();
        report.ok(Step::IpcSubscribe, filters.join(", "));
    } else {
        let advice = advice.into_iter().collect::<Vec<_>>().join("; ");
        report.fail(Step::IpcSubscribe, declined.join("\n"), Some(advice));
    }
    publish(&mut probe, ready, greengrass, report);
}

fn publish(probe: &mut Probe, ready: &Ready, greengrass: &Greengrass, report: &mut Report<'_>) {
    let status = Bytes::from_static(empty_status(ready.config.connector.version));
    let places: &[(bool, &str)] = match greengrass.status_to_cloud {
        true => &[(false, "locally"), (true, "AWS IoT Core")],
        false => &[(false, "locally")],
    };
    for (cloud, place) in places {
        let (found, advice) = match probe.publish_status(&status, *cloud, report.deadline()) {
            Ok(None) => continue,
            Ok(Some(Declined { why, unauthorized })) => {
                let advice = match unauthorized {
                    true => format!("let the component publish to {STATUS_TOPIC}: accessControl in its configuration"),
                    false => declined_advice(*cloud).to_owned(),
                };
                (format!("a status is not taken ({place}): {why}"), Some(advice))
            }
            Err(error) => (format!("{} ({place})", error_chain(&error)), advice_for(&error).map(str::to_owned)),
        };
        return report.fail(Step::IpcPublish, found, advice);
    }
    let places: Vec<_> = places.iter().map(|(_, place)| *place).collect();
    report.ok(Step::IpcPublish, format!("{STATUS_TOPIC}, {}", places.join(" and ")));
}

/// What to do when the nucleus declines for another reason than the component's rights.
const fn declined_advice(cloud: bool) -> &'static str {
    if cloud {
        "see whether the device is online: the nucleus passes this on to AWS IoT Core, and the connector tries again until it does"
    } else {
        "the log of the nucleus says more"
    }
}

/// What to do about an error that is not for the token.
const fn advice_for(error: &GreengrassError) -> Option<&'static str> {
    match error {
        GreengrassError::SilentFor(..) => Some("see whether the nucleus hangs; its log says more"),
        GreengrassError::Frame(_) => Some(
            "see whether a nucleus listens there: AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT names the socket",
        ),
        _ => None,
    }
}

/// Why nothing more can be asked after this error.
const fn end(error: &GreengrassError) -> &'static str {
    match error {
        GreengrassError::SilentFor(..) => "the nucleus does not answer",
        GreengrassError::Frame(_) => "what answers cannot be understood",
        _ => "the nucleus has ended the connection",
    }
}
