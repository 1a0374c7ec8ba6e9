//! How publishes are handed on and acknowledged, within a connection and after a reconnect.

use rumqttc::v5::mqttbytes::v5::{PubComp, PubRec, PubRel};

use super::*;
use crate::relay::message::JSON_TOPIC;

#[tokio::test]
async fn a_group_is_acknowledged_in_one_write_and_only_when_it_is_safe() {
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
async fn a_new_connection_acknowledges_nothing_of_the_one_before() {
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
        matches!(begins, Inbound::Begins(begin) if begin == Begin { resumed: true, acknowledged: first + 1, arrived: first, first: first + 3 }),
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
async fn acknowledgements_of_statuses_are_read_behind_any_number_of_publishes() {
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
async fn after_a_publish_was_left_no_other_is_taken_over_this_connection() {
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

#[tokio::test]
async fn publishes_that_were_left_come_again_once_all_statuses_are_acknowledged() {
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
async fn publishes_that_were_left_come_at_once_when_the_broker_acknowledges_no_statuses() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    test.send("status").await;
    peer.status().await;
    test.broker.again.send_replace(Again::Now);
    assert!(matches!(test.down().await, MqttError::LeftBehind));
    peer.expect_end().await;
}

#[tokio::test]
async fn a_broker_that_acknowledges_a_status_has_what_was_acknowledged_before() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    peer.publish(1..=3).await;
    let group = test.publishes().await;
    let first = group[0].token.unwrap().number;
    test.take(group[..2].to_vec()).await;
    test.send("one").await;
    let packets = [peer.packet().await, peer.packet().await];
    assert!(packets.iter().all(|packet| matches!(packet, Packet::PubAck(_))), "{packets:?}");
    let status = peer.status().await;
    test.broker.acknowledged.send_modify(|acknowledged| acknowledged.below = first + 3);
    peer.packet().await;
    peer.acknowledge(&status).await;
    peer.was_heard().await;
    drop(peer);
    test.down().await;
    later(MQTT_BACKOFF.1).await;
    test.accept(true, nothing()).await;
    let begins = test.broker.inbound.recv().await.unwrap();
    let expected = Begin { resumed: true, acknowledged: first + 3, arrived: first + 2, first: first + 3 };
    assert!(matches!(begins, Inbound::Begins(begin) if begin == expected), "{begins:?}");
}

#[tokio::test]
async fn what_is_safe_is_acknowledged_before_its_status_leaves() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    for id in 1..=20 {
        peer.publish(id..=id).await;
        let group = test.publishes().await;
        let number = group[0].token.unwrap().number;
        test.broker.taken.send(vec![]).await.unwrap();
        settle().await;
        test.broker.acknowledged.send_modify(|acknowledged| acknowledged.below = number + 1);
        test.send("status").await;
        assert_eq!(peer.packet().await, Packet::PubAck(PubAck::new(id, None)));
        let status = peer.status().await;
        peer.acknowledge(&status).await;
    }
}

/// No broker may, as only QoS 1 is asked for. To one that does, a publish that is never answered takes room for ever.
#[tokio::test]
async fn a_publish_at_qos_2_is_acknowledged_as_that_in_its_place() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    peer.publish(1..=1).await;
    let mut publish = Publish::new(JSON_TOPIC, QoS::ExactlyOnce, "{}", None);
    publish.pkid = 2;
    peer.say(Packet::Publish(publish)).await;
    peer.publish(3..=3).await;
    let mut ids = vec![];
    while ids.len() < 3 {
        let group = test.publishes().await;
        ids.extend(group.iter().map(packet_id));
        test.take(group).await;
    }
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(peer.packet().await, Packet::PubAck(PubAck::new(1, None)));
    assert_eq!(peer.packet().await, Packet::PubRec(PubRec::new(2, None)));
    assert_eq!(peer.packet().await, Packet::PubAck(PubAck::new(3, None)));
    peer.say(Packet::PubRel(PubRel::new(2, None))).await;
    assert_eq!(peer.packet().await, Packet::PubComp(PubComp::new(2, None)));
}
