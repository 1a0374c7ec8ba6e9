"""What an application may get wrong: each publish has its status, with the id where one can be read."""

import json

import pytest

from parts.client import BINARY, MESSAGE
from parts.connector import CLIENT_ID, definition
from parts.waiting import until

BAD = [
    ("not JSON at all", b"temperature=21", "", ""),
    ("empty", b"", "", ""),
    ("not an object", b'["a"]', "", ""),
    ("cut short", b'{"id": "a", "request": {"data": "x"', None, ""),
    ("no request", b'{"id": "a"}', "a", "request"),
    ("request is a string", b'{"id": "a", "request": "x"}', "a", "request"),
    ("no data", b'{"id": "a", "request": {}}', "a", "data"),
    ("a misspelt key", b'{"request": {"dada": "x"}, "id": "a"}', "a", "data"),
    ("data is a number", b'{"id": "a", "request": {"data": 5}}', "a", "data"),
    ("data is null", b'{"id": "a", "request": {"data": null}}', "a", "data"),
    ("data is an object", b'{"request": {"data": {"celsius": 21}}, "id": "a"}', "a", "data"),
    ("id is a number", b'{"id": 7, "request": {"data": "x"}}', "", "id"),
    ("not UTF-8", b'{"id": "a", "request": {"data": "\xff"}}', None, ""),
    ("a lone surrogate", b'{"id": "a", "request": {"data": "\\ud800"}}', None, ""),
    ("nested without end", b'{"id": "a", "request": ' + b"[" * 100_000, None, ""),
]


@pytest.mark.parametrize(("payload", "record_id", "field"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_message_fails_naming_what_is_wrong(payload, record_id, field, connect, client, standin):
    connect()
    client.publish(MESSAGE, payload)
    client.send("good", "good")
    entries = client.wait_entries(2)
    (bad,) = [entry for entry in entries if entry["id"] != "good"]
    assert bad["status"] == "fail"
    assert bad["ErrorCode"] == "InvalidMessage"
    assert field in bad["ErrorMessage"]
    if record_id is not None:
        assert bad["id"] == record_id
    assert standin.records() == [b"good"]


@pytest.mark.parametrize(
    "arn",
    [
        "stream2-name",
        "arn:aws:firehose:eu-west-1:123456789012:deliverystream/",
        "arn:aws:firehose:eu-west-1:12345:deliverystream/stream2-name",
        "arn:aws:kinesis:eu-west-1:123456789012:stream/stream2-name",
        "arn:aws:firehose:eu-west-1:123456789012:deliverystream/sp ace",
    ],
)
def test_a_bad_arn_fails_naming_it(arn, connect, client, standin):
    connect()
    client.send("x", "a", arn)
    (entry,) = client.wait_entries(1)
    assert (entry["id"], entry["status"], entry["ErrorCode"]) == ("a", "fail", "InvalidDeliveryStreamArn")
    assert standin.records() == []


def test_version_1_says_so_in_its_own_form(connect, client):
    connect(definition(1))
    client.publish(MESSAGE, b'{"id": "a", "request": {}}')
    (message,) = client.wait_messages(1)
    assert message["id"] == "a"
    assert sorted(message["response"]) == ["error", "error_message", "status"]
    assert (message["response"]["status"], message["response"]["error"]) == ("fail", "InvalidMessage")


def test_strings_are_exact(connect, client, standin):
    connect()
    data = "quote \" backslash \\ slash / tab \t null \0 umlaut \u00fc emoji \U0001f321 line\u2028end\n"
    record_id = "id with \" \\ \n \u00fc \U0001f321 \x7f"
    client.send(data, record_id)
    escaped = '{"request": {"data": "\\u0041\\ud83c\\udf21\\/\\b\\f"}, "id": "\\u00fc\\n"}'
    client.publish(MESSAGE, escaped)
    entries = client.wait_entries(2)
    assert [entry["id"] for entry in entries] == [record_id, "\u00fc\n"]
    assert standin.records() == [data.encode(), "A\U0001f321/\b\f".encode()]


def test_unknown_keys_are_ignored(connect, client, standin):
    connect()
    message = {"version": 2, "request": {"data": "x", "partition": {"deep": [1, 2]}}, "id": "a", "extra": None}
    client.publish(MESSAGE, json.dumps(message))
    (entry,) = client.wait_entries(1)
    assert (entry["id"], entry["status"]) == ("a", "success")


@pytest.mark.parametrize("message", ['{"request": {"data": "x"}}', '{"request": {"data": "x"}, "id": ""}'])
def test_an_id_may_be_absent_or_empty(message, connect, client):
    connect()
    client.publish(MESSAGE, message)
    (entry,) = client.wait_entries(1)
    assert (entry["id"], entry["status"]) == ("", "success")


def test_empty_data_is_delivered_as_an_empty_record(connect, client, standin):
    connect()
    client.send("", "json")
    client.send_binary(b"", "binary")
    entries = client.wait_entries(2)
    assert {entry["status"] for entry in entries} == {"success"}
    assert standin.records() == [b"", b""]


def test_a_retained_publish_is_one_record_however_often_the_broker_restarts(broker, connect, client, standin):
    connect()
    client.publish(BINARY + "retained", b"kept by the broker", retain=True)
    client.wait_entries(1)
    broker.stop()
    client.subscribed.clear()
    broker.start()
    client.wait_subscribed()
    until(lambda: broker.connections(CLIENT_ID) == 2, "the connector to come back", within=60)
    client.publish(BINARY + "after", b"after")
    client.wait_answered("after")
    assert standin.records() == [b"kept by the broker", b"after"]
