"""What a booted system finds on this machine: a broker, with and without TLS, and a CA."""

from pathlib import Path

from machine import HOST
from parts.broker import Mosquitto
from parts.certificates import Authority
from parts.connector import CLIENT_ID
from parts.waiting import end, free_port, until
from systems import NAME

TLS_LISTENER = """
listener {port} 127.0.0.1
cafile {ca}
certfile {leaf.certificate}
keyfile {leaf.key}
require_certificate true
"""


class Surroundings:
    def __init__(self, folder, **authority):
        self.authority = Authority(folder, **authority)
        device = self.authority.issue("device")
        # What the device has of it.
        files = {"ca.pem": self.authority.file, "device.pem": device.certificate, "device.key": device.key}
        self.files = {name: Path(file).read_text() for name, file in files.items()}
        self.tls_port = free_port()
        listener = TLS_LISTENER.format(port=self.tls_port, ca=self.authority.file, leaf=self.authority.issue("broker"))
        self.broker = Mosquitto(folder, more=listener).start()

    def close(self):
        end(self.broker.process)

    def plain(self, service_url):
        """Settings of a connector: no TLS anywhere."""
        return {
            "FIREHOSE_CONNECTOR_DEFINITION": f"/etc/{NAME}/connectors.json",
            "FIREHOSE_CONNECTOR_MQTT_URL": f"mqtt://{HOST}:{self.broker.port}",
            "FIREHOSE_CONNECTOR_MQTT_CLIENT_ID": CLIENT_ID,
            "AWS_ENDPOINT_URL_FIREHOSE": service_url.replace("127.0.0.1", HOST),
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        }

    def tls(self, service_url):
        """The same with TLS to the broker, which wants a certificate, and to the service if its URL says so."""
        return self.plain(service_url) | {
            "FIREHOSE_CONNECTOR_MQTT_URL": f"mqtts://{HOST}:{self.tls_port}",
            "FIREHOSE_CONNECTOR_MQTT_CA": f"/etc/{NAME}/ca.pem",
            "FIREHOSE_CONNECTOR_MQTT_CERT": f"/etc/{NAME}/device.pem",
            "FIREHOSE_CONNECTOR_MQTT_KEY": f"/etc/{NAME}/device.key",
            "AWS_CA_BUNDLE": f"/etc/{NAME}/ca.pem",
        }

    def wait_subscribed(self, before=0, within=60.0):
        """Until the connector has made its two subscriptions once more than the `before` it had made."""
        until(lambda: self.broker.subscriptions(CLIENT_ID) >= before + 2, "the connector's subscriptions", within)
