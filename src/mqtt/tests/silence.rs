//! How long a broker may send nothing, or read nothing.

use core::time::Duration;

use futures_util::SinkExt as _;
use rumqttc::v5::mqttbytes::v5::{PingReq, PingResp, Publish};
use socket2::SockRef;
use tokio::time::{self, timeout};

use super::broker::{Peer, passes};
use super::*;
use crate::limits::{MQTT_CONNECT, MQTT_STEP_MIN, MQTT_SUBSCRIBE_MAX, UNASKED};

/// A CONNACK with `Server Keep Alive`.
fn keep_alive(seconds: u16) -> ConnAckProperties {
    ConnAckProperties { server_keep_alive: Some(seconds), ..nothing() }
}

/// Header and some of a publish of this many bytes.
fn large_publish(bytes: usize) -> Vec<u8> {
    let mut packet = bytes::BytesMut::new();
    let mut publish = Publish::new(crate::relay::message::JSON_TOPIC, QoS::AtLeastOnce, vec![b'x'; bytes], None);
    publish.pkid = 1;
    publish.write(&mut packet).unwrap();
    packet.to_vec()
}

/// Writes more than all buffers on the way hold, while no time passes.
async fn fill(test: &Test) {
    time::pause();
    for _ in 0..100 {
        test.broker.counters.send_replace(vec![b'x'; STATUS_BYTES].into());
        settle().await;
    }
    time::resume();
}

/// The error with which the session has ended by now.
fn ended(test: &mut Test) -> MqttError {
    match test.broker.inbound.try_recv() {
        Ok(Inbound::Down(error)) => ours(error),
        other => panic!("{other:?}"),
    }
}

fn is_silent(error: &MqttError, what: Unanswered, time: Duration) -> bool {
    matches!(error, MqttError::Silent(this, that) if *this == what && *that == time)
}

#[tokio::test]
async fn silence_leads_to_a_ping_and_without_an_answer_ends_the_session() {
    let short = MQTT_STEP_MIN * 3;
    for (of_the_broker, in_force, patience) in [
        (None, MQTT_KEEP_ALIVE, MQTT_KEEP_ALIVE * 3 / 4),
        (Some(0), MQTT_KEEP_ALIVE, MQTT_KEEP_ALIVE * 3 / 4),
        (Some(u16::MAX), MQTT_KEEP_ALIVE, MQTT_KEEP_ALIVE * 3 / 4),
        (Some(10), Duration::from_secs(10), Duration::from_millis(7500)),
        (Some(1), Duration::from_secs(1), short),
    ] {
        let (mut test, mut peer) = Test::up(ConnAckProperties { server_keep_alive: of_the_broker, ..nothing() }).await;
        passes(in_force.mul_f32(0.7)).await;
        peer.expect_silence();
        passes(in_force.mul_f32(0.1)).await;
        assert!(matches!(peer.packet().await, Packet::PingReq(_)));
        peer.say(Packet::PingResp(PingResp)).await;
        peer.was_heard().await;
        passes(in_force.mul_f32(0.8)).await;
        assert!(matches!(peer.packet().await, Packet::PingReq(_)));
        passes(patience.mul_f32(0.9)).await;
        assert!(test.broker.inbound.try_recv().is_err(), "{of_the_broker:?}");
        passes(patience.mul_f32(0.2)).await;
        let error = test.down().await;
        assert!(is_silent(&error, Unanswered::Ping, in_force), "{error:?}");
    }
}

#[tokio::test]
async fn writing_does_not_hide_that_nothing_is_received() {
    let (mut test, mut peer) = Test::up(keep_alive(4)).await;
    let mut written = 0;
    while written < 20 {
        test.broker.counters.send_replace(Bytes::from(written.to_string()));
        settle().await;
        passes(Duration::from_secs(1)).await;
        match test.broker.inbound.try_recv() {
            Ok(Inbound::Down(error)) => {
                let error = ours(error);
                assert!(is_silent(&error, Unanswered::Ping, Duration::from_secs(4)), "{error:?}");
                break;
            }
            other => assert!(other.is_err(), "{other:?}"),
        }
        written += 1;
    }
    assert!((5..=6).contains(&written), "after {written} s");
    let mut pings = 0;
    while let Some(Ok(packet)) = futures_util::StreamExt::next(&mut peer.0).await {
        pings += usize::from(matches!(packet, Packet::PingReq(_)));
    }
    assert_eq!(pings, 1);
}

#[tokio::test]
async fn the_bytes_of_a_large_publish_on_a_slow_link_are_signs_of_life() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    let packet = large_publish(90_000);
    // 100 bytes a second.
    for piece in packet.chunks(1500) {
        peer.0.get_mut().write_all(piece).await.unwrap();
        peer.was_heard().await;
        passes(Duration::from_secs(15)).await;
    }
    let group = test.publishes().await;
    assert_eq!(group.len(), 1);
    test.take(group).await;
    let mut pings = 0;
    while matches!(peer.packet().await, Packet::PingReq(_)) {
        pings += 1;
    }
    assert_eq!(pings, packet.len() / 100 / 45, "pings show the broker that the client is there");
}

