//! The nucleus's steps: the socket, the token, and whether the component may subscribe and publish.

use bytes::Bytes;

use super::broker::empty_status;
use super::report::{Report, Step};
use crate::config::Greengrass;
use crate::error_chain::error_chain;
use crate::foreign::file_name;
use crate::greengrass::{Probe, Settings};
use crate::prepare::Ready;
use crate::relay::message::STATUS_TOPIC;

/// Reports all steps that concern the nucleus. A component that runs meanwhile is left alone: the nucleus takes its token twice.
pub(super) async fn examine(ready: &Ready, greengrass: &Greengrass, report: &mut Report<'_>) {
    let settings = Settings {
        greengrass: greengrass.clone(),
        frame_bytes: ready.plan.packet,
        read_bytes: ready.plan.read,
        gather: false,
    };
    let mut probe = match Probe::connect(&settings, report.deadline()).await {
        Ok(probe) => probe,
        Err(error) => {
            let advice = "run the check as the component does, and see whether the nucleus runs".to_owned();
            report.fail(Step::IpcSocket, error_chain(&error), Some(advice));
            return report.skip_to(Step::Credentials, "no connection with the nucleus");
        }
    };
    report.ok(Step::IpcSocket, format!("{} accepts connections", file_name(&greengrass.socket)));
    if let Err(error) = probe.log_in(&settings, report.deadline()) {
        let advice = "a token is good for one start of a component: run the check from its recipe".to_owned();
        report.fail(Step::IpcToken, error_chain(&error), Some(advice));
        return report.skip_to(Step::Credentials, "the nucleus does not take the token");
    }
    report.ok(Step::IpcToken, "the nucleus takes the token of this process");

    let mut refused = Vec::new();
    for topic in &greengrass.topics {
        match probe.subscribe(topic, report.deadline()) {
            Ok(None) => {}
            Ok(Some(why)) => refused.push(format!("the nucleus does not deliver \"{}\": {why}", topic.filter)),
            Err(error) => {
                report.fail(Step::IpcSubscribe, error_chain(&error), None);
                return report.skip_to(Step::Credentials, "the nucleus has ended the connection");
            }
        }
    }
    if refused.is_empty() {
        let filters: Vec<_> = greengrass.topics.iter().map(|topic| topic.filter.as_str()).collect();
        report.ok(Step::IpcSubscribe, filters.join(", "));
    } else {
        let advice =
            "let the component subscribe: accessControl in its configuration must name each topic as it stands there";
        report.fail(Step::IpcSubscribe, refused.join("\n"), Some(advice.to_owned()));
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
        let found = match probe.publish_status(&status, *cloud, report.deadline()) {
            Ok(None) => continue,
            Ok(Some(why)) => format!("a status is not taken ({place}): {why}"),
            Err(error) => error_chain(&error),
        };
        let advice = format!("let the component publish to {STATUS_TOPIC}: accessControl in its configuration");
        return report.fail(Step::IpcPublish, found, Some(advice));
    }
    let places: Vec<_> = places.iter().map(|(_, place)| *place).collect();
    report.ok(Step::IpcPublish, format!("{STATUS_TOPIC}, {}", places.join(" and ")));
}
