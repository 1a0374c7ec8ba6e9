"""moto judges signatures and permissions; boto3 reads back from S3 what arrived."""

import signal

import pytest

from parts.connector import definition
from parts.credentials import ACTIONS, ContainerEndpoint, CredentialFile, user
from parts.service import arn
from parts.waiting import PATIENCE, until

def lines(moto, stream):
    return sorted(moto.arrived(stream).decode().splitlines())


def test_version_1_needs_put_record_only(moto, connect, client):
    stream = moto.stream()
    document = definition(1, DefaultDeliveryStreamArn=arn(stream))
    connect(document, moto.url, **user(moto, ACTIONS[:1]))
    for number in range(5):
        client.send(f"reading {number}\n", f"id {number}")
    messages = client.wait_messages(5)
    assert {message["response"]["status"] for message in messages} == {"success"}
    assert lines(moto, stream) == [f"reading {number}" for number in range(5)]


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_later_versions_send_batches(version, moto, connect, client):
    stream = moto.stream()
    document = definition(version, DefaultDeliveryStreamArn=arn(stream))
    connect(document, moto.url, **user(moto, ACTIONS))
    for number in range(700):
        client.send(f"reading {number:03} \u00fc\U0001f321\n", f"id {number}")
    entries = client.wait_entries(700)
    assert {entry["status"] for entry in entries} == {"success"}
    assert sorted(entry["id"] for entry in entries) == sorted(f"id {number}" for number in range(700))
    assert lines(moto, stream) == [f"reading {number:03} \u00fc\U0001f321" for number in range(700)]


def test_interval_0_needs_put_record_only(moto, connect, client):
    stream = moto.stream()
    document = definition(5, DefaultDeliveryStreamArn=arn(stream), PublishInterval="0")
    connect(document, moto.url, **user(moto, ACTIONS[:1]))
    client.send("one\n", "a")
    client.send_binary(b"two\n", "b")
    entries = client.wait_entries(2)
    assert {entry["status"] for entry in entries} == {"success"}
    assert lines(moto, stream) == ["one", "two"]


def test_binary_data_arrives_as_it_is(moto, connect, client):
    stream = moto.stream()
    connect(definition(DefaultDeliveryStreamArn=arn(stream)), moto.url, **user(moto, ACTIONS))
    data = bytes(range(256)) * 1000
    client.send_binary(data, "picture")
    client.wait_entries(1)
    assert moto.arrived(stream) == data


def test_an_override_goes_to_its_own_stream(moto, connect, client):
    default, other = moto.stream(), moto.stream()
    keys = user(moto, ACTIONS)
    connect(definition(DefaultDeliveryStreamArn=arn(default)), moto.url, **keys)
    client.send("for the default\n", "a")
    client.send("for the other\n", "b", arn(other))
    entries = client.wait_entries(2)
    assert {entry["status"] for entry in entries} == {"success"}
    assert (lines(moto, default), lines(moto, other)) == (["for the default"], ["for the other"])


def test_a_missing_stream_fails_with_the_service_s_own_code(moto, connect, client):
    stream = moto.stream()
    connect(definition(DefaultDeliveryStreamArn=arn(stream)), moto.url, **user(moto, ACTIONS))
    client.send("x", "a", arn("no-such-stream"))
    (entry,) = client.wait_entries(1)
    assert entry["ErrorCode"] == "ResourceNotFoundException"
    assert "no-such-stream" in entry["ErrorMessage"]


def test_a_wrong_key_delivers_nothing_and_fails_nothing(moto, connect, client):
    """The record waits for better keys."""
    stream = moto.stream()
    keys = user(moto, ACTIONS) | {"AWS_SECRET_ACCESS_KEY": "wrong"}
    connector = connect(definition(DefaultDeliveryStreamArn=arn(stream)), moto.url, **keys)
    client.send("x\n", "a")
    connector.wait_line(rf"warn: delivery stream {stream} waits, trying on: the answer \(HTTP 403\) .*")
    assert client.messages() == []
    assert moto.arrived(stream) == b""


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "ExpiredTokenException"])
def test_refused_keys_are_read_anew_from_the_profile(code, connect, client, standin):
    """As when a fleet's keys are rotated by writing the file."""
    standin.set_faults(keys={"old": {"code": code, "message": "The security token included in the request is invalid."}})
    with CredentialFile() as file:
        file.write("[default]\naws_access_key_id = old\naws_secret_access_key = x\n")
        names = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_SHARED_CREDENTIALS_FILE": file.path}
        connect(**names)
        client.send("x", "a")
        until(lambda: standin.state()["requests"] >= 1, "a request")
        assert client.messages() == []
        file.write("[default]\naws_access_key_id = new\naws_secret_access_key = y\n")
        (entry,) = client.wait_entries(1, within=120)
    assert (entry["id"], entry["status"]) == ("a", "success")


