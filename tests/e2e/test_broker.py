"""The broker in trouble."""

import shutil
import subprocess

import pytest

from parts.broker import Mosquitto, RefusingBroker
from parts.client import Client
from parts.connector import CLIENT_ID
from parts.waiting import end, until


def ids(entries):
    return {entry["id"] for entry in entries}


def test_the_broker_restarts_and_nothing_is_lost(broker, connect, client, standin):
    """SIGTERM: mosquitto saves sessions. A record may come twice (at least once is what MQTT promises), none is lost."""
    standin.set_faults(latency_ms=300)
    connector = connect()
    client.send_all(client.send(f"record {number}", f"id {number}") for number in range(1000))
    broker.stop()
    broker.start()
    client.wait_subscribed()
    standin.heal()
    client.send_all(client.send(f"record {number}", f"id {number}") for number in range(1000, 1100))
    expected = {f"id {number}" for number in range(1100)}
    until(lambda: ids(client.entries()) == expected, "a status for each record", within=120)
    assert set(standin.records()) == {f"record {number}".encode() for number in range(1100)}
    assert {entry["status"] for entry in client.entries()} == {"success"}
    assert connector.alive()


def test_the_broker_is_killed_and_what_the_connector_holds_is_not_lost(broker, connect, client, standin):
    """SIGKILL: the broker forgets its sessions, so the connector has to subscribe again."""
    standin.set_faults(down=True)
    connector = connect()
    client.send_all(client.send(f"record {number}", f"id {number}") for number in range(500))
    # The broker has nothing left that only it knows once this, sent last, was rejected by the connector.
    client.send_all([client.publish("kinesisfirehose/message", b"mark")])
    client.wait_entries(1)
    subscribed = broker.subscriptions(CLIENT_ID)
    broker.kill()
    client.subscribed.clear()
    broker.start()
    client.wait_subscribed()
    until(lambda: broker.subscriptions(CLIENT_ID) >= subscribed + 2, "the connector to subscribe again", within=60)
    client.send_all([client.send("record 500", "id 500")])
    standin.heal()
    expected = {""} | {f"id {number}" for number in range(501)}
    until(lambda: ids(client.entries()) == expected, "a status for each record", within=120)
    assert standin.wait_accepted(501)["repeated"] == 0
    assert connector.alive()


def test_what_is_published_while_the_connector_is_away_is_kept_by_the_broker(connect, connectors, client, broker, standin):
    assert connect().stop() == 0
    client.send_all(client.send(f"record {number}", f"id {number}") for number in range(50))
    connectors(broker.port, standin.url)
    entries = client.wait_entries(50)
    assert ids(entries) == {f"id {number}" for number in range(50)}
    assert standin.wait_accepted(50)["repeated"] == 0


def test_statuses_wait_while_the_broker_is_away(broker, connect, client, standin):
    standin.set_faults(down=True)
    connect()
    client.send_all(client.send(f"record {number}", f"id {number}") for number in range(100))
    client.send_all([client.publish("kinesisfirehose/message", b"mark")])
    client.wait_entries(1)
    broker.stop()
    client.subscribed.clear()
    standin.heal()
    standin.wait_accepted(100, within=60)
    broker.start()
    client.wait_subscribed()
    until(lambda: ids(client.entries()) >= {f"id {number}" for number in range(100)}, "the statuses", within=60)


@pytest.mark.parametrize(
    ("refuse", "words"),
    [
        ("protocol version", r"the broker does not speak MQTT 3\.1\.1: 5 and 3\.1\.1 are tried, unless FIREHOSE_CONNECTOR_MQTT_VERSION says which"),
        ("subscription", r"the broker refuses the subscription to kinesisfirehose/message \(not authorized\)"),
    ],
)
def test_a_refusal_is_named_once(refuse, words, connectors, standin):
    broker = RefusingBroker(refuse)
    connector = connectors(broker.port, standin.url)
    line = connector.wait_line(f"warn: broker not connected, trying on: {words}")
    until(lambda: broker.refusals >= 2, "a second attempt", within=120)
    assert connector.alive()
    assert connector.log().count(line) == 1
    broker.close()


def test_a_refused_login_is_named_once_and_mended_without_a_restart(tmp_path, connectors, standin):
    passwords = tmp_path / "passwords"
    set_password(passwords, "somebody else", "x")
    broker = Mosquitto(tmp_path, anonymous=False, more=f"password_file {passwords}").start()
    file = tmp_path / "password"
    file.write_text("secret\n")
    login = {"FIREHOSE_CONNECTOR_MQTT_USERNAME": "device", "FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE": str(file)}
    connector = connectors(broker.port, standin.url, **login)
    refused = r"the broker refuses the login \(not authorized\), see FIREHOSE_CONNECTOR_MQTT_USERNAME and .*PASSWORD_FILE"
    line = connector.wait_line(f"warn: broker not connected, trying on: {refused}")
    set_password(passwords, "device", "secret")
    set_password(passwords, "application", "secret")
    broker.stop()
    broker.start()
    until(lambda: broker.subscriptions(CLIENT_ID) >= 2, "the connector to log in", within=120)
    assert connector.log().count(line) == 1
    assert "secret" not in "\n".join(connector.log())
    client = Client(broker.port, username="application", password="secret")
    client.send("x", "a")
    client.wait_entries(1)
    client.close()
    end(broker.process)


def set_password(file, user, password):
    create = [] if file.exists() else ["-c"]
    program = shutil.which("mosquitto_passwd")
    subprocess.run([program, "-b", *create, file, user, password], check=True, capture_output=True)
