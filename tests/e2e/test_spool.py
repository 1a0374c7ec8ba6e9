"""Records that wait on disk: nothing is written without need, and nothing that was acknowledged is lost."""

import os
import random
import subprocess
import threading
import time
import zlib
from collections import Counter

import pytest

from parts.connector import RUNNER, definition
from parts.service import arn
from parts.waiting import until

SEED = 11
# The smallest there is room for with a spool.
SMALL = "9216"
IN_USE = "info: records wait in the spool until the service takes them"
EMPTY = "info: the spool is empty again"


def segments(spool):
    return sorted(spool.glob("*.spool"))


def publishing(client, count, pause=0.0, data="record {}", **more):
    """Publishes in the background; the records in order, and the thread."""
    records = [data.format(number) for number in range(count)]

    def publish():
        sent = []
        for number, record in enumerate(records):
            sent.append(client.send(record, f"id {number}", **more))
            time.sleep(pause)
        client.send_all(sent)

    thread = threading.Thread(target=publish)
    thread.start()
    return records, thread


def repeated(standin):
    return sum(times - 1 for times in Counter(standin.records()).values())


def wait_all(standin, records, within=120):
    expected = {record.encode() for record in records}
    until(lambda: set(standin.records()) >= expected, f"all {len(expected)} records", within)


def received(connector, count):
    """Waits until it has so many: the broker acknowledges a publish before it delivers it."""
    until(lambda: connector.counters()["received"] == count, f"{count} records")


def test_with_a_good_uplink_nothing_is_written(connect, client, standin, spool):
    connector = connect(FIREHOSE_CONNECTOR_SPOOL=str(spool))
    records, thread = publishing(client, 5000)
    thread.join()
    wait_all(standin, records)
    standin.set_faults(latency_ms=300)
    more, thread = publishing(client, 500, data="more {}")
    thread.join()
    wait_all(standin, more)
    assert connector.stop() == 0
    assert os.listdir(spool) == []
    assert connector.complaints() == []


def test_a_failing_service_fills_the_spool_and_gets_all_of_it_back_oldest_first(connect, client, standin, spool):
    standin.set_faults(down=True)
    connector = connect(FIREHOSE_CONNECTOR_SPOOL=str(spool))
    records, thread = publishing(client, 3000, 0.005)
    connector.wait_line(IN_USE)
    thread.join()
    until(lambda: connector.counters()["spool_records"] == 3000, "all records in the spool")
    assert connector.counters()["acknowledged_held"] == 0
    standin.heal()
    standin.wait_accepted(3000, within=120)
    connector.wait_line(EMPTY)
    got = [int(record.split()[1]) for record in standin.records()]
    late = sum(1 for one, next_ in zip(got, got[1:]) if next_ < one)
    # The few by which it was seen that the service is back are sent again and again, and go to the end each time.
    assert late <= 20, f"{late} records came before an older one"
    assert {entry["status"] for entry in client.wait_entries(3000)} == {"success"}
    until(lambda: segments(spool) == [], "no file is left")


def test_a_service_that_is_down_longer_than_memory_lasts_gets_everything_in_the_end(broker, connectors, client, standin, spool):
    standin.set_faults(down=True)
    document = definition(MemorySize=SMALL)
    connector = connectors(broker.port, standin.url, document, FIREHOSE_CONNECTOR_SPOOL=str(spool))
    connector.wait_line("info: broker connected, session new")
    records, thread = publishing(client, 20_000, data="{} " + "x" * 1000)
    thread.join()
    until(lambda: connector.counters()["spool_records"] >= 19_000, "the most of them in the spool", within=120)
    assert connector.counters()["failed"] == 0
    standin.heal()
    wait_all(standin, records, within=180)
    assert repeated(standin) == 0
    # An emulator has memory of its own.
    assert RUNNER or connector.memory() <= int(SMALL)
    until(lambda: len(client.entries()) == len(records), "a status for each")
    assert {entry["status"] for entry in client.entries()} == {"success"}


@pytest.mark.parametrize("down", [True, False])
def test_killed_at_random_moments_under_load_nothing_is_lost(down, connect, client, standin, spool):
    chance = random.Random(SEED)
    standin.set_faults(down=down)
    connector = connect(FIREHOSE_CONNECTOR_SPOOL=str(spool))
    records, thread = publishing(client, 5000, 0.005)
    for _ in range(8):
        # The service counts as failing after ten seconds; the window is full before.
        time.sleep(chance.uniform(0.5, 4))
        connector.close()
        connector.start()
    thread.join()
    standin.heal()
    wait_all(standin, records)
    # What was synced, and not yet acknowledged to the broker or marked as delivered, when it was killed.
    assert repeated(standin) <= 8 * 1000
    assert connector.stop() == 0


