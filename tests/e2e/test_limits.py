"""Full queue, full arena, largest record, largest packet, largest status."""

import json

import pytest

from parts.client import BINARY, MESSAGE
from parts.connector import CLIENT_ID, definition
from parts.waiting import until

RECORD_MAX = 1_024_000
STATUS_MAX = 128 * 1024


def test_a_full_queue_rejects_what_is_new_and_keeps_what_it_has(connect, client, standin):
    standin.set_faults(down=True)
    connect(definition(DeliveryStreamQueueSize="2000"))
    client.send_all(client.send(f"record {number}", f"id {number}") for number in range(2100))
    rejected = client.wait_entries(100)
    assert [entry["id"] for entry in rejected] == [f"id {number}" for number in range(2000, 2100)]
    assert {(entry["status"], entry["ErrorCode"]) for entry in rejected} == {("fail", "QueueFull")}
    assert all("DeliveryStreamQueueSize" in entry["ErrorMessage"] for entry in rejected)
    standin.heal()
    entries = client.wait_entries(2100, within=120)
    assert {entry["status"] for entry in entries[100:]} == {"success"}
    standin.wait_accepted(2000)
    # Not in order: a batch that failed went to the end of the queue, as the document has it.
    assert sorted(standin.records()) == sorted(f"record {number}".encode() for number in range(2000))


@pytest.mark.parametrize(("memory_size", "size", "count"), [(8192, 20_000, 250), (65535, 500_000, 150)])
def test_a_full_arena_rejects_what_is_new_and_keeps_what_it_has(memory_size, size, count, connect, client, standin):
    standin.set_faults(down=True)
    connector = connect(definition(MemorySize=str(memory_size)))
    data = [bytes([number]) * size for number in range(count)]
    client.send_all(client.send_binary(item, f"id-{number}") for number, item in enumerate(data))
    until(client.entries, "a rejection")
    assert connector.alive()
    standin.heal()
    entries = client.wait_entries(count, within=120)
    failed = {entry["id"] for entry in entries if entry["status"] == "fail"}
    assert {entry["ErrorCode"] for entry in entries if entry["status"] == "fail"} == {"MemoryFull"}
    assert all("MemorySize" in entry["ErrorMessage"] for entry in entries if entry["status"] == "fail")
    kept = [item for number, item in enumerate(data) if f"id-{number}" not in failed]
    standin.wait_accepted(len(kept))
    assert sorted(standin.records()) == sorted(kept)
    print(f"MemorySize {memory_size}: {len(kept)} records of {size} bytes were held")


@pytest.mark.parametrize("topic", ["json", "binary"])
def test_the_largest_record_is_delivered(topic, connect, client, standin):
    connect()
    publish(client, topic, RECORD_MAX)
    (entry,) = client.wait_entries(1)
    assert entry["status"] == "success"
    assert standin.records() == [b"x" * RECORD_MAX]


@pytest.mark.parametrize("topic", ["json", "binary"])
def test_one_byte_more_is_too_large(topic, connect, client, standin):
    connect()
    publish(client, topic, RECORD_MAX + 1)
    (entry,) = client.wait_entries(1)
    assert (entry["id"], entry["status"], entry["ErrorCode"]) == ("a", "fail", "RecordTooLarge")
    assert standin.records() == []


def publish(client, topic, length):
    if topic == "json":
        client.send("x" * length, "a")
    else:
        client.send_binary(b"x" * length, "a")


def test_the_largest_records_fill_requests_but_never_too_much(connect, client, standin):
    connect(PUBLISH_INTERVAL="10")
    data = [bytes([number]) * RECORD_MAX for number in range(9)]
    client.send_all(client.send_binary(item, str(number)) for number, item in enumerate(data))
    entries = client.wait_entries(9, within=60)
    assert {entry["status"] for entry in entries} == {"success"}
    # The stand-in refuses a request above 4 MiB, and wait_accepted fails if it had to.
    state = standin.wait_accepted(9)
    assert state["largest_batch"] == 3


def test_a_batch_has_500_records_at_most(connect, client, standin):
    standin.set_faults(down=True)
    connect()
    client.send_all(client.send(f"record {number}", "a") for number in range(1600))
    standin.heal()
    client.wait_entries(1600, within=120)
    assert standin.wait_accepted(1600)["largest_batch"] == 500


def test_a_full_batch_does_not_wait_for_the_interval(connect, client, standin):
    connect(definition(PublishInterval="900"), FIREHOSE_CONNECTOR_ACKNOWLEDGE="held")
    client.send_all(client.send(f"record {number}", "a") for number in range(500))
    client.wait_entries(500)
    assert standin.state()["requests"] == 1


def test_a_publish_above_the_packet_limit_harms_nobody(broker, connect, client, standin):
    """Neither buffered, nor a stop to the stream, nor redelivered for ever."""
    connector = connect()
    client.send_all([client.send_binary(b"x" * 20_000_000, "too large for anyone")], within=60)
    for number in range(100):
        client.send(f"after {number}", f"id {number}")
    until(lambda: len(client.entries()) >= 100, "the statuses of what came after")
    assert [record for record in standin.records() if record.startswith(b"after")] == [
        f"after {number}".encode() for number in range(100)
    ]
    assert connector.alive()
    assert broker.connections(CLIENT_ID) == 1


def test_a_status_message_never_exceeds_128_kib(connect, client, standin):
    connect(definition(PublishInterval="900"))
    ids = [f"{number:04}" + "i" * 400 for number in range(500)]
    client.send_all(client.send_binary(f"record {number}".encode(), ids[number]) for number in range(500))
    entries = client.wait_entries(500)
    assert [entry["id"] for entry in entries] == ids
    sizes = [len(payload) for payload in client.payloads]
    assert max(sizes) <= STATUS_MAX
    # Well filled: no more messages than needed, give or take one.
    assert len(sizes) <= sum(sizes) // STATUS_MAX + 2


def test_an_id_that_leaves_no_room_in_a_status_is_answered_all_the_same(connect, client, standin):
    connect()
    client.publish(MESSAGE, json.dumps({"request": {"data": "x"}, "id": "i" * 200_000}))
    client.send("y", "b")
    entries = client.wait_entries(2)
    assert all(len(payload) <= STATUS_MAX for payload in client.payloads)
    answers = {entry["id"]: (entry["status"], entry.get("ErrorCode")) for entry in entries}
    assert answers == {"": ("fail", "InvalidMessage"), "b": ("success", None)}


def test_a_topic_of_the_greatest_length_is_an_id(connect, client, standin):
    connect()
    record_id = "i" * (65_535 - len(BINARY))
    client.send_binary(b"x", record_id)
    (entry,) = client.wait_entries(1)
    assert (entry["id"], entry["status"]) == (record_id, "success")
