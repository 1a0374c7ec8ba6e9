//! The counters beside the statuses.

use super::*;

#[tokio::test]
async fn only_the_newest_counters_are_sent_and_only_once() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    for text in ["old", "new"] {
        test.broker.counters.send_replace(Bytes::from(text));
    }
    let counters = peer.counters().await;
    assert_eq!((counters.payload.as_ref(), counters.qos, counters.retain), (&b"new"[..], QoS::AtMostOnce, false));
    // The next packet shows that there were no more.
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
