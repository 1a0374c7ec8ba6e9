//! The load: publishes records on `kinesisfirehose/message` and accounts for each one on
//! `kinesisfirehose/message/status`.
//!
//! Usage: `publisher HOST:PORT RECORDS BYTES QOS RATE [json | binary]`; BYTES is the size of `data`, RATE is in records
//! per second, 0 for as fast as the broker takes them; a binary one goes to a topic with its id. Ends when every record has its status and nothing more has come for a while,
//! or when no status has come for `PATIENCE`; prints one line of JSON.

use std::{collections::BTreeMap, env, error::Error, fmt::Write, time::Duration};

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc,
    time::{self, Instant},
};

const INPUT: &str = "kinesisfirehose/message";
const BINARY_INPUT: &str = "kinesisfirehose/message/binary";
const STATUS: &str = "kinesisfirehose/message/status";

const USAGE: &str = "usage: publisher HOST:PORT RECORDS BYTES QOS RATE [json | binary]";

/// How long without a status until the rest counts as missing.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to go on listening for repeated statuses.
const AFTERMATH: Duration = Duration::from_millis(2500);

/// Service limits of one `PutRecordBatch`, and what stands around the base64 of a record in it.
const BATCH_RECORDS: usize = 500;
const BATCH_BYTES: usize = 4 * 1024 * 1024;
const DATA_OVERHEAD: usize = 12;

const PACKET_BYTES: usize = 8 * 1024 * 1024;

#[derive(Deserialize)]
struct StatusMessage<'a> {
    #[serde(borrow)]
    response: Vec<Status<'a>>,
}

#[derive(Deserialize)]
struct Status<'a> {
    id: &'a str,
    status: &'a str,
    #[serde(rename = "ErrorCode")]
    error_code: Option<String>,
}

/// What became of the records.
#[derive(Serialize, Default)]
struct Account {
    records: usize,
    succeeded: usize,
    failed: usize,
    /// No status came.
    missing: usize,
    /// Statuses beyond the first of a record.
    repeated: usize,
    /// Statuses of ids that were never published.
    unknown: usize,
    /// Longest status message, bytes.
    longest_status: usize,
    /// From the first publish to the last one's handing over.
    published_seconds: f64,
    /// From the first publish to the last status.
    answered_seconds: f64,
    /// The same, but for the records of one full batch at the end: the last batch is seldom full, and waits for the interval.
    full_batches_seconds: f64,
    /// Failed records by `ErrorCode`.
    errors: BTreeMap<String, usize>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let ([broker, records, bytes, qos, rate], kind) = arguments.split_first_chunk().ok_or(USAGE)?;
    let is_binary = match kind {
        [] => false,
        [kind] if kind == "json" => false,
        [kind] if kind == "binary" => true,
        _ => return Err(USAGE.into()),
    };
    let (host, port) = broker.rsplit_once(':').ok_or("the broker is HOST:PORT")?;
    let (port, records, bytes, rate) = (port.parse()?, records.parse()?, bytes.parse()?, rate.parse()?);
    let qos = if qos == "0" { QoS::AtMostOnce } else { QoS::AtLeastOnce };

    let (sender, mut statuses) = mpsc::channel(1000);
    let (listener, events) = connect("bench-listener", host, port);
    listener.subscribe(STATUS, QoS::AtLeastOnce).await?;
    tokio::spawn(listen(events, sender));
    // The empty message says that the subscription stands.
    statuses.recv().await.ok_or("no subscription")?;

    let (publisher, mut events) = connect("bench-publisher", host, port);
    tokio::spawn(async move { while events.poll().await.is_ok() {} });
    let start = Instant::now();
    let published = tokio::spawn(publish(publisher, records, bytes, qos, rate, is_binary));

