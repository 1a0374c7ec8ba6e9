//! What does not go on, or not yet.

use core::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use tokio::time::timeout;

use super::*;
use crate::limits::{MQTT_REFUSED_BACKOFF, PUBLISHES, PUBLISHES_BYTES};

/// However much the kernel has of them: what waits outside of the arena is planned for.
#[tokio::test]
async fn a_group_of_publishes_is_bounded_in_number_and_in_bytes() {
    for (payload, most) in [(1, PUBLISHES), (PUBLISHES_BYTES / 8, 8)] {
        let (mut test, mut peer) = Test::up(nothing()).await;
        let all = most * 5 / 2;
        for id in 1..=u16::try_from(all).unwrap() {
            peer.publish_bytes(id, vec![b'x'; payload]).await;
        }
        peer.was_heard().await;
        let mut sizes = Vec::new();
        while sizes.iter().sum::<usize>() < all {
            let group = test.publishes().await;
            sizes.push(group.len());
            test.take(group).await;
        }
        // The first may have ended where the kernel had no more yet.
        assert!(sizes.iter().all(|size| *size <= most) && sizes[1] == most, "{sizes:?}");
    }
}

/// The buffer that grew with it is given up, and what it has of others is not.
#[tokio::test]
async fn nothing_is_lost_of_what_comes_in_one_piece_with_a_large_publish() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    let mut ids = Vec::new();
    for size in [5000, PUBLISHES_BYTES, PUBLISHES_BYTES * 3 / 2] {
        peer.publish_bytes(1, vec![b'x'; size]).await;
        peer.publish(2..=500).await;
        while ids.len() < 500 {
            let group = test.publishes().await;
            ids.extend(group.iter().map(packet_id));
            test.take(group).await;
        }
        assert!(ids.drain(..).eq(1..=500));
    }
}

#[tokio::test]
async fn no_status_goes_out_before_the_subscription_is_granted() {
    let mut test = Test::new().await;
    let (mut peer, ..) = test.connected().await;
    peer.answer(ConnectReturnCode::Success, false, nothing()).await;
    let pkid = peer.subscribe().await.pkid;
    test.send("one").await;
    settle().await;
    peer.expect_silence();
    peer.say(Packet::SubAck(SubAck { pkid, return_codes: vec![GRANTED; 2], properties: None })).await;
    test.expect_up(false).await;
    assert_eq!(peer.status().await.payload, "one");
}

#[tokio::test]
async fn while_the_last_acknowledgement_is_waited_for_nothing_runs() {
    let (test, mut peer) = Test::up(nothing()).await;
    test.send("one").await;
    let status = peer.status().await;
    drop(test.broker.statuses);
    settle().await;
    let wakes = test.wakes.load(Ordering::Relaxed);
    settle().await;
    assert_eq!(test.wakes.load(Ordering::Relaxed), wakes);
    peer.acknowledge(&status).await;
    peer.expect_goodbye().await;
}

#[tokio::test]
async fn a_broker_that_refuses_again_is_left_alone_for_a_while_unless_the_process_ends() {
    let mut test = Test::new().await;
    for attempt in 1..=4 {
        let (mut peer, ..) = timeout(MQTT_REFUSED_BACKOFF.0 / 2, test.connected()).await.unwrap();
        peer.answer(ConnectReturnCode::NotAuthorized, false, nothing()).await;
        test.down().await;
        later(2 * MQTT_BACKOFF.0).await;
        if attempt == 2 {
            settle().await;
            assert!(test.listener.accept().now_or_never().is_none());
            test.broker.hurry.send_replace(true);
        }
    }
}
