//! The broker's task against a scripted broker on loopback that speaks through rumqttc's codec.
//!
//! The clock is tokio's; [`later`] moves it while nobody waits for a socket, so no time-out is waited for.

mod broker;
mod silence;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAckProperties, ConnectReturnCode, DisconnectReasonCode, Login, Packet, PubAck, PubAckReason, RetainForwardRule,
    SubAck, SubscribeReasonCode,
};
use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::error_chain::error_chain;
use crate::limits::{
    MQTT_BACKOFF, MQTT_BACKOFF_NEAR, MQTT_KEEP_ALIVE, MQTT_OFFLINE, RECEIVE_MAXIMUM, SESSION_EXPIRY,
    STATUS_ACKNOWLEDGED, STATUS_REPEATED,
};
use crate::source::{Again, Terms};
use crate::transport::connect::connect;
use broker::{GRANTED, PACKET_BYTES, STATUS_BYTES, Test, later, nothing, ours, settings, settle};

/// Zero: at QoS 0.
fn packet_id(received: &Received) -> u16 {
    received.token.map_or(0, |token| token.packet_id)
}

#[tokio::test]
async fn the_login_asks_for_a_lasting_session_and_says_what_may_be_sent() {
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
async fn a_probe_begins_and_ends_a_session_of_its_own_and_takes_nothing() {
    let test = Test::new().await;
    test.task.abort();
    let (host, port) = ("127.0.0.1", test.listener.local_addr().unwrap().port());
    let settings = Settings { lasting: false, ..settings(host, port) };
    let probe = async {
        let stream = connect(&settings.route, host, port, None, None).await.unwrap();
        let mut probe = Probe::log_in(stream, &settings).await.unwrap();
        probe.subscribe().await.unwrap();
        assert_eq!(probe.publish_status(Bytes::from_static(b"{}")).await.unwrap().unwrap(), "not authorized");
        probe.log_out().await;
    };
    let broker = async {
        let (mut peer, connect, _) = test.connected().await;
        assert!(connect.clean_start);
        assert_eq!(connect.properties.unwrap().session_expiry_interval, Some(0));
        peer.answer(ConnectReturnCode::Success, false, nothing()).await;
        let subscribe = peer.subscribe().await;
        assert!(subscribe.filters.iter().all(|filter| filter.retain_forward_rule == RetainForwardRule::Never));
        peer.publish(0..=3).await;
        peer.say(Packet::SubAck(SubAck { pkid: subscribe.pkid, return_codes: vec![GRANTED; 2], properties: None }))
            .await;
        let status = peer.status().await;
        assert!(!status.retain);
        peer.say(Packet::PubAck(PubAck { pkid: status.pkid, reason: PubAckReason::NotAuthorized, properties: None }))
            .await;
        let Packet::Disconnect(bye) = peer.packet().await else { panic!("a publish was acknowledged") };
        assert_eq!(bye.properties.unwrap().session_expiry_interval, Some(0));
    };
    tokio::join!(probe, broker);
}

#[tokio::test]
async fn both_inputs_are_subscribed_to_and_old_retained_publishes_are_not_wanted_again() {
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
async fn a_group_is_acknowledged_in_one_write_and_only_when_it_is_given_back() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    peer.publish(0..=3).await;
    let group = test.publishes().await;
    assert_eq!(group.iter().map(packet_id).collect::<Vec<_>>(), [0, 1, 2, 3]);
    tokio::task::yield_now().await;
    peer.expect_silence();
    test.take(group).await;
    let mut bytes = [0; 100];
    let read = peer.read_once(&mut bytes).await;
    assert_eq!(bytes[..read], [0x40, 2, 0, 1, 0x40, 2, 0, 2, 0x40, 2, 0, 3], "none for QoS 0");
}

#[tokio::test]
async fn what_is_safe_later_is_acknowledged_later_and_in_the_order_of_receipt() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    peer.publish(1..=3).await;
    let group = test.publishes().await;
    let last = group[2].token.unwrap().number;
    test.broker.taken.send(Vec::new()).await.unwrap();
    // Read on, and nothing of it acknowledged.
    peer.publish(4..=4).await;
    assert_eq!(packet_id(&test.publishes().await[0]), 4);
    test.broker.taken.send(Vec::new()).await.unwrap();
    for (below, ids) in [(last, 1..=2), (last + 2, 3..=4)] {
        peer.expect_silence();
        test.broker.acknowledged.send_modify(|acknowledged| acknowledged.below = below);
        for id in ids {
            assert_eq!(peer.packet().await, Packet::PubAck(PubAck::new(id, None)));
        }
    }
}

