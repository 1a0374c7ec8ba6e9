//! What is asked for when a session begins, what the broker may answer, and what a refusal says.

use super::*;

#[tokio::test]
async fn the_login_asks_for_a_persistent_session_and_announces_the_limits() {
    let test = Test::new().await;
    let (_peer, connect, login) = test.connected().await;
    assert_eq!((connect.client_id.as_str(), connect.clean_start), ("gateway", false));
    assert_eq!(u64::from(connect.keep_alive), MQTT_KEEP_ALIVE.as_secs());
    let properties = connect.properties.unwrap();
    assert_eq!(properties.max_packet_size, Some(100_000));
    assert_eq!(properties.receive_maximum, Some(RECEIVE_MAXIMUM));
    assert_eq!(properties.session_expiry_interval.map(u64::from), Some(SESSION_EXPIRY.as_secs()));
    assert_eq!(login, Some(Login::new("user", "secret")));
}

#[tokio::test]
async fn both_inputs_are_subscribed_to_and_retained_publishes_come_once() {
    let test = Test::new().await;
    let (mut peer, ..) = test.connected().await;
    peer.answer(ConnectReturnCode::Success, true, nothing()).await;
    let filters = peer.subscribe().await.filters;
    let paths: Vec<_> = filters.iter().map(|filter| filter.path.as_str()).collect();
    assert_eq!(paths, ["kinesisfirehose/message", "kinesisfirehose/message/binary/#"]);
    for filter in filters {
        assert_eq!((filter.qos, filter.nolocal), (QoS::AtLeastOnce, false));
        assert_eq!(filter.retain_forward_rule, RetainForwardRule::OnNewSubscribe);
    }
}

#[tokio::test]
async fn a_refused_login_says_why_and_is_retried_seldom_when_only_a_person_can_help() {
    for (code, refusal) in [
        (ConnectReturnCode::NotAuthorized, true),
        (ConnectReturnCode::BadUserNamePassword, true),
        (ConnectReturnCode::ServerMoved, true),
        (ConnectReturnCode::ServerBusy, false),
        (ConnectReturnCode::QuotaExceeded, false),
        (ConnectReturnCode::UseAnotherServer, false),
        (ConnectReturnCode::ConnectionRateExceeded, false),
        (ConnectReturnCode::ServerUnavailable, false),
    ] {
        let mut test = Test::new().await;
        let (mut peer, ..) = test.connected().await;
        peer.answer(code, false, nothing()).await;
        let error = test.down().await;
        assert!(matches!(error, MqttError::Refused(this) if this == code), "{error:?}");
        assert_eq!(error.is_refusal(), refusal, "{error}");
    }
}

#[tokio::test]
async fn a_refused_subscription_names_its_filter() {
    let mut test = Test::new().await;
    let (mut peer, ..) = test.connected().await;
    peer.answer(ConnectReturnCode::Success, false, nothing()).await;
    let pkid = peer.subscribe().await.pkid;
    let return_codes = vec![GRANTED, SubscribeReasonCode::NotAuthorized];
    peer.say(Packet::SubAck(SubAck { pkid, return_codes, properties: None })).await;
    let error = test.down().await;
    let MqttError::SubscriptionRefused { filter, reason } = &error else { panic!("{error:?}") };
    assert_eq!((*filter, *reason), ("kinesisfirehose/message/binary/#", SubscribeReasonCode::NotAuthorized));
    assert!(error.is_refusal());
}

#[tokio::test]
async fn an_answer_to_another_subscription_grants_nothing() {
    for (other_id, answers) in [(0, 1), (0, 3), (1, 2)] {
        let mut test = Test::new().await;
        let (mut peer, ..) = test.connected().await;
        peer.answer(ConnectReturnCode::Success, false, nothing()).await;
        let pkid = peer.subscribe().await.pkid - other_id;
        peer.say(Packet::SubAck(SubAck { pkid, return_codes: vec![GRANTED; answers], properties: None })).await;
        let error = test.down().await;
        assert!(matches!(error, MqttError::NotOurSubscription), "{error:?}");
    }
}

#[tokio::test]
async fn a_broker_with_too_small_a_packet_limit_is_reported() {
    let mut test = Test::new().await;
    let (mut peer, ..) = test.connected().await;
    peer.answer(ConnectReturnCode::Success, false, ConnAckProperties { max_packet_size: Some(60), ..nothing() }).await;
    let error = test.down().await;
    assert_eq!(
        error_chain(&error),
        "the broker takes packets of at most 60 bytes, and the connector needs 66: raise the broker's maximum packet size"
    );
    assert!(error.is_refusal());
    peer.expect_end().await;
}

#[tokio::test]
async fn what_a_broker_does_not_grant_is_reported() {
    let asked = u32::try_from(SESSION_EXPIRY.as_secs()).unwrap();
    let at_most_once = SubscribeReasonCode::Success(QoS::AtMostOnce);
    let lasting = |seconds| ConnAckProperties { session_expiry_interval: Some(seconds), ..nothing() };
    let terms = |publishes, statuses, session_seconds| Terms {
        mqtt_3: false,
        publishes_at_most_once: publishes,
        statuses_at_most_once: statuses,
        session_seconds,
        packet_bytes: None,
    };
    let small = |most| ConnAckProperties { max_packet_size: Some(most), ..nothing() };
    for (properties, granted, expected) in [
        (nothing(), GRANTED, terms(false, false, None)),
        (lasting(asked), GRANTED, terms(false, false, None)),
        (lasting(u32::MAX), GRANTED, terms(false, false, None)),
        (lasting(asked - 1), GRANTED, terms(false, false, Some(asked - 1))),
        (lasting(0), at_most_once, terms(true, false, Some(0))),
        (ConnAckProperties { max_qos: Some(0), ..nothing() }, at_most_once, terms(true, true, None)),
        (ConnAckProperties { max_qos: Some(1), ..nothing() }, GRANTED, terms(false, false, None)),
        (small(STATUS_PACKET), GRANTED, terms(false, false, None)),
        (small(500), GRANTED, Terms { packet_bytes: Some(500), ..terms(false, false, None) }),
    ] {
        let mut test = Test::new().await;
        let _peer = test.accept_with(false, properties, granted).await;
        assert_eq!(test.terms().await, expected);
    }
}
