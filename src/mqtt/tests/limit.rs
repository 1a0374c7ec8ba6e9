//! Packets above the announced limit.

use super::*;

/// Some brokers send such a publish although the limit was announced, and repeat it until it is acknowledged.
#[tokio::test]
async fn a_publish_above_the_limit_is_handed_on_in_part_and_acknowledged_in_order() {
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
async fn any_other_packet_that_is_too_long_ends_the_connection() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    peer.0.get_mut().write_all(b"\x90\xff\xff\xff\x07").await.unwrap();
    assert!(matches!(test.down().await, MqttError::Protocol(_)));
    peer.expect_end().await;
}
