//! HTTP: one request in, one answer out, faults in between.

use std::{cell::RefCell, fmt, rc::Rc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, DATE},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::Notify};

use super::{
    account::{Account, Figures},
    call::{self, BODY_MAX, Call, Refusal},
    clock,
    faults::{Faults, RequestFault},
};

const AMZ_JSON: &str = "application/x-amz-json-1.1";
const HUGE: usize = 32 * 1024 * 1024;

/// What all connections share.
pub(super) struct Shared {
    account: RefCell<Account>,
    faults: RefCell<Faults>,
    changed: Notify,
}

type Reply = Response<Full<Bytes>>;

/// The connection ends without an answer.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

impl Shared {
    pub(super) fn new(account: Account, faults: Faults) -> Self {
        Self { account: RefCell::new(account), faults: RefCell::new(faults), changed: Notify::new() }
    }

    pub(super) fn down(&self) -> bool {
        self.faults.borrow().down
    }

    pub(super) fn connected(&self) {
        self.account.borrow_mut().figures.connections += 1;
    }

    /// Returns when new faults are in force.
    pub(super) async fn faults_changed(&self) {
        self.changed.notified().await;
    }
}

/// Serves one connection until the peer or a fault ends it.
pub(super) async fn connection(stream: TcpStream, shared: Rc<Shared>) {
    // Answers are small: without this each waits for the peer's delayed acknowledgement.
    drop(stream.set_nodelay(true));
    let answer = |request| {
        let shared = Rc::clone(&shared);
        async move { answer(request, &shared).await }
    };
    // An error is a connection that was cut, by the peer or by a fault: nothing to do.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await);
}

async fn answer(request: Request<Incoming>, shared: &Shared) -> Result<Reply, Cut> {
    let (head, body) = request.into_parts();
    // A little more than the service takes, so that its refusal can be the service's own.
    let Ok(body) = Limited::new(body, 2 * BODY_MAX).collect().await else { return Err(Cut) };
    let body = body.to_bytes();
    match (&head.method, head.uri.path()) {
        (&Method::GET, "/standin/state") => Ok(json_reply(&shared.account.borrow().state())),
        (&Method::GET, "/standin/records") => Ok(json_reply(&shared.account.borrow().records())),
        (&Method::POST, "/standin/faults") => Ok(set_faults(&body, shared)),
        (&Method::POST, "/standin/reset") => {
            shared.account.borrow_mut().reset();
            Ok(json_reply(&json!({})))
        }
        (&Method::POST, "/") => {
            shared.account.borrow_mut().figures.requests += 1;
            let now = clock::now(shared.faults.borrow().clock_ahead_s);
            let mut reply = call(&head.headers, &body, now, shared).await?;
            if let Ok(date) = clock::http_date(now).parse() {
                reply.headers_mut().insert(DATE, date);
            }
            Ok(reply)
        }
        _ => Ok(reply(StatusCode::NOT_FOUND, "text/plain", "no such page\n")),
    }
}

/// The service's order: the signature's time, its key, the rules of the interface, the delivery stream.
async fn call(headers: &HeaderMap, body: &[u8], now: i64, shared: &Shared) -> Result<Reply, Cut> {
    let signed = headers.get("x-amz-date").and_then(|date| date.to_str().ok()).unwrap_or_default();
    let is_off = shared.faults.borrow().clock_ahead_s != 0;
    let judged = if is_off { clock::judge(signed, now) } else { Ok(()) };
    match judged.and_then(|()| call::read(headers, body)) {
        Ok(call) => put(call, shared).await,
        Err(refusal) => {
            let faults = shared.faults.borrow().clone();
            let error = call::signer(headers).ok().and_then(|key| faults.keys.get(&key));
            let fault = fault(&faults, &mut shared.account.borrow_mut().figures, error.is_some(), false);
            match (error, fault) {
                (Some(error), _) => Ok(error_reply(error.status, &error.code, &error.message)),
                (None, Some(fault)) => faulty(fault, 0).await,
                (None, None) => Ok(refused(&refusal, shared)),
            }
        }
    }
}

fn set_faults(body: &[u8], shared: &Shared) -> Reply {
    match serde_json::from_slice(body) {
        Ok(faults) => {
            *shared.faults.borrow_mut() = faults;
            shared.changed.notify_one();
            json_reply(&json!({}))
        }
        Err(error) => reply(StatusCode::BAD_REQUEST, "text/plain", format!("{error}\n")),
    }
}

fn refused(refusal: &Refusal, shared: &Shared) -> Reply {
    let figures = &mut shared.account.borrow_mut().figures;
    figures.refused_requests += 1;
    figures.last_refusal = format!("{}: {}", refusal.code, refusal.message);
    error_reply(400, refusal.code, &refusal.message)
}

