//! The service's side: credentials, connection, and what Amazon Data Firehose says to a signed request.

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::connection::Way;
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
use crate::limits::{CLOCK_TOLERANCE, net::SERVICE_SEND_BUFFER};
use crate::prepare::Ready;
use crate::relay::arn::DeliveryStreamArn;
use crate::relay::outcome::RecordOutcome;
use crate::transport::route::Route;

/// All that concerns the service, a line each.
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
            "it is not one of Amazon's: a proxy on the way opens TLS. Have it let this name through, or trust its CA",
        ],
    };
    let way = Way {
        steps: [Step::ServiceDns, Step::ServiceTcp, Step::ServiceTls],
        host: &target.host,
        port: target.port,
        tls: target.tls.then_some(service_tls),
        send_buffer: Some(SERVICE_SEND_BUFFER),
        advice,
    };
    let Some(stream) = way.go(&route, report).await else {
        return report.skip_to(Step::End, "no connection with the service");
    };
    let Some(credentials) = credentials else { return report.skip_to(Step::End, "no credentials") };
    let record = record(&config.mqtt.client_id, &utc(clock.wall()));
    let Some(mut body) = Body::with(record.as_bytes(), &config.connector, arn) else {
        return report.skip_to(Step::End, "the client id is too long for a record");
    };
    if !online.send_test_record {
        body = body.emptied(arn.name);
    }
    let (requests, to_serve) = mpsc::channel(1);
    let (event, events) = mpsc::channel(2);
    tokio::spawn(http::serve_over(stream, target.clone(), to_serve, event, route, service_tls.clone()));
    let mut service = Service { subject, arn, target, credentials, requests, events, told_time: false };
    let said = match timeout_at(report.limit(), service.ask_until_the_clock_is_right(&body)).await {
        Ok(said) => said,
        Err(_) => Said::Nothing("the service did not answer in time".to_owned()),
    };
    service.report(&said, &body, report);
}

async fn credentials(subject: &Subject, route: &Route, report: &mut Report<'_>) -> Option<Credentials> {
    let Subject { ready: Ready { config, service_tls, .. }, clock } = subject;
    let provider = Provider::new(config.aws.credentials.clone(), route.clone(), service_tls.clone());
    let fetched = match timeout_at(report.limit(), provider.fetch()).await {
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
        None => report.ok(Step::Credentials, format!("{found}, without an end")),
        Some(end) if end > now => report.ok(Step::Credentials, format!("{found}, until {}", utc(end))),
        // The service knows what time it is, and is asked next.
        Some(end) => report.warn(
            Step::Credentials,
            format!("{found}, ended at {}, and to this device it is {}", utc(end), utc(now)),
            "have them renewed, or set the clock",
        ),
    }
    Some(credentials)
}

/// What a person finds in the delivery stream.
fn record(client_id: &str, time: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    // A string is always JSON.
    let client_id = serde_json::to_string(client_id).unwrap_or_default();
    format!(
        "{{\"firehose-connector\":\"test record\",\"client_id\":{client_id},\"version\":\"{version}\",\"time\":\"{time}\"}}\n"
    )
}

/// What came of a request.
enum Said {
    /// It was taken. With a record: its id, or why it was not.
    Taken(Option<Result<String, String>>),
    Refused {
        class: Class,
        code: String,
        message: String,
    },
    /// Somebody else answered; and how that begins.
    Foreign(String, String),
    /// There is no answer.
    Nothing(String),
}

/// A connection to it.
struct Service<'a> {
    subject: &'a Subject,
    arn: DeliveryStreamArn<'a>,
    target: EndpointUrl,
    credentials: Credentials,
    requests: mpsc::Sender<Request>,
    events: mpsc::Receiver<Event>,
    /// An answer had the time.
    told_time: bool,
}

