"""By a real proxy to moto and mosquitto over TLS, or past it."""

import socket
import ssl
import threading
from contextlib import contextmanager

import pytest

from parts.connector import definition
from parts.proxy import HERE, Proxy
from parts.service import Moto, arn

ALPN = "x-amzn-mqtt-ca"


@pytest.fixture
def https(tmp_path, ca):
    """A moto of its own behind TLS."""
    moto = Moto(tmp_path, ca)
    yield moto
    moto.close()


@pytest.fixture
def proxies(tmp_path):
    """Starts proxies with more lines of configuration."""
    started = []

    def start(more=""):
        folder = tmp_path / f"proxy-{len(started)}"
        folder.mkdir()
        started.append(Proxy(folder, more))
        return started[-1]

    yield start
    for proxy in started:
        proxy.close()


def to(https, ca, stream, proxy_url, **environment):
    """Arguments of a connector whose service goes by the proxy."""
    keys = {name.upper(): value for name, value in https.keys.items()}
    keys |= {"AWS_CA_BUNDLE": ca.file, "HTTPS_PROXY": proxy_url} | environment
    return definition(DefaultDeliveryStreamArn=arn(stream)), f"https://{HERE}:{https.port}", keys


def delivers(client, https, stream, within=30.0):
    client.send("by a proxy", "a")
    (entry,) = client.wait_entries(1, within)
    assert (entry["id"], entry["status"]) == ("a", "success"), entry
    assert https.arrived(stream) == b"by a proxy"


@pytest.mark.parametrize("login", [None, "g%61teway:pass"])
def test_records_go_by_the_proxy(https, ca, proxies, connect, client, login):
    proxy = proxies("" if login is None else "BasicAuth gateway pass")
    url = proxy.url if login is None else proxy.url.replace("://", f"://{login}@")
    stream = https.stream()
    document, service, environment = to(https, ca, stream, url)
    connect(document, service, **environment)
    delivers(client, https, stream)
    assert proxy.connections(https.port) >= 1


def test_a_wrong_login_is_named_without_the_password_and_the_record_waits(https, ca, proxies, connect, client):
    proxy = proxies("BasicAuth gateway right")
    stream = https.stream()
    document, service, environment = to(https, ca, stream, proxy.url.replace("://", "://gateway:wr0ng@"))
    connector = connect(document, service, **environment)
    client.send("waits", "a")
    line = connector.wait_log("HTTPS_PROXY")
    assert f"the proxy of HTTPS_PROXY, 127.0.0.1:{proxy.port} wants another login (40" in line
    assert client.messages() == []
    assert not any("wr0ng" in line for line in connector.log())


def test_a_proxy_that_allows_other_ports_only_is_named(https, ca, proxies, connect, client):
    proxy = proxies("ConnectPort 1")
    document, service, environment = to(https, ca, https.stream(), proxy.url)
    connector = connect(document, service, **environment)
    client.send("waits", "a")
    assert "does not let this connection through (403)" in connector.wait_log("HTTPS_PROXY")


def test_a_proxy_that_is_away_is_named_and_followed_when_it_is_there(https, ca, proxies, connect, client):
    proxy = proxies()
    stream = https.stream()
    port = proxy.port
    proxy.close()
    document, service, environment = to(https, ca, stream, f"http://127.0.0.1:{port}")
    connector = connect(document, service, **environment)
    client.send("by a proxy", "a")
    assert f"the proxy of HTTPS_PROXY, 127.0.0.1:{port} refuses connections" in connector.wait_log("HTTPS_PROXY")
    with relay("127.0.0.1", port, proxies().port):
        (entry,) = client.wait_entries(1, within=60)
    assert entry["status"] == "success"


def test_exceptions_go_without_the_proxy(https, ca, proxies, connect, client):
    proxy = proxies()
    stream = https.stream()
    document, service, environment = to(https, ca, stream, proxy.url, NO_PROXY=f"example.com,{HERE}/8")
    connect(document, service, **environment)
    delivers(client, https, stream)
    assert proxy.connections(https.port) == 0


def test_the_broker_goes_by_its_own_proxy_with_mutual_tls_and_alpn(ca, proxies, broker, connect, client):
    """As AWS IoT Core on port 443, which wants this protocol name."""
    proxy = proxies()
    device = ca.issue("device")
    with relay("127.0.0.1", 0, broker.port, wanted(ca)) as port:
        connect(
            FIREHOSE_CONNECTOR_MQTT_URL=f"mqtts://{HERE}:{port}",
            FIREHOSE_CONNECTOR_MQTT_PROXY=proxy.url,
            FIREHOSE_CONNECTOR_MQTT_ALPN=ALPN,
            FIREHOSE_CONNECTOR_MQTT_CA=ca.file,
            FIREHOSE_CONNECTOR_MQTT_CERT=device.certificate,
            FIREHOSE_CONNECTOR_MQTT_KEY=device.key,
            # Not for the broker.
            HTTPS_PROXY="http://127.0.0.1:1",
        )
        client.send("x", "a")
        (entry,) = client.wait_entries(1)
    assert (entry["id"], entry["status"]) == ("a", "success")
    assert proxy.connections(port) >= 1


def wanted(ca):
    """TLS that wants a device certificate and the protocol name."""
    leaf = ca.issue("broker")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.certificate, leaf.key)
    context.load_verify_locations(ca.file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols([ALPN])
    return context


@contextmanager
def relay(host, port, behind, context=None):
    """Carries bytes between who connects to `port`, over TLS with ALPN if there is a `context`, and the port `behind`."""
    listener = socket.create_server((host, port))

    def carry(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve(connection):
        try:
            if context:
                connection = context.wrap_socket(connection, server_side=True)
                if connection.selected_alpn_protocol() != ALPN:
                    return connection.close()
            other = socket.create_connection((host, behind))
        except OSError:
            return connection.close()
        threading.Thread(target=carry, args=(connection, other), daemon=True).start()
        carry(other, connection)

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
