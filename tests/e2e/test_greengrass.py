"""The connector as a component of Greengrass V2, between a stand-in for the nucleus and one for the service."""

import json
import os
import re
import time

import pytest
from parts.client import BINARY, MESSAGE, STATUS
from parts.connector import RUNNER, definition, run
from parts.doctor import STEP
from parts.greengrass import client, connect, nucleus  # noqa: F401
from parts.nucleus import PING, TOKEN, frame
from parts.service import arn
from parts.waiting import quickest, until

TOPICS = {
    "0": {"type": "Pubsub", "topic": MESSAGE},
    "1": {"type": "IotCore", "topic": BINARY + "#"},
}


def entries_of(message):
    return json.loads(message)["response"]


def test_a_record_in_the_cloud_s_topic_is_delivered_and_its_status_goes_there_too(connect, client, nucleus, standin):
    connector = connect(FIREHOSE_CONNECTOR_PUBSUB_TOPICS=json.dumps(TOPICS), FIREHOSE_CONNECTOR_STATUS_TO_IOT_CORE="1")
    connector.wait_line("info: firehose-connector .* starts, .*, publishes are not acknowledged")
    until(lambda: nucleus.subscribed() == ["cloud:" + BINARY + "#", MESSAGE], "both subscriptions")
    assert nucleus.publish(BINARY + "from/the/cloud", b"\x00\x01", cloud=True) == 1
    assert nucleus.publish(BINARY + "x", b"not subscribed to here") == 0
    (entry,) = client.wait_entries(1)
    assert (entry["id"], entry["status"]) == ("from/the/cloud", "success")
    assert standin.records() == [b"\x00\x01"]
    until(lambda: nucleus.cloud, "the status in the cloud")
    ((topic, message),) = nucleus.cloud
    assert (topic, entries_of(message)) == (STATUS, [entry])


def test_statuses_are_split_to_what_nucleus_lite_carries(connect, client, nucleus, standin):
    connect(definition(PublishInterval="2"), FIREHOSE_CONNECTOR_STATUS_TO_IOT_CORE="1")
    for number in range(200):
        client.send("x", f"id {number} {'y' * 100}")
    client.wait_entries(200)
    assert max(map(len, client.payloads)) <= 4900 and len(client.payloads) > 5
    until(lambda: sum(len(entries_of(message)) for _, message in nucleus.cloud) == 200, "all in the cloud")


def test_a_cloud_that_is_away_holds_up_neither_records_nor_local_statuses(connect, client, nucleus, standin):
    connector = connect(FIREHOSE_CONNECTOR_STATUS_TO_IOT_CORE="1")
    nucleus.online = False
    client.send("one", "1")
    client.wait_entries(1)
    until(lambda: "PublishToIoTCore" in nucleus.operations(), "an attempt")
    client.send("two", "2")
    client.wait_entries(2)
    nucleus.online = True
    until(lambda: len(nucleus.cloud) == 2, "both statuses in the cloud")
    assert not connector.complaints()


def test_a_topic_that_is_not_allowed_is_told_and_the_other_works(connect, client, nucleus, standin):
    nucleus.access = {"SubscribeToTopic": [MESSAGE], "PublishToTopic": [STATUS]}
    connector = connect()
    connector.wait_line(
        r'warn: the nucleus does not deliver "kinesisfirehose/message/binary/#", trying on: UnauthorizedError: the connector is not .*'
    )
    client.send("x", "1")
    client.wait_entries(1)
    assert nucleus.subscribed() == [MESSAGE]


def test_statuses_that_are_not_allowed_are_told_and_counted(connect, client, nucleus, standin):
    nucleus.access = {"SubscribeToTopic": [MESSAGE, BINARY + "#"]}
    connector = connect()
    client.send("x", "1")
    connector.wait_line(r"warn: the broker does not take statuses \(UnauthorizedError: .*")
    standin.wait_accepted(1)


@pytest.mark.parametrize("how", ["stop", "disconnect", "end_subscriptions"])
def test_a_nucleus_that_comes_back_delivers_again(how, connect, client, nucleus, standin):
    connector = connect()
    client.send("before", "1")
    client.wait_entries(1)
    client.close()
    before = len(connector.log())
    getattr(nucleus, how)()
    if how == "stop":
        connector.wait_line("warn: nucleus not connected, trying on: the socket .* cannot be connected to: .*", before)
        nucleus.start()
    if how != "end_subscriptions":
        connector.wait_line("info: nucleus connected", before)
    until(lambda: len(nucleus.subscribed()) == 2, "subscriptions made again")
    nucleus.publish(MESSAGE, {"request": {"data": "after"}, "id": "2"})
    standin.wait_accepted(2)
    assert connector.alive()