impl Service<'_> {
    /// Once more when the signature had the wrong time and the answer has the right one, as the connector does.
    async fn ask_until_the_clock_is_right(&mut self, body: &Body) -> Said {
        let before = self.subject.clock.correction();
        let said = self.ask(body).await;
        match said {
            Said::Refused { class: Class::Clock, .. } if self.subject.clock.correction() != before => {
                self.ask(body).await
            }
            said => said,
        }
    }

    async fn ask(&mut self, body: &Body) -> Said {
        let mut body_sha256 = [0; 32];
        body_sha256.copy_from_slice(digest(&SHA256, &body.bytes).as_ref());
        let (host, clock) = (self.target.authority(), &self.subject.clock);
        let unsigned = Unsigned { call: body.call, host: &host, region: self.arn.region, body_sha256 };
        let headers = match headers(&unsigned, &self.credentials, clock.wall()) {
            Ok(headers) => headers,
            Err(error) => return Said::Nothing(error_chain(&error)),
        };
        let (chunks, chunk) = mpsc::channel(1);
        let target = self.target.clone();
        let request = Request { number: 0, target, headers, length: body.bytes.len(), chunks: chunk };
        // The task ends only after this, and has room.
        let _: Result<(), _> = self.requests.try_send(request);
        let mut sent = clock.now();
        loop {
            match self.events.recv().await {
                Some(Event::WantsChunk { .. }) => {
                    sent = clock.now();
                    let _: Result<(), mpsc::error::TrySendError<Bytes>> = chunks.try_send(body.bytes.clone());
                }
                Some(Event::Done { result: Ok(reply), .. }) => {
                    let said = said(body, &reply);
                    // The time of a captive portal is not to be trusted.
                    if let (false, Some(date)) = (matches!(said, Said::Foreign(..)), &reply.date) {
                        clock.learn(date, sent, self.target.tls);
                        self.told_time = true;
                    }
                    return said;
                }
                Some(Event::Done { result: Err(error), .. }) => return Said::Nothing(error_chain(&error)),
                None => return Said::Nothing("the connection to the service ended".to_owned()),
            }
        }
    }

    /// The last three lines.
    fn report(&self, said: &Said, body: &Body, report: &mut Report<'_>) {
        let (call, region, name) = (body.call.name(), self.arn.region, self.arn.name);
        match said {
            Said::Taken(_) => {
                let found = format!("{region} takes signature and {call}, and knows the delivery stream {name}");
                report.ok(Step::Firehose, found);
            }
            // It objects to what is missing, so nothing else was wrong until there.
            Said::Refused { code, .. } if body.records == 0 && REFUSALS_OF_NOTHING.contains(&&**code) => {
                let found = format!(
                    "{region} takes the signature. To a {call} without records it says {code}, so permission and delivery \
                     stream show with --send-test-record only"
                );
                report.ok(Step::Firehose, found);
            }
            Said::Refused { code, message, .. } if body.records == 0 && code == "InvalidArgumentException" => report
                .warn(
                    Step::Firehose,
                    format!(
                        "{region} takes the signature. To a {call} without records for {name} it says {code}: {message}"
                    ),
                    "if that is not about the missing record, look at the delivery stream; or try --send-test-record",
                ),
            Said::Refused { class, code, message } => {
                report.fail(Step::Firehose, format!("{code}: {message}"), Some(self.advice(*class, code, call)));
            }
            Said::Foreign(found, begin) => {
                let advice =
                    format!("sign in to this network, or have a proxy let the service through. It begins: {begin}");
                report.fail(Step::Firehose, found, Some(advice));
            }
            Said::Nothing(found) => report.fail(Step::Firehose, found, None),
        }
        match self.subject.clock.correction() {
            _ if !self.told_time => report.skip(Step::ServiceClock, "the service has not told its time"),
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
        match said {
            _ if body.records == 0 => report.skip(Step::TestRecord, "not asked for, see --send-test-record"),
            Said::Taken(Some(Ok(id))) => report.ok(Step::TestRecord, format!("stored, record id {id}")),
            Said::Taken(Some(Err(found))) => report.fail(Step::TestRecord, found, None),
            _ => report.skip(Step::TestRecord, "not stored, see firehose"),
        }
    }

    fn advice(&self, class: Class, code: &str, call: &str) -> String {
        match class {
            Class::Credentials => "the service does not know this key, or it has ended: have it renewed".to_owned(),
            Class::Clock => "check that the secret key belongs to the key, and the region in the ARN".to_owned(),
            Class::Retry | Class::RetryApart | Class::TooLarge => {
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

/// What is said to a request without records by a service that had nothing else to object to.
const REFUSALS_OF_NOTHING: [&str; 3] = ["ValidationException", "ValidationError", "SerializationException"];

fn said(body: &Body, reply: &Reply) -> Said {
    let answer = reply::Reply { status: reply.status, error_type: reply.error_type.as_deref(), body: &reply.body };
    match reply::read(body.call, body.records, &answer) {
        Answer::Records(records) => Said::Taken(records.outcomes().first().map(|outcome| match outcome {
            RecordOutcome::Delivered { record_id } => Ok(foreign(record_id)),
            RecordOutcome::Rejected { code, message } => Err(format!("{}: {}", foreign(code), foreign(message))),
            RecordOutcome::Retry => Err("the service put the record off".to_owned()),
        })),
        Answer::Refused { class, code, message } => {
            Said::Refused { class, code: foreign(&code), message: foreign(&message) }
        }
        Answer::Unreadable(unreadable) => {
            let text = String::from_utf8_lossy(&reply.body);
            let between = |open, close| Some(short(text.split_once(open)?.1.split_once(close)?.0));
            match (unreadable, between("<Code>", "</Code>"), between("<Message>", "</Message>")) {
                // What stands before the service at times refuses in XML. The connector tries on then; a person is told.
                (Unreadable::Foreign { status }, Some(code), Some(message)) => {
                    Said::Refused { class: class_of(&code, status), code, message }
                }
                _ => Said::Foreign(unreadable.to_string(), short(text.trim_start()).replace('\n', " ")),
            }
        }
    }
}

fn short(text: &str) -> String {
    foreign(text)
}