async fn put(call: Call, shared: &Shared) -> Result<Reply, Cut> {
    let faults = shared.faults.borrow().clone();
    let records = call.records.len() as u64;
    let error = faults.keys.get(&call.access_key_id).or_else(|| faults.streams.get(&call.stream));
    let fault = {
        let figures = &mut shared.account.borrow_mut().figures;
        figures.received += records;
        figures.single_requests += u64::from(!call.batch);
        figures.largest_batch = figures.largest_batch.max(call.records.len());
        let is_bad = |bad: &String| call.records.iter().any(|data| data == bad.as_bytes());
        fault(&faults, figures, error.is_some(), faults.bad_record.as_ref().is_some_and(is_bad))
    };
    if faults.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(faults.latency_ms)).await;
    }
    if let Some(error) = error {
        shared.account.borrow_mut().figures.dropped += records;
        return Ok(error_reply(error.status, &error.code, &error.message));
    }
    match fault {
        None => Ok(stored(call, &faults, shared)),
        Some(RequestFault::CutStored) => {
            let healthy = Faults::default();
            stored(call, &healthy, shared);
            shared.account.borrow_mut().figures.accepted_unanswered += records;
            Err(Cut)
        }
        Some(fault) => {
            shared.account.borrow_mut().figures.dropped += records;
            faulty(fault, call.records.len()).await
        }
    }
}

/// What is wrong with the request that has just come, if it is its turn.
fn fault(faults: &Faults, figures: &mut Figures, has_error: bool, has_bad_record: bool) -> Option<RequestFault> {
    let nth = has_bad_record || figures.requests.checked_rem(faults.every_request) == Some(0);
    figures.faulted_requests += u64::from(nth || has_error);
    nth.then(|| faults.request_fault.pick(figures.faulted_requests))
}

/// Accepts the records, but for those whose turn it is to fail.
fn stored(call: Call, faults: &Faults, shared: &Shared) -> Reply {
    let mut account = shared.account.borrow_mut();
    let mut number = account.figures.received - call.records.len() as u64;
    let mut failed = 0;
    let mut entries = Vec::with_capacity(call.records.len());
    for data in call.records {
        number += 1;
        if number.checked_rem(faults.every_record) == Some(0) {
            failed += 1;
            account.put_off(&call.stream, data);
            let code = Some(faults.record_code.as_str()).filter(|code| !code.is_empty());
            entries.push(Err(code.unwrap_or("ServiceUnavailableException")));
            continue;
        }
        match account.accept(&call.stream, data) {
            Ok(record_id) => entries.push(Ok(record_id)),
            Err(error) => return error_reply(500, "InternalFailure", &error.to_string()),
        }
    }
    if call.batch {
        let entry = |entry: &Result<String, &str>| match entry {
            Ok(record_id) => json!({"RecordId": record_id}),
            Err(code) => json!({"ErrorCode": code, "ErrorMessage": "Slow down."}),
        };
        let responses: Value = entries.iter().map(entry).collect();
        amz_reply(200, &json!({"FailedPutCount": failed, "Encrypted": false, "RequestResponses": responses}))
    } else {
        match entries.first() {
            Some(Ok(record_id)) => amz_reply(200, &json!({"RecordId": record_id, "Encrypted": false})),
            _ => error_reply(503, "ServiceUnavailableException", "Slow down."),
        }
    }
}

async fn faulty(fault: RequestFault, records: usize) -> Result<Reply, Cut> {
    let portal = "<html><head><title>Sign in</title></head><body>Welcome to the network.</body></html>";
    let gateway = "<html><body><h1>502 Bad Gateway</h1></body></html>";
    Ok(match fault {
        RequestFault::Unavailable => error_reply(503, "ServiceUnavailableException", "Slow down."),
        RequestFault::Throttling => error_reply(400, "ThrottlingException", "Rate exceeded"),
        RequestFault::BadGateway => reply(StatusCode::BAD_GATEWAY, "text/html", gateway),
        RequestFault::Timeout => std::future::pending().await,
        RequestFault::Cut | RequestFault::CutStored => return Err(Cut),
        RequestFault::Portal => reply(StatusCode::OK, "text/html", portal),
        RequestFault::WrongLength => {
            let responses = vec![json!({"RecordId": "one too few"}); records.saturating_sub(1)];
            amz_reply(200, &json!({"FailedPutCount": 0, "RequestResponses": responses}))
        }
        RequestFault::Huge => {
            let mut body = br#"{"FailedPutCount":0,"Encrypted":false,"RequestResponses":["#.to_vec();
            body.resize(HUGE, b'[');
            reply(StatusCode::OK, AMZ_JSON, body)
        }
        RequestFault::Internal | RequestFault::Mixed => error_reply(500, "InternalFailure", "Internal failure"),
    })
}

/// The service's own way to refuse a whole request. Refusals by IAM spell the sentence's key with a capital.
fn error_reply(status: u16, code: &str, message: &str) -> Reply {
    let key = if code == "AccessDeniedException" { "Message" } else { "message" };
    let mut reply = amz_reply(status, &json!({"__type": code, key: message}));
    if let Ok(value) = code.parse() {
        reply.headers_mut().insert("x-amzn-errortype", value);
    }
    reply
}

fn amz_reply(status: u16, body: &Value) -> Reply {
    reply(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), AMZ_JSON, body.to_string())
}

fn json_reply(body: &Value) -> Reply {
    reply(StatusCode::OK, "application/json", body.to_string())
}

fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    reply
}