def test_statuses_outlast_a_nucleus_without_its_configuration(connect, client, nucleus, standin):
    connector = connect()
    client.send("before", "1")
    client.wait_entries(1)
    nucleus.configured = False
    nucleus.publish(MESSAGE, {"request": {"data": "meanwhile"}, "id": "2"})
    until(lambda: nucleus.operations().count("PublishToTopic") >= 3, "attempts")
    nucleus.configured = True
    assert [entry["id"] for entry in client.wait_entries(2)] == ["1", "2"]
    assert connector.counters()["statuses_refused"] == 0


def test_a_message_may_come_before_the_answer_to_its_subscription(connect, nucleus, standin):
    nucleus.early = (MESSAGE, {"request": {"data": "early"}})
    connect()
    standin.wait_accepted(2)


def test_where_messages_flowed_a_lost_subscription_is_made_again_within_seconds(connect, nucleus, standin):
    connect()
    for number in range(100):
        nucleus.publish(MESSAGE, {"request": {"data": str(number)}})
    nucleus.lose_subscriptions()
    until(lambda: MESSAGE in nucleus.subscribed(), "a new subscription", within=10)
    standin.wait_accepted(100)


def test_a_subscription_that_is_silently_lost_is_made_again(connect, nucleus, standin):
    connect()
    nucleus.publish(MESSAGE, {"request": {"data": "x"}, "id": "1", "more": list(range(100))})
    assert nucleus.subscribed() == [BINARY + "#"], "it had too many values for nucleus lite"
    until(lambda: len(nucleus.subscribed()) == 2, "a new subscription", within=90)
    assert nucleus.operations().count("terminate") >= 1, "the old one is ended first"
    nucleus.publish(MESSAGE, {"request": {"data": "y"}})
    standin.wait_accepted(1)


@pytest.mark.parametrize("lite", [True, False])
def test_a_token_that_is_refused_ends_the_process_once_its_records_are_sent(lite, connect, client, nucleus, standin):
    connector = connect(definition(PublishInterval="900"))
    client.send("held", "1")
    until(lambda: nucleus.operations("application").count("PublishToTopic") == 1, "the publish")
    client.close()
    nucleus.lite = lite
    nucleus.forget_tokens()
    nucleus.disconnect()
    assert connector.process.wait(40) == 69
    assert standin.records() == [b"held"]
    log = "\n".join(connector.log())
    assert "the nucleus does not take the token of this process" in log
    assert TOKEN not in log


def test_a_stop_ends_within_what_the_classic_nucleus_allows(connect, client, nucleus, standin):
    standin.set_faults(down=True)

    def stop():
        client.payloads.clear()
        connector = connect()
        client.send("x", "1")
        connector.wait_line("warn: delivery stream stream-name waits, trying on: .*")
        start = time.monotonic()
        assert connector.stop() == 0
        taken = time.monotonic() - start
        (entry,) = client.wait_entries(1)
        assert (entry["id"], entry["ErrorCode"]) == ("1", "Stopped")
        return taken

    quickest(stop, 5)


def test_no_connection_is_closed_with_a_subscription(connect, client, nucleus, standin):
    """Nucleus lite may hang at that for good."""
    topics = {"FIREHOSE_CONNECTOR_PUBSUB_TOPICS": json.dumps(TOPICS)}
    assert connect(**topics).stop() == 0
    until(lambda: nucleus.left_with == [0], "its end")
    run(["check", "--online"], component(nucleus, standin, **topics))
    until(lambda: nucleus.left_with == [0, 0], "the end of the check")


def test_a_nucleus_that_does_not_read_and_a_service_that_is_away_stop_no_input(connect, client, nucleus, standin):
    standin.set_faults(down=True)
    nucleus.unanswered.add("PublishToTopic")
    connector = connect(definition(DeliveryStreamQueueSize="2000"))
    for number in range(2500):
        nucleus.publish(MESSAGE, {"request": {"data": "x"}, "id": str(number)})
    connector.wait_line("warn: the broker has acknowledged no status for 10 s: records go on, .*")
    assert connector.alive()


def test_a_frame_above_the_limit_is_answered_and_harms_nobody(connect, client, nucleus, standin):
    nucleus.lite = False
    connector = connect(definition(MemorySize="24576"))
    before = connector.memory()
    for _ in range(5):
        nucleus.publish(MESSAGE, {"id": "large", "request": {"data": "x" * 5_000_000}})
        nucleus.publish(BINARY + "large", b"x" * 5_000_000)
    nucleus.publish(MESSAGE, {"id": "small", "request": {"data": "x"}})
    entries = client.wait_entries(11)
    assert [entry["ErrorCode"] for entry in entries if entry["status"] == "fail"] == ["RecordTooLarge"] * 10
    assert sorted({entry["id"] for entry in entries}) == ["", "large", "small"]
    # An emulator has memory of its own.
    assert RUNNER or connector.memory() - before < 1500, "nothing of them is held"


