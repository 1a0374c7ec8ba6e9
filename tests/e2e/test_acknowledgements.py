"""What the broker has until it is safe elsewhere: the process killed, the connection cut, small windows, streams that fail."""

import random
import threading
import time
from collections import Counter

import pytest

from parts.cutting import Cutting
from parts.service import arn
from parts.waiting import until

SEED = 7


def published(client, count, pause=0.0, **more):
    """Publishes in the background; the records in order."""
    records = [f"record {number}" for number in range(count)]

    def publish():
        for number, record in enumerate(records):
            client.send(record, f"id {number}", **more)
            time.sleep(pause)

    thread = threading.Thread(target=publish)
    thread.start()
    return records, thread


def test_killed_at_random_moments_under_load_nothing_is_lost(broker, connect, client, standin):
    chance = random.Random(SEED)
    connector = connect()
    records, publishing = published(client, 3000, 0.002)
    for _ in range(6):
        time.sleep(chance.uniform(0.2, 1.2))
        connector.close()
        connector.start()
    publishing.join()
    expected = {record.encode() for record in records}
    until(lambda: set(standin.records()) >= expected, "every record", within=60)
    assert connector.stop() == 0


@pytest.mark.parametrize("acknowledge", ["safe", "held"])
def test_six_cuts_of_the_connection_repeat_nothing(acknowledge, broker, connectors, client, standin):
    chance = random.Random(SEED)
    cutting = Cutting(broker.port)
    standin.set_faults(latency_ms=100)
    connector = connectors(cutting.port, standin.url, FIREHOSE_CONNECTOR_ACKNOWLEDGE=acknowledge, PUBLISH_INTERVAL="1")
    connector.wait_line("info: broker connected, session new")
    records, publishing = published(client, 3000, 0.002)
    for _ in range(6):
        time.sleep(chance.uniform(0.3, 1.2))
        cutting.cut()
    publishing.join()
    until(lambda: standin.state()["accepted"] >= len(records), "every record", within=60)
    # Statuses whose acknowledgement a cut has taken come twice, as MQTT has it.
    until(lambda: len({entry["id"] for entry in client.entries()}) == len(records), "a status for each", within=30)
    repeated = [record for record, times in Counter(standin.records()).items() if times > 1]
    assert not repeated, f"{len(repeated)} of {len(records)} were repeated: {repeated[:5]}"
    cutting.close()


@pytest.mark.parametrize(("window", "count"), [(1, 60), (20, 2000), (100, 5000)])
def test_a_small_window_of_the_broker_costs_round_trips_not_intervals(window, count, broker, connectors, client, standin):
    cutting = Cutting(broker.port, receive_maximum=window)
    connector = connectors(cutting.port, standin.url, PUBLISH_INTERVAL="600")
    connector.wait_line("info: broker connected, session new")
    records, publishing = published(client, count)
    # Some pauses of 10 s show the window; the last ones wait for the interval.
    until(lambda: standin.state()["accepted"] > len(records) - window, "what the window does not hold", within=90)
    publishing.join()
    cutting.close()


def test_a_stream_that_fails_holds_back_neither_another_nor_the_input(broker, connectors, client, standin):
    standin.set_faults(streams={"bad": {"status": 503, "code": "ServiceUnavailableException", "message": "down"}})
    connector = connectors(broker.port, standin.url, PUBLISH_INTERVAL="1")
    connector.wait_line("info: broker connected, session new")
    for number in range(1500):
        client.send(f"bad {number}", f"b{number}", arn=arn("bad"))
        client.send(f"good {number}", f"g{number}", arn=arn("good"))
    until(lambda: len(standin.records("good")) == 1500, "all records of the other stream", within=60)
    connector.wait_log("publishes are acknowledged whose records are in memory only")
    standin.heal()
    until(lambda: len(standin.records("bad")) == 1500, "those that had waited", within=120)
    assert not [record for record, times in Counter(standin.records()).items() if times > 1]


def test_what_is_left_with_the_broker_reaches_the_next_process_and_has_one_status(broker, connect, client, standin):
    standin.set_faults(down=True)
    connector = connect()
    client.send_all(client.send(f"record {number}", f"id {number}") for number in range(50))
    until(lambda: connector.counters()["held"] == 50, "all of them to be held")
    connector.stop()
    held = r"info: 50 publishes were not acknowledged: the broker keeps them for the next start"
    assert held in connector.log()
    assert client.entries() == []
    standin.heal()
    connector.start()
    standin.wait_accepted(50, within=30)
    assert {entry["status"] for entry in client.wait_entries(50)} == {"success"}
