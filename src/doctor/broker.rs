//! The broker's steps: connection, login, and whether the client may subscribe and publish.

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::Subject;
use super::connection::ConnectionSteps;
use super::report::{Report, Step};
use crate::cli::Online;
use crate::config::MqttVersion;
use crate::error_chain::error_chain;
use crate::foreign::foreign;
use crate::limits::MQTT_FIELD_BYTES;
use crate::limits::doctor::STEP;
use crate::mqtt::{MqttError, Probe, Settings, Unanswered, Versions};
use crate::prepare::Ready;
use crate::relay::message::STATUS_TOPIC;
use crate::transport::connect::{Buffers, Stream, connect};
use crate::transport::route::Route;
use crate::transport::tls::Tls;

/// Reports all steps that concern the broker. Leaves the session of a running connector alone.
pub(super) async fn examine(subject: &Subject, online: &Online, report: &mut Report<'_>) {
    let Ready { config, plan, broker_tls, service_tls } = &subject.ready;
    let mqtt = &config.mqtt;
    let route = Route::to_any(config.mqtt.proxy.clone(), service_tls);
    let steps = ConnectionSteps {
        steps: [Step::BrokerDns, Step::BrokerTcp, Step::BrokerTls],
        host: &mqtt.host,
        port: mqtt.port,
        tls: broker_tls.as_ref(),
        buffers: Buffers::default(),
        advice: ["see FIREHOSE_CONNECTOR_MQTT_URL", ""],
    };
    let Some(stream) = steps.connect(&route, report).await else {
        return report.skip_to(Step::IpcSocket, "no connection with the broker");
    };
    // The connector may be running: a login with its client id would take over its session.
    let client_id = online.client_id.clone().unwrap_or_else(|| check_client_id(&mqtt.client_id));
    let settings = Settings {
        host: mqtt.host.clone(),
        port: mqtt.port,
        route,
        tls: None,
        version: mqtt.version,
        // A session with an id that is given may be a connector's, and what waits in it has to stay.
        lasting: online.client_id.is_some(),
        client_id,
        username: mqtt.username.clone(),
        password: mqtt.password.clone(),
        packet_bytes: plan.packet,
        gather: None,
        read_bytes: plan.read,
        status_bytes: plan.status,
    };
    let id = &settings.client_id;
    let (mut probe, version) = match log_in(stream, &settings, broker_tls.as_ref(), report).await {
        Ok(session) => session,
        Err(error) => {
            let advice = (!settings.lasting && error.may_be_for_the_client_id()).then(|| {
                let id = foreign(&mqtt.client_id);
                format!("if only the client id \"{id}\" may log in: stop the connector, and add --client-id {id}")
            });
            report.fail(Step::BrokerLogin, error_chain(&error), advice);
            return report.skip_to(Step::IpcSocket, "no login at the broker");
        }
    };
    let qos = if probe.is_acknowledged() { 1 } else { 0 };
    report.ok(Step::BrokerLogin, format!("MQTT {}, client id \"{}\", QoS {qos}", version.name(), foreign(id)));

    let subscribed = timeout_at(report.deadline(), probe.subscribe()).await;
    match subscribed.unwrap_or(Err(MqttError::Silent(Unanswered::Subscription, STEP))) {
        Ok(()) => {
            let losses = probe.terms().losses();
            if losses.is_empty() {
                report.ok(Step::BrokerSubscribe, Probe::FILTERS.join(", "));
            } else {
                let advice = "allow QoS 1, sessions of 24 hours, and packets of 128 KB, at the broker";
                report.warn(Step::BrokerSubscribe, losses.join("\n"), advice);
            }
        }
        Err(error) => {
            let is_refused = matches!(error, MqttError::SubscriptionRefused { .. });
            let advice = || format!("let the client subscribe to {}", Probe::FILTERS.join(" and "));
            report.fail(Step::BrokerSubscribe, error_chain(&error), is_refused.then(advice));
            if !is_refused {
                log_out(probe, report).await;
                let is_silent = matches!(error, MqttError::Silent(..));
                let why = if is_silent { "the broker does not answer" } else { "the broker has ended the session" };
                return report.skip_to(Step::IpcSocket, why);
            }
        }
    }
    if probe.is_acknowledged() {
        publish(&mut probe, config.connector.version, report).await;
    } else {
        report.skip(Step::BrokerPublish, "with QoS 0 the broker does not answer");
    }
    log_out(probe, report).await;
}

/// Logs in in the version that the connector would find.
async fn log_in(
    stream: Stream,
    settings: &Settings,
    tls: Option<&Tls>,
    report: &Report<'_>,
) -> Result<(Probe, MqttVersion), MqttError> {
    let Settings { route, host, port, .. } = settings;
    let mut versions = Versions::new(settings.version);
    let mut open = Some(stream);
    loop {
        let (version, begin) = (versions.next(), Instant::now());
        let attempt = async {
            let stream = match open.take() {
                Some(stream) => stream,
                None => connect(route, host, *port, tls, Buffers::default()).await.map_err(MqttError::Connect)?,
            };
            Probe::log_in(stream, settings, version).await
        };
        let by = report.deadline().min(begin + versions.patience());
        match timeout_at(by, attempt).await.unwrap_or(Err(MqttError::Silent(Unanswered::Login, STEP))) {
            Ok(probe) if versions.accepted(begin.elapsed(), Instant::now()) => return Ok((probe, version)),
            Ok(probe) => log_out(probe, report).await,
            Err(error) => {
                versions.failed(&error);
                if versions.next() == version || version == MqttVersion::V3 {
                    return Err(error);
                }
            }
        }
    }
}

async fn log_out(probe: Probe, report: &Report<'_>) {
    // The result does not matter: all steps are reported.
    let _: Result<(), _> = timeout_at(report.deadline(), probe.log_out()).await;
}

async fn publish(probe: &mut Probe, version: u8, report: &mut Report<'_>) {
    let status = Bytes::from_static(empty_status(version));
    let published = timeout_at(report.deadline(), probe.publish_status(status)).await;
    match published.unwrap_or(Err(MqttError::Silent(Unanswered::Publish, STEP))) {
        Ok(None) => report.ok(Step::BrokerPublish, STATUS_TOPIC),
        Ok(Some(reason)) => {
            let found = format!("the broker does not take statuses ({reason})");
            report.fail(Step::BrokerPublish, found, Some(format!("let the client publish to {STATUS_TOPIC}")));
        }
        Err(error) => {
            // Some brokers end the session in place of a refusal.
            let is_silent = matches!(error, MqttError::Silent(..));
            let advice = (!is_silent).then(|| format!("let the client publish to {STATUS_TOPIC}"));
            report.fail(Step::BrokerPublish, error_chain(&error), advice);
        }
    }
}

/// A client id that no connector uses.
fn check_client_id(id: &str) -> String {
    const END: &str = "-check";
    let most = MQTT_FIELD_BYTES - END.len();
    format!("{}{END}", &id[..id.floor_char_boundary(most)])
}

/// A status message without a status, which an application ignores. In version 1 a message is for one record.
pub(super) const fn empty_status(version: u8) -> &'static [u8] {
    if version == 1 { br#"{"response": {"status": "check"}, "id": ""}"# } else { br#"{"response": []}"# }
}
