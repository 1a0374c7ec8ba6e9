//! The floor: what nobody can avoid of the connector's job, in one thread with blocking I/O. It reads MQTT packets,
//! searches for `data` and `id`, makes base64 once, SHA-256 once, one write for each batch, and answers with one status
//! message. It validates, bounds and retries nothing, and ends at the first error: no product, but a measure for
//! `scripts/bench`, of how much of the cost of a record is not the connector's.
//!
//! Environment: `FIREHOSE_CONNECTOR_MQTT_URL` (`mqtt://host:port`), `DEFAULT_DELIVERY_STREAM_ARN`, `PUBLISH_INTERVAL`
//! (seconds, default 10), `AWS_ENDPOINT_URL` (`http` or `https`), `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, and
//! with `https` `AWS_CA_BUNDLE`, a file of PEM certificates.

use std::{
    env,
    error::Error,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use memchr::{memchr, memchr2, memmem};
use ring::{digest, hmac};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use time::OffsetDateTime;

type Outcome<T> = Result<T, Box<dyn Error>>;

const INPUT: &str = "kinesisfirehose/message";
const BINARY_INPUT: &str = "kinesisfirehose/message/binary/";
const STATUS: &str = "kinesisfirehose/message/status";

/// Service limits of one `PutRecordBatch`.
const BATCH_RECORDS: usize = 500;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

const DATA: &[u8] = b"{\"Data\":\"";
const DATA_END: &[u8] = b"\"},";

const SIGNED: &str = "content-type;host;x-amz-date;x-amz-target";
/// Bytes for the head of a request, so that it goes in one write with the body.
const HEAD_ROOM: usize = 1024;
const READ_BYTES: usize = 64 * 1024;

fn main() -> Outcome<()> {
    let arn = env::var("DEFAULT_DELIVERY_STREAM_ARN")?;
    let stream = arn.rsplit('/').next().ok_or("no name in the ARN")?;
    let region = arn.split(':').nth(3).ok_or("no region in the ARN")?;
    let interval = Duration::from_secs(env::var("PUBLISH_INTERVAL").unwrap_or_else(|_| "10".into()).parse()?);
    let url = env::var("FIREHOSE_CONNECTOR_MQTT_URL")?;
    let mut broker = TcpStream::connect(url.strip_prefix("mqtt://").ok_or("the broker's URL is mqtt://host:port")?)?;
    broker.set_nodelay(true)?;
    let mut service = Service::connect(region)?;
    let mut batch = Batch::new(stream);

    broker.write_all(&login())?;
    let (mut buffer, mut start, mut end) = (vec![0; 2 * READ_BYTES], 0, 0);
    let mut answers = Vec::new();
    loop {
        while let Some((kind, body, length)) = packet(&buffer[start..end]) {
            if kind >> 4 == 3 {
                let publish = Publish::read(kind, body);
                if batch.is_full(publish.payload.len()) {
                    service.send(&mut batch, &mut answers)?;
                }
                batch.add(&publish)?;
                if let Some(number) = publish.number {
                    answers.extend([0x40, 2, number[0], number[1]]);
                }
            }
            start += length;
        }
        if batch.count > 0 && batch.since.elapsed() >= interval {
            service.send(&mut batch, &mut answers)?;
        }
        broker.write_all(&answers)?;
        answers.clear();
        if start > 0 {
            buffer.copy_within(start..end, 0);
            (start, end) = (0, end - start);
        }
        if buffer.len() - end < READ_BYTES {
            buffer.resize(2 * buffer.len(), 0);
        }
        let waits = (batch.count > 0).then_some(interval.max(Duration::from_millis(1)));
        if waits != batch.waits {
            broker.set_read_timeout(waits)?;
            batch.waits = waits;
        }
        match broker.read(&mut buffer[end..]) {
            Ok(0) => return Err("the broker has closed the connection".into()),
            Ok(count) => end += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// `CONNECT` of MQTT 3.1.1 without keep-alive, and `SUBSCRIBE` to both inputs at QoS 1 behind it.
fn login() -> Vec<u8> {
    let mut body = b"\x00\x04MQTT\x04\x02\x00\x00".to_vec();
    field(&mut body, "firehose-floor");
    let mut packets = framed(0x10, &body);
    body = vec![0, 1];
    for filter in [INPUT, &format!("{BINARY_INPUT}#")] {
        field(&mut body, filter);
        body.push(1);
    }
    packets.extend(framed(0x82, &body));
    packets
}

fn field(packet: &mut Vec<u8>, text: &str) {
    packet.extend(u16::try_from(text.len()).unwrap_or_default().to_be_bytes());
    packet.extend(text.as_bytes());
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    let mut left = body.len();
    loop {
        let low = u8::try_from(left % 128).unwrap_or_default();
        left /= 128;
        packet.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

/// The first packet, if it is there to its end: its first byte, what follows the length, and bytes in all.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (mut length, mut at) = (0, 1);
    loop {
        let byte = usize::from(*bytes.get(at)?);
        length |= (byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte < 0x80 {
            break;
        }
    }
    Some((bytes[0], bytes.get(at..at + length)?, at + length))
}

struct Publish<'a> {
    topic: &'a [u8],
    /// At QoS 1.
    number: Option<[u8; 2]>,
    payload: &'a [u8],
}

impl<'a> Publish<'a> {
    fn read(kind: u8, body: &'a [u8]) -> Self {
        let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let (topic, rest) = (&body[2..topic_end], &body[topic_end..]);
        match kind & 0x06 {
            0 => Self { topic, number: None, payload: rest },
            _ => Self { topic, number: Some([rest[0], rest[1]]), payload: &rest[2..] },
        }
    }
}

/// A request that grows: room for the head, then the body; and the ids of what is in it.
struct Batch {
    body: Vec<u8>,
    /// Where its first record stands.
    head: usize,
    count: usize,
    /// JSON texts with their quotes, and where each ends.
    ids: Vec<u8>,
    ends: Vec<usize>,
    /// Data without its escapes.
    plain: Vec<u8>,
    /// When the first record came, and the broker's time-out that was set for it.
    since: Instant,
    waits: Option<Duration>,
}

impl Batch {
    fn new(stream: &str) -> Self {
        let mut body = Vec::with_capacity(HEAD_ROOM + BATCH_BYTES);
        body.resize(HEAD_ROOM, 0);
        body.extend(format!(r#"{{"DeliveryStreamName":"{stream}","Records":["#).into_bytes());
        let (ids, ends, plain) = (Vec::new(), Vec::new(), Vec::new());
        Self { head: body.len(), body, count: 0, ids, ends, plain, since: Instant::now(), waits: None }
    }

    fn is_full(&self, more: usize) -> bool {
        let encoded = more.div_ceil(3) * 4 + DATA.len() + DATA_END.len();
        self.count == BATCH_RECORDS
            || self.count > 0 && self.body.len() - HEAD_ROOM + encoded + "]}".len() > BATCH_BYTES
    }

    fn add(&mut self, publish: &Publish<'_>) -> Outcome<()> {
        if self.count == 0 {
            self.since = Instant::now();
        }
        self.body.extend(DATA);
        if let Some(id) = publish.topic.strip_prefix(BINARY_INPUT.as_bytes()) {
            base64_simd::STANDARD.encode_append(publish.payload, &mut self.body);
            self.ids.push(b'"');
            self.ids.extend(id);
            self.ids.push(b'"');
        } else {
            let (data, after) = string_of(publish.payload, b"\"data\"").ok_or("a message without data")?;
            // Nearly always the id stands behind the data.
            let id = string_of(&publish.payload[after..], b"\"id\"").or_else(|| string_of(publish.payload, b"\"id\""));
            if memchr(b'\\', data).is_none() {
                base64_simd::STANDARD.encode_append(data, &mut self.body);
            } else {
                unescape(data, &mut self.plain)?;
                base64_simd::STANDARD.encode_append(&self.plain, &mut self.body);
            }
            self.ids.push(b'"');
            self.ids.extend(id.map_or(&[][..], |(id, _)| id));
            self.ids.push(b'"');
        }
        self.body.extend(DATA_END);
        self.ends.push(self.ids.len());
        self.count += 1;
        Ok(())
    }

    fn clear(&mut self) {
        self.body.truncate(self.head);
        self.ids.clear();
        self.ends.clear();
        self.count = 0;
    }
}

/// The JSON string behind `key`, between its quotes, and where it ends.
fn string_of<'a>(json: &'a [u8], key: &[u8]) -> Option<(&'a [u8], usize)> {
    let colon = memmem::find(json, key)? + key.len();
    let start = colon + memchr(b'"', &json[colon..])? + 1;
    let mut at = start;
    loop {
        at += memchr2(b'"', b'\\', &json[at..])?;
        if json[at] == b'"' {
            return Some((&json[start..at], at));
        }
        at += 2;
    }
}

fn unescape(mut text: &[u8], plain: &mut Vec<u8>) -> Outcome<()> {
    plain.clear();
    let whole = text;
    while let Some(at) = memchr(b'\\', text) {
        plain.extend(&text[..at]);
        plain.push(match text[at + 1] {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' | b'b' | b'f' => {
                let quoted = [b"\"", whole, b"\""].concat();
                *plain = serde_json::from_slice::<String>(&quoted)?.into_bytes();
                return Ok(());
            }
            itself => itself,
        });
        text = &text[at + 2..];
    }
    plain.extend(text);
    Ok(())
}

/// The one connection to the service, and who signs.
struct Service {
    link: Box<dyn Link>,
    host: String,
    region: String,
    key_id: String,
    key: String,
    reply: Vec<u8>,
}

trait Link: Read + Write {}
impl<T: Read + Write> Link for T {}

impl Service {
    fn connect(region: &str) -> Outcome<Self> {
        let url = env::var("AWS_ENDPOINT_URL")?;
        let (scheme, host) = url.split_once("://").ok_or("the endpoint is a URL")?;
        let host = host.trim_end_matches('/').to_owned();
        let tcp = TcpStream::connect(&*host)?;
        tcp.set_nodelay(true)?;
        let link: Box<dyn Link> = if scheme == "https" { Box::new(secured(tcp, &host)?) } else { Box::new(tcp) };
        let (key_id, key) = (env::var("AWS_ACCESS_KEY_ID")?, env::var("AWS_SECRET_ACCESS_KEY")?);
        Ok(Self { link, host, region: region.to_owned(), key_id, key, reply: Vec::new() })
    }

    /// Sends what is in `batch` and appends its status message to `packets`.
    fn send(&mut self, batch: &mut Batch, packets: &mut Vec<u8>) -> Outcome<()> {
        batch.body.pop();
        batch.body.extend(b"]}");
        let head = self.sign(&batch.body[HEAD_ROOM..]);
        let start = HEAD_ROOM - head.len();
        batch.body[start..HEAD_ROOM].copy_from_slice(head.as_bytes());
        self.link.write_all(&batch.body[start..])?;
        self.link.flush()?;
        let mut rest = self.receive()?;

        let mut status = Vec::with_capacity(512 * batch.count);
        field(&mut status, STATUS);
        status.extend([0, 1]);
        status.extend(br#"{"response":["#);
        let mut start = 0;
        for &end in &batch.ends {
            let (record_id, after) = string_of(rest, b"\"RecordId\"").unwrap_or_default();
            status.extend(br#"{"firehose_record_id":""#);
            status.extend(record_id);
            status.extend(br#"","id":"#);
            status.extend(&batch.ids[start..end]);
            status.extend(br#","status":"success"},"#);
            (rest, start) = (&rest[after..], end);
        }
        status.pop();
        status.extend(b"]}");
        packets.extend(framed(0x32, &status));
        batch.clear();
        Ok(())
    }

    /// The head of a request with `body`, signed.
    fn sign(&self, body: &[u8]) -> String {
        let Self { host, region, key_id, key, .. } = self;
        let now = OffsetDateTime::now_utc();
        let day = format!("{:04}{:02}{:02}", now.year(), u8::from(now.month()), now.day());
        let time = format!("{day}T{:02}{:02}{:02}Z", now.hour(), now.minute(), now.second());
        let headers = [
            "content-type:application/x-amz-json-1.1",
            &format!("host:{host}"),
            &format!("x-amz-date:{time}"),
            "x-amz-target:Firehose_20150804.PutRecordBatch",
        ];
        let hash = |bytes: &[u8]| hex(digest::digest(&digest::SHA256, bytes).as_ref());
        let canonical = format!("POST\n/\n\n{}\n\n{SIGNED}\n{}", headers.join("\n"), hash(body));
        let scope = format!("{day}/{region}/firehose/aws4_request");
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(canonical.as_bytes()));
        let mut mac = format!("AWS4{key}").into_bytes();
        for part in [&*day, region, "firehose", "aws4_request", &to_sign] {
            mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &mac), part.as_bytes()).as_ref().to_vec();
        }
        format!(
            "POST / HTTP/1.1\r\n{}\r\ncontent-length:{}\r\nauthorization:AWS4-HMAC-SHA256 \
             Credential={key_id}/{scope}, SignedHeaders={SIGNED}, Signature={}\r\n\r\n",
            headers.join("\r\n"),
            body.len(),
            hex(&mac)
        )
    }

    /// Reads one answer and returns its body.
    fn receive(&mut self) -> Outcome<&[u8]> {
        let (mut end, mut whole) = (0, None);
        while whole.is_none_or(|(_, whole)| end < whole) {
            if self.reply.len() < end + READ_BYTES {
                self.reply.resize(end + READ_BYTES, 0);
            }
            match self.link.read(&mut self.reply[end..])? {
                0 => return Err("the service has closed the connection".into()),
                count => end += count,
            }
            if let Some(head) = memmem::find(&self.reply[..end], b"\r\n\r\n").filter(|_| whole.is_none()) {
                let text = str::from_utf8(&self.reply[..head])?.to_ascii_lowercase();
                let (_, length) = text.split_once("content-length:").ok_or("an answer without a length")?;
                let length: usize = length.lines().next().unwrap_or_default().trim().parse()?;
                if !text.starts_with("http/1.1 200") {
                    return Err(text.into());
                }
                whole = Some((head + 4, head + 4 + length));
            }
        }
        let (start, end) = whole.unwrap_or_default();
        Ok(&self.reply[start..end])
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn secured(tcp: TcpStream, host: &str) -> Outcome<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(env::var("AWS_CA_BUNDLE")?)? {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned();
    let mut tls = ClientConnection::new(Arc::new(config), ServerName::try_from(name)?)?;
    // A batch goes in one write.
    tls.set_buffer_limit(None);
    Ok(StreamOwned::new(tls, tcp))
}
