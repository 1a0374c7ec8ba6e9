//! The service's steps: credentials, connection, and the answer of Amazon Data Firehose to a signed request.

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::connection::ConnectionSteps;
use super::report::{Report, Step};
use super::test_record::Body;
use super::{Subject, utc};
use crate::cli::Online;
use crate::config::EndpointUrl;
use crate::credentials::{Fetched, Provider};
use crate::error_chain::error_chain;
use crate::firehose::credentials::Credentials;
use crate::firehose::error_code::{Class, class_of};
use crate::firehose::reply::{self, Answer, Unreadable};
use crate::firehose::sign::{Unsigned, headers};
use crate::foreign::foreign;
use crate::http::{self, Event, Reply, Request};
use crate::limits::CLOCK_TOLERANCE;
use crate::prepare::Ready;
use crate::relay::arn::DeliveryStreamArn;
use crate::relay::outcome::RecordOutcome;
use crate::transport::connect::Buffers;
use crate::transport::route::Route;

/// Reports all steps that concern the service.
pub(super) async fn examine(subject: &Subject, online: &Online, report: &mut Report<'_>) {
    let Subject { ready: Ready { config, service_tls, .. }, clock } = subject;
    let route = Route::https(config.aws.proxy.clone(), service_tls);
    let credentials = credentials(subject, &route, report).await;
    let arn = match DeliveryStreamArn::parse(&config.connector.default_delivery_stream_arn) {
        Ok(arn) => arn,
        Err(error) => {
            report.fail(Step::ServiceDns, error.to_string(), None);
            return report.skip_to(Step::End, "no delivery stream");
        }
    };
    let target = config.aws.endpoint(&arn);
    let advice = match &config.aws.endpoint_url {
        Some(_) => ["see AWS_ENDPOINT_URL_FIREHOSE and AWS_ENDPOINT_URL", ""],
        None => [
            "check the region in DefaultDeliveryStreamArn",
            "it is not one of Amazon's: a proxy on the way intercepts TLS. Have it let this name through, or trust its CA",
        ],
    };
    let steps = ConnectionSteps {
        steps: [Step::ServiceDns, Step::ServiceTcp, Step::ServiceTls],
        host: &target.host,
        port: target.port,
        tls: target.tls.then_some(service_tls),
        buffers: Buffers::SERVICE,
        advice,
    };
    let Some(stream) = steps.connect(&route, report).await else {
        return report.skip_to(Step::End, "no connection with the service");
    };
    let Some(credentials) = credentials else { return report.skip_to(Step::End, "no credentials") };
    let record = record(&config.mqtt.client_id, &utc(clock.wall()));
    let Some(mut body) = Body::with(record.as_bytes(), config, arn) else {
        return report.skip_to(Step::End, "the client id is too long for a record");
    };
    if !online.send_test_record {
        body = body.emptied(arn.name);
    }
    let (requests, to_serve) = mpsc::channel(1);
    let (event, events) = mpsc::channel(2);
    tokio::spawn(http::serve_over(stream, target.clone(), to_serve, event, route, service_tls.clone()));
    let mut service = Service { subject, arn, target, credentials, requests, events, has_service_time: false };
    let answer = match timeout_at(report.deadline(), service.ask_and_correct_the_clock(&body)).await {
        Ok(answer) => answer,
        Err(_) => CheckAnswer::Missing("the service did not answer in time".to_owned()),
    };
    service.report(&answer, &body, report);
}

async fn credentials(subject: &Subject, route: &Route, report: &mut Report<'_>) -> Option<Credentials> {
    let Subject { ready: Ready { config, service_tls, .. }, clock } = subject;
    let provider = Provider::new(config.aws.credentials.clone(), route.clone(), service_tls.clone());
    let fetched = match timeout_at(report.deadline(), provider.fetch()).await {
        Ok(Ok(fetched)) => fetched,
        Ok(Err(error)) => {
            report.fail(Step::Credentials, error_chain(&error), None);
            return None;
        }
        Err(_) => {
            report.fail(Step::Credentials, "their source did not answer in time", None);
            return None;
        }
    };
    let Fetched { credentials, source } = fetched;
    let found = format!("source {source:?}, key {}", credentials.shown_id());
    let now = clock.wall();
    match credentials.expires_at {
        None => report.ok(Step::Credentials, format!("{found}, does not expire")),
        Some(end) if end > now => report.ok(Step::Credentials, format!("{found}, until {}", utc(end))),
        // Only a warning: the device's clock may be wrong, and the next step asks the service.
        Some(end) => report.warn(
            Step::Credentials,
            format!("{found}, expired {}, and to this device it is {}", utc(end), utc(now)),
            "have them renewed, or set the clock",
        ),
    }
    Some(credentials)
}

