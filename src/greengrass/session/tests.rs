mod statuses;
mod subscriptions;

use bytes::BytesMut;

use super::*;
use crate::config::{Greengrass, PubsubTopic};
use crate::foreign::Secret;
use crate::greengrass::frame::Frames;
use crate::limits::STATUS_ACKNOWLEDGED;
use crate::limits::greengrass::{
    AGAIN, CLOUD_BEHIND, CLOUD_QUIET, CLOUD_STATUSES, DOUBTS, FLOW, LULL, OVERLAP, QUIET, REFUSED_AGAIN,
};
use crate::time::Duration;

const JSON: &str = "kinesisfirehose/message";
const BINARY: &str = "kinesisfirehose/message/binary/#";
const EVENT: &str = r#"{"jsonMessage": {"message": 1, "context": {"topic": "x"}}}"#;

fn settings(topics: &[(&str, bool)], status_to_cloud: bool) -> Settings {
    let topics = topics.iter().map(|(filter, cloud)| PubsubTopic { filter: (*filter).to_owned(), cloud: *cloud });
    let greengrass = Greengrass {
        socket: "socket".into(),
        token: Secret::new("0123456789ABCDEF"),
        topics: topics.collect(),
        status_to_cloud,
    };
    Settings { greengrass, frame_bytes: 10_000, read_bytes: 1000, gather: None }
}

/// A request as the nucleus sees it: number, operation, payload. A termination has none of the latter.
type Asked = (i32, String, String);

/// A nucleus by script.
struct Nucleus<'a> {
    session: Session<'a>,
    now: Instant,
}

impl<'a> Nucleus<'a> {
    fn new(settings: &'a Settings, statuses: &'a mut Statuses) -> Self {
        let now = Instant::from_millis(1000);
        Self { session: Session::new(now, settings, statuses), now }
    }

    /// With the token taken and each topic of `settings` granted.
    fn ready(settings: &'a Settings, statuses: &'a mut Statuses) -> Self {
        let mut nucleus = Self::new(settings, statuses);
        nucleus.asked();
        nucleus.say(kind::CONNECT_ACK, flag::ACCEPTED, 0, "");
        for (number, ..) in nucleus.asked() {
            nucleus.grant(number);
        }
        assert_eq!(nucleus.news(), [News::Ready]);
        assert!(matches!(&nucleus.asked()[..], [(_, state, _)] if state == "UpdateState"));
        nucleus
    }

    fn try_say(&mut self, kind: i32, flags: i32, stream: i32, payload: &str) -> Result<(), GreengrassError> {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let model = Bytes::from_static(b"aws.greengrass#UnauthorizedError");
        self.session.take(self.now, &Frame { kind, flags, stream, payload, model, too_long: None })?;
        self.session.go_on(self.now)
    }

    fn say(&mut self, kind: i32, flags: i32, stream: i32, payload: &str) {
        self.try_say(kind, flags, stream, payload).unwrap();
    }

    fn grant(&mut self, number: i32) {
        self.say(kind::MESSAGE, 0, number, "{}");
    }

