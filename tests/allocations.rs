//! No heap allocation per record: accepting one, cutting it into a batch and encoding it cost none.
//!
//! A global allocator counts, per thread, so that the test harness does not disturb.
#![expect(clippy::unwrap_used, reason = "a test that goes wrong ends")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use firehose_connector::config::CredentialSettings;
use firehose_connector::firehose::request::{Encoder, body_len};
use firehose_connector::limits::{CHUNK_BYTES, credentials::MAX_PROFILE_FILE, memory::CREDENTIALS};
use firehose_connector::relay::arn::DeliveryStreamArn;
use firehose_connector::relay::message::JSON_TOPIC;
use firehose_connector::relay::outcome::{Outcome, RecordOutcome};
use firehose_connector::relay::pack::{Delimiter, Packing};
use firehose_connector::relay::{Accepted, Acknowledge, BatchId, Relay, Settings};
use firehose_connector::time::{Duration, Instant};
use firehose_connector::{clock::Clock, credentials::Provider, transport::route::Route, transport::tls::Tls};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    // A thread that is ending has no counter left, and nothing to count.
    let _: Result<(), _> = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
    let _: Result<(), _> = BYTES.try_with(|count| count.set(count.get() + bytes));
}

#[expect(unsafe_code, reason = "an allocator cannot be written without; each call is handed on to System unchanged")]
// SAFETY: System keeps the contract, and counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How many allocations `work` makes.
fn allocations<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATIONS.get();
    let result = work();
    (ALLOCATIONS.get() - before, result)
}

const ARN: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/default";

fn relay() -> Relay {
    packing_relay(Packing::OFF)
}

fn packing_relay(packing: Packing) -> Relay {
    Relay::new(&Settings {
        version: 5,
        default_delivery_stream: DeliveryStreamArn::parse(ARN).unwrap(),
        queue_size: 5000,
        publish_interval: Duration::from_secs(1),
        arena_bytes: 8 << 20,
        connections: 1,
        acknowledge: Acknowledge::Safe,
        packing,
        seed: 1,
    })
}