def test_bytes_that_are_no_frame_end_the_connection_and_the_next_one_is_good(connect, nucleus, standin):
    connector = connect()
    before = len(connector.log())
    (peer,) = nucleus.clients
    peer.connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    connector.wait_line("warn: nucleus not connected, trying on: the nucleus sends what cannot be read: .*", before)
    connector.wait_line("info: nucleus connected", before)


def test_a_message_that_cannot_be_read_is_told_and_the_next_one_is_delivered(connect, nucleus, standin):
    connector = connect()
    (peer,) = nucleus.clients
    peer.send(0, 0, 1, {"binaryMessage": {"message": "no base64"}}, "SubscriptionResponseMessage")
    connector.wait_line('warn: the nucleus sends a message of "kinesisfirehose/message" that cannot be read, ignored')
    nucleus.publish(MESSAGE, {"request": {"data": "x"}})
    standin.wait_accepted(1)


def test_pings_whose_answers_nobody_reads_take_no_memory(connect, nucleus):
    connector = connect()
    (peer,) = nucleus.clients
    with nucleus.lock:
        # Whoever holds the lock keeps the nucleus from reading.
        before = connector.memory("RssAnon")
        for _ in range(5000):
            peer.send(2, 0, 0, "x" * 4000)
        assert RUNNER or connector.memory("RssAnon") - before < 2000
    assert connector.alive()


def test_a_ping_is_answered(connect, nucleus):
    connect()
    (peer,) = nucleus.clients
    peer.send(2, 0, 0, "ping")
    until(lambda: ("connector", "pong", b'"ping"') in nucleus.requests, "the answer")


def test_the_component_says_that_it_runs_and_its_counters_if_asked(connect, client, nucleus):
    connect(FIREHOSE_CONNECTOR_COUNTERS_INTERVAL="1")
    until(lambda: nucleus.states == ["RUNNING"], "the state")
    topics = [request["topic"] for _, operation, request in nucleus.requests if operation == "PublishToTopic"]
    assert set(topics) <= {"kinesisfirehose/counters"}


# ---- configuration and check ----


def component(nucleus, standin, **more):
    return {
        "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": os.path.relpath(nucleus.path),
        "SVCUID": TOKEN,
        "DEFAULT_DELIVERY_STREAM_ARN": arn("stream-name"),
        "AWS_ENDPOINT_URL_FIREHOSE": standin.url,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    } | more


def test_check_needs_no_nucleus_and_takes_what_greengrass_writes(nucleus, standin):
    nucleus.stop()
    settings = component(
        nucleus,
        standin,
        DELIVERY_STREAM_QUEUE_SIZE="5000.0",
        FIREHOSE_CONNECTOR_MEMORY_SIZE="65535.0",
        PUBLISH_INTERVAL="{configuration:/no/such/key}",
        FIREHOSE_CONNECTOR_PUBSUB_TOPICS=json.dumps(
            {
                "0": {"type": "Pubsub", "topic": "kinesisfirehose/message"},
                "1": {"type": "IotCore", "topic": "sensors/#"},
            }
        ),
    )
    done = run(["check"], settings)
    assert done.returncode == 0, done.stderr
    assert re.search("\nlargest status message +7000 bytes\n", done.stdout), done.stdout
    assert "broker" not in done.stdout and "MQTT" not in done.stdout
    assert "\nconnection to the nucleus " in done.stdout and "\nlargest IPC frame " in done.stdout
    assert "ipc.socket, topics kinesisfirehose/message, " in done.stdout
    assert "PUBLISH_INTERVAL refers to a key that the component's configuration does not have" in done.stdout
    assert "\nwarning: pubsubTopics has sensors/#, from which nothing is taken; " in done.stdout


def steps(done):
    return {step["step"]: step for step in json.loads(done.stdout)["steps"]}


def test_the_doctor_goes_all_the_way(nucleus, standin):
    found = steps(run(["check", "--online", "--json"], component(nucleus, standin)))
    for step in ["ipc-socket", "ipc-token", "ipc-subscribe", "ipc-publish", "credentials", "firehose"]:
        assert found[step]["result"] == "ok", found[step]
    assert found["broker-tcp"]["found"] == "publishes come from Greengrass"
    text = run(["check", "--online"], component(nucleus, standin)).stdout
    assert "broker" not in text and "ipc-publish" in text


