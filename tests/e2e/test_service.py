"""The service in trouble: each record is accepted once and has its status all the same."""

import pytest

from parts.connector import definition
from parts.service import arn
from parts.waiting import until


def send(client, count, start=0):
    numbers = range(start, start + count)
    client.send_all(client.send(f"record {number}", f"id {number}") for number in numbers)


def check_all(client, standin, count, within=60.0):
    """Each record accepted exactly once by the service's own account, and one success for each id."""
    entries = client.wait_entries(count, within)
    assert sorted(entry["id"] for entry in entries) == sorted(f"id {number}" for number in range(count))
    assert {entry["status"] for entry in entries} == {"success"}
    state = standin.wait_accepted(count)
    assert state["repeated"] == 0
    assert sorted(standin.records()) == sorted(f"record {number}".encode() for number in range(count))
    return state


def test_only_failed_records_are_sent_again(connect, client, standin):
    standin.set_faults(every_record=97)
    connect()
    send(client, 2000)
    state = check_all(client, standin, 2000)
    # Every failed one came again, and nothing else did.
    assert state["received"] == 2000 + state["failed"]
    assert state["failed"] >= 2000 // 97


def test_internal_failure_of_a_record_is_sent_again_too(connect, client, standin):
    standin.set_faults(every_record=3, record_code="InternalFailure")
    connect()
    send(client, 50)
    check_all(client, standin, 50)


@pytest.mark.parametrize(
    "fault", ["internal", "unavailable", "throttling", "bad-gateway", "cut", "portal", "wrong-length", "huge"]
)
@pytest.mark.parametrize("version", [1, 5])
def test_a_request_that_fails_is_sent_again(version, fault, connect, client, standin):
    standin.set_faults(every_request=2, request_fault=fault)
    connect(definition(version))
    send(client, 5)
    send(client, 5, start=5)
    if version == 1:
        messages = client.wait_messages(10, within=60)
        assert {message["response"]["status"] for message in messages} == {"success"}
        assert standin.wait_accepted(10)["repeated"] == 0
    else:
        check_all(client, standin, 10)


def test_a_lost_answer_is_the_only_way_to_a_second_copy(connect, client, standin):
    standin.set_faults(every_request=2, request_fault="cut-stored")
    connect(definition(PublishInterval="0"))
    send(client, 20)
    entries = client.wait_entries(20, within=60)
    assert {entry["status"] for entry in entries} == {"success"}
    state = standin.state()
    assert 0 < state["repeated"] <= state["accepted_unanswered"]
    assert state["accepted"] == 20 + state["repeated"]


def test_a_request_without_an_answer_is_sent_again(connect, client, standin):
    standin.set_faults(every_request=1, request_fault="timeout")
    connect()
    send(client, 3)
    until(lambda: standin.state()["requests"] >= 1, "a request")
    standin.heal()
    check_all(client, standin, 3, within=180)


def test_the_service_goes_down_and_comes_back(connect, client, standin):
    connector = connect()
    send(client, 10)
    client.wait_entries(10)
    before = len(connector.log())
    standin.set_faults(down=True)
    send(client, 1000, start=10)
    connector.wait_line("warn: delivery stream stream-name waits, trying on: .+", since=before)
    assert len(client.entries()) == 10
    before = len(connector.log())
    standin.heal()
    connector.wait_line("info: delivery stream stream-name takes records again", since=before, within=120)
    check_all(client, standin, 1010, within=120)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ResourceNotFoundException", "Firehose other not found under account 123456789012."),
        (
            "AccessDeniedException",
            "User: arn:aws:sts::123456789012:assumed-role/device/1 is not authorized to perform: "
            f"firehose:PutRecordBatch on resource: {arn('other')} because no identity-based policy allows it",
        ),
        ("InvalidKMSResourceException", "KMS key is disabled"),
        ("InvalidSourceException", "Only Kinesis Data Streams may write to this stream"),
        ("InvalidArgumentException", "Direct PUT is not allowed on this stream"),
    ],
)
def test_a_permanent_error_fails_at_once_with_the_services_message(code, message, connect, client, standin):
    standin.set_faults(streams={"other": {"code": code, "message": message}})
    connect()
    client.send("x", "a", arn("other"))
    client.send("y", "b")
    entries = {entry["id"]: entry for entry in client.wait_entries(2)}
    assert entries["a"] == {"ErrorCode": code, "ErrorMessage": message, "id": "a", "status": "fail"}
    assert entries["b"]["status"] == "success"


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, "ExpiredTokenException", "The security token included in the request is expired"),
        (400, "UnrecognizedClientException", "The security token included in the request is invalid."),
        (400, "InvalidSignatureException", "Signature expired: 20200101T000000Z is now earlier than 20240101T000000Z"),
        (400, "LimitExceededException", "Rate exceeded"),
    ],
)
def test_a_temporary_error_is_never_a_fail(status, code, message, connect, client, standin):
    standin.set_faults(streams={"stream-name": {"status": status, "code": code, "message": message}})
    connect()
    client.send("record 0", "id 0")
    until(lambda: standin.state()["requests"] >= 2, "a second request", within=120)
    assert client.messages() == []
    standin.heal()
    check_all(client, standin, 1, within=180)


def test_a_stream_in_trouble_does_not_hold_up_another(connect, client, standin):
    throttled = {"code": "ThrottlingException", "message": "Rate exceeded"}
    standin.set_faults(streams={"slow": throttled})
    connect()
    client.send("held", "held", arn("slow"))
    until(lambda: standin.state()["requests"] >= 1, "a request")
    send(client, 10)
    client.wait_entries(10)
    standin.heal()
    entries = client.wait_entries(11, within=120)
    assert entries[-1]["id"] == "held"


@pytest.mark.parametrize("interval", ["0", "1"])
@pytest.mark.parametrize("fault", ["internal", "bad-gateway", "cut"])
def test_a_record_that_the_service_cannot_take_waits_alone(fault, interval, connect, client, standin):
    standin.set_faults(bad_record="", request_fault=fault)
    connector = connect(definition(PublishInterval=interval))
    send(client, 20)
    client.send("", "empty")
    send(client, 20, start=20)
    until(lambda: len(client.entries()) == 40, "the statuses of the others", within=60)
    connector.wait_line("warn: a record for delivery stream stream-name waits alone, the others go on: .+", within=60)
    # It is retried, and delays no other record.
    for number in range(40, 45):
        send(client, 1, start=number)
        until(lambda: len(client.entries()) == number + 1, "the next status", within=20)
    assert standin.state()["accepted"] == 45
    standin.heal()
    until(lambda: len(client.entries()) == 46, "the last status", within=330)
    assert client.entries()[-1]["id"] == "empty"
    assert standin.wait_accepted(46)["repeated"] == 0


def test_order_is_kept_when_nothing_fails(connect, client, standin):
    connect()
    send(client, 3000)
    standin.wait_accepted(3000)
    assert standin.records() == [f"record {number}".encode() for number in range(3000)]
    client.wait_entries(3000)
    assert [entry["id"] for entry in client.entries()] == [f"id {number}" for number in range(3000)]