/// The test record, as it is found in the delivery stream.
fn record(client_id: &str, time: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    // A string is always JSON.
    let client_id = serde_json::to_string(client_id).unwrap_or_default();
    format!(
        "{{\"firehose-connector\":\"test record\",\"client_id\":{client_id},\"version\":\"{version}\",\"time\":\"{time}\"}}\n"
    )
}

/// The service's answer to the check's request.
enum CheckAnswer {
    /// The request was accepted. With a record: its id, or why the record was not accepted.
    Accepted(Option<Result<String, String>>),
    Refused {
        class: Class,
        code: String,
        message: String,
    },
    /// Something other than the service answered: what is wrong with the answer, and its beginning.
    Foreign(String, String),
    /// There is no answer, for this reason.
    Missing(String),
}

/// An established connection to the service, and what a request needs.
struct Service<'a> {
    subject: &'a Subject,
    arn: DeliveryStreamArn<'a>,
    target: EndpointUrl,
    credentials: Credentials,
    requests: mpsc::Sender<Request>,
    events: mpsc::Receiver<Event>,
    /// Whether an answer had the service's time.
    has_service_time: bool,
}

impl Service<'_> {
    /// Sends the request; once more if the signature's time was wrong and the answer corrected it, as the connector does.
    async fn ask_and_correct_the_clock(&mut self, body: &Body) -> CheckAnswer {
        let before = self.subject.clock.correction();
        let answer = self.ask(body).await;
        match answer {
            CheckAnswer::Refused { class: Class::Clock, .. } if self.subject.clock.correction() != before => {
                self.ask(body).await
            }
            answer => answer,
        }
    }

    async fn ask(&mut self, body: &Body) -> CheckAnswer {
        let mut body_sha256 = [0; 32];
        body_sha256.copy_from_slice(digest(&SHA256, &body.bytes).as_ref());
        let (host, clock) = (self.target.authority(), &self.subject.clock);
        let unsigned = Unsigned { call: body.call, host: &host, region: self.arn.region, body_sha256 };
        let headers = match headers(&unsigned, &self.credentials, clock.wall()) {
            Ok(headers) => headers,
            Err(error) => return CheckAnswer::Missing(error_chain(&error)),
        };
        let (chunks, chunk) = mpsc::channel(1);
        let target = self.target.clone();
        let request = Request { number: 0, target, headers, length: body.bytes.len(), chunks: chunk };
        // The channel has room, and its task is running.
        let _: Result<(), _> = self.requests.try_send(request);
        let mut sent = clock.now();
        loop {
            match self.events.recv().await {
                Some(Event::WantsChunk { .. }) => {
                    sent = clock.now();
                    let _: Result<(), mpsc::error::TrySendError<Bytes>> = chunks.try_send(body.bytes.clone());
                }
                Some(Event::Done { result: Ok(reply), .. }) => {
                    let answer = read_answer(body, &reply);
                    // A captive portal's time must not be trusted.
                    if let (false, Some(date)) = (matches!(answer, CheckAnswer::Foreign(..)), &reply.date) {
                        clock.learn(date, sent, self.target.tls);
                        self.has_service_time = true;
                    }
                    return answer;
                }
                Some(Event::Done { result: Err(error), .. }) => return CheckAnswer::Missing(error_chain(&error)),
                None => return CheckAnswer::Missing("the connection to the service ended".to_owned()),
            }
        }
    }

    /// Reports the last three steps: request, clock, test record.
    fn report(&self, answer: &CheckAnswer, body: &Body, report: &mut Report<'_>) {
        let (call, region, name) = (body.call.name(), self.arn.region, self.arn.name);
        match answer {
            CheckAnswer::Accepted(_) => {
                let found = format!("{region} takes signature and {call}, and knows the delivery stream {name}");
                report.ok(Step::Firehose, found);
            }
            // It refuses only the missing record, so it had accepted everything it checks before.
            CheckAnswer::Refused { code, .. } if body.records == 0 && REFUSALS_OF_NOTHING.contains(&&**code) => {
                let found = format!(
                    "{region} takes the signature. To a {call} without records it says {code}, so permission and delivery \
                     stream show with --send-test-record only"
                );
                report.ok(Step::Firehose, found);
            }
            CheckAnswer::Refused { code, message, .. } if body.records == 0 && code == "InvalidArgumentException" => {
                report.warn(
                    Step::Firehose,
                    format!(
                        "{region} takes the signature. To a {call} without records for {name} it says {code}: {message}"
                    ),
                    "if that is not about the missing record, look at the delivery stream; or try --send-test-record",
                )
            }
            CheckAnswer::Refused { class, code, message } => {
                report.fail(Step::Firehose, format!("{code}: {message}"), Some(self.advice(*class, code, call)));
            }
            CheckAnswer::Foreign(found, begin) => {
                let advice =
                    format!("sign in to this network, or have a proxy let the service through. It begins: {begin}");
                report.fail(Step::Firehose, found, Some(advice));
            }
            CheckAnswer::Missing(found) => report.fail(Step::Firehose, found, None),
        }
        match self.subject.clock.correction() {
            _ if !self.has_service_time => report.skip(Step::ServiceClock, "no answer had the service's time"),
            0 => {
                let found = format!("the system's clock is right within {} s", CLOCK_TOLERANCE.as_secs());
                report.ok(Step::ServiceClock, found);
            }
            seconds => report.warn(
                Step::ServiceClock,
                format!("the system's clock is wrong, signatures are corrected by {seconds} s"),
                "set the clock if others need it",
            ),
        }
        match answer {
            _ if body.records == 0 => report.skip(Step::TestRecord, "not asked for, see --send-test-record"),
            CheckAnswer::Accepted(Some(Ok(id))) => report.ok(Step::TestRecord, format!("stored, record id {id}")),
            CheckAnswer::Accepted(Some(Err(found))) => report.fail(Step::TestRecord, found, None),
            _ => report.skip(Step::TestRecord, "not stored, see firehose"),
        }
    }

    fn advice(&self, class: Class, code: &str, call: &str) -> String {
        match class {
            Class::Credentials => "the service does not know this key, or it expired: have it renewed".to_owned(),
            Class::Clock => "check that the secret key belongs to the key, and the region in the ARN".to_owned(),
            Class::Retry | Class::RetrySplit | Class::TooLarge => {
                "the connector sends again by itself; if it lasts, look at quota and state of the service".to_owned()
            }
            Class::Permanent if code.starts_with("AccessDenied") => {
                format!("allow firehose:{call} on {}", self.arn.text)
            }
            Class::Permanent => {
                "check name, region and account in DefaultDeliveryStreamArn, and the delivery stream".to_owned()
            }
        }
    }
}