#[tokio::test]
async fn a_new_connection_acknowledges_nothing_of_the_one_before_and_says_what_that_one_did() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    peer.publish(1..=3).await;
    let group = test.publishes().await;
    let first = group[0].token.unwrap().number;
    test.take(group[..1].to_vec()).await;
    peer.packet().await;
    drop(peer);
    test.down().await;
    later(MQTT_BACKOFF.1).await;
    let mut peer = test.accept(true, nothing()).await;
    let begins = test.broker.inbound.recv().await.unwrap();
    assert!(
        matches!(begins, Inbound::Begins { resumed: true, acknowledged, first: next } if (acknowledged, next) == (first + 1, first + 3)),
        "{begins:?}"
    );
    test.expect_up(true).await;
    test.broker.acknowledged.send_modify(|acknowledged| acknowledged.below = first + 3);
    peer.publish(2..=2).await;
    let group = test.publishes().await;
    assert_eq!(group[0].token.unwrap().number, first + 3);
    test.broker.taken.send(Vec::new()).await.unwrap();
    settle().await;
    peer.expect_silence();
}

#[tokio::test]
async fn a_broker_is_read_however_many_publishes_it_sends_for_what_it_says_of_statuses_comes_behind_them() {
    let (mut test, mut peer) = Test::up(ConnAckProperties { receive_max: Some(1), ..nothing() }).await;
    test.send("status").await;
    let Packet::Publish(status) = peer.packet().await else { panic!() };
    test.send("the next").await;
    let (mut count, most) = (0, RECEIVE_MAXIMUM * 3);
    peer.publish(1..=most).await;
    peer.say(Packet::PubAck(PubAck::new(status.pkid, None))).await;
    while count < most {
        count += u16::try_from(test.publishes().await.len()).unwrap();
        test.broker.taken.send(Vec::new()).await.unwrap();
    }
    assert!(matches!(peer.packet().await, Packet::Publish(next) if next.payload == "the next"));
}

#[tokio::test]
async fn behind_a_publish_that_was_left_none_is_taken_over_this_connection() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    peer.publish(1..=2).await;
    let group = test.publishes().await;
    let left_behind = group[1].token.unwrap().number + 1;
    test.broker.acknowledged.send_modify(|acknowledged| acknowledged.left_behind = left_behind);
    test.take(group[..1].to_vec()).await;
    peer.packet().await;
    peer.publish(3..=4).await;
    peer.publish(0..=0).await;
    assert_eq!(
        test.publishes().await.iter().map(packet_id).collect::<Vec<_>>(),
        [0],
        "that at QoS 0 does not come again"
    );
}

