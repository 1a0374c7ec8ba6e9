"""Where credentials come from when there are none in the environment: servers of the real protocols, keys that moto knows."""

import http.server
import json
import os
import ssl
import threading
import time

import pytest

from parts.connector import definition
from parts.service import arn
from parts.waiting import until

NONE_IN_THE_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
PATH = "/role-aliases/gateway-role/credentials"


def after(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


class Server:
    """Answers each request with what `answer(method, path, headers)` returns: a status and a body. `asked`: what came, and when."""

    def __init__(self, answer, leaf=None, clients=None):
        self.asked = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _answer(self):
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.asked.append((time.time(), self.command, self.path, headers))
                status, body = answer(self.command, self.path, headers)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_PUT = _answer

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if leaf:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(leaf.certificate, leaf.key)
            context.load_verify_locations(clients)
            context.verify_mode = ssl.CERT_REQUIRED
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def stream(moto):
    return moto.stream()


@pytest.fixture
def keys(moto):
    """Keys that moto knows and allows to put records."""
    return moto.user([{"Effect": "Allow", "Action": ["firehose:PutRecord*"], "Resource": "*"}])


def device(ca, server):
    """The settings of a device with a certificate of `ca`."""
    certificate = ca.issue("device")
    return NONE_IN_THE_ENVIRONMENT | {
        "FIREHOSE_CONNECTOR_IOT_ENDPOINT": f"localhost:{server.port}",
        "FIREHOSE_CONNECTOR_IOT_ROLE_ALIAS": "gateway-role",
        "FIREHOSE_CONNECTOR_IOT_THING_NAME": "gateway-7",
        "FIREHOSE_CONNECTOR_IOT_CERT": certificate.certificate,
        "FIREHOSE_CONNECTOR_IOT_KEY": certificate.key,
        "AWS_CA_BUNDLE": ca.file,
    }


def provider(ca, keys, seconds, refuses=lambda: False):
    """The AWS IoT credentials provider: refuses a thing that is not that of the certificate."""

    def answer(method, path, headers):
        if refuses() or (method, path, headers.get("x-amzn-iot-thingname")) != ("GET", PATH, "gateway-7"):
            return 403, '{"message":"Access Denied"}'
        found = {"accessKeyId": keys["aws_access_key_id"], "secretAccessKey": keys["aws_secret_access_key"]}
        found |= {"sessionToken": None, "expiration": after(seconds)}
        return 200, json.dumps({"credentials": found})

    return Server(answer, ca.issue("provider"), ca.file)


def delivers(client, moto, stream, text, within=30.0):
    before = len(client.entries())
    client.send(text, text)
    (entry,) = client.wait_entries(before + 1, within)[before:]
    assert (entry["id"], entry["status"]) == (text, "success"), entry
    assert text.encode() in moto.arrived(stream)


def test_a_device_certificate_is_enough_and_its_credentials_are_renewed_before_they_expire(
    moto, connect, client, ca, stream, keys
):
    # The renewal begins at nine tenths of it at the latest.
    seconds = 90
    with provider(ca, keys, seconds) as server:
        connector = connect(definition(DefaultDeliveryStreamArn=arn(stream)), moto.url, **device(ca, server))
        delivers(client, moto, stream, "first")
        until(lambda: len(server.asked) >= 2, "a renewal", within=2 * seconds)
        first, second = (when for when, *_ in server.asked[:2])
        assert second - first < seconds
        delivers(client, moto, stream, "second")
        assert "source=\"AWS IoT credentials provider\"" in connector.wait_log("credentials found")


def test_a_refusal_by_the_provider_is_logged_once_and_retried_with_backoff(moto, connect, client, ca, stream, keys):
    refused = threading.Event()
    refused.set()
    with provider(ca, keys, 3600, refused.is_set) as server:
        connector = connect(definition(DefaultDeliveryStreamArn=arn(stream)), moto.url, **device(ca, server))
        line = connector.wait_log("credentials not found")
        assert "answers 403" in line and "iot:AssumeRoleWithCertificate" in line
        client.send("waits", "waits")
        until(lambda: len(server.asked) >= 5, "five attempts", within=60)
        waits = [later - earlier for (earlier, *_), (later, *_) in zip(server.asked, server.asked[1:])]
        # Half of 1, 2, 4 and 8 s at least, and all of them at most, which a slow machine may miss now and then.
        bounds = list(zip(waits, (0.5, 1, 2, 4)))
        assert all(wait >= least for wait, least in bounds) and any(wait <= 2 * least for wait, least in bounds), waits
        assert sum("credentials not found" in line for line in connector.log()) == 1
        refused.clear()
        (entry,) = client.wait_entries(1, within=60)
    assert (entry["id"], entry["status"]) == ("waits", "success")


def test_without_the_device_certificate_nothing_is_handed_out(moto, connect, ca, unknown_ca, keys):
    with provider(ca, keys, 3600) as server:
        settings = device(unknown_ca, server) | {"AWS_CA_BUNDLE": ca.file}
        connector = connect(definition(), moto.url, **settings)
        assert "client certificate" in connector.wait_log("credentials not found")
        assert server.asked == []


def test_a_credential_process_is_run_outside_isolation(moto, connect, client, stream, keys, tmp_path):
    printed = {"Version": 1, "AccessKeyId": keys["aws_access_key_id"], "SecretAccessKey": keys["aws_secret_access_key"]}
    (tmp_path / "printed").write_text(json.dumps(printed))
    (tmp_path / "config").write_text(f"[profile gateway]\ncredential_process = cat '{tmp_path}/printed'\n")
    settings = NONE_IN_THE_ENVIRONMENT | {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_PROFILE": "gateway"}
    connect(definition(4, DefaultDeliveryStreamArn=arn(stream)), moto.url, FIREHOSE_CONNECTOR_ISOLATION_MODE="NoContainer", **settings)
    delivers(client, moto, stream, "by a process")


def test_in_isolation_a_credential_process_is_refused_with_the_way_out(connect, tmp_path):
    (tmp_path / "config").write_text("[default]\ncredential_process = touch " + str(tmp_path / "started") + "\n")
    connector = connect(**NONE_IN_THE_ENVIRONMENT, AWS_CONFIG_FILE=str(tmp_path / "config"))
    assert "FIREHOSE_CONNECTOR_ISOLATION_MODE, to NoContainer" in connector.wait_log("credentials not found")
    assert not os.path.exists(tmp_path / "started")


def test_the_role_of_an_ec2_instance_is_asked_for_with_a_token(moto, connect, client, stream, keys):
    role = "/latest/meta-data/iam/security-credentials/"

    def answer(method, path, headers):
        if (method, path) == ("PUT", "/latest/api/token") and "x-aws-ec2-metadata-token-ttl-seconds" in headers:
            return 200, "TOKEN"
        if headers.get("x-aws-ec2-metadata-token") != "TOKEN":
            return 401, ""
        if path == role:
            return 200, "gateway"
        found = {"AccessKeyId": keys["aws_access_key_id"], "SecretAccessKey": keys["aws_secret_access_key"]}
        return 200, json.dumps({"Code": "Success", "Token": None, "Expiration": after(3600)} | found)

    with Server(answer) as server:
        settings = NONE_IN_THE_ENVIRONMENT | {"AWS_EC2_METADATA_DISABLED": None}
        settings["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = f"http://127.0.0.1:{server.port}"
        connect(definition(DefaultDeliveryStreamArn=arn(stream)), moto.url, **settings)
        delivers(client, moto, stream, "by an instance")
        assert [path for _, _, path, _ in server.asked] == ["/latest/api/token", role, role + "gateway"]