/// Error codes for a request whose only fault is that it has no records.
const REFUSALS_OF_NOTHING: [&str; 3] = ["ValidationException", "ValidationError", "SerializationException"];

fn read_answer(body: &Body, reply: &Reply) -> CheckAnswer {
    let answer = reply::Reply { status: reply.status, error_type: reply.error_type.as_deref(), body: &reply.body };
    match reply::read(body.call, body.records, &answer) {
        Answer::Records(records) => CheckAnswer::Accepted(records.outcomes().first().map(|outcome| match outcome {
            RecordOutcome::Delivered { record_id } => Ok(foreign(record_id)),
            RecordOutcome::Rejected { code, message } => Err(format!("{}: {}", foreign(code), foreign(message))),
            RecordOutcome::Retry => Err("the service put the record off".to_owned()),
        })),
        Answer::Refused { class, code, message } => {
            CheckAnswer::Refused { class, code: foreign(&code), message: foreign(&message) }
        }
        Answer::Unreadable(unreadable) => {
            let text = String::from_utf8_lossy(&reply.body);
            let between = |open, close| Some(short(text.split_once(open)?.1.split_once(close)?.0));
            match (unreadable, between("<Code>", "</Code>"), between("<Message>", "</Message>")) {
                // The service's front end sometimes refuses in XML. The connector retries then; a person is shown the reason.
                (Unreadable::NotTheService { status }, Some(code), Some(message)) => {
                    CheckAnswer::Refused { class: class_of(&code, status), code, message }
                }
                _ => CheckAnswer::Foreign(unreadable.to_string(), short(text.trim_start()).replace('\n', " ")),
            }
        }
    }
}

fn short(text: &str) -> String {
    foreign(text)
}
