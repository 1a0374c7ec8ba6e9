"""Several records in one of the service: each arrives once, and each has its own status."""

from collections import Counter

import pytest

from parts.connector import STREAM, definition
from parts.credentials import ACTIONS, user
from parts.service import arn

PACKED = {"FIREHOSE_CONNECTOR_PACK": "5120", "FIREHOSE_CONNECTOR_DELIMITER_AT_END": "1"}


def reading(number):
    """A line of exactly 100 bytes."""
    return f'{{"device":"pump-17","number":{number}'.ljust(99) + "}"


def send(client, count):
    client.send_all(client.send(reading(number), f"id {number}") for number in range(count))


def lines(data):
    """What a destination finds that splits at line feeds; each line has one."""
    *lines, rest = data.decode().split("\n")
    assert rest == ""
    return lines


def test_readings_arrive_in_the_bucket_as_lines(moto, connect, client):
    stream = moto.stream()
    connect(definition(DefaultDeliveryStreamArn=arn(stream)), moto.url, **user(moto, ACTIONS), **PACKED)
    send(client, 300)
    entries = client.wait_entries(300, within=60)
    assert {entry["status"] for entry in entries} == {"success"}
    assert sorted(lines(moto.arrived(stream))) == sorted(map(reading, range(300)))


@pytest.mark.parametrize("fault", [{"every_record": 3}, {"every_request": 2, "request_fault": "mixed"}, {}])
def test_each_reading_is_accepted_once_and_its_status_has_the_id_of_its_record(fault, connect, client, standin):
    standin.set_faults(**fault)
    connector = connect(**PACKED)
    send(client, 1000)
    entries = client.wait_entries(1000, within=120)
    assert {entry["status"] for entry in entries} == {"success"}
    accepted = standin.accepted()
    assert all(len(data) <= 5120 and len(data) % 101 == 0 for data in accepted.values())
    at = {line: record_id for record_id, data in accepted.items() for line in lines(data)}
    assert Counter(line for data in accepted.values() for line in lines(data)) == Counter(map(reading, range(1000)))
    for entry in entries:
        assert at[reading(int(entry["id"].removeprefix("id ")))] == entry["firehose_record_id"]
    state = standin.state()
    assert state["refused_requests"] == 0 and state["repeated"] == 0
    assert len(accepted) < 100, "50 readings make up a record"
    counters = connector.counters()
    assert (counters["succeeded"], counters["service_records"]) == (1000, len(accepted))


def test_a_pack_that_is_too_large_for_the_service_comes_again_in_parts(connect, client, standin):
    too_large = {"status": 413, "code": "TooLarge", "message": "too large"}
    standin.set_faults(streams={STREAM: too_large})
    connect(definition(PublishInterval="3"), **PACKED)
    client.send_all([client.send("one", "1"), client.send("two", "2")])
    entries = client.wait_entries(2, within=60)
    assert {(entry["status"], entry["ErrorCode"]) for entry in entries} == {("fail", "TooLarge")}
    assert standin.state()["requests"] >= 3, "both together, then each by itself"


def test_binary_publishes_are_packed_when_asked_for(connect, client, standin):
    for binary, expected in [("0", [b"a\x00", b"b\xff"]), ("1", [b"a\x00\x1eb\xff"])]:
        packed = {"FIREHOSE_CONNECTOR_PACK": "100", "FIREHOSE_CONNECTOR_DELIMITER": "%1E"}
        connector = connect(definition(PublishInterval="3"), FIREHOSE_CONNECTOR_PACK_BINARY=binary, **packed)
        before = len(standin.records())
        client.payloads.clear()
        client.send_all(client.send_binary(data) for data in (b"a\x00", b"b\xff"))
        client.wait_entries(2)
        assert standin.records()[before:] == expected
        connector.stop()


@pytest.mark.parametrize("version, interval", [(5, "1"), (5, "0"), (1, None)])
def test_a_delimiter_at_the_end_needs_no_packing(version, interval, connect, client, standin):
    document = definition(version) if interval is None else definition(version, PublishInterval=interval)
    connect(document, FIREHOSE_CONNECTOR_DELIMITER_AT_END="1", FIREHOSE_CONNECTOR_DELIMITER="%0D%0A")
    client.send_all([client.send("text"), client.send_binary(b"bytes")])
    standin.wait_accepted(2)
    assert sorted(standin.records()) == [b"bytes\r\n", b"text\r\n"]
    client.wait_messages(1)