def test_an_answer_behind_a_renewal_does_not_show_the_former_keys(connect, client, standin):
    former, session = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYFORMER", "IQoJb3JpZ2luX2VjEPTwFORMERsession"
    refusal = {"status": 403, "code": "AccessDeniedException", "message": f"signed with {former} by {session}"}
    standin.set_faults(streams={"slow": refusal}, latency_ms=10_000)
    with CredentialFile() as file:
        keys = f"aws_access_key_id = old\naws_secret_access_key = {former}\naws_session_token = {session}\n"
        file.write(f"[default]\n{keys}")
        names = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_SHARED_CREDENTIALS_FILE": file.path}
        connector = connect(definition(PublishInterval="0"), **names)
        client.send("x", "late", arn=arn("slow"))
        until(lambda: standin.state()["requests"] >= 1, "the slow request")
        expired = {"code": "ExpiredTokenException", "message": "The security token is expired."}
        standin.set_faults(streams={"slow": refusal}, keys={"old": expired})
        file.write("[default]\naws_access_key_id = new\naws_secret_access_key = y\n")
        client.send("x", "soon")
        first, second = client.wait_entries(2, within=60)
    assert (first["id"], first["status"], second["id"]) == ("soon", "success", "late")
    assert second["ErrorMessage"].startswith("signed with "), second
    said = "\n".join([*connector.log(), second["ErrorMessage"]])
    assert former not in said and session not in said, said


def test_a_stop_does_not_ask_again_and_again_with_refused_keys(connect, client, standin):
    """It took up to 70 requests."""
    standin.set_faults(streams={"stream-name": {"code": "ExpiredTokenException", "message": "is expired"}})
    connector = connect(definition(PublishInterval="0"))
    for number in range(5):
        client.send("x", f"id {number}")
    until(lambda: standin.state()["requests"] >= 1, "a request")
    connector.process.send_signal(signal.SIGTERM)
    connector.wait_log("stopping, ")
    before = standin.state()["requests"]
    assert connector.process.wait(PATIENCE) == 0
    # A few at a time without batching.
    assert standin.state()["requests"] - before <= 24


def test_keys_come_from_a_profile(moto, connect, client):
    stream = moto.stream()
    keys = user(moto, ACTIONS)
    with CredentialFile() as file:
        file.write(
            "[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n\n[device]\n"
            + "".join(f"{name.lower()} = {value}\n" for name, value in keys.items())
        )
        names = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
        names |= {"AWS_SHARED_CREDENTIALS_FILE": file.path, "AWS_PROFILE": "device"}
        connect(definition(DefaultDeliveryStreamArn=arn(stream)), moto.url, **names)
        client.send("x\n", "a")
        (entry,) = client.wait_entries(1)
    assert entry["status"] == "success"


def test_keys_come_from_a_container_endpoint(moto, connect, client):
    stream = moto.stream()
    keys = user(moto, ACTIONS)
    with ContainerEndpoint(keys, token="Basic c2VjcmV0") as endpoint:
        names = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
        names |= {"AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoint.url}
        names |= {"AWS_CONTAINER_AUTHORIZATION_TOKEN": endpoint.token}
        connector = connect(definition(DefaultDeliveryStreamArn=arn(stream)), moto.url, **names)
        client.send("x\n", "a")
        until(lambda: endpoint.asked, "a request for credentials")
        # moto knows no session of this user: what counts is that the keys were fetched and used.
        key = keys["AWS_ACCESS_KEY_ID"]
        connector.wait_line(f'info: credentials found source="container endpoint" key={key} expires_in=.*')
        connector.wait_line(rf"warn: delivery stream {stream} waits, trying on: the answer \(HTTP 403\) .*")
        assert endpoint.refused == 0
