"""What an operator has: counters on MQTT and on SIGUSR1, and a log that may be left on."""

import json
import time

import pytest
from paho.mqtt.client import CallbackAPIVersion, Client as Paho, MQTTv5

from parts.client import MESSAGE, leave
from parts.connector import CLIENT_ID, definition
from parts.service import arn
from parts.waiting import until

COUNTERS = "kinesisfirehose/counters"
EACH_SECOND = {"FIREHOSE_CONNECTOR_COUNTERS_INTERVAL": "1"}


class Operator:
    """Reads the counters; whatever they say, every record received is accounted for."""

    def __init__(self, port):
        self.messages = []
        self.subscribed = False
        self.paho = Paho(CallbackAPIVersion.VERSION2, client_id="operator", protocol=MQTTv5)
        self.paho.reconnect_delay_set(min_delay=1, max_delay=1)
        self.paho.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.paho.on_subscribe = lambda *_: setattr(self, "subscribed", True)
        self.paho.on_message = lambda _client, _userdata, message: self.messages.append(message)
        self.paho.connect("127.0.0.1", port)
        self.paho.loop_start()
        until(lambda: self.subscribed, "the operator's subscription")

    def close(self):
        leave(self.paho)

    def counters(self):
        messages = [message for message in list(self.messages) if message.topic == COUNTERS]
        assert all(message.qos == 0 and not message.retain for message in messages)
        counters = [json.loads(message.payload) for message in messages]
        for one in counters:
            assert_conserved(one)
        return counters

    def wait(self, condition, what):
        """The first counters for which the condition holds."""
        return until(lambda: next(filter(condition, self.counters()), None), f"counters with {what}")


def asked(connector):
    """The counters that the log has in answer to SIGUSR1."""

    counters = connector.counters()
    assert_conserved(counters)
    return counters


def assert_conserved(counters):
    ended = counters["succeeded"] + counters["failed"]
    assert counters["received"] == ended + counters["held"], counters
    reasons = counters["failed_invalid"] + counters["failed_full"] + counters["failed_undelivered"]
    assert counters["failed"] == reasons, counters


@pytest.fixture
def operator(broker):
    operator = Operator(broker.port)
    yield operator
    operator.close()


def test_the_counters_account_for_every_record_at_any_time(connect, client, standin, operator):
    connect(**EACH_SECOND)
    first = operator.wait(lambda _: True, "anything")
    assert (first["client_id"], first["received"], first["broker_connections"]) == (CLIENT_ID, 0, 1)

    # While records flow, some of them more than once.
    standin.set_faults(every_record=10)
    client.send_all(client.send(f"record {number}", f"id {number}") for number in range(1000))
    client.wait_entries(1000)
    flowed = operator.wait(lambda one: one["succeeded"] == 1000, "all records delivered")
    assert flowed["retried"] >= 100 and flowed["requests_failed"] == 0
    assert flowed["request_bytes"] > 1000 * len("record")

    # With the service down, and messages that are wrong.
    standin.set_faults(down=True)
    client.send_all(client.send("x" * 1000, f"late {number}") for number in range(500))
    client.send_all(client.publish(MESSAGE, b"no JSON") for _ in range(7))
    client.wait_entries(1007)
    down = operator.wait(lambda one: one["failed"] == 7 and one["requests_failed"] > 0, "failures")
    assert (down["held"], down["failed_invalid"], down["received"]) == (500, 7, 1507)
    assert 500 * 1000 <= down["memory_used_bytes"] < down["memory_bytes"]

    # After the drain.
    standin.heal()
    client.wait_entries(1507, within=60)
    # They may become due between the last answer and its statuses.
    drained = operator.wait(lambda one: one["succeeded"] == 1500 and not one["statuses_waiting"], "the rest delivered")
    assert (drained["held"], drained["memory_used_bytes"]) == (0, 0)
    assert drained["service_connections"] > flowed["service_connections"] == 1
    assert drained["statuses_lost"] == drained["credentials_failed"] == drained["clock_correction_s"] == 0

    counters = operator.counters()
    uptimes = [one["uptime_s"] for one in counters]
    assert uptimes == sorted(set(uptimes)), "at most one in a second"
    # Subscribers of statuses do not get them, and the connector does not take them for records.
    assert not any("uptime_s" in message for message in client.messages())
    assert drained["received"] == 1507