@pytest.mark.parametrize("fault", ["socket", "token", "subscribe", "publish"])
def test_the_doctor_names_what_is_wrong(fault, nucleus, standin):
    settings = component(nucleus, standin)
    match fault:
        case "socket":
            nucleus.stop()
        case "token":
            nucleus.forget_tokens()
        case "subscribe":
            nucleus.access = {"SubscribeToTopic": [MESSAGE], "PublishToTopic": [STATUS]}
        case "publish":
            nucleus.access = {"SubscribeToTopic": [MESSAGE, BINARY + "#"]}
    done = run(["check", "--online", "--json"], settings)
    assert done.returncode == 69
    found = steps(done)
    failed = [name for name, step in found.items() if step["result"] == "fail"]
    assert failed == [f"ipc-{fault}"]
    assert found[f"ipc-{fault}"]["advice"]
    assert ("accessControl" in found[f"ipc-{fault}"]["advice"]) == (fault in ["subscribe", "publish"])


@pytest.mark.parametrize("fault", ["subscribe", "publish"])
def test_the_doctor_does_not_take_a_device_that_is_offline_for_one_without_rights(fault, nucleus, standin):
    nucleus.online = fault != "publish"
    if fault == "subscribe":
        nucleus.errors["SubscribeToIoTCore"] = "ServiceError"
    topics = json.dumps(TOPICS)
    settings = component(nucleus, standin, FIREHOSE_CONNECTOR_PUBSUB_TOPICS=topics, FIREHOSE_CONNECTOR_STATUS_TO_IOT_CORE="1")
    found = steps(run(["check", "--online", "--json"], settings))
    assert [name for name, step in found.items() if step["result"] == "fail"] == [f"ipc-{fault}"]
    found = found[f"ipc-{fault}"]
    assert "ServiceError" in found["found"]
    assert "online" in found["advice"] and "accessControl" not in found["advice"]


def test_the_doctor_says_how_long_it_waited_and_that_nobody_answered(nucleus, standin):
    nucleus.unanswered = {"SubscribeToTopic"}

    def wait():
        found = steps(run(["check", "--online", "--json"], component(nucleus, standin)))
        subscribe = found["ipc-subscribe"]
        assert subscribe["found"] == f"the nucleus did not answer a subscription within {STEP} s"
        assert found["ipc-publish"]["found"] == "the nucleus does not answer"
        assert subscribe["ms"] >= STEP * 1000
        return subscribe["ms"] / 1000

    quickest(wait, STEP + 1)


def test_the_doctor_answers_pings_and_tells_a_nucleus_from_something_else(nucleus, standin):
    nucleus.greeting = frame(PING, 0, 0, b"alive")
    done = run(["check", "--online", "--json"], component(nucleus, standin))
    assert done.returncode == 0, done.stdout
    assert ("connector", "pong", b"alive") in nucleus.requests
    nucleus.greeting = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    found = steps(run(["check", "--online", "--json"], component(nucleus, standin)))
    token = found["ipc-token"]
    assert (token["result"], "cannot be read" in token["found"], "start" in token["advice"]) == ("fail", True, False)
    assert found["ipc-subscribe"]["found"] == "what answers cannot be understood"


# ---- with a spool ----


@pytest.mark.host_only
def test_what_gathered_unread_is_taken_at_a_stop(connect, client, nucleus, standin):
    connector = connect(definition(PublishInterval="1"))
    start = time.monotonic()
    for number in range(300):
        time.sleep(max(0, start + number / 250 - time.monotonic()))
        nucleus.publish(MESSAGE, {"request": {"data": "x"}, "id": str(number)})
    assert connector.stop() == 0
    assert standin.state()["accepted"] == 300
    assert {entry["id"] for entry in client.wait_entries(300)} == {str(number) for number in range(300)}


def test_what_the_uplink_does_not_take_waits_on_disk_and_outlasts_a_stop(connect, client, nucleus, standin, spool):
    settings = {"FIREHOSE_CONNECTOR_SPOOL": str(spool), "FIREHOSE_CONNECTOR_COUNTERS_INTERVAL": "1"}
    standin.set_faults(down=True)
    connector = connect(definition(DeliveryStreamQueueSize="2000", PublishInterval="1"), **settings)
    before = connector.memory()
    records = [f"record {number}".encode() for number in range(5000)]
    for number, record in enumerate(records):
        nucleus.publish(BINARY + str(number), record)
    connector.wait_line("info: records wait in the spool until the service takes them")
    until(lambda: connector.counters()["spool_records"] == 5000, "more on disk than the queue has room for")
    # An emulator has memory of its own.
    assert RUNNER or connector.memory() - before < 3000
    assert connector.stop(within=5) == 0
    standin.heal()
    connect(definition(PublishInterval="1"), **settings)
    until(lambda: set(standin.records()) >= set(records), "all of them", within=60)
    entries = client.wait_entries(5000)
    assert {entry["status"] for entry in entries} == {"success"}, "QueueFull was said to nobody"