#[tokio::test]
async fn a_packet_that_trickles_in_does_not_keep_the_session() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    let mut waited = Duration::ZERO;
    let error = loop {
        peer.0.get_mut().write_all(&large_publish(90_000)[..1]).await.unwrap();
        peer.was_heard().await;
        passes(Duration::from_secs(5)).await;
        waited += Duration::from_secs(5);
        match test.broker.inbound.try_recv() {
            Ok(Inbound::Down(error)) => break ours(error),
            other => assert!(other.is_err(), "{other:?}"),
        }
    };
    assert!(is_silent(&error, Unanswered::Ping, MQTT_KEEP_ALIVE), "{error:?}");
    assert!(waited <= MQTT_KEEP_ALIVE.mul_f32(1.7), "{waited:?}");
}

#[tokio::test]
async fn a_broker_that_reads_nothing_is_disconnected() {
    for (of_the_broker, in_force, patience) in [
        (None, MQTT_KEEP_ALIVE, MQTT_KEEP_ALIVE * 3 / 2),
        (Some(1), Duration::from_secs(1), Duration::from_secs(1) * 3 / 4 + MQTT_STEP_MIN * 3),
    ] {
        let (mut test, peer) = Test::up(ConnAckProperties { server_keep_alive: of_the_broker, ..nothing() }).await;
        fill(&test).await;
        passes(patience.mul_f32(0.95)).await;
        let mut waited = 0.95;
        let error = loop {
            match test.broker.inbound.try_recv() {
                Ok(Inbound::Down(error)) => break ours(error),
                other => assert!(other.is_err(), "{other:?}"),
            }
            passes(patience.mul_f32(0.1)).await;
            waited += 0.1;
            // Once more at most: the kernel may take some bytes late, which looks as if the broker did.
            assert!(waited < 2.2, "{patience:?} passed twice");
        };
        assert!(waited > 1.0 && is_silent(&error, Unanswered::Write, in_force), "{error:?} after {waited}");
        drop(peer);
    }
}

