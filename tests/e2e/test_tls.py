"""TLS on both sides, with certificates of a CA of the test's own."""

import email.utils
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time

import pytest

from parts.broker import Mosquitto
from parts.connector import CLIENT_ID, definition
from parts.service import Moto, arn
from parts.waiting import end, free_port, until

LISTENER = """
listener {port} 127.0.0.1
cafile {ca}
certfile {certificate}
keyfile {key}
require_certificate true
"""


@pytest.fixture
def broker(tmp_path, ca):
    """A mosquitto whose second listener, on `tls_port`, takes clients with a certificate only."""
    folder = tmp_path / "broker"
    folder.mkdir()
    port = free_port()
    leaf = ca.issue("broker")
    broker = Mosquitto(folder, more=LISTENER.format(port=port, ca=ca.file, certificate=leaf.certificate, key=leaf.key))
    broker.tls_port = port
    broker.start()
    yield broker
    end(broker.process)


@pytest.fixture
def https(tmp_path, ca):
    """A moto of its own behind TLS."""
    moto = Moto(tmp_path, ca)
    yield moto
    moto.close()


def mutual(broker, trusted, device):
    """The connector's side of mutual TLS, as environment variables."""
    return {
        "FIREHOSE_CONNECTOR_MQTT_URL": f"mqtts://localhost:{broker.tls_port}",
        "FIREHOSE_CONNECTOR_MQTT_CA": trusted.file,
        "FIREHOSE_CONNECTOR_MQTT_CERT": device and device.certificate,
        "FIREHOSE_CONNECTOR_MQTT_KEY": device and device.key,
    }


def attempts(broker):
    """How many clients connected to the broker's TLS listener; mosquitto logs those that left at once differently."""
    arrived, gone = f"on port {broker.tls_port}", "Client connection from"
    return sum(("New connection from" in line and arrived in line) or gone in line for line in broker.log())


def complaints(connector, text):
    return sum(text in line for line in connector.log())


def test_a_record_gets_its_status_with_tls_on_both_sides(https, connect, client, broker, ca):
    stream = https.stream()
    keys = {name.upper(): value for name, value in https.keys.items()}
    environment = mutual(broker, ca, ca.issue("device")) | {"AWS_CA_BUNDLE": ca.file} | keys
    connector = connect(definition(DefaultDeliveryStreamArn=arn(stream)), https.url, **environment)
    client.send("over TLS", "id 0")
    (entry,) = client.wait_entries(1)
    assert (entry["id"], entry["status"]) == ("id 0", "success")
    assert https.arrived(stream) == b"over TLS"
    assert not connector.complaints()


def test_a_broker_of_an_unknown_ca_is_named_once_and_gets_nothing(broker, connectors, standin, client, ca, unknown_ca):
    connector = connectors(broker.port, standin.url, None, **mutual(broker, unknown_ca, ca.issue("device")))
    connector.wait_log("no trusted CA has signed.*FIREHOSE_CONNECTOR_MQTT_CA")
    until(lambda: attempts(broker) >= 3, "further attempts")
    assert complaints(connector, "no trusted CA") == 1
    assert broker.connections(CLIENT_ID) == 0


@pytest.mark.parametrize(
    ("own", "words"),
    [(False, "FIREHOSE_CONNECTOR_MQTT_CERT"), (True, "the broker does not accept our client certificate")],
)
def test_a_device_without_the_right_certificate_is_reported(own, words, broker, connectors, standin, ca, unknown_ca):
    device = unknown_ca.issue("device") if own else None
    connector = connectors(broker.port, standin.url, None, **mutual(broker, ca, device))
    connector.wait_log(words)
    assert broker.connections(CLIENT_ID) == 0


def test_a_service_of_an_unknown_ca_is_named_once_and_gets_nothing(connect, client, broker, unknown_ca):
    service = TlsListener(unknown_ca.issue("service"))
    connector = connect(service_url=f"https://127.0.0.1:{service.port}")
    client.send_all([client.send("secret", "id 0")])
    connector.wait_log("no trusted CA has signed.*AWS_CA_BUNDLE")
    until(lambda: service.refusals >= 3, "further attempts")
    assert complaints(connector, "no trusted CA") == 1
    assert client.messages() == []
    service.close()
    assert service.received == b""


YEARS = 365 * 24 * 3600


@pytest.mark.parametrize(
    "lie",
    [time.time() + 20 * YEARS, time.time() + 73 * YEARS, 253_402_300_799],
    ids=["later", "much later", "in the year 9999"],
)
def test_a_wrong_time_from_the_service_over_tls_expires_no_certificate(lie, connect, client, broker, ca):
    service = LyingService(ca.issue("service"), lie)
    environment = mutual(broker, ca, ca.issue("device")) | {"AWS_CA_BUNDLE": ca.file}
    connector = connect(definition(PublishInterval="0"), service.url, **environment)
    for count, name in enumerate(["the lie comes with the answer", "and this one needs another handshake"], 1):
        client.send(name, name)
        entries = client.wait_entries(count)
        assert (entries[-1]["id"], entries[-1]["status"]) == (name, "success")
    broker.stop()
    before = broker.connections(CLIENT_ID)
    broker.start()
    until(lambda: broker.connections(CLIENT_ID) > before, "the connector to come back")
    service.close()
    assert not [line for line in connector.complaints() if "certificate" in line]


class LyingService:
    """Accepts every record, answers with `seconds` since 1970 as its time, and closes the connection."""

    def __init__(self, leaf, seconds):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                answer = json.dumps({"RecordId": "id"}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def date_time_string(self, timestamp=None):
                return email.utils.formatdate(seconds, usegmt=True)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf.certificate, leaf.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class TlsListener:
    """Completes a handshake with any client, and keeps what it sends."""

    def __init__(self, leaf):
        self.refusals = 0
        self.received = b""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(leaf.certificate, leaf.key)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self.socket.close()

    def _serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(client, server_side=True) as tls:
                    self.received += tls.recv(65536)
            except OSError:
                self.refusals += 1


def test_a_client_certificate_of_x509_version_1_is_the_brokers_to_judge(connect, client, broker, ca, tmp_path):
    """As `openssl x509 -req` makes it without extensions."""
    key, request, certificate = (tmp_path / name for name in ["device.key", "device.csr", "device.pem"])
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=device")
    signed = ["-CA", ca.file, "-CAkey", ca.key_file(), "-CAcreateserial", "-out", certificate, "-days", "9"]
    openssl("x509", "-req", "-in", request, *signed)
    assert "Version: 1" in openssl("x509", "-in", certificate, "-noout", "-text")
    environment = mutual(broker, ca, None)
    environment |= {"FIREHOSE_CONNECTOR_MQTT_CERT": certificate, "FIREHOSE_CONNECTOR_MQTT_KEY": key}
    connect(None, None, **environment)
    client.send("x", "a")
    assert client.wait_entries(1)[0]["status"] == "success"


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=True).stdout