def test_what_the_end_leaves_is_sent_after_the_next_start(connect, client, standin, spool):
    standin.set_faults(down=True)
    connector = connect(FIREHOSE_CONNECTOR_SPOOL=str(spool), FIREHOSE_CONNECTOR_ACKNOWLEDGE="held")
    client.send_all(client.send(f"record {number}", f"id {number}") for number in range(700))
    received(connector, 700)
    assert connector.stop() == 0
    assert "info: 700 records and statuses are in the spool, for the next start" in connector.log()
    assert client.entries() == []
    assert len(segments(spool)) == 1
    standin.heal()
    connector.start()
    standin.wait_accepted(700)
    assert {entry["status"] for entry in client.wait_entries(700)} == {"success"}
    assert repeated(standin) == 0
    until(lambda: segments(spool) == [], "no file is left")


def test_statuses_that_the_broker_did_not_take_are_published_after_the_next_start(broker, connect, client, standin, spool):
    standin.set_faults(latency_ms=3000)
    connector = connect(FIREHOSE_CONNECTOR_SPOOL=str(spool), FIREHOSE_CONNECTOR_ACKNOWLEDGE="held", PUBLISH_INTERVAL="1")
    client.send_all(client.send(f"record {number}", f"id {number}") for number in range(400))
    received(connector, 400)
    until(lambda: standin.state()["requests"] > 0, "a request")
    broker.stop()
    standin.wait_accepted(400)
    assert connector.stop() == 0
    assert not [line for line in connector.log() if "statuses were not confirmed" in line]
    broker.start()
    client.wait_subscribed()
    connector.start()
    assert {entry["status"] for entry in client.wait_entries(400)} == {"success"}
    assert repeated(standin) == 0


def test_a_full_spool_refuses_what_is_new_and_keeps_what_it_has(broker, connectors, client, standin, spool):
    standin.set_faults(down=True)
    document = definition(MemorySize=SMALL)
    environment = {"FIREHOSE_CONNECTOR_SPOOL": str(spool), "FIREHOSE_CONNECTOR_SPOOL_SIZE": "5120"}
    connector = connectors(broker.port, standin.url, document, **environment)
    connector.wait_line("info: broker connected, session new")
    _, thread = publishing(client, 8000, data="{} " + "x" * 1000)
    thread.join()
    connector.wait_line("warn: the spool is full: when memory is, too, new records fail, see FIREHOSE_CONNECTOR_SPOOL_SIZE")
    until(lambda: len(client.entries()) > 1000, "refusals", within=60)
    assert {entry["ErrorCode"] for entry in client.entries()} == {"SpoolFull"}
    assert sum(file.stat().st_size for file in segments(spool)) <= 5120 * 1024
    standin.heal()
    until(lambda: len(client.entries()) >= 8000, "a status for each", within=120)
    by_status = Counter(entry["status"] for entry in client.entries())
    assert by_status["success"] == standin.state()["accepted"] > 1500 and sum(by_status.values()) == 8000


@pytest.mark.parametrize(("spoil", "says"), [
    (lambda spool: spool.rmdir(), "create it, owned by the connector's user, and restart the connector"),
    (lambda spool: (spool.rmdir(), spool.write_text("a file")), "create it, owned by the connector's user, and restart the connector"),
])
def test_without_a_directory_records_wait_in_memory_and_the_log_says_so_once(spoil, says, connect, client, standin, spool):
    spoil(spool)
    standin.set_faults(down=True)
    connector = connect(FIREHOSE_CONNECTOR_SPOOL=str(spool))
    records, thread = publishing(client, 1500)
    thread.join()
    connector.wait_log("cannot be used, records are held in memory only, trying on: .*: " + says)
    connector.wait_log("publishes are acknowledged whose records are in memory only")
    standin.heal()
    wait_all(standin, records)
    assert len([line for line in connector.log() if "cannot be used" in line]) == 1


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "none", folder]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_is_full_is_told_and_memory_serves_on(broker, connectors, client, standin, small_disk):
    standin.set_faults(down=True)
    connector = connectors(broker.port, standin.url, FIREHOSE_CONNECTOR_SPOOL=str(small_disk))
    connector.wait_line("info: broker connected, session new")
    records, thread = publishing(client, 6000, data="{} " + "x" * 1000)
    thread.join()
    connector.wait_log("cannot be used, .* make room on its disk, or lower FIREHOSE_CONNECTOR_SPOOL_SIZE")
    standin.heal()
    wait_all(standin, records)
    assert repeated(standin) == 0
    assert {entry["status"] for entry in client.wait_entries(6000)} == {"success"}


