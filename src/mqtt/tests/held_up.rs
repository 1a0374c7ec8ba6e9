//! Statuses that a broker does not acknowledge.

use super::*;

#[tokio::test]
async fn the_log_says_when_statuses_are_no_longer_acknowledged_and_when_they_are_again() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    later(2 * STATUS_ACKNOWLEDGED).await;
    test.send("one").await;
    let first = peer.status().await;
    later(STATUS_ACKNOWLEDGED / 2).await;
    test.send("two").await;
    let second = peer.status().await;
    peer.acknowledge(&first).await;
    // Once the next packet is answered, it has been read.
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
async fn an_acknowledgement_with_an_unknown_packet_id_does_not_count() {
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
async fn unacknowledged_statuses_are_sent_again_over_a_new_connection_with_backoff() {
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
    // The next series begins with the first delay.
    test.send("two").await;
    peer.status().await;
    later(base).await;
    assert!(matches!(test.inbound().await, Inbound::StatusesHeldUp(true)));
    assert!(matches!(test.down().await, MqttError::Silent(Unanswered::Statuses, time) if time == base));
}