/// As some brokers do that were told our limit, until it is acknowledged.
#[tokio::test]
async fn a_publish_above_the_limit_is_handed_on_as_its_begin_and_acknowledged_in_its_turn() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    for size in [PACKET_BYTES + 1, 5_000_000] {
        let send = async {
            peer.publish(1..=1).await;
            peer.publish_bytes(2, vec![b'x'; size]).await;
            peer.publish(3..=3).await;
        };
        let take = async {
            let mut ids = vec![];
            while ids.len() < 3 {
                let group = test.publishes().await;
                for received @ Received { topic, payload, too_long, .. } in &group {
                    ids.push(packet_id(received));
                    let is_long = packet_id(received) == 2;
                    assert_eq!(too_long.is_some_and(|too_long| too_long.bytes > size), is_long);
                    assert!(topic.len() + payload.len() <= PACKET_BYTES);
                }
                test.take(group).await;
            }
            ids
        };
        let ((), ids) = tokio::join!(send, take);
        assert_eq!(ids, [1, 2, 3]);
        for id in ids {
            assert_eq!(peer.packet().await, Packet::PubAck(PubAck::new(id, None)));
        }
    }
}

#[tokio::test]
async fn a_connection_that_ends_within_a_publish_above_the_limit_hands_on_nothing_of_it() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    peer.publish(1..=1).await;
    // 16 MB to come, of which the topic is there, a packet id, and a byte.
    peer.0.get_mut().write_all(b"\x32\xff\xff\xff\x07\0\x17kinesisfirehose/message\0\x02\0{").await.unwrap();
    let group = test.publishes().await;
    assert_eq!(group.iter().map(packet_id).collect::<Vec<_>>(), [1]);
    test.take(group).await;
    peer.packet().await;
    drop(peer);
    assert!(matches!(test.down().await, MqttError::Closed(_)));
}

#[tokio::test]
async fn anything_else_that_is_too_long_ends_the_connection() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    peer.0.get_mut().write_all(b"\x90\xff\xff\xff\x07").await.unwrap();
    assert!(matches!(test.down().await, MqttError::Protocol(_)));
    peer.expect_end().await;
}

#[tokio::test]
async fn a_status_without_acknowledgement_goes_out_again_after_a_reconnect() {
    for kept in [true, false] {
        let (mut test, mut peer) = Test::up(nothing()).await;
        for text in ["one", "two", "three"] {
            test.send(text).await;
        }
        let sent = [peer.status().await, peer.status().await, peer.status().await];
        assert!(sent.iter().all(|status| status.qos == QoS::AtLeastOnce && !status.dup && !status.retain));
        peer.acknowledge(&sent[1]).await;
        // The answer to what comes after it tells that the acknowledgement has been read.
        peer.publish(1..=1).await;
        let group = test.publishes().await;
        test.take(group).await;
        peer.packet().await;
        drop(peer);
        assert!(matches!(test.down().await, MqttError::Closed(_)));
        later(MQTT_BACKOFF.1).await;
        let mut peer = test.accept(kept, nothing()).await;
        for before in [&sent[0], &sent[2]] {
            let again = peer.status().await;
            assert_eq!((again.pkid, again.dup, &again.payload), (before.pkid, kept, &before.payload));
            peer.acknowledge(&again).await;
        }
        test.expect_up(kept).await;
        test.send("four").await;
        assert!(!peer.status().await.dup);
    }
}

#[tokio::test]
async fn statuses_fit_the_packets_that_the_broker_takes() {
    for (most, expected) in [(None, STATUS_BYTES), (Some(1_000_000), STATUS_BYTES), (Some(1000), 0)] {
        let mut test = Test::new().await;
        let mut peer = test.accept(false, ConnAckProperties { max_packet_size: most, ..nothing() }).await;
        let status_bytes = test.expect_up(false).await;
        assert!(status_bytes == expected || expected == 0 && (900..1000).contains(&status_bytes), "{status_bytes}");
        test.send(vec![b'x'; status_bytes]).await;
        assert_eq!(peer.status().await.payload.len(), status_bytes);
    }
}

#[tokio::test]
async fn no_more_statuses_are_under_way_than_the_broker_takes() {
    let (mut test, mut peer) = Test::up(ConnAckProperties { receive_max: Some(1), ..nothing() }).await;
    test.send("one").await;
    let first = peer.status().await;
    test.send("two").await;
    for id in 1..=10 {
        peer.publish(id..=id).await;
        let group = test.publishes().await;
        test.take(group).await;
        assert_eq!(peer.packet().await, Packet::PubAck(PubAck::new(id, None)));
    }
    peer.acknowledge(&first).await;
    assert_eq!(peer.status().await.payload, "two");
}

