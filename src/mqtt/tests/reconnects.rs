//! How a session ends, and when the next attempt is made.

use super::*;

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
async fn a_listener_that_closes_while_the_broker_starts_is_tried_again_within_seconds() {
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
async fn the_reason_of_a_disconnect_is_reported() {
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
async fn sessions_closed_early_without_a_reason_suggest_a_second_client() {
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

#[tokio::test]
async fn after_the_last_status_the_task_waits_for_its_acknowledgement_and_disconnects() {
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
    // While the session is established.
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
