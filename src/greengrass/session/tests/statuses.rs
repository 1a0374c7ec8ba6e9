//! Statuses on their way to the local topic and to AWS IoT Core.

use super::*;

#[test]
fn one_status_after_the_other_goes_out_and_one_that_is_put_off_goes_out_again() {
    let settings = settings(&[(JSON, false)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    nucleus.publish_status("refused");
    let [(number, ..)] = nucleus.asked()[..] else { panic!("none") };
    nucleus.refuse(number);
    let refused = News::StatusRefused("UnauthorizedError: no".to_owned(), Bytes::from_static(b"refused"));
    assert_eq!(nucleus.news(), [refused]);
    nucleus.publish_status("one");
    assert!(!nucleus.session.has_room());
    let [(number, _, payload)] = &nucleus.asked()[..] else { panic!("none") };
    assert_eq!(
        payload,
        r#"{"topic":"kinesisfirehose/message/status","publishMessage":{"binaryMessage":{"message":"b25l"}}}"#
    );
    nucleus.put_off(*number);
    assert!(!nucleus.session.has_room() && nucleus.asked().is_empty());
    nucleus.later(AGAIN.0).unwrap();
    let [(number, ..)] = nucleus.asked()[..] else { panic!("none") };
    nucleus.grant(number);
    assert!(nucleus.session.has_room() && nucleus.session.is_done());
}

#[test]
fn while_statuses_are_taken_some_are_under_way_and_after_a_doubt_one_is() {
    let settings = settings(&[(JSON, false)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    let numbers = |asked: Vec<Asked>| asked.into_iter().map(|(number, ..)| number).collect::<Vec<_>>();
    nucleus.publish_status("first");
    assert!(!nucleus.session.has_room(), "nobody knows whether the nucleus takes them");
    numbers(nucleus.asked()).into_iter().for_each(|number| nucleus.grant(number));
    for _ in 0..STATUSES {
        nucleus.publish_status("next");
    }
    assert!(!nucleus.session.has_room());
    let asked = numbers(nucleus.asked());
    assert_eq!(asked.len(), STATUSES);
    asked.into_iter().for_each(|number| nucleus.refuse(number));
    assert_eq!((nucleus.news(), nucleus.asked()), (vec![], vec![]), "one doubt, and not one for each");
    nucleus.later(AGAIN.0).unwrap();
    let again = numbers(nucleus.asked());
    assert_eq!(again.len(), 1);
    nucleus.grant(again[0]);
    let rest = numbers(nucleus.asked());
    assert_eq!(rest.len(), STATUSES - 1);
    // In any order.
    rest.into_iter().rev().for_each(|number| nucleus.grant(number));
    assert!(nucleus.session.has_room() && nucleus.session.is_done());
    assert_eq!(nucleus.session.deadline(), Some(nucleus.now + (QUIET - AGAIN.0)), "nothing else is due");
}

#[test]
fn statuses_under_way_at_a_broken_connection_are_all_sent_again_as_the_nucleus_reads() {
    let settings = settings(&[(JSON, false)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    let payloads = |asked: Vec<Asked>| asked.into_iter().filter(|(_, operation, _)| operation == "PublishToTopic");
    nucleus.publish_status("first");
    payloads(nucleus.asked()).for_each(|(number, ..)| nucleus.grant(number));
    let texts: Vec<&str> = (0..STATUSES - 1).map(|number| &*format!("{number:07000}").leak()).collect();
    let mut sent = Vec::new();
    for text in texts {
        nucleus.publish_status(text);
        sent.extend(payloads(nucleus.asked()).map(|(.., payload)| payload));
    }
    assert_eq!(sent.len(), STATUSES - 1);
    let mut nucleus = Nucleus::new(&settings, &mut statuses);
    nucleus.asked();
    nucleus.say(kind::CONNECT_ACK, flag::ACCEPTED, 0, "");
    let mut again = Vec::new();
    // Those that were written are read by the nucleus before the next ones are.
    while again.len() < sent.len() {
        let written = nucleus.session.out.len();
        assert!(written < OUT_BYTES + 10_000, "{written}");
        let waits = nucleus.session.deadline().unwrap() > nucleus.now;
        assert!(waits || written < OUT_BYTES, "a nucleus that does not read is not asked about again and again");
        again.extend(payloads(nucleus.asked()).map(|(.., payload)| payload));
        nucleus.later(Duration::from_millis(1)).unwrap();
    }
    assert_eq!(again, sent);
}

#[test]
fn a_refusal_by_the_cloud_says_that_it_is_its() {
    let settings = settings(&[(JSON, false)], true);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    nucleus.publish_status("one");
    let [(local, ..)] = nucleus.asked()[..] else { panic!("none") };
    nucleus.grant(local);
    let [(cloud, ..)] = nucleus.asked()[..] else { panic!("none") };
    nucleus.refuse(cloud);
    let refused = News::StatusRefused("AWS IoT Core: UnauthorizedError: no".to_owned(), Bytes::from_static(b"one"));
    assert_eq!(nucleus.news(), [refused]);
}

#[test]
fn no_more_statuses_are_under_way_than_are_kept_for_the_cloud() {
    let settings = settings(&[(JSON, false)], true);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    let (mut left, mut local, mut cloud) = (100, Vec::new(), Vec::new());
    while left > 0 || !nucleus.session.is_done() {
        // As many as there is room for; then the nucleus answers all local ones together, and the cloud one now and then.
        while left > 0 && nucleus.session.has_room() {
            nucleus.publish_status("one");
            left -= 1;
        }
        for (number, operation) in nucleus.operations() {
            if operation == "PublishToIoTCore" { &mut cloud } else { &mut local }.push(number);
        }
        assert!(local.len() <= CLOUD_STATUSES, "{}", local.len());
        if local.is_empty() {
            nucleus.grant(cloud.pop().unwrap());
        }
        local.drain(..).for_each(|number| nucleus.grant(number));
        assert_eq!(nucleus.news(), [], "none gives way");
    }
}

#[test]
fn one_that_is_wrong_does_not_make_a_doubt_about_others_final() {
    let settings = settings(&[(JSON, false)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    nucleus.publish_status("taken");
    let [(first, ..)] = nucleus.asked()[..] else { panic!("none") };
    nucleus.grant(first);
    nucleus.publish_status("wrong");
    nucleus.publish_status("right");
    let [(wrong, ..), (right, ..)] = nucleus.asked()[..] else { panic!("not two") };
    let model = Bytes::from_static(b"aws.greengrass#InvalidArgumentsError");
    let frame = Frame { kind: kind::ERROR, flags: flag::TERMINATE, stream: wrong, model, ..Frame::default() };
    nucleus.session.take(nucleus.now, &frame).unwrap();
    nucleus.refuse(right);
    let news = nucleus.news();
    let [News::StatusRefused(_, message)] = &news[..] else { panic!("{news:?}") };
    assert_eq!(message, "wrong");
    nucleus.later(AGAIN.0).unwrap();
    assert_eq!(nucleus.asked().len(), 1, "the other one is tried again");
}

#[test]
fn statuses_wait_for_a_cloud_that_is_slow_and_not_for_one_that_fails() {
    let settings = settings(&[(JSON, false)], true);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    let mut under_way = None;
    for number in 0..=CLOUD_STATUSES {
        assert!(nucleus.session.has_room(), "{number}");
        nucleus.publish_status("one");
        let local = nucleus.operations().into_iter().find(|(_, operation)| operation == "PublishToTopic").unwrap().0;
        nucleus.grant(local);
        let more = nucleus.operations().into_iter().find(|(_, operation)| operation == "PublishToIoTCore");
        under_way = under_way.or(more);
        if number + 1 == CLOUD_STATUSES {
            assert!(!nucleus.session.has_room(), "the cloud holds as many as it may");
            nucleus.put_off(under_way.take().unwrap().0);
        }
    }
    let news = nucleus.news();
    assert!(matches!(news[..], [News::StatusRefused(..)]), "the oldest gave way: {news:?}");
}

#[test]
fn a_cloud_that_stays_behind_is_waited_for_no_longer_until_it_has_caught_up() {
    let settings = settings(&[(JSON, false)], true);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    // Each local status is taken at once. Answers what was asked of the cloud.
    let publish = |nucleus: &mut Nucleus<'_>| {
        nucleus.publish_status("one");
        let local = nucleus.operations().remove(0).0;
        nucleus.grant(local);
        nucleus.operations().pop().map(|(number, _)| number)
    };
    let first = publish(&mut nucleus).unwrap();
    for _ in 1..CLOUD_STATUSES {
        assert_eq!(publish(&mut nucleus), None, "one is under way to it");
    }
    assert!(!nucleus.session.has_room());
    nucleus.session.hurry = true;
    assert!(nucleus.session.has_room(), "at the end there is no time");
    nucleus.session.hurry = false;
    assert_eq!(nucleus.session.deadline(), Some(nucleus.now + CLOUD_BEHIND));
    nucleus.later(CLOUD_BEHIND).unwrap();
    publish(&mut nucleus);
    let news = nucleus.news();
    assert!(matches!(news[..], [News::StatusRefused(..)]), "the oldest gave way: {news:?}");
    nucleus.grant(first);
    while let Some((number, _)) = nucleus.operations().pop() {
        assert!(nucleus.session.has_room());
        nucleus.grant(number);
    }
    for _ in 0..CLOUD_STATUSES {
        publish(&mut nucleus);
    }
    assert!(!nucleus.session.has_room(), "it has caught up, and is waited for again");
}

#[test]
fn statuses_count_as_held_up_after_ten_seconds_and_go_out_over_the_next_connection() {
    let settings = settings(&[(JSON, false)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    nucleus.publish_status("one");
    let mut waited = Duration::ZERO;
    let news = loop {
        for (number, ..) in nucleus.asked() {
            nucleus.put_off(number);
        }
        nucleus.later(Duration::from_secs(1)).unwrap();
        waited += Duration::from_secs(1);
        let news = nucleus.news();
        if !news.is_empty() {
            break news;
        }
    };
    assert_eq!((news, waited), (vec![News::StatusesHeldUp(true)], STATUS_ACKNOWLEDGED));
    let mut nucleus = Nucleus::new(&settings, &mut statuses);
    nucleus.say(kind::CONNECT_ACK, flag::ACCEPTED, 0, "");
    nucleus.grant(2);
    assert_eq!(nucleus.news(), [News::StatusesHeldUp(false)]);
    assert!(nucleus.session.is_done());
}

#[test]
fn a_status_for_the_cloud_follows_the_local_one_and_a_cloud_that_takes_none_loses_the_oldest() {
    let settings = settings(&[(JSON, false)], true);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    let texts = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let mut refused = Vec::new();
    for text in texts {
        nucleus.publish_status(text);
        for (number, operation) in nucleus.operations() {
            if operation == "PublishToTopic" { nucleus.grant(number) } else { nucleus.put_off(number) }
        }
        for (number, _) in nucleus.operations() {
            nucleus.put_off(number);
        }
        refused.extend(nucleus.news());
    }
    let lost: Vec<_> = refused
        .iter()
        .map(|news| match news {
            News::StatusRefused(_, message) => str::from_utf8(message).unwrap(),
            news => panic!("{news:?}"),
        })
        .collect();
    assert_eq!(lost, texts[..texts.len() - CLOUD_STATUSES]);
    let mut sent = Vec::new();
    while !nucleus.session.is_done() {
        nucleus.later(Duration::from_secs(1)).unwrap();
        while let Some((number, operation, payload)) = nucleus.asked().pop() {
            nucleus.grant(number);
            if operation == "PublishToIoTCore" {
                sent.push(payload);
            }
        }
    }
    assert_eq!(sent.len(), CLOUD_STATUSES);
    assert_eq!(sent[0], r#"{"topicName":"kinesisfirehose/message/status","qos":"1","payload":"Mg=="}"#);
}
