"""moto judges signatures and permissions; boto3 reads back from S3 what arrived."""

import http.server
import json
import threading

import pytest

from parts.connector import definition
from parts.service import arn
from parts.waiting import until

# The policies of the document's requirements.
VERSION_1_ACTIONS = ["firehose:PutRecord"]
ACTIONS = ["firehose:PutRecord", "firehose:PutRecordBatch"]


def user(moto, actions):
    """Keys of a user who may do these things, as environment variables. moto judges actions, not resources."""
    keys = moto.user([{"Sid": "Stmt1528133056761", "Action": actions, "Effect": "Allow", "Resource": "*"}])
    return {name.upper(): value for name, value in keys.items()}


def lines(moto, stream):
    return sorted(moto.arrived(stream).decode().splitlines())


def test_version_1_needs_put_record_only(moto, connect, client):
    stream = moto.stream()
    document = definition(1, DefaultDeliveryStreamArn=arn(stream))
    connect(document, moto.url, **user(moto, VERSION_1_ACTIONS))
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
    connect(document, moto.url, **user(moto, VERSION_1_ACTIONS))
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
        connector.wait_line(f'info: credentials found source="container endpoint" key={key} end=.*')
        connector.wait_line(rf"warn: delivery stream {stream} waits, trying on: the answer \(HTTP 403\) .*")
        assert endpoint.refused == 0


class CredentialFile:
    """A shared credentials file that can be changed while it is in use."""

    def __enter__(self):
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.path = self.folder.name + "/credentials"
        return self

    def write(self, text):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)

    def __exit__(self, *_):
        self.folder.cleanup()


class ContainerEndpoint:
    """Gives out keys as ECS and Greengrass V2 do, to those who show the token."""

    def __init__(self, keys, token, end="2099-01-01T00:00:00Z"):
        self.token = token
        self.asked = 0
        self.refused = 0
        body = json.dumps(
            {
                "AccessKeyId": keys["AWS_ACCESS_KEY_ID"],
                "SecretAccessKey": keys["AWS_SECRET_ACCESS_KEY"],
                "Token": "session",
                "Expiration": end,
            }
        ).encode()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                allowed = self.headers.get("Authorization") == outer.token
                outer.refused += not allowed
                self.send_response(200 if allowed else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/credentials"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
