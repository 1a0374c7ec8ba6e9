"""Brokers that take statuses badly, or grant less than was asked for."""

import pytest

from parts.client import BINARY
from parts.connector import definition
from parts.mqtt_packets import publish
from parts.scripted import ScriptedBroker
from parts.waiting import until


def test_refused_statuses_are_counted(connectors, standin):
    def send(broker, _):
        broker.send(*(publish(BINARY + str(number), b"x", number) for number in range(1, 11)))

    with ScriptedBroker(after=send, acknowledge=lambda _: 0x87) as broker:
        connector = connectors(broker.port, standin.url)
        until(lambda: len(broker.entries()) == 10, "ten statuses")
        until(lambda: connector.counters()["statuses_refused"] == 10, "the count of those refused")
        assert any("the broker does not take statuses (" in line for line in connector.log())


def test_statuses_that_no_longer_fit_after_a_reconnect_are_split(connectors, standin):
    """The first connection takes any length and acknowledges nothing; those after it take 3,000 bytes."""
    ids = [f"id-{number}" for number in range(1, 301)]

    def send(broker, connection):
        if connection == 1:
            broker.send(*(publish(BINARY + name, b"x", number) for number, name in enumerate(ids, 1)))
            until(lambda: len(broker.entries()) >= len(ids), "the statuses of the first connection")
            broker.statuses.clear()
            broker.taking = True
            broker.drop()

    with ScriptedBroker(
        connack=lambda connection: b"" if connection == 1 else b"\x27" + (3000).to_bytes(4, "big"),
        acknowledge=lambda _: 0 if broker.taking else None,
        after=send,
    ) as broker:
        broker.taking = False
        connector = connectors(broker.port, standin.url)
        until(lambda: broker.taking and len(broker.entries()) >= len(ids), "the statuses in shorter messages")
        assert sorted(entry["id"] for entry in broker.entries()) == sorted(ids)
        assert max(len(message) for message in broker.statuses) < 3000
        now = connector.counters()
        assert (now["statuses_lost"], now["statuses_refused"], now["statuses_waiting"]) == (0, 0, 0)


def test_a_broker_that_acknowledges_no_status_does_not_stop_the_records(connectors, standin):
    """With room for the statuses of about a thousand of them."""
    count = 6000

    def send(broker, _):
        # Also when the connector comes back for those that it left.
        for number in sorted({*range(1, count + 1)} - {*broker.acknowledged}):
            broker.send(publish(BINARY + str(number), b"x" * 20, number))

    with ScriptedBroker(after=send, acknowledge=lambda _: None) as broker:
        connector = connectors(broker.port, standin.url, definition(MemorySize="8192"))
        until(lambda: any("the broker has acknowledged no status for 10 s" in line for line in connector.log()), "a word")
        until(lambda: len({*broker.acknowledged}) == count and connector.counters()["held"] == 0, "all to have ended")
        broker.send(publish(BINARY + "last", b"last", 1))
        until(lambda: b"last" in standin.records(), "the record that came last")
        until(lambda: connector.counters()["held"] == 0, "the connector to have its answer")
        now = connector.counters()
        assert now["statuses_lost"] > 0
        assert now["received"] == now["succeeded"] + now["failed"] >= count + 1


def test_a_receive_maximum_of_zero_means_one_status_at_a_time(connectors, standin):
    def send(broker, _):
        broker.send(publish(BINARY + "a", b"x", 1), publish(BINARY + "b", b"x", 2))

    with ScriptedBroker(connack=lambda _: b"\x21\0\0", after=send) as broker:
        connectors(broker.port, standin.url, definition(PublishInterval="0"))
        until(lambda: len(broker.entries()) == 2, "both statuses")


@pytest.mark.parametrize(
    ("connack", "suback", "said"),
    [
        (b"", b"\0\0", "the broker grants QoS 0 only: publishes are lost"),
        (b"\x24\0", b"\0\0", "the broker grants QoS 0 only: publishes and statuses are lost"),
        (b"\x11" + (3600).to_bytes(4, "big"), b"\1\1", "the broker keeps the session for 3600 s only"),
        (b"\x27" + (2000).to_bytes(4, "big"), b"\1\1", "the broker takes packets of at most 2000 bytes only"),
        (b"\x11" + (86400).to_bytes(4, "big"), b"\1\1", None),
    ],
    ids=["subscription", "Maximum QoS", "session", "packets", "as asked for"],
)
def test_what_a_broker_does_not_grant_is_logged_once(connack, suback, said, connectors, standin):
    with ScriptedBroker(connack=lambda _: connack, suback=suback) as broker:
        connector = connectors(broker.port, standin.url)
        for number in (1, 2):
            until(lambda: sum("broker connected" in line for line in connector.log()) == number, "the session")
            broker.drop()
        until(lambda: sum("broker connected" in line for line in connector.log()) == 3, "the session")
        lines = [line for line in connector.log() if "only:" in line]
        assert len(lines) == (1 if said else 0) and all(said in line for line in lines)


def test_sessions_closed_early_without_a_reason_suggest_a_second_client(connectors, standin):
    with ScriptedBroker(after=lambda broker, _: broker.drop()) as broker:
        connector = connectors(broker.port, standin.url)
        suspicion = 'perhaps another client uses the client id "connector", see FIREHOSE_CONNECTOR_MQTT_CLIENT_ID'
        until(lambda: any(suspicion in line for line in connector.log()), "the suspicion")
        assert broker.connections >= 3
