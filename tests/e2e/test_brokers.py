"""The same way through brokers of many makers: `scripts/brokers` runs all that it can get, CI those that are here and start fast.

They differ in what they speak, how they refuse what they do not, and what they keep; to the application there is no difference.
"""

import json
import os
import re

import pytest

from parts.brokers import KINDS, PASSWORD, Amqtt, OfMosquitto, OfMosquitto3
from parts.certificates import Authority
from parts.client import MESSAGE, Client
from parts.connector import Connector, definition
from parts.service import arn
from parts.waiting import until

QUICK = [OfMosquitto, OfMosquitto3, Amqtt]
ALL = os.environ.get("BROKERS", "")
RECORDS = 1000


def chosen():
    """Those of CI, or those named in BROKERS that are there."""
    if not ALL:
        return QUICK
    wanted = KINDS if ALL == "all" else [kind for kind in KINDS if kind.name in ALL.split(";")]
    return [kind for kind in wanted if kind.version()]


def pytest_generate_tests(metafunc):
    # amqtt takes a quarter of a minute each time to show that it has no version 5.
    is_slow = not ALL and metafunc.function not in [test_a_thousand_records_are_answered_once_each, test_restart, test_check]
    kinds = [kind for kind in chosen() if not (is_slow and kind is Amqtt)]
    metafunc.parametrize("kind", kinds, ids=[kind.name for kind in kinds])


@pytest.fixture
def settings(kind, tmp_path):
    """Of a connector, given the broker."""

    def of(broker, password=PASSWORD):
        file = tmp_path / f"{password}.password"
        file.write_text(password + "\n")
        login = {"FIREHOSE_CONNECTOR_MQTT_USERNAME": kind.user, "FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE": str(file)}
        return (login if broker.login else {}) | ({"FIREHOSE_CONNECTOR_MQTT_VERSION": kind.setting} if kind.setting else {})

    return of


@pytest.fixture
def start(kind, tmp_path):
    """Starts the broker, with a login or TLS if asked for."""
    started = []

    def start(**how):
        folder = tmp_path / "broker"
        folder.mkdir()
        started.append(kind(folder, **how))
        return started[0].start()

    yield start
    for broker in started:
        broker.stop()


@pytest.fixture
def between(settings, standin, connectors):
    """Starts a connector between a broker and the stand-in and waits until it is connected."""

    def start(broker, document=None, **environment):
        connector = connectors(broker.port, standin.url, document, **settings(broker), **environment)
        connector.wait_line("info: broker connected, session .*", within=90)
        return connector

    return start


@pytest.fixture
def application():
    """An application of the broker's version."""
    clients = []

    def start(broker):
        login = {"username": broker.user, "password": PASSWORD} if broker.login else {}
        clients.append(Client(broker.port, old=broker.spoken() == "3.1.1", **login))
        return clients[0]

    yield start
    for client in clients:
        client.close()


def succeeded(client, count, within=60.0):
    """The ids, each of which has one status, which is of success."""
    entries = client.wait_entries(count, within=within)
    assert {entry["status"] for entry in entries} == {"success"}, entries[:3]
    return sorted(entry["id"] for entry in entries)


def speaks(connector, broker):
    """The connector says so once if it is not version 5."""
    if broker.spoken() == "3.1.1":
        # It comes right behind the line that others wait for.
        connector.wait_line(r"info: the broker speaks MQTT 3\.1\.1: .*")
    said = [line for line in connector.log() if "the broker speaks MQTT 3.1.1" in line]
    assert len(said) == (broker.spoken() == "3.1.1"), connector.log()


def test_connect(start, between):
    broker = start()
    connector = between(broker)
    speaks(connector, broker)
    assert connector.stop() == 0


def test_json_binary_and_override(start, between, application, standin):
    broker = start()
    between(broker)
    client = application(broker)
    client.send("as JSON", "one")
    client.send_binary(b"\x00\xff", "two")
    client.send("elsewhere", "three", arn("other"))
    assert succeeded(client, 3) == ["one", "three", "two"]
    assert standin.records("other") == [b"elsewhere"]
    assert sorted(standin.records("stream-name")) == [b"\x00\xff", b"as JSON"]


def test_a_thousand_records_are_answered_once_each(start, between, application, standin):
    broker = start()
    connector = between(broker)
    client = application(broker)
    for number in range(RECORDS):
        client.send(f"record {number}", f"id {number}")
    assert succeeded(client, RECORDS, within=120) == sorted(f"id {number}" for number in range(RECORDS))
    standin.wait_accepted(RECORDS)
    assert connector.counters()["received"] == RECORDS


def test_an_oversized_publish_is_answered_and_what_follows_comes_through(start, between, application):
    broker = start()
    connector = between(broker, definition(MemorySize="16384"))
    client = application(broker)
    client.publish(MESSAGE, json.dumps({"id": "long", "request": {"data": "x" * 900_000}}))
    client.send("short", "short")

    def statuses():
        return {entry["id"]: entry for entry in client.entries()}

    until(lambda: "short" in statuses(), "the status of what follows", within=60)
    # A broker that respects the announced limit drops it without notice.
    if broker.spoken() == "3.1.1":
        until(lambda: "long" in statuses(), "the status of the long one")
    if "long" in statuses():
        assert statuses()["long"]["ErrorCode"] == "RecordTooLarge"
    assert connector.alive()


def test_restart(start, between, application):
    broker = start()
    connector = between(broker)
    client = application(broker)
    client.send("before", "before")
    assert succeeded(client, 1) == ["before"]
    broker.stop()
    connector.wait_line("warn: broker not connected, trying on: .*")
    since = len(connector.log())
    client.subscribed.clear()
    broker.start()
    connector.wait_line("info: broker connected, session .*", since, within=90)
    client.wait_subscribed()
    client.send("after", "after")
    (entry,) = client.wait_answered("after")
    assert entry["status"] == "success"


def test_login(start, between, application, settings, tmp_path, standin):
    broker = start(login=True)
    between(broker)
    client = application(broker)
    client.send("data", "one")
    assert succeeded(client, 1) == ["one"]
    folder = tmp_path / "refused"
    folder.mkdir()
    wrong = settings(broker, password="another one") | {"FIREHOSE_CONNECTOR_MQTT_CLIENT_ID": "other"}
    refused = Connector(folder, broker.port, standin.url, definition(), wrong)
    try:
        refused.start().wait_log("broker not connected, trying on: .*(refuses the login|closed the connection)", within=60)
    finally:
        refused.close()


def test_tls(start, between, tmp_path, standin):
    ca = Authority(tmp_path)
    broker = start(certificate=ca.issue("broker"))
    url = f"mqtts://localhost:{broker.port}"
    connector = between(broker, FIREHOSE_CONNECTOR_MQTT_URL=url, FIREHOSE_CONNECTOR_MQTT_CA=str(ca.file))
    speaks(connector, broker)


def test_check(start, settings, check):
    broker = start()
    report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://localhost:{broker.port}", **settings(broker))
    assert [report.steps[f"broker-{step}"]["result"] for step in ["login", "subscribe", "publish"]] == ["ok"] * 3, report.steps
    assert report.steps["broker-login"]["found"].startswith(f"MQTT {broker.spoken()}, ")