def test_a_file_system_that_is_read_only_is_read_and_told(connect, client, standin, small_disk):
    standin.set_faults(down=True)
    connector = connect(FIREHOSE_CONNECTOR_SPOOL=str(small_disk), FIREHOSE_CONNECTOR_ACKNOWLEDGE="held")
    client.send_all(client.send(f"record {number}", f"id {number}") for number in range(300))
    received(connector, 300)
    assert connector.stop() == 0
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    connector.start()
    client.send_all(client.send(f"more {number}", f"id {number}") for number in range(1000))
    connector.wait_log("cannot be used, .* mount it writable")
    standin.heal()
    # The next attempt is as far away as the service was away.
    standin.wait_accepted(1300, within=150)


@pytest.mark.parametrize("damage", [b"\0", b"\xff" * 5000])
def test_a_damaged_segment_costs_what_it_hits_and_nothing_else(damage, connect, client, standin, spool):
    standin.set_faults(down=True)
    connector = connect(FIREHOSE_CONNECTOR_SPOOL=str(spool), FIREHOSE_CONNECTOR_ACKNOWLEDGE="held")
    client.send_all(client.send(f"{number} " + "x" * 300, f"id {number}") for number in range(2000))
    received(connector, 2000)
    assert connector.stop() == 0
    with segments(spool)[0].open("r+b") as file:
        file.seek(100_000)
        file.write(damage)
    standin.heal()
    connector.start()
    until(lambda: standin.state()["accepted"] >= 1970, "the others")
    connector.wait_log("records of the spool were damaged on the disk and are lost")
    until(lambda: connector.counters()["held"] == 0 == connector.counters()["spool_records"], "nothing is held")
    numbers = connector.counters()
    assert standin.state()["accepted"] + numbers["spool_damaged"] == 2000 and repeated(standin) == 0


def test_a_file_of_a_later_version_stays(connect, client, standin, spool):
    file = spool / "00000001-00000000.spool"
    head = b"fhcspool" + (2).to_bytes(4, "little") + (1).to_bytes(4, "little") + (4096).to_bytes(4, "little") + bytes(8)
    file.write_bytes((head + zlib.crc32(head).to_bytes(4, "little")).ljust(4096, b"\x01"))
    connector = connect(FIREHOSE_CONNECTOR_SPOOL=str(spool))
    connector.wait_line(
        "warn: 1 files of the spool cannot be read, have another one's name, or are of a later version: "
        "they stay for another start"
    )
    client.send("record", "id")
    standin.wait_accepted(1)
    assert file.stat().st_size == 4096


def test_two_connectors_do_not_share_a_directory(connect, connectors, broker, standin, spool):
    connector = connect(FIREHOSE_CONNECTOR_SPOOL=str(spool))
    more = {"FIREHOSE_CONNECTOR_SPOOL": str(spool), "FIREHOSE_CONNECTOR_MQTT_CLIENT_ID": "other"}
    other = connectors(broker.port, standin.url, **more)
    other.wait_log("cannot be used, .* another process uses it")
    assert connector.stop() == 0
    other.wait_line("info: the spool takes records again")


def test_a_bad_stream_is_kept_and_the_others_go_on(connect, client, standin, spool):
    standin.set_faults(streams={"bad": {"status": 503, "code": "ServiceUnavailableException", "message": "down"}})
    connector = connect(FIREHOSE_CONNECTOR_SPOOL=str(spool))
    for number in range(1500):
        client.send(f"bad {number}", f"b{number}", arn=arn("bad"))
        client.send(f"good {number}", f"g{number}", arn=arn("good"))
    until(lambda: len(standin.records("good")) == 1500, "all records of the other stream", within=60)
    connector.wait_line(IN_USE)
    assert connector.counters()["acknowledged_held"] == 0
    standin.heal()
    until(lambda: len(standin.records("bad")) == 1500, "those that had waited", within=180)
    assert repeated(standin) == 0
