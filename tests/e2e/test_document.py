"""Every example of the connector's documentation, copied literally; only the placeholders of the ARNs are filled in."""

import json

import pytest

from parts.client import BINARY, MESSAGE
from parts.connector import definition
from parts.service import arn


def filled(text):
    """The document writes `region` and `account-id` where a real definition has them."""
    return text.replace(":region:", ":eu-west-1:").replace(":account-id:", ":123456789012:")


CREATE_CONNECTOR = filled(
    """{ "Connectors": [ { "Id": "MyKinesisFirehoseConnector", "ConnectorArn": "arn:aws:greengrass:region::/connectors/KinesisFirehose/versions/5", "Parameters": { "DefaultDeliveryStreamArn": "arn:aws:firehose:region:account-id:deliverystream/stream-name", "DeliveryStreamQueueSize": "5000", "MemorySize": "65535", "PublishInterval": "10", "IsolationMode" : "GreengrassContainer" } } ] }"""
)

INPUT = filled(
    """{ "request": { "delivery_stream_arn": "arn:aws:firehose:region:account-id:deliverystream/stream2-name", "data": "Data to send to the delivery stream." }, "id": "request123" }"""
)

STATUS = """{ "response": [ { "ErrorCode": "error", "ErrorMessage": "test error", "id": "request123", "status": "fail" }, { "firehose_record_id": "xyz2", "id": "request456", "status": "success" }, { "firehose_record_id": "xyz3", "id": "request890", "status": "success" } ] }"""

VERSION_1_SUCCESS = """{ "response": { "firehose_record_id": "1lxfuuuFomkpJYzt/34ZU/r8JYPf8Wyf7AXqlXm", "status": "success" }, "id": "request123" }"""

VERSION_1_FAILURE = """{ "response" : { "error": "ResourceNotFoundException", "error_message": "An error occurred (ResourceNotFoundException) when calling the PutRecord operation: Firehose test1 not found under account 123456789012.", "status": "fail" }, "id": "request123" }"""


def test_the_definition_and_the_input_message_of_the_document(connect, client, standin):
    connect(CREATE_CONNECTOR)
    client.publish(MESSAGE, INPUT)
    (entry,) = client.wait_entries(1)
    assert standin.records("stream2-name") == [b"Data to send to the delivery stream."]
    like_the_document(entry, json.loads(STATUS)["response"][1])
    assert entry["id"] == "request123"


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
def test_each_version_takes_the_input_message_of_the_document(version, connect, client, standin):
    connect(definition(version))
    client.publish(MESSAGE, INPUT)
    (message,) = client.wait_messages(1)
    assert standin.records("stream2-name") == [b"Data to send to the delivery stream."]
    if version == 1:
        like_the_document(message, json.loads(VERSION_1_SUCCESS))
        like_the_document(message["response"], json.loads(VERSION_1_SUCCESS)["response"])
        assert message["id"] == "request123"
    else:
        like_the_document(message, json.loads(STATUS))
        (entry,) = message["response"]
        like_the_document(entry, json.loads(STATUS)["response"][1])
        assert entry["id"] == "request123"


@pytest.mark.parametrize("version", [1, 5])
def test_the_message_of_the_usage_example(version, connect, client, standin):
    connect(definition(version))
    message = {"request": {"data": "Message from Firehose Connector Test"}, "id": "req_123"}
    client.publish(MESSAGE, json.dumps(message))
    (status,) = client.wait_messages(1)
    assert standin.records("stream-name") == [b"Message from Firehose Connector Test"]
    entry = status if version == 1 else status["response"][0]
    assert entry["id"] == "req_123"


@pytest.mark.parametrize("version", [1, 5])
def test_the_binary_topics_of_the_document(version, connect, client, standin):
    connect(definition(version))
    data = bytes(range(256))
    client.publish("kinesisfirehose/message/binary/request123", data)
    client.publish("kinesisfirehose/message/binary/", data + b"no id")
    standin.wait_accepted(2)
    assert sorted(standin.records()) == [data, data + b"no id"]
    if version == 1:
        messages = client.wait_messages(2)
    else:
        messages = client.wait_entries(2)
    assert sorted(message["id"] for message in messages) == ["", "request123"]


def test_an_id_keeps_its_slashes(connect, client, standin):
    connect()
    client.publish(BINARY + "line/3/camera/7", b"x")
    (entry,) = client.wait_entries(1)
    assert entry["id"] == "line/3/camera/7"


def test_the_topic_without_the_trailing_slash_has_no_id(connect, client, standin):
    connect()
    client.publish("kinesisfirehose/message/binary", b"x")
    (entry,) = client.wait_entries(1)
    assert (entry["id"], entry["status"]) == ("", "success")


@pytest.mark.parametrize("version", [2, 5])
def test_a_failed_record_has_the_entry_of_the_document(version, connect, client, standin):
    refuse_test1(standin)
    connect(definition(version))
    client.send("x", "request123", arn("test1"))
    (entry,) = client.wait_entries(1)
    like_the_document(entry, json.loads(STATUS)["response"][0])
    assert entry["ErrorCode"] == "ResourceNotFoundException"
    assert entry["ErrorMessage"] == "Firehose test1 not found under account 123456789012."


def test_version_1_fails_in_the_words_of_the_document(connect, client, standin):
    refuse_test1(standin)
    connect(definition(1, DefaultDeliveryStreamArn=arn("test1")))
    client.send("x", "request123")
    (message,) = client.wait_messages(1)
    assert message == json.loads(VERSION_1_FAILURE)


def refuse_test1(standin):
    message = "Firehose test1 not found under account 123456789012."
    standin.set_faults(streams={"test1": {"code": "ResourceNotFoundException", "message": message}})


def like_the_document(ours, example):
    """The same properties, no more and no less, with values of the same type."""
    assert {key: type(value) for key, value in ours.items()} == {key: type(value) for key, value in example.items()}
    if "status" in example:
        assert ours["status"] == example["status"]