#[tokio::test]
async fn a_broker_that_takes_less_than_before_gets_the_statuses_one_after_the_other() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    for text in ["one", "two"] {
        test.send(text).await;
        peer.status().await;
    }
    drop(peer);
    test.down().await;
    later(MQTT_BACKOFF.1).await;
    let mut peer = test.accept(true, ConnAckProperties { receive_max: Some(1), ..nothing() }).await;
    test.expect_up(true).await;
    let first = peer.status().await;
    peer.publish(1..=1).await;
    let group = test.publishes().await;
    test.take(group).await;
    assert_eq!(peer.packet().await, Packet::PubAck(PubAck::new(1, None)));
    peer.acknowledge(&first).await;
    assert_eq!(peer.status().await.payload, "two");
}

#[tokio::test]
async fn a_status_too_long_for_the_broker_of_now_comes_back_and_the_session_stands() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    for status in [vec![b'x'; 5000], b"short".to_vec()] {
        test.send(status).await;
        peer.status().await;
    }
    drop(peer);
    test.down().await;
    later(MQTT_BACKOFF.1).await;
    let mut peer = test.accept(true, ConnAckProperties { max_packet_size: Some(1000), ..nothing() }).await;
    let refused = test.inbound().await;
    assert!(matches!(&refused, Inbound::StatusTooLong(message) if message.len() == 5000), "{refused:?}");
    assert_eq!(peer.status().await.payload, "short");
    test.expect_up(true).await;
}

#[tokio::test]
async fn a_broker_without_acknowledgements_gets_statuses_without() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    test.send("one").await;
    peer.status().await;
    drop(peer);
    test.down().await;
    later(MQTT_BACKOFF.1).await;
    let mut peer = test.accept(true, ConnAckProperties { max_qos: Some(0), ..nothing() }).await;
    test.expect_up(true).await;
    test.send("two").await;
    for text in ["one", "two"] {
        let status = peer.status().await;
        assert_eq!(
            (status.qos, status.pkid, status.dup, &status.payload[..]),
            (QoS::AtMostOnce, 0, false, text.as_bytes())
        );
    }
    drop(test.broker.statuses);
    peer.expect_goodbye().await;
    test.task.await.unwrap();
}

#[tokio::test]
async fn a_status_that_the_broker_refuses_is_reported_and_not_sent_again() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    test.send("one").await;
    let id = peer.status().await.pkid;
    peer.say(Packet::PubAck(PubAck { pkid: id, reason: PubAckReason::NotAuthorized, properties: None })).await;
    let refused = test.inbound().await;
    let Inbound::StatusRefused(reason, message) = refused else { panic!("{refused:?}") };
    assert_eq!((&*reason, &message[..]), ("not authorized", &b"one"[..]));
    drop(test.broker.statuses);
    peer.expect_goodbye().await;
}

#[tokio::test]
async fn publishes_that_were_left_come_over_a_new_connection_once_the_statuses_sent_are_acknowledged() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    test.send("status").await;
    let status = peer.status().await;
    peer.publish(1..=2).await;
    let mut group = test.publishes().await;
    group.truncate(1);
    test.take(group).await;
    assert!(matches!(peer.packet().await, Packet::PubAck(PubAck { pkid: 1, .. })), "the second is not acknowledged");
    test.broker.again.send_replace(Again::Soon);
    // What comes after it is still taken over the same connection.
    test.send("another").await;
    let another = peer.status().await;
    peer.acknowledge(&status).await;
    peer.acknowledge(&another).await;
    assert!(matches!(test.down().await, MqttError::LeftBehind));
    peer.expect_end().await;
    test.broker.again.send_replace(Again::No);
    let mut peer = test.accept(true, nothing()).await;
    test.expect_up(true).await;
    peer.publish(2..=2).await;
    assert_eq!(test.publishes().await.len(), 1);
}

