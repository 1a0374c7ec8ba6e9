"""Publishes above the packet limit, from brokers that send them although it was announced."""

import json

import pytest

from parts.client import BINARY, MESSAGE
from parts.connector import definition
from parts.mqtt_packets import publish
from parts.scripted import ScriptedBroker
from parts.waiting import until

SMALL = definition(MemorySize="8192", PublishInterval="0")


def too_large(broker):
    """The ids of the publishes that were answered so."""
    entries = [entry for entry in broker.entries() if entry["status"] == "fail"]
    assert {entry["ErrorCode"] for entry in entries} <= {"RecordTooLarge"}
    return [entry["id"] for entry in entries]


def large(request_first):
    request = {"request": {"data": "x" * 400_000}}
    return json.dumps(request | {"id": "7"} if request_first else {"id": "7"} | request).encode()


@pytest.mark.parametrize(
    ("topic", "payload", "answered", "document"),
    [
        (BINARY + "7", b"\0" * 400_000, "7", SMALL),
        (BINARY + "7", b"\0" * 30_000_000, "7", SMALL),
        (BINARY + "i" * 65_000, b"\0" * 5_000_000, "i" * 65_000, definition(PublishInterval="0")),
        (MESSAGE, large(request_first=False), "7", SMALL),
        (MESSAGE, large(request_first=True), "", SMALL),
    ],
    ids=["binary", "30 MB", "longest topic", "id first", "id last"],
)
def test_a_broker_that_sends_a_large_publish_until_it_is_acknowledged_is_not_stopped_by_it(
    topic, payload, answered, document, connectors, standin
):
    def insist(broker, connection):
        """One publish is in flight at a time, and the large one is the first."""
        if not broker.acknowledged:
            broker.send(publish(topic, payload, 1))
            until(lambda: broker.acknowledged, "the acknowledgement of the large publish")
        for packet_id in (2, 3):
            broker.send(publish(BINARY + str(packet_id), b"small", packet_id))

    with ScriptedBroker(after=insist) as broker:
        connector = connectors(broker.port, standin.url, document)
        until(lambda: len(broker.entries()) >= 3, "three statuses")
        assert too_large(broker) == [answered]
        until(lambda: broker.acknowledged == [1, 2, 3], "an acknowledgement for each, in order")
        assert broker.connections == 1
        standin.wait_accepted(2)
        size = len(publish(topic, payload, 1))
        (line,) = [line for line in connector.log() if "RecordTooLarge" in line]
        assert f"a publish of {size} bytes failed" in line and "MemorySize" in line and topic[:200] in line
        assert connector.stop() == 0
        assert any("3 received, 2 succeeded, 1 failed" in line for line in connector.log())


def test_large_publishes_in_any_form_disturb_no_neighbour(connectors, standin):
    """Byte by byte, back to back, in a group, at QoS 0, by properties of megabytes."""
    properties = (b"\x26\0\1a" + (60_000).to_bytes(2, "big") + b"v" * 60_000) * 50
    stream = b"".join(
        [
            publish(BINARY + "a", b"small", 1),
            publish(BINARY + "b", b"x" * 400_000, 2),
            publish(BINARY + "c", b"x" * 400_000),
            publish(BINARY + "d", b"small", 3),
            publish(BINARY + "e", b"small", 4, properties),
            publish(BINARY + "f", b"small"),
        ]
    )

    def send(broker, _):
        broker.send(stream)
        last = publish(BINARY + "g", b"x" * 400_000, 5)
        singly = [last[place : place + 1] for place in range(200)]
        broker.send(*singly, last[200:], publish(BINARY + "h", b"small", 6), pause=0.001)

    with ScriptedBroker(after=send) as broker:
        connectors(broker.port, standin.url, SMALL)
        until(lambda: len(broker.entries()) >= 8, "eight statuses")
        assert sorted(too_large(broker)) == ["b", "c", "e", "g"]
        until(lambda: len(broker.acknowledged) >= 6, "six acknowledgements")
        until(lambda: broker.acknowledged == [1, 2, 3, 4, 5, 6], "an acknowledgement for each, in order")
        assert broker.connections == 1


def test_a_large_publish_on_a_foreign_topic_is_acknowledged_and_not_answered(connectors, standin):
    def send(broker, _):
        broker.send(publish("other/topic", b"x" * 400_000, 1))
        broker.send(publish(BINARY + "a", b"small", 2))

    with ScriptedBroker(after=send) as broker:
        connector = connectors(broker.port, standin.url, SMALL)
        until(lambda: broker.entries() and len(broker.acknowledged) == 2, "the status of the other one")
        assert [entry["id"] for entry in broker.entries()] == ["a"]
        connector.wait_line('warn: the broker sends publishes on a topic that was not subscribed to, ignored: "other/topic"')