def test_records_refused_for_lack_of_room_and_by_the_service_are_counted_apart(connect, client, standin, operator):
    standin.set_faults(streams={"stream-name": {"status": 400, "code": "ResourceNotFoundException", "message": "no"}})
    connect(definition(DeliveryStreamQueueSize="2000", PublishInterval="900"), FIREHOSE_CONNECTOR_ACKNOWLEDGE="held", **EACH_SECOND)
    client.send_all(client.send("x") for _ in range(499))
    operator.wait(lambda one: one["held"] == 499, "records held")
    client.send("x")
    client.wait_entries(500)
    refused = operator.wait(lambda one: one["failed"] == 500, "refusals")
    assert (refused["failed_undelivered"], refused["requests"], refused["requests_failed"]) == (500, 1, 1)
    standin.set_faults(down=True)
    client.send_all(client.send("x") for _ in range(2100))
    full = operator.wait(lambda one: one["received"] == 2600, "the rest")
    assert (full["failed_full"], full["held"]) == (100, 2000)


def test_while_the_broker_is_away_no_counters_wait_for_it(broker, connect, operator):
    connector = connect(**EACH_SECOND)
    operator.wait(lambda one: one["uptime_s"] >= 1, "two messages")
    broker.stop()
    connector.wait_log("broker not connected")
    until(lambda: not operator.paho.is_connected(), "the operator's connection to end")
    operator.subscribed = False
    before, uptime = len(operator.counters()), asked(connector)["uptime_s"]
    until(lambda: asked(connector)["uptime_s"] >= uptime + 4, "several intervals")
    broker.start()
    until(lambda: operator.subscribed, "the operator's new subscription")
    operator.wait(lambda one: one["broker_connections"] == 2, "a second connection")
    counters = operator.counters()[before:]
    assert all(one["broker_connections"] == 2 for one in counters), counters


def test_by_default_no_counters_are_published(connect, client, operator):
    connector = connect()
    client.send("x", "a")
    client.wait_entries(1)
    assert connector.stop() == 0
    # All that is on the broker, and in order: the last of it is the status.
    until(lambda: any(message.topic.endswith("/status") for message in operator.messages), "the status")
    assert operator.counters() == []


@pytest.mark.parametrize("level", ["info", "off"])
def test_sigusr1_puts_the_counters_into_the_log_and_ends_nothing(level, connect, client, standin):
    connector = connect(FIREHOSE_CONNECTOR_LOG=level)
    client.send("x", "a")
    client.wait_entries(1)
    counters = asked(connector)
    assert (counters["received"], counters["succeeded"]) == (1, 1)
    client.send("y", "b")
    client.wait_entries(2)
    assert asked(connector)["succeeded"] == 2
    assert connector.stop() == 0


def test_a_service_that_comes_and_goes_hundreds_of_times_leaves_a_short_log(connect, client, standin):
    """Each second request of each of ten delivery streams fails: two changes for every two requests."""
    standin.set_faults(every_request=2, request_fault="unavailable")
    connector = connect(definition(PublishInterval="0"))
    start = time.monotonic()
    count = 200
    client.send_all(client.send("x", f"id {number}", arn(f"stream-{number % 10}")) for number in range(count))
    client.wait_entries(count, within=120)
    minutes = (time.monotonic() - start) / 60
    failed = standin.state()["faulted_requests"]
    assert failed >= count / 2
    lines = [line for line in connector.log() if "delivery stream stream-" in line]
    # Ten at once, then one a minute.
    assert 10 <= len(lines) <= 10 + minutes + 1, lines
