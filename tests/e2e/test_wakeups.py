"""A battery pays for wake-ups: they must not follow the rate of the records."""

import threading
import time

import pytest

from parts.connector import definition
from parts.waiting import quickest
from parts.wakeups import Wakeups

pytestmark = pytest.mark.host_only
# The wait is the measurement.
SECONDS = 5


class Publisher(threading.Thread):
    """Publishes evenly, at QoS 1."""

    def __init__(self, client, rate):
        super().__init__(daemon=True)
        self.client, self.rate, self.count, self.stop = client, rate, 0, threading.Event()

    def run(self):
        start = time.monotonic()
        while not self.stop.wait(max(0, start + self.count / self.rate - time.monotonic())):
            self.client.send("x" * 500, str(self.count))
            self.count += 1

    def end(self):
        self.stop.set()
        self.join()
        return self.count


@pytest.mark.parametrize("rate", [10, 100, 500])
def test_the_process_wakes_a_few_times_a_second_at_any_rate(rate, client, connect, standin):
    connector = connect(definition(PublishInterval="1"))
    publisher = Publisher(client, rate)
    publisher.start()
    client.wait_messages(1)
    wakeups = Wakeups(connector.process.pid)
    time.sleep(SECONDS)
    measured = wakeups.a_second()
    count = publisher.end()
    entries = client.wait_entries(count)
    assert {entry["status"] for entry in entries} == {"success"}
    assert standin.state()["accepted"] == count
    # 8 for reading, and one or two for each request. Another process on the same processor may add some.
    assert measured <= 15, f"{measured:.1f} wake-ups a second at {rate} records a second"


def test_at_rest_nothing_wakes_the_process(connect):
    connector = connect(definition(PublishInterval="1"))
    time.sleep(1)
    wakeups = Wakeups(connector.process.pid)
    time.sleep(SECONDS)
    assert wakeups.a_second() <= 1


def test_a_wrong_message_is_answered_within_a_moment_although_others_gather(client, connect):
    connect(definition(PublishInterval="900"))
    publisher = Publisher(client, 100)
    publisher.start()
    time.sleep(1)

    def answer():
        before, sent = len(client.payloads), time.monotonic()
        client.publish("kinesisfirehose/message", "{")
        client.wait_messages(before + 1)
        return time.monotonic() - sent

    quickest(answer, 2)
    assert {entry["ErrorCode"] for entry in client.entries()} == {"InvalidMessage"}
    publisher.end()