/// Reads `bytes` that the connector has written.
async fn take(peer: &Peer, bytes: usize) {
    let (stream, mut taken, mut buffer) = (peer.0.get_ref(), 0, [0; 4096]);
    while taken < bytes {
        stream.readable().await.unwrap();
        let most = buffer.len().min(bytes - taken);
        match stream.try_read(&mut buffer[..most]) {
            Ok(read) => {
                assert!(read > 0, "the session has ended after {taken} bytes");
                taken += read;
            }
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
}

/// One packet of many times what the kernel holds of it, so that it is on its way all the time.
#[tokio::test]
async fn a_broker_that_reads_a_packet_slowly_stays_connected() {
    const TURNS: usize = 6;
    const A_TURN: usize = 1_000_000;
    const PACKET: usize = 2 * TURNS * A_TURN;
    let (mut test, peer) = Test::up(nothing()).await;
    SockRef::from(peer.0.get_ref()).set_recv_buffer_size(64 * 1024).unwrap();
    test.broker.counters.send_replace(vec![b'x'; PACKET].into());
    for _ in 0..TURNS {
        take(&peer, A_TURN).await;
        passes(MQTT_KEEP_ALIVE).await;
        let said = test.broker.inbound.try_recv();
        assert!(said.is_err(), "{said:?}");
    }
    // And when it takes none of what is left, it is.
    passes(MQTT_KEEP_ALIVE * 3).await;
    let error = ended(&mut test);
    assert!(is_silent(&error, Unanswered::Write, MQTT_KEEP_ALIVE), "{error:?}");
}

#[tokio::test]
async fn a_broker_that_reads_in_bursts_and_sends_nothing_stays_connected() {
    let (mut test, peer) = Test::up(nothing()).await;
    let mut bytes = vec![0; 1_000_000];
    // Now and then the kernel has room for all of it, and nothing shows that the broker takes some.
    for _ in 0..10 {
        fill(&test).await;
        passes(MQTT_KEEP_ALIVE.mul_f32(0.4)).await;
        // All that there is, until no more comes.
        let stream = peer.0.get_ref();
        while timeout(Duration::from_millis(100), stream.readable()).await.is_ok() {
            while let Ok(read) = stream.try_read(&mut bytes) {
                assert!(read > 0, "the session has ended");
            }
        }
        let other = test.broker.inbound.try_recv();
        assert!(other.is_err(), "{other:?}");
    }
}

#[tokio::test]
async fn a_process_that_was_suspended_does_not_count_its_own_absence() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    later(Duration::from_secs(3600)).await;
    settle().await;
    assert!(matches!(peer.packet().await, Packet::PingReq(_)));
    // Stopped again while the answer is on its way.
    later(Duration::from_secs(3600)).await;
    peer.say(Packet::PingResp(PingResp)).await;
    peer.was_heard().await;
    peer.publish(1..=1).await;
    test.publishes().await;
}

#[tokio::test]
async fn a_broker_that_does_not_answer_the_login_is_disconnected() {
    let mut test = Test::new().await;
    let (mut peer, ..) = test.connected().await;
    later(MQTT_CONNECT).await;
    let error = test.down().await;
    assert!(is_silent(&error, Unanswered::Login, MQTT_CONNECT), "{error:?}");
    peer.expect_end().await;
}

#[tokio::test]
async fn a_broker_that_does_not_answer_the_subscription_is_disconnected() {
    let mut test = Test::new().await;
    let (mut peer, ..) = test.connected().await;
    // Its answers to pings change nothing.
    peer.answer(ConnectReturnCode::Success, false, keep_alive(10)).await;
    peer.subscribe().await;
    for _ in 0..3 {
        passes(MQTT_CONNECT / 4).await;
        assert!(matches!(peer.packet().await, Packet::PingReq(_)));
        peer.say(Packet::PingResp(PingResp)).await;
        peer.was_heard().await;
    }
    passes(MQTT_CONNECT / 3).await;
    let error = test.down().await;
    assert!(matches!(error, MqttError::Silent(Unanswered::Subscription, _)), "{error:?}");
}

#[tokio::test]
async fn publishes_may_precede_the_answer_to_the_subscription_but_not_for_ever() {
    let mut test = Test::new().await;
    let (mut peer, ..) = test.connected().await;
    peer.answer(ConnectReturnCode::Success, true, nothing()).await;
    peer.subscribe().await;
    let mut waited = Duration::ZERO;
    let packet = large_publish(20_000);
    let error = 'session: loop {
        for piece in packet.chunks(2000) {
            // The connection may be over.
            let _: Result<(), _> = peer.0.get_mut().write_all(piece).await;
            peer.was_heard().await;
            passes(MQTT_CONNECT / 6).await;
            waited += MQTT_CONNECT / 6;
            match test.broker.inbound.try_recv() {
                Ok(Inbound::Begins(_)) => {}
                Ok(Inbound::Publishes(group)) => test.take(group).await,
                Ok(Inbound::Down(error)) => break 'session ours(error),
                other => assert!(other.is_err(), "{other:?}"),
            }
        }
    };
    assert!(matches!(error, MqttError::Silent(Unanswered::Subscription, _)), "{error:?}");
    assert!((MQTT_SUBSCRIBE_MAX * 9 / 10..MQTT_SUBSCRIBE_MAX * 11 / 10).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn an_unexpected_pingresp_is_ignored_and_a_second_connack_ends_the_session() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    peer.say(Packet::PingResp(PingResp)).await;
    peer.publish(1..=1).await;
    let group = test.publishes().await;
    test.take(group).await;
    peer.packet().await;
    peer.answer(ConnectReturnCode::Success, false, nothing()).await;
    assert!(matches!(test.down().await, MqttError::Unexpected));
}

/// Each of them is read and counts as heard, so nothing else would end it.
#[tokio::test]
async fn a_broker_that_answers_without_end_is_left() {
    for answer in [
        Packet::PingResp(PingResp),
        Packet::PubAck(PubAck::new(7, None)),
        Packet::SubAck(SubAck { pkid: u16::MAX, return_codes: vec![GRANTED; 2], properties: None }),
    ] {
        let (mut test, mut peer) = Test::up(nothing()).await;
        let flood = async { while peer.0.send(answer.clone()).await.is_ok() {} };
        let (error, ()) = tokio::join!(test.down(), flood);
        assert!(matches!(error, MqttError::Unasked), "{error:?}");
    }
}

#[tokio::test]
async fn answers_to_pings_do_not_count_for_that() {
    let (mut test, mut peer) = Test::up(nothing()).await;
    // The first was that to the subscription.
    for _ in 1..UNASKED {
        peer.0.feed(Packet::PingResp(PingResp)).await.unwrap();
    }
    peer.0.flush().await.unwrap();
    peer.was_heard().await;
    for _ in 0..3 {
        later(MQTT_KEEP_ALIVE * 3 / 4).await;
        assert_eq!(peer.packet().await, Packet::PingReq(PingReq));
        peer.say(Packet::PingResp(PingResp)).await;
        peer.was_heard().await;
    }
    peer.say(Packet::PingResp(PingResp)).await;
    assert!(matches!(test.down().await, MqttError::Unasked));
}
