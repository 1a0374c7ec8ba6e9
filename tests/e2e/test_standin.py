"""The stand-in, judged by boto3: the other tests lean on it."""

import contextlib
import datetime
import email.utils

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

import boto3

from parts.waiting import until


@pytest.fixture
def firehose(standin):
    once = Config(retries={"max_attempts": 0})
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return boto3.client("firehose", endpoint_url=standin.url, region_name="eu-west-1", config=once, **keys)


def put(firehose, *data, stream="stream-name"):
    records = [{"Data": item} for item in data]
    return firehose.put_record_batch(DeliveryStreamName=stream, Records=records)


def refusal(call, *arguments, **keywords):
    with pytest.raises(ClientError) as refused:
        call(*arguments, **keywords)
    return refused.value.response["Error"]


def test_it_accepts_records_and_gives_each_an_id(standin, firehose):
    single = firehose.put_record(DeliveryStreamName="stream-name", Record={"Data": b"one"})
    batch = put(firehose, b"two", b"")
    ids = [single["RecordId"], *(entry["RecordId"] for entry in batch["RequestResponses"])]
    assert [len(record_id) for record_id in ids] == [224] * 3
    assert len(set(ids)) == 3
    assert batch["FailedPutCount"] == 0
    assert standin.records() == [b"one", b"two", b""]
    state = standin.state()
    assert (state["requests"], state["single_requests"], state["accepted"]) == (2, 1, 3)


def test_it_counts_what_it_accepted_twice(standin, firehose):
    put(firehose, b"same", b"other", b"same")
    put(firehose, b"same", stream="another")
    assert standin.state()["repeated"] == 1


@pytest.mark.parametrize(
    "data",
    [[b"x" * 1_024_001], [b"x" * 1_000_000] * 4, [b"x"] * 501],
    ids=["a record too big", "a request too big", "too many records"],
)
def test_it_enforces_the_limits_of_the_service(standin, firehose, data):
    assert refusal(put, firehose, *data)["Code"] == "InvalidArgumentException"
    state = standin.state()
    assert (state["accepted"], state["refused_requests"]) == (0, 1)


def test_a_request_without_records_is_refused_in_the_words_of_the_interface(standin, firehose):
    lax = Config(parameter_validation=False)
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    lax = boto3.client("firehose", endpoint_url=standin.url, region_name="eu-west-1", config=lax, **keys)
    for put_nothing in [
        lambda: lax.put_record_batch(DeliveryStreamName="stream-name", Records=[]),
        lambda: lax.put_record(DeliveryStreamName="stream-name", Record={}),
    ]:
        error = refusal(put_nothing)
        assert error["Code"] == "ValidationException"
        assert error["Message"].startswith("1 validation error detected: Value ")
    assert standin.state()["accepted"] == 0


@pytest.mark.parametrize("days", [0, -1, 1, 80, 400, 1500])
def test_its_clock_is_what_date_says_and_judges_signatures(standin, firehose, days):
    standin.set_faults(clock_ahead_s=days * 24 * 3600)
    with pytest.raises(ClientError) if days else contextlib.nullcontext() as refused:
        answer = put(firehose, b"x")
    if days:
        answer = refused.value.response
        assert answer["Error"]["Code"] == "InvalidSignatureException"
        assert ("not yet current" if days < 0 else "expired") in answer["Error"]["Message"]
    date = email.utils.parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    assert date.strftime("%a") in answer["ResponseMetadata"]["HTTPHeaders"]["date"]
    expected = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    assert abs(date - expected) < datetime.timedelta(seconds=30)


def test_every_nth_record_fails_alone(standin, firehose):
    standin.set_faults(every_record=2)
    entries = put(firehose, b"1", b"2", b"3", b"4")["RequestResponses"]
    assert [entry.get("ErrorCode") for entry in entries] == [None, "ServiceUnavailableException"] * 2
    assert standin.records() == [b"1", b"3"]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("internal", 500, "InternalFailure"),
        ("unavailable", 503, "ServiceUnavailableException"),
        ("throttling", 400, "ThrottlingException"),
        ("bad-gateway", 502, "502"),
    ],
)
def test_a_request_fails_as_told(standin, firehose, fault, status, code):
    standin.set_faults(every_request=1, request_fault=fault)
    with pytest.raises(ClientError) as refused:
        put(firehose, b"x")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert refused.value.response["Error"]["Code"] == code
    assert standin.state()["accepted"] == 0


@pytest.mark.parametrize(("fault", "accepted"), [("cut", 0), ("cut-stored", 1)])
def test_a_connection_is_cut_before_the_answer(standin, firehose, fault, accepted):
    standin.set_faults(every_request=1, request_fault=fault)
    with pytest.raises(ConnectionClosedError):
        put(firehose, b"x")
    state = standin.state()
    assert (state["accepted"], state["accepted_unanswered"]) == (accepted, accepted)


def test_a_stream_has_its_own_error(standin, firehose):
    missing = {"code": "ResourceNotFoundException", "message": "Firehose gone not found under account 123456789012."}
    standin.set_faults(streams={"gone": missing})
    error = refusal(put, firehose, b"x", stream="gone")
    assert (error["Code"], error["Message"]) == (missing["code"], missing["message"])
    assert put(firehose, b"x")["FailedPutCount"] == 0


def test_down_refuses_connections_and_comes_back_on_the_same_port(standin, firehose):
    def refuses():
        try:
            put(firehose, b"x")
        except EndpointConnectionError:
            return True
        except ConnectionClosedError:
            pass  # it was in the listener's backlog when that was closed
        return False

    standin.set_faults(down=True)
    standin.set_faults(down=True, latency_ms=1)
    until(refuses, "refused connections")
    standin.heal()
    until(lambda: not refuses(), "the same port to listen")
    assert put(firehose, b"x")["FailedPutCount"] == 0
