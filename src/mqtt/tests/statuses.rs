//! How statuses are sent, and what a broker may take of them.

use futures_util::FutureExt as _;
use tokio::time::Duration;

use super::*;

#[tokio::test]
async fn an_unacknowledged_status_is_sent_again_after_a_reconnect() {
    for kept in [true, false] {
        let (mut test, mut peer) = Test::up(nothing()).await;
        for text in ["one", "two", "three"] {
            test.send(text).await;
        }
        let sent = [peer.status().await, peer.status().await, peer.status().await];
        assert!(sent.iter().all(|status| status.qos == QoS::AtLeastOnce && !status.dup && !status.retain));
        peer.acknowledge(&sent[1]).await;
        // Once the next packet is answered, the acknowledgement has been read.
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
async fn statuses_fit_the_brokers_packet_limit() {
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
async fn no_more_statuses_are_in_flight_than_the_receive_maximum() {
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

/// Publishes have come one soon after the other, so that the next ones gather unread. One status may be in flight.
async fn gathering() -> (Test, broker::Peer) {
    let (mut test, mut peer) = Test::up(ConnAckProperties { receive_max: Some(1), ..nothing() }).await;
    test.broker.acknowledged.send_modify(|acknowledged| acknowledged.window = 100);
    for id in 1..=3 {
        later(Duration::from_millis(20)).await;
        peer.publish(id..=id).await;
        let group = test.publishes().await;
        test.take(group).await;
        peer.packet().await;
    }
    (test, peer)
}

#[tokio::test]
async fn while_publishes_gather_the_acknowledgement_that_the_next_status_waits_for_is_read() {
    let (test, mut peer) = gathering().await;
    test.send("one").await;
    let first = peer.status().await;
    test.send("two").await;
    settle().await;
    peer.acknowledge(&first).await;
    settle().await;
    let second = peer.status().now_or_never();
    assert_eq!(
        second.map(|status| status.payload).as_deref(),
        Some(&b"two"[..]),
        "without waiting for the end of a rest"
    );
}

#[tokio::test]
async fn publishes_gather_while_statuses_are_in_flight_and_none_waits() {
    let (mut test, mut peer) = gathering().await;
    test.send("one").await;
    peer.status().await;
    peer.publish(4..=4).await;
    settle().await;
    assert!(test.publishes().now_or_never().is_none(), "it is read although nothing waits for it");
    let group = test.publishes().await;
    assert_eq!(group.len(), 1, "at the end of the rest");
    test.take(group).await;
    peer.packet().await;

    later(Duration::from_millis(20)).await;
    peer.publish(5..=5).await;
    settle().await;
    assert!(test.publishes().now_or_never().is_none(), "another rest");
    test.broker.hurry.send_replace(true);
    settle().await;
    assert!(test.publishes().now_or_never().is_some(), "at a stop it is read at once");
}

#[tokio::test]
async fn a_smaller_receive_maximum_after_a_reconnect_is_respected() {
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
async fn a_status_too_long_for_the_new_connection_comes_back_and_the_session_goes_on() {
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
    let short = peer.status().await;
    assert_eq!(short.payload, "short");
    test.expect_up(true).await;
    // For the one that came back no acknowledgement is waited for.
    peer.acknowledge(&short).await;
    drop(test.broker.statuses);
    peer.expect_goodbye().await;
}

#[tokio::test]
async fn a_broker_that_takes_qos_0_only_gets_statuses_at_qos_0() {
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
async fn a_receive_maximum_of_zero_means_one_status_at_a_time() {
    let (test, mut peer) = Test::up(ConnAckProperties { receive_max: Some(0), ..nothing() }).await;
    for text in ["one", "two"] {
        test.send(text).await;
        let status = peer.status().await;
        assert_eq!(status.payload, text);
        peer.acknowledge(&status).await;
    }
}