    fn refuse(&mut self, number: i32) {
        self.say(kind::ERROR, flag::TERMINATE, number, r#"{"message": "no"}"#);
    }

    fn put_off(&mut self, number: i32) {
        let model = Bytes::from_static(b"aws.greengrass#ServiceError");
        let frame = Frame { kind: kind::ERROR, flags: flag::TERMINATE, stream: number, model, ..Frame::default() };
        self.session.take(self.now, &frame).unwrap();
        self.session.go_on(self.now).unwrap();
    }

    /// What the session has sent since.
    fn asked(&mut self) -> Vec<Asked> {
        let (mut frames, mut bytes) = (Frames::new(100_000), BytesMut::from(&*core::mem::take(&mut self.session.out)));
        core::iter::from_fn(|| frames.next(&mut bytes).unwrap())
            .map(|frame| {
                let model = String::from_utf8(frame.model.to_vec()).unwrap();
                let operation = match frame.flags {
                    flag::TERMINATE => "terminate".to_owned(),
                    _ => model.replace("aws.greengrass#", "").replace("Request", ""),
                };
                (frame.stream, operation, String::from_utf8(frame.payload.to_vec()).unwrap())
            })
            .collect()
    }

    /// Numbers and operations alone.
    fn operations(&mut self) -> Vec<(i32, String)> {
        self.asked().into_iter().map(|(number, operation, _)| (number, operation)).collect()
    }

    fn news(&mut self) -> Vec<News> {
        core::iter::from_fn(|| self.session.news()).collect()
    }

    fn later(&mut self, time: Duration) -> Result<(), GreengrassError> {
        self.now = self.now + time;
        self.session.go_on(self.now)
    }

    fn publish_status(&mut self, text: &'static str) {
        assert!(self.session.has_room());
        self.session.publish_status(self.now, Bytes::from_static(text.as_bytes())).unwrap();
    }
}

fn statuses() -> Statuses {
    Statuses::new(Jitter::new(1))
}

fn named(operations: &[(i32, &str)]) -> Vec<(i32, String)> {
    operations.iter().map(|(number, operation)| (*number, (*operation).to_owned())).collect()
}

#[test]
fn the_token_comes_first_then_each_topic_by_a_request_of_the_next_number() {
    let settings = settings(&[(JSON, false), (BINARY, true)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::new(&settings, &mut statuses);
    assert_eq!(nucleus.asked(), [(0, String::new(), r#"{"authToken":"0123456789ABCDEF"}"#.to_owned())]);
    nucleus.session.go_on(nucleus.now).unwrap();
    assert_eq!(nucleus.asked(), [], "nothing before the answer");
    nucleus.say(kind::CONNECT_ACK, flag::ACCEPTED, 0, "");
    let expected = [
        (1, "SubscribeToTopic".to_owned(), format!(r#"{{"topic":"{JSON}"}}"#)),
        (2, "SubscribeToIoTCore".to_owned(), format!(r#"{{"topicName":"{BINARY}","qos":"1"}}"#)),
    ];
    assert_eq!(nucleus.asked(), expected);
    assert!(!nucleus.session.has_room());
    nucleus.grant(1);
    assert_eq!(nucleus.news(), [News::Ready], "without waiting for what goes to the cloud");
    assert!(nucleus.session.has_room());
}

#[test]
fn a_token_that_is_refused_or_not_answered_ends_the_connection() {
    let settings = settings(&[(JSON, false)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::new(&settings, &mut statuses);
    assert!(matches!(nucleus.try_say(kind::CONNECT_ACK, 0, 0, ""), Err(GreengrassError::Refused)));
    let end = nucleus.session.deadline().unwrap();
    assert!(matches!(nucleus.session.go_on(end), Err(GreengrassError::Silent(_))));
    let told = nucleus.try_say(kind::PROTOCOL_ERROR, flag::TERMINATE, 0, r#"{"message": "why"}"#);
    assert_eq!(told.unwrap_err().to_string(), "the nucleus ended the connection: UnauthorizedError: why");
}

#[test]
fn a_message_is_passed_on_and_our_own_is_not() {
    let settings = settings(&[("kinesisfirehose/#", false)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    for topic in [STATUS_TOPIC, COUNTERS_TOPIC, "kinesisfirehose/message/binary/7"] {
        let event = format!(r#"{{"binaryMessage": {{"message": "eA==", "context": {{"topic": "{topic}"}}}}}}"#);
        nucleus.say(kind::MESSAGE, 0, 1, &event);
        nucleus.say(kind::MESSAGE, 0, 99, &event);
    }
    let news = nucleus.news();
    let [News::Publish(Received { topic, payload, .. })] = &news[..] else { panic!("{news:?}") };
    assert_eq!((&topic[..], &payload[..]), (&b"kinesisfirehose/message/binary/7"[..], &b"x"[..]));
}

#[test]
fn a_message_that_cannot_be_read_is_told() {
    let settings = settings(&[(JSON, false)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    for (model, news) in [("SubscriptionResponseMessage", vec![News::Unread(0)]), ("SubscribeToTopicResponse", vec![])]
    {
        let frame = Frame { stream: 1, payload: Bytes::from_static(b"{}"), model: model.into(), ..Frame::default() };
        nucleus.session.take(nucleus.now, &frame).unwrap();
        assert_eq!(nucleus.news(), news);
    }
}

#[test]
fn a_nucleus_without_its_configuration_for_a_while_refuses_nothing_for_good() {
    let settings = settings(&[(JSON, false)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    nucleus.publish_status("taken");
    nucleus.grant(3);
    nucleus.asked();
    nucleus.publish_status("later");
    nucleus.later(QUIET).unwrap();
    assert_eq!(nucleus.operations(), named(&[(4, "PublishToTopic"), (5, "SubscribeToTopic")]));
    nucleus.refuse(4);
    nucleus.refuse(5);
    nucleus.say(kind::MESSAGE, 0, 1, EVENT);
    assert!(matches!(nucleus.news()[..], [.., News::NotDelivered(..), News::Publish(_)]), "the old one may live on");
    nucleus.later(AGAIN.0).unwrap();
    assert_eq!(nucleus.operations(), named(&[(6, "SubscribeToTopic"), (7, "PublishToTopic")]));
    nucleus.grant(6);
    nucleus.grant(7);
    assert_eq!(nucleus.operations(), named(&[(1, "terminate")]));
    nucleus.news();
    // Somebody took the permission away.
    nucleus.publish_status("refused");
    let mut attempts = 0;
    loop {
        for (number, operation) in nucleus.operations() {
            attempts += u32::from(operation == "PublishToTopic");
            nucleus.refuse(number);
        }
        let news = nucleus.news();
        if news.iter().any(|news| matches!(news, News::StatusRefused(..))) {
            break;
        }
        nucleus.later(Duration::from_secs(1)).unwrap();
    }
    assert_eq!(attempts, DOUBTS + 1);
    nucleus.publish_status("refused");
    let [(number, ..)] = nucleus.asked()[..] else { panic!("none") };
    nucleus.refuse(number);
    let news = nucleus.news();
    assert!(matches!(news[..], [News::StatusRefused(..)]), "the next one at once: {news:?}");
}

#[test]
fn a_ping_is_answered_with_its_payload_and_what_nobody_knows_is_passed_over() {
    let settings = settings(&[(JSON, false)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    nucleus.say(kind::PING, 0, 0, "x");
    assert!(matches!(&nucleus.asked()[..], [(0, _, payload)] if payload == "x"));
    for (kind, stream) in [(8, 0), (-1, 1), (kind::MESSAGE, -1), (kind::ERROR, 4711), (kind::PING_RESPONSE, 0)] {
        nucleus.say(kind, 0, stream, "{}");
    }
    assert_eq!((nucleus.asked(), nucleus.news()), (vec![], vec![]));
}

#[test]
fn what_waits_for_a_nucleus_that_does_not_read_does_not_grow() {
    let settings = settings(&[(JSON, false)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    for _ in 0..100 {
        nucleus.say(kind::PING, 0, 0, &"x".repeat(HEADERS_BYTES));
        nucleus.session.publish_counters(&[b'x'; 1000]).unwrap();
    }
    assert!(nucleus.session.out.len() < 2 * OUT_BYTES, "{}", nucleus.session.out.len());
    assert!(!nucleus.asked().is_empty());
    nucleus.say(kind::PING, 0, 0, "x");
    assert_eq!(nucleus.asked().len(), 1, "it reads again");
}

#[test]
fn when_the_numbers_of_a_connection_are_used_up_it_ends() {
    let settings = settings(&[(JSON, false)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    nucleus.session.stream = i32::MAX;
    assert!(matches!(nucleus.session.publish_counters(b"{}"), Err(GreengrassError::UsedUp)));
}