#[tokio::test]
async fn counters_go_out_once_and_only_the_newest_of_them() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    for text in ["old", "new"] {
        test.broker.counters.send_replace(Bytes::from(text));
    }
    let counters = peer.counters().await;
    assert_eq!((counters.payload.as_ref(), counters.qos, counters.retain), (&b"new"[..], QoS::AtMostOnce, false));
    // What comes after them tells that there were no more.
    test.send("status").await;
    peer.status().await;
    drop(peer);
    test.down().await;
    test.broker.counters.send_replace(Bytes::from("of no session"));
    later(MQTT_BACKOFF.1).await;
    let mut peer = test.accept(true, nothing()).await;
    let status = peer.status().await;
    peer.acknowledge(&status).await;
    test.expect_up(true).await;
    test.broker.counters.send_replace(Bytes::from("of this one"));
    assert_eq!(peer.counters().await.payload, "of this one");
}

#[tokio::test]
async fn counters_as_long_as_a_status_may_be_do_not_end_the_session() {
    let mut test = Test::new().await;
    let mut peer = test.accept(false, ConnAckProperties { max_packet_size: Some(1000), ..nothing() }).await;
    let longest = test.expect_up(false).await;
    test.broker.counters.send_replace(vec![b'x'; longest].into());
    assert_eq!(peer.counters().await.payload.len(), longest);
}