const INPUT: [(&str, &str); 5] = [
    (JSON_TOPIC, r#"{"request": {"data": "plain data of some length"}, "id": "request123"}"#),
    (JSON_TOPIC, r#"{"request": {"data": "escapes \u00e9 \ud83e\udd80 \n \/ \"\\"}, "id": "\u0041 \"q\""}"#),
    (
        JSON_TOPIC,
        r#"{"request": {"data": "a", "delivery_stream_arn": "arn:aws:firehose:eu-west-1:123456789012:deliverystream\/other"}}"#,
    ),
    ("kinesisfirehose/message/binary/request123", "binary data"),
    ("kinesisfirehose/message/binary/", ""),
];

fn accept(relay: &mut Relay, now: u64, count: usize) {
    for (topic, payload) in INPUT.iter().cycle().take(count) {
        let accepted = relay.accept(Instant::from_millis(now), topic.as_bytes(), payload.as_bytes());
        assert_eq!(accepted, Accepted::Held);
    }
}

fn encode(relay: &Relay, id: &BatchId, chunk: &mut [u8]) -> usize {
    let (batch, arena) = relay.batch(id).unwrap();
    let mut encoder = Encoder::new(batch);
    let mut bytes = 0;
    loop {
        let written = encoder.encode("default", arena, chunk);
        bytes += written;
        if written == 0 {
            assert_eq!(bytes, body_len("default", batch));
            return bytes;
        }
    }
}

/// Sends and settles all that is held; answers the allocations of that by step.
fn cycle(relay: &mut Relay, now: u64, chunk: &mut [u8], message: &mut Vec<u8>) -> [usize; 4] {
    let mut counts = [0; 4];
    while relay.held() > 0 {
        let (polling, id) = allocations(|| relay.poll_send(Instant::from_millis(now)));
        let id = id.unwrap();
        let (encoding, _) = allocations(|| encode(relay, &id, chunk));
        let count = relay.batch(&id).unwrap().0.packs;
        let records = vec![RecordOutcome::Delivered { record_id: "some-record-id" }; count];
        let (settling, _) =
            allocations(|| relay.handle_outcome(Instant::from_millis(now), id, Outcome::Records(&records)));
        let (answering, _) = allocations(|| while relay.next_status(128 * 1024, message) > 0 {});
        for (sum, step) in counts.iter_mut().zip([polling, encoding, settling, answering]) {
            *sum += step;
        }
    }
    counts
}

#[test]
fn accepting_sending_encoding_and_settling_allocate_nothing_once_memory_is_warm() {
    let lines = Packing { bytes: 5120, binary: true, delimiter: Delimiter::new(b"\n").unwrap(), at_end: true };
    for packing in [Packing::OFF, lines] {
        let mut relay = packing_relay(packing);
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut message = Vec::new();
        accept(&mut relay, 0, 2_000);
        cycle(&mut relay, 10_000, &mut chunk, &mut message);
        for round in 2..5 {
            let (accepting, ()) = allocations(|| accept(&mut relay, round * 20_000, 2_000));
            assert_eq!(accepting, 0, "accepting 2,000 records");
            let counts = cycle(&mut relay, round * 20_000 + 10_000, &mut chunk, &mut message);
            assert_eq!(counts, [0; 4], "polling, encoding, settling, answering");
        }
    }
}

#[test]
fn the_first_records_cost_the_heap_nothing_either() {
    let mut relay = relay();
    let (accepting, ()) = allocations(|| accept(&mut relay, 0, 5_000));
    assert_eq!(accepting, 0);
}

#[test]
fn making_a_relay_allocates_nothing() {
    assert_eq!(allocations(relay).0, 0, "all of it is on the stack or mapped");
}

#[test]
fn a_refused_message_allocates_at_most_once() {
    let mut relay = relay();
    let (refusing, ()) = allocations(|| {
        for _ in 0..100 {
            relay.accept(Instant::default(), JSON_TOPIC.as_bytes(), b"{\"request\": {\"data\": 1}, \"id\": \"7\"}");
            relay.accept(Instant::default(), JSON_TOPIC.as_bytes(), b"not JSON");
        }
    });
    assert!(refusing <= 100, "{refusing}: one for each message that is not JSON, for the error");
}

#[test]
fn no_message_however_odd_is_copied_to_the_heap() {
    let long = r"\u00e9 and \n".repeat(100_000);
    let messages = [
        format!("\"{long}\""),
        format!("[\"{long}\"]"),
        format!("{{\"{long}\": \"{long}\"}}"),
        format!("{{\"request\": \"{long}\"}}"),
        format!("{{\"request\": {{\"{long}\": \"{long}\"}}}}"),
        format!("{{\"request\": {{\"data\": [\"{long}\"]}}, \"id\": {{\"{long}\": 1}}}}"),
        format!("{{\"request\": {{\"data\": \"\", \"delivery_stream_arn\": \"{long}\"}}, \"id\": \"{long}\"}}"),
        format!("\"{long}"),
    ];
    let mut relay = relay();
    for message in messages {
        let before = BYTES.get();
        assert_eq!(relay.accept(Instant::default(), JSON_TOPIC.as_bytes(), message.as_bytes()), Accepted::Failed);
        let bytes = BYTES.get() - before;
        assert!(bytes < 1024, "{bytes} for {}...", &message[..40]);
    }
}

#[test]
fn reading_credentials_stays_within_the_memory_plan() {
    // Not a folder of the build: this runs on devices, too.
    let folder = std::env::temp_dir().join(format!("firehose-connector-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let (credentials_file, config_file) = (folder.join("credentials"), folder.join("config"));
    let keys = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = s\n";
    let size = usize::try_from(MAX_PROFILE_FILE).unwrap();
    std::fs::write(&credentials_file, keys.to_owned() + &"#".repeat(size - keys.len())).unwrap();
    std::fs::write(&config_file, keys).unwrap();
    let settings = CredentialSettings {
        profile: "default".to_owned(),
        credentials_file: Some(credentials_file),
        config_file: Some(config_file),
        ..CredentialSettings::default()
    };
    let provider = Provider::new(settings, Route::default(), Tls::for_service(None, &Clock::default()).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let before = BYTES.get();
    let fetched = runtime.block_on(provider.fetch()).unwrap();
    let bytes = BYTES.get() - before;
    std::fs::remove_dir_all(folder).unwrap();
    assert_eq!(fetched.credentials.access_key_id, "AKIA");
    assert!((size..=CREDENTIALS).contains(&bytes), "{bytes} bytes in all, {CREDENTIALS} planned");
}

#[test]
fn an_allocation_is_counted() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))).0, 1);
}