    let mut seen = vec![false; records];
    let mut account = Account { records, ..Account::default() };
    let (mut answered, mut full_batches) = (start, start);
    let batch = BATCH_RECORDS.min(BATCH_BYTES / (bytes.div_ceil(3) * 4 + DATA_OVERHEAD));
    while let Ok(Some(payload)) =
        time::timeout(if account.answered() < records { PATIENCE } else { AFTERMATH }, statuses.recv()).await
    {
        let is_last = account.answered() + batch >= records;
        account.add(&payload, &mut seen)?;
        answered = Instant::now();
        if !is_last {
            full_batches = answered;
        }
    }
    account.missing = records - account.answered();
    account.published_seconds = (published.await?? - start).as_secs_f64();
    account.answered_seconds = (answered - start).as_secs_f64();
    account.full_batches_seconds = (full_batches - start).as_secs_f64();
    println!("{}", serde_json::to_string(&account)?);
    Ok(())
}

fn connect(id: &str, host: &str, port: u16) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(id, host, port);
    options.set_max_packet_size(PACKET_BYTES, PACKET_BYTES).set_inflight(1000);
    AsyncClient::new(options, 1000)
}

async fn listen(mut events: EventLoop, statuses: mpsc::Sender<Vec<u8>>) {
    while let Ok(event) = events.poll().await {
        let message = match event {
            Event::Incoming(Packet::SubAck(_)) => Vec::new(),
            Event::Incoming(Packet::Publish(publish)) => publish.payload.to_vec(),
            _ => continue,
        };
        if statuses.send(message).await.is_err() {
            return;
        }
    }
}

async fn publish(
    mqtt: AsyncClient,
    records: usize,
    bytes: usize,
    qos: QoS,
    rate: u32,
    is_binary: bool,
) -> Result<Instant, rumqttc::ClientError> {
    let start = Instant::now();
    for number in 0..records {
        if rate > 0 {
            time::sleep_until(start + Duration::from_secs(1) * u32::try_from(number).unwrap_or(u32::MAX) / rate).await;
        }
        let (data, id) = (data(number, bytes), format!("record-{number}"));
        if is_binary {
            mqtt.publish(format!("{BINARY_INPUT}/{id}"), qos, false, data).await?;
        } else {
            let message = serde_json::json!({"request": {"data": data}, "id": id});
            mqtt.publish(INPUT, qos, false, message.to_string()).await?;
        }
    }
    Ok(Instant::now())
}

/// A sensor message as JSON text, ASCII, of exactly `bytes` bytes unless that is less than its frame needs.
fn data(number: usize, bytes: usize) -> String {
    if bytes < 100 {
        return format!(r#"{{"pump":17,"number":"{number:0width$}"}}"#, width = bytes.saturating_sub(23));
    }
    const END: &str = "0]}";
    let mut text = format!(r#"{{"device":"pump-17","number":{number},"unit":"bar","pressure":["#);
    let mut reading = number;
    while text.len() + END.len() + 7 <= bytes {
        reading = reading.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) % 100_000;
        let _infallible = write!(text, "{:02}.{:03},", reading / 1000, reading % 1000);
    }
    let padding = bytes.saturating_sub(text.len() + END.len());
    text.extend(std::iter::repeat_n(' ', padding));
    text + END
}

impl Account {
    fn answered(&self) -> usize {
        self.succeeded + self.failed
    }

    fn add(&mut self, payload: &[u8], seen: &mut [bool]) -> Result<(), serde_json::Error> {
        self.longest_status = self.longest_status.max(payload.len());
        for status in serde_json::from_slice::<StatusMessage<'_>>(payload)?.response {
            let number = status.id.strip_prefix("record-").and_then(|number| number.parse::<usize>().ok());
            match number.and_then(|number| seen.get_mut(number)) {
                None => self.unknown += 1,
                Some(true) => self.repeated += 1,
                Some(unseen) => {
                    *unseen = true;
                    if status.status == "success" {
                        self.succeeded += 1;
                    } else {
                        self.failed += 1;
                        *self.errors.entry(status.error_code.unwrap_or_default()).or_default() += 1;
                    }
                }
            }
        }
        Ok(())
    }
}