#[tokio::test]
async fn a_refused_login_says_why_and_is_tried_seldom_when_only_a_person_can_mend_it() {
    for (code, refusal) in [
        (ConnectReturnCode::NotAuthorized, true),
        (ConnectReturnCode::BadUserNamePassword, true),
        (ConnectReturnCode::UnsupportedProtocolVersion, true),
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

#[tokio::test(start_paused = true)]
async fn without_a_network_the_broker_is_tried_at_least_every_second() {
    // The kernel refuses this address without asking any network.
    let (mut broker, task) = broker(settings("255.255.255.255", 1883));
    tokio::spawn(task);
    let start = Instant::now();
    for _ in 0..100 {
        let down = broker.inbound.recv().await;
        let Some(Inbound::Down(error)) = down else { panic!("{down:?}") };
        assert!(ours(error).is_offline());
    }
    assert!(start.elapsed() < 100 * MQTT_OFFLINE, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_front_that_accepts_and_closes_while_the_broker_starts_is_tried_again_within_seconds() {
    let mut test = Test::new().await;
    for _ in 0..20 {
        drop(test.connected().await);
        let error = test.down().await;
        assert!(matches!(error, MqttError::NoAnswer(_)) && !error.is_refusal(), "{error:?}");
        later(MQTT_BACKOFF_NEAR).await;
    }
    let _peer = test.accept(true, nothing()).await;
    test.expect_up(true).await;
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
async fn an_answer_that_is_not_to_our_subscription_grants_nothing() {
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
async fn a_broker_that_takes_too_small_packets_is_told_of() {
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
async fn the_reason_of_a_disconnect_is_told() {
    let taken_over = DisconnectReasonCode::SessionTakenOver;
    for (packet, reason, refusal) in [
        (&[0xE0, 0][..], DisconnectReasonCode::NormalDisconnection, false),
        (&[0xE0, 1, 0x8B], DisconnectReasonCode::ServerShuttingDown, false),
        (&[0xE0, 1, 0x8E], taken_over, true),
        (&[0xE0, 2, 0x8E, 0], taken_over, true),
        (&[0xE0, 6, 0x8E, 4, 0x1F, 0, 1, b'x'], taken_over, true),
        // With a Server Reference: the next attempt is up to a person, or goes where this one went.
        (&[0xE0, 6, 0x9D, 4, 0x1C, 0, 1, b'x'], DisconnectReasonCode::ServerMoved, true),
        (&[0xE0, 6, 0x9C, 4, 0x1C, 0, 1, b'x'], DisconnectReasonCode::UseAnotherServer, false),
    ] {
        let (mut test, mut peer) = Test::up(nothing()).await;
        peer.0.get_mut().write_all(packet).await.unwrap();
        drop(peer);
        let error = test.down().await;
        assert!(matches!(error, MqttError::Disconnected(this) if this == reason), "{packet:?}: {error:?}");
        assert_eq!(error.is_refusal(), refusal);
    }
}

#[tokio::test]
async fn without_more_statuses_the_task_says_goodbye_after_the_last_acknowledgement() {
    let (test, mut peer) = Test::up(nothing()).await;
    test.send("one").await;
    test.send("two").await;
    drop(test.broker.statuses);
    let sent = [peer.status().await, peer.status().await];
    peer.acknowledge(&sent[0]).await;
    tokio::task::yield_now().await;
    peer.expect_silence();
    assert!(!test.task.is_finished());
    peer.acknowledge(&sent[1]).await;
    peer.expect_goodbye().await;
    peer.expect_end().await;
    test.task.await.unwrap();
}

#[tokio::test]
async fn without_a_relay_the_task_ends() {
    // While the session stands.
    let (test, mut peer) = Test::up(nothing()).await;
    drop(test.broker);
    peer.expect_goodbye().await;
    test.task.await.unwrap();
    // While it waits for the next attempt.
    let mut test = Test::new().await;
    drop(test.connected().await);
    test.down().await;
    drop(test.broker);
    test.task.await.unwrap();
}

#[tokio::test]
async fn what_a_broker_grants_less_of_is_told() {
    let asked = u32::try_from(SESSION_EXPIRY.as_secs()).unwrap();
    let at_most_once = SubscribeReasonCode::Success(QoS::AtMostOnce);
    let lasting = |seconds| ConnAckProperties { session_expiry_interval: Some(seconds), ..nothing() };
    let terms = |publishes, statuses, session_seconds| Terms {
        publishes_at_most_once: publishes,
        statuses_at_most_once: statuses,
        session_seconds,
    };
    for (properties, granted, expected) in [
        (nothing(), GRANTED, terms(false, false, None)),
        (lasting(asked), GRANTED, terms(false, false, None)),
        (lasting(u32::MAX), GRANTED, terms(false, false, None)),
        (lasting(asked - 1), GRANTED, terms(false, false, Some(asked - 1))),
        (lasting(0), at_most_once, terms(true, false, Some(0))),
        (ConnAckProperties { max_qos: Some(0), ..nothing() }, at_most_once, terms(true, true, None)),
        (ConnAckProperties { max_qos: Some(1), ..nothing() }, GRANTED, terms(false, false, None)),
    ] {
        let mut test = Test::new().await;
        let _peer = test.accept_with(false, properties, granted).await;
        assert_eq!(test.terms().await, expected);
    }
}

#[tokio::test]
async fn a_broker_that_acknowledges_no_status_is_told_of_and_one_that_does_again_is_too() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    later(2 * STATUS_ACKNOWLEDGED).await;
    test.send("one").await;
    let first = peer.status().await;
    later(STATUS_ACKNOWLEDGED / 2).await;
    test.send("two").await;
    let second = peer.status().await;
    peer.acknowledge(&first).await;
    // The answer to what comes after it tells that it has been read.
    peer.publish(1..=1).await;
    let group = test.publishes().await;
    test.take(group).await;
    peer.packet().await;
    later(STATUS_ACKNOWLEDGED * 3 / 4).await;
    tokio::task::yield_now().await;
    assert!(test.broker.inbound.try_recv().is_err(), "it acknowledged one meanwhile");
    later(STATUS_ACKNOWLEDGED / 2).await;
    assert!(matches!(test.inbound().await, Inbound::StatusesHeldUp(true)));
    // It is no other broker after a reconnect.
    drop(peer);
    test.down().await;
    later(MQTT_BACKOFF.1).await;
    let mut peer = test.accept(true, nothing()).await;
    test.expect_up(true).await;
    assert_eq!(peer.status().await.pkid, second.pkid);
    later(2 * STATUS_ACKNOWLEDGED).await;
    peer.acknowledge(&second).await;
    assert!(matches!(test.inbound().await, Inbound::StatusesHeldUp(false)));
}

#[tokio::test]
async fn an_acknowledgement_of_no_status_of_ours_is_none() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    test.send("one").await;
    let status = peer.status().await;
    for held_up in [false, true] {
        later(STATUS_ACKNOWLEDGED * 3 / 4).await;
        peer.say(Packet::PubAck(PubAck::new(status.pkid + 1, None))).await;
        peer.was_heard().await;
        let said = test.broker.inbound.try_recv();
        assert_eq!(matches!(said, Ok(Inbound::StatusesHeldUp(true))), held_up, "{said:?}");
    }
    assert!(test.broker.inbound.try_recv().is_err(), "held up it stays");
    peer.acknowledge(&status).await;
    assert!(matches!(test.inbound().await, Inbound::StatusesHeldUp(false)));
}

#[tokio::test]
async fn statuses_that_are_not_acknowledged_go_out_again_over_a_new_connection_ever_less_often() {
    let (base, cap) = STATUS_REPEATED;
    let (mut test, mut peer) = Test::up(nothing()).await;
    test.send("one").await;
    let mut status = peer.status().await;
    let mut wait = base;
    for round in 0..6 {
        later(wait - STATUS_ACKNOWLEDGED / 2).await;
        settle().await;
        let said = test.broker.inbound.try_recv();
        assert_eq!(matches!(said, Ok(Inbound::StatusesHeldUp(true))), round == 0, "{said:?}");
        later(STATUS_ACKNOWLEDGED).await;
        let error = test.down().await;
        assert!(matches!(error, MqttError::Silent(Unanswered::Statuses, time) if time == wait), "{error:?}");
        later(MQTT_BACKOFF.0).await;
        peer = test.accept(true, nothing()).await;
        test.expect_up(true).await;
        let again = peer.status().await;
        assert_eq!((again.pkid, again.dup, &again.payload), (status.pkid, true, &status.payload));
        status = again;
        wait = cap.min(wait * 2);
    }
    assert_eq!(wait, cap);
    peer.acknowledge(&status).await;
    assert!(matches!(test.inbound().await, Inbound::StatusesHeldUp(false)));
    // The next time begins anew.
    test.send("two").await;
    peer.status().await;
    later(base).await;
    assert!(matches!(test.inbound().await, Inbound::StatusesHeldUp(true)));
    assert!(matches!(test.down().await, MqttError::Silent(Unanswered::Statuses, time) if time == base));
}

#[tokio::test]
async fn a_broker_that_says_it_takes_no_status_at_a_time_gets_one_after_the_other() {
    let (test, mut peer) = Test::up(ConnAckProperties { receive_max: Some(0), ..nothing() }).await;
    for text in ["one", "two"] {
        test.send(text).await;
        let status = peer.status().await;
        assert_eq!(status.payload, text);
        peer.acknowledge(&status).await;
    }
}

#[tokio::test]
async fn sessions_that_are_closed_soon_and_without_a_word_raise_a_suspicion() {
    let mut test = Test::new().await;
    for number in 1..=4 {
        let peer = test.accept(true, nothing()).await;
        test.expect_up(true).await;
        drop(peer);
        let error = test.down().await;
        let suspects = error.to_string().contains("perhaps another client uses the client id \"gateway\"");
        assert_eq!(suspects, number >= 3, "{number}: {error}");
        assert!(!error.is_refusal());
        later(MQTT_BACKOFF.1).await;
    }
}
