//! Subscriptions: granted, refused, lost, made again.

use super::*;

#[test]
fn a_topic_that_is_refused_holds_nothing_else_up_and_is_asked_for_again_ever_less_often() {
    let settings = settings(&[(JSON, false), (BINARY, false)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::new(&settings, &mut statuses);
    nucleus.say(kind::CONNECT_ACK, flag::ACCEPTED, 0, "");
    nucleus.grant(1);
    nucleus.refuse(2);
    assert_eq!(nucleus.news(), [News::NotDelivered(1, "UnauthorizedError: no".to_owned()), News::Ready]);
    nucleus.asked();
    let mut waits = Vec::new();
    for _ in 0..4 {
        let since = nucleus.now;
        // The other one is quiet meanwhile, and made again.
        let number = loop {
            nucleus.now = nucleus.session.deadline().unwrap();
            nucleus.session.go_on(nucleus.now).unwrap();
            let asked = nucleus.asked();
            asked
                .iter()
                .filter(|(_, _, payload)| !payload.contains(BINARY))
                .for_each(|(number, ..)| nucleus.grant(*number));
            let refused = asked.iter().find(|(_, _, payload)| payload.contains(BINARY));
            if let Some((number, ..)) = refused {
                break *number;
            }
        };
        waits.push(nucleus.now.since(since));
        nucleus.refuse(number);
    }
    assert!(waits.iter().all(|wait| *wait >= REFUSED_AGAIN.0), "{waits:?}");
    let news = nucleus.news();
    assert!(news.iter().all(|news| matches!(news, News::NotDelivered(1, _))), "{news:?}");
    nucleus.now = nucleus.now + REFUSED_AGAIN.0 + REFUSED_AGAIN.1;
    nucleus.session.go_on(nucleus.now).unwrap();
    nucleus.asked().iter().for_each(|(number, ..)| nucleus.grant(*number));
    assert_eq!(nucleus.news(), [News::Delivered(1)]);
}

#[test]
fn each_subscription_that_may_live_is_ended_before_the_connection_is_closed() {
    let settings = settings(&[(JSON, false), (BINARY, false), ("x", true)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    nucleus.refuse(2);
    nucleus.later(QUIET).unwrap();
    assert_eq!(nucleus.operations(), named(&[(5, "SubscribeToTopic"), (6, "SubscribeToTopic")]));
    nucleus.refuse(6);
    nucleus.session.leave();
    assert_eq!(nucleus.operations(), named(&[(1, "terminate"), (5, "terminate"), (3, "terminate")]));
}

#[test]
fn a_quiet_topic_is_subscribed_to_again() {
    let settings = settings(&[(JSON, false), (BINARY, true)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    nucleus.later(QUIET / 2).unwrap();
    nucleus.say(kind::MESSAGE, 0, 1, EVENT);
    nucleus.later(QUIET * 3 / 4).unwrap();
    assert_eq!(nucleus.operations(), [], "it is not quiet yet");
    nucleus.later(QUIET / 4).unwrap();
    assert_eq!(nucleus.operations(), named(&[(4, "SubscribeToTopic")]));
    nucleus.news();
    nucleus.say(kind::MESSAGE, 0, 1, EVENT);
    assert_eq!(nucleus.news().len(), 1, "until the new one is granted, the old one counts");
    nucleus.grant(4);
    assert_eq!(nucleus.operations(), named(&[(1, "terminate")]));
    nucleus.say(kind::MESSAGE, 0, 1, EVENT);
    assert_eq!(nucleus.news(), [], "what the old one still says would come twice");
    nucleus.say(kind::MESSAGE, flag::TERMINATE, 4, "{}");
    nucleus.later(AGAIN.0).unwrap();
    assert_eq!(nucleus.operations(), named(&[(5, "SubscribeToTopic")]), "one that was ended is made again at once");
    nucleus.grant(5);
    nucleus.now = nucleus.now + CLOUD_QUIET;
    nucleus.session.go_on(nucleus.now).unwrap();
    let expected = named(&[(6, "SubscribeToTopic"), (7, "SubscribeToIoTCore")]);
    assert_eq!(nucleus.operations(), expected, "those in the cloud seldom");
}

#[test]
fn what_comes_by_both_requests_while_one_is_made_anew_counts_once() {
    const OTHER: &str = r#"{"jsonMessage": {"message": 2, "context": {"topic": "x"}}}"#;
    let settings = settings(&[(JSON, false)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    nucleus.later(QUIET).unwrap();
    assert_eq!(nucleus.operations(), named(&[(3, "SubscribeToTopic")]));
    // Two that are equal, and one that only the former request brings.
    for event in [EVENT, EVENT, OTHER] {
        nucleus.say(kind::MESSAGE, 0, 1, event);
    }
    assert_eq!(nucleus.news().len(), 3);
    nucleus.say(kind::MESSAGE, 0, 3, EVENT);
    nucleus.grant(3);
    nucleus.say(kind::MESSAGE, 0, 3, EVENT);
    assert_eq!(nucleus.news(), [], "both have come");
    nucleus.say(kind::MESSAGE, 0, 3, EVENT);
    assert_eq!(nucleus.news().len(), 1, "a third one has not");
    nucleus.later(OVERLAP).unwrap();
    nucleus.say(kind::MESSAGE, 0, 3, OTHER);
    assert_eq!(nucleus.news().len(), 1, "what comes so much later is another");
}

#[test]
fn where_messages_flowed_a_short_silence_is_enough() {
    let settings = settings(&[(JSON, false)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::ready(&settings, &mut statuses);
    nucleus.later(Duration::from_secs(1)).unwrap();
    for _ in 0..3 {
        nucleus.later(FLOW).unwrap();
        nucleus.say(kind::MESSAGE, 0, 1, EVENT);
    }
    nucleus.later(LULL).unwrap();
    assert_eq!(nucleus.operations(), named(&[(3, "SubscribeToTopic")]));
    nucleus.grant(3);
    nucleus.asked();
    nucleus.later(QUIET - LULL).unwrap();
    assert_eq!(nucleus.operations(), [], "once; then it is as any other that is quiet");
}

#[test]
fn a_message_before_the_answer_counts() {
    let settings = settings(&[(JSON, false)], false);
    let mut statuses = statuses();
    let mut nucleus = Nucleus::new(&settings, &mut statuses);
    nucleus.say(kind::CONNECT_ACK, flag::ACCEPTED, 0, "");
    nucleus.say(kind::MESSAGE, 0, 1, EVENT);
    nucleus.grant(1);
    let news = nucleus.news();
    assert!(matches!(news[..], [News::Publish(_), News::Ready]), "{news:?}");
}

#[test]
fn a_nucleus_that_does_not_answer_a_subscription_is_left_but_the_cloud_may_be_away() {
    for (cloud, left) in [(false, true), (true, false)] {
        let settings = settings(&[(JSON, cloud)], false);
        let mut statuses = statuses();
        let mut nucleus = Nucleus::new(&settings, &mut statuses);
        nucleus.say(kind::CONNECT_ACK, flag::ACCEPTED, 0, "");
        assert_eq!(nucleus.later(ANSWER).is_err(), left);
        let news = nucleus.news();
        let said = news.iter().any(|news| matches!(news, News::NotDelivered(0, why) if why == "no answer within 30 s"));
        assert_eq!(said, !left, "{news:?}");
    }
}
