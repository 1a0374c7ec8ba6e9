//! The peer: the connector's job as one would write it in an afternoon with `rumqttc` and `aws-sdk-firehose`, both as
//! they come. It exists to be measured against by `scripts/bench` and is no part of the product.
//!
//! What it leaves out, and the connector does not: a bound on memory, retries of the records that a batch lost, late
//! acknowledgements, the 128 KB limit of a status message, a drain at the end.
//!
//! Environment: `FIREHOSE_CONNECTOR_MQTT_URL`, `DEFAULT_DELIVERY_STREAM_ARN`, `PUBLISH_INTERVAL` (seconds, default 10)
//! and what the AWS SDK reads (`AWS_ENDPOINT_URL`, credentials).

use std::{collections::HashMap, env, error::Error, time::Duration};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_firehose::{
    Client,
    error::{DisplayErrorContext, ProvideErrorMetadata},
    primitives::Blob,
    types::Record,
};
use rumqttc::v5::{
    AsyncClient, Event, EventLoop, MqttOptions,
    mqttbytes::{
        QoS,
        v5::{Filter, Packet, Publish},
    },
};
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, time};

const INPUT: &str = "kinesisfirehose/message";
const BINARY_INPUT: &str = "kinesisfirehose/message/binary/";
const STATUS: &str = "kinesisfirehose/message/status";

/// Service limits of one `PutRecordBatch`.
const BATCH_RECORDS: usize = 500;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Room for the largest record (1,024,000 bytes) with its JSON escapes.
const PACKET_BYTES: u32 = 4 * 1024 * 1024;

#[derive(Deserialize)]
struct Message {
    request: Request,
    #[serde(default)]
    id: String,
}

#[derive(Deserialize)]
struct Request {
    data: String,
    delivery_stream_arn: Option<String>,
}

#[derive(Serialize)]
struct StatusMessage {
    response: Vec<Status>,
}

#[derive(Serialize)]
struct Status {
    #[serde(rename = "ErrorCode", skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    #[serde(rename = "ErrorMessage", skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firehose_record_id: Option<String>,
    id: String,
    status: &'static str,
}

impl Status {
    fn success(id: String, record_id: Option<&str>) -> Self {
        Self {
            error_code: None,
            error_message: None,
            firehose_record_id: record_id.map(Into::into),
            id,
            status: "success",
        }
    }

    fn fail(id: String, code: &str, message: &str) -> Self {
        Self {
            error_code: Some(code.into()),
            error_message: Some(message.into()),
            firehose_record_id: None,
            id,
            status: "fail",
        }
    }
}

struct Input {
    id: String,
    stream: Option<String>,
    data: Vec<u8>,
}

/// Records of one delivery stream that wait for the next `PutRecordBatch`.
#[derive(Default)]
struct Batch {
    ids: Vec<String>,
    records: Vec<Record>,
    encoded_bytes: usize,
}

impl Batch {
    fn has_room_for(&self, data: &[u8]) -> bool {
        self.encoded_bytes + encoded_len(data) <= BATCH_BYTES
    }

    fn push(&mut self, id: String, data: Vec<u8>) -> Result<(), Box<dyn Error>> {
        self.encoded_bytes += encoded_len(&data);
        self.ids.push(id);
        self.records.push(Record::builder().data(Blob::new(data)).build()?);
        Ok(())
    }
}

/// Bytes of one entry of the request body: base64 and the JSON around it.
fn encoded_len(data: &[u8]) -> usize {
    data.len().div_ceil(3) * 4 + r#"{"Data":""},"#.len()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arn = env::var("DEFAULT_DELIVERY_STREAM_ARN")?;
    let region = arn.split(':').nth(3).ok_or("no region in the ARN")?.to_owned();
    let interval = env::var("PUBLISH_INTERVAL").unwrap_or_else(|_| "10".into()).parse()?;
    let url = env::var("FIREHOSE_CONNECTOR_MQTT_URL")?;
    let (host, port) = url
        .strip_prefix("mqtt://")
        .and_then(|authority| authority.rsplit_once(':'))
        .ok_or("the broker's URL is mqtt://host:port")?;

    let config = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(region)).load().await;
    let firehose = Client::new(&config);

    let mut options = MqttOptions::new("firehose-peer", host, port.parse()?);
    options.set_max_packet_size(Some(PACKET_BYTES));
    // By default rumqttc makes room for 65,535 publishes in flight, 14 MiB, which is no yardstick for anybody.
    options.set_outgoing_inflight_upper_limit(100);
    let (mqtt, event_loop) = AsyncClient::new(options, 100);

    let (sender, receiver) = mpsc::channel(BATCH_RECORDS);
    tokio::spawn(receive(event_loop, mqtt.clone(), sender));
    relay(receiver, firehose, mqtt, stream_name(&arn).to_owned(), Duration::from_secs(interval)).await
}

