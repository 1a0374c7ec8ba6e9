"""`check --online` on prepared faults of the broker: the right step fails with the right sentence, and the others do not."""

import socket
import threading

import pytest

from parts.broker import RefusingBroker
from parts.connector import CLIENT_ID
from parts.cutting import Cutting
from parts.doctor import OwnBroker, is_only_fault
from parts.scripted import ScriptedBroker
from parts.waiting import free_port


def test_a_broker_whose_name_does_not_exist(check):
    report = check(FIREHOSE_CONNECTOR_MQTT_URL="mqtt://broker.invalid")
    is_only_fault(report, "broker-dns", "broker.invalid:1883 (has no address|cannot be looked up).*MQTT_URL")


def test_a_broker_that_does_not_listen(check):
    port = free_port()
    report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://127.0.0.1:{port}")
    is_only_fault(report, "broker-tcp", f"127.0.0.1:{port} refuses connections: check the port")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"\x15\x03\x03\x00\x02\x02\x46", "the broker answers in TLS: write mqtts:// in FIREHOSE_CONNECTOR_MQTT_URL"),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "answers in HTTP: check host and port"),
    ],
)
def test_a_peer_that_is_not_a_broker(answer, words, check):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        peer, _ = listener.accept()
        with peer:
            peer.recv(4096)
            peer.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://127.0.0.1:{listener.getsockname()[1]}")
    is_only_fault(report, "broker-login", words)
    assert report.steps["broker-login"]["advice"] is None
    listener.close()


def test_a_broker_that_speaks_an_older_version(check):
    broker = RefusingBroker("protocol version")
    report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://127.0.0.1:{broker.port}")
    is_only_fault(report, "broker-login", r"the broker does not speak MQTT 3\.1\.1: 5 and 3\.1\.1 are tried, unless FIREHOSE_CONNECTOR_MQTT_VERSION says which")
    broker.close()


def test_what_stands_before_a_broker_that_starts_does_not_make_it_an_older_one(broker, check):
    cutting = Cutting(broker.port, first=1)
    report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://127.0.0.1:{cutting.port}")
    assert report.steps["broker-login"]["found"].startswith("MQTT 5, "), report.steps
    cutting.close()


def test_a_broker_that_refuses_the_login(tmp_path, check):
    with OwnBroker(tmp_path, anonymous=False) as broker:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://localhost:{broker.port}")
    is_only_fault(report, "broker-login", "refuses the login .*FIREHOSE_CONNECTOR_MQTT_USERNAME")


def test_a_broker_that_knows_the_connector_s_client_id_alone(check):
    broker = RefusingBroker("client id", known=CLIENT_ID)
    url = {"FIREHOSE_CONNECTOR_MQTT_URL": f"mqtt://127.0.0.1:{broker.port}"}
    is_only_fault(check(**url), "broker-login", f"if only the client id.*--client-id {CLIENT_ID}")
    assert check("--client-id", CLIENT_ID, **url).code == 0
    broker.close()


def test_what_waits_in_the_connector_s_session_survives_a_check_by_its_client_id(connect, standin, client, check):
    connector = connect()
    connector.stop()
    client.send_all([client.send("waits", "id 0")])
    assert check("--client-id", CLIENT_ID).code == 0
    assert standin.state()["accepted"] == 0
    connector.start()
    client.wait_entries(1)
    assert standin.records() == [b"waits"]


def test_a_broker_that_refuses_the_subscription(check):
    broker = RefusingBroker("subscription")
    report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://127.0.0.1:{broker.port}")
    words = "refuses the subscription to kinesisfirehose/message .not authorized.*let the client subscribe to"
    is_only_fault(report, "broker-subscribe", words)
    assert report.steps["broker-publish"]["result"] == "ok"
    broker.close()


def test_a_broker_that_refuses_statuses(tmp_path, check):
    rules = tmp_path / "acl"
    rules.write_text("topic read kinesisfirehose/#\n")
    rules.chmod(0o644)
    with OwnBroker(tmp_path, more=f"acl_file {rules}") as broker:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://localhost:{broker.port}")
    words = "does not take statuses .not authorized.*let the client publish to kinesisfirehose/message/status"
    is_only_fault(report, "broker-publish", words)


def test_a_broker_that_disconnects_a_publisher(check):
    broker = RefusingBroker("publish")
    report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://127.0.0.1:{broker.port}")
    is_only_fault(report, "broker-publish", "the broker ended the session .not authorized.*let the client publish")
    broker.close()


@pytest.mark.parametrize(
    ("connack", "suback", "lost"), [(b"", b"\0\0", "publishes"), (b"\x24\0", b"\0\0", "publishes and statuses")]
)
def test_a_broker_that_grants_qos_0_only_is_warned_of(connack, suback, lost, check):
    with ScriptedBroker(connack=lambda _: connack, suback=suback) as broker:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://127.0.0.1:{broker.port}")
    assert report.code == 0
    line = report.steps["broker-subscribe"]
    assert line["result"] == "warn"
    assert line["found"].startswith(f"the broker grants QoS 0 only: {lost} are lost")
    assert "allow QoS 1" in line["advice"]


def test_a_broker_that_keeps_sessions_for_a_short_time_is_warned_of(check):
    with ScriptedBroker(connack=lambda _: b"\x11" + (3600).to_bytes(4, "big")) as broker:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://127.0.0.1:{broker.port}")
    assert report.code == 0
    line = report.steps["broker-subscribe"]
    assert line["result"] == "warn"
    assert line["found"].startswith("the broker keeps the session for 3600 s only")
