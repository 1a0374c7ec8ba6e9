//! The session of `check --online`.

use rumqttc::v5::mqttbytes::v5::PingResp;

use super::*;

#[tokio::test]
async fn a_probe_has_a_session_of_its_own_and_acknowledges_no_publish() {
    let test = Test::new().await;
    test.task.abort();
    let (host, port) = ("127.0.0.1", test.listener.local_addr().unwrap().port());
    let settings = Settings { lasting: false, ..settings(host, port) };
    let probe = async {
        let stream = connect(&settings.route, host, port, None, Buffers::default()).await.unwrap();
        let mut probe = Probe::log_in(stream, &settings, MqttVersion::V5).await.unwrap();
        probe.subscribe().await.unwrap();
        assert_eq!(probe.terms().session_seconds, Some(600));
        assert_eq!(probe.publish_status(Bytes::from_static(b"{}")).await.unwrap().unwrap(), "not authorized");
        probe.log_out().await;
    };
    let broker = async {
        let (mut peer, connect, _) = test.connected().await;
        assert!(connect.clean_start);
        let asked = connect.properties.unwrap().session_expiry_interval;
        assert_eq!(asked.map(u64::from), Some(SESSION_EXPIRY.as_secs()), "what the connector asks for");
        let short = ConnAckProperties { session_expiry_interval: Some(600), ..nothing() };
        peer.answer(ConnectReturnCode::Success, false, short).await;
        let subscribe = peer.subscribe().await;
        assert!(subscribe.filters.iter().all(|filter| filter.retain_forward_rule == RetainForwardRule::Never));
        peer.publish(0..=3).await;
        peer.say(Packet::PingResp(PingResp)).await;
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