fn stream_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Runs the event loop: subscribes at each connection, passes publishes on.
async fn receive(mut event_loop: EventLoop, mqtt: AsyncClient, inputs: mpsc::Sender<Publish>) {
    loop {
        match event_loop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                let filters =
                    [INPUT.to_owned(), format!("{BINARY_INPUT}#")].map(|filter| Filter::new(filter, QoS::AtLeastOnce));
                if let Err(error) = mqtt.try_subscribe_many(filters) {
                    eprintln!("subscribe: {error}");
                }
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                if inputs.send(publish).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(error) => {
                eprintln!("mqtt: {error}");
                time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Batches per delivery stream; sends a batch when it is full, and all of them at each interval.
async fn relay(
    mut publishes: mpsc::Receiver<Publish>,
    firehose: Client,
    mqtt: AsyncClient,
    default_stream: String,
    interval: Duration,
) -> Result<(), Box<dyn Error>> {
    let mut batches: HashMap<String, Batch> = HashMap::new();
    let mut ticks = time::interval(interval.max(Duration::from_millis(1)));
    loop {
        tokio::select! {
            publish = publishes.recv() => {
                let Some(publish) = publish else { return Ok(()) };
                let input = match parse(&publish) {
                    Ok(input) => input,
                    Err(error) => {
                        let status = Status::fail(String::new(), "InvalidMessage", &error.to_string());
                        answer(&mqtt, vec![status]).await?;
                        continue;
                    }
                };
                let stream = input.stream.unwrap_or_else(|| default_stream.clone());
                let batch = batches.entry(stream.clone()).or_default();
                if !batch.has_room_for(&input.data) {
                    let full = std::mem::take(batch);
                    answer(&mqtt, put(&firehose, &stream, full).await).await?;
                }
                batch.push(input.id, input.data)?;
                if batch.records.len() == BATCH_RECORDS {
                    let full = std::mem::take(batch);
                    answer(&mqtt, put(&firehose, &stream, full).await).await?;
                }
            }
            _ = ticks.tick() => {
                for (stream, batch) in batches.drain().filter(|(_, batch)| !batch.ids.is_empty()) {
                    answer(&mqtt, put(&firehose, &stream, batch).await).await?;
                }
            }
        }
    }
}

fn parse(publish: &Publish) -> Result<Input, Box<dyn Error>> {
    let topic = std::str::from_utf8(&publish.topic)?;
    if let Some(id) = topic.strip_prefix(BINARY_INPUT) {
        return Ok(Input { id: id.to_owned(), stream: None, data: publish.payload.to_vec() });
    }
    let message: Message = serde_json::from_slice(&publish.payload)?;
    Ok(Input {
        id: message.id,
        stream: message.request.delivery_stream_arn.map(|arn| stream_name(&arn).to_owned()),
        data: message.request.data.into_bytes(),
    })
}

/// Sends one batch; the SDK retries the call as it sees fit.
async fn put(firehose: &Client, stream: &str, batch: Batch) -> Vec<Status> {
    let request = firehose.put_record_batch().delivery_stream_name(stream).set_records(Some(batch.records));
    match request.send().await {
        Ok(reply) => std::iter::zip(batch.ids, reply.request_responses())
            .map(|(id, entry)| match entry.error_code() {
                None => Status::success(id, entry.record_id()),
                Some(code) => Status::fail(id, code, entry.error_message().unwrap_or_default()),
            })
            .collect(),
        Err(error) => {
            let code = error.code().unwrap_or("RequestFailed").to_owned();
            let message = DisplayErrorContext(&error).to_string();
            batch.ids.into_iter().map(|id| Status::fail(id, &code, &message)).collect()
        }
    }
}

async fn answer(mqtt: &AsyncClient, response: Vec<Status>) -> Result<(), Box<dyn Error>> {
    let payload = serde_json::to_vec(&StatusMessage { response })?;
    Ok(mqtt.publish(STATUS, QoS::AtLeastOnce, false, payload).await?)
}
