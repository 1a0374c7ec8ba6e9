"""On a booted image: the service is up and delivers a record.

Broker and Firehose are stand-ins on the machine that runs the test; the device reaches them at its server's address.
"""

import base64
import http.server
import json
import queue
import socketserver
import struct
import threading

from oeqa.core.decorator.depends import OETestDepends
from oeqa.runtime.case import OERuntimeTestCase
from oeqa.runtime.decorator.package import OEHasPackage

ENVIRONMENT = "/etc/firehose-connector/environment"
MESSAGES = b"kinesisfirehose/message/binary/oeqa"
STATUSES = b"kinesisfirehose/message/status"
# Seconds for what takes one or two.
PATIENCE = 60

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP = 1, 2, 3, 4, 8, 9, 12, 13


def publish(topic, payload, number):
    """An MQTT 5 PUBLISH at QoS 1 of fewer than 128 bytes."""
    body = struct.pack(">H", len(topic)) + topic + struct.pack(">H", number) + b"\0" + payload
    return bytes([PUBLISH << 4 | 2, len(body)]) + body


class Broker(socketserver.StreamRequestHandler):
    """Speaks as much MQTT 5 as it takes to hand over one record and to hear its status."""

    def packet(self):
        first = self.rfile.read(1)
        length = shift = 0
        while first:
            digit = self.rfile.read(1)[0]
            length |= (digit & 0x7F) << shift
            shift += 7
            if digit < 0x80:
                return first[0] >> 4, self.rfile.read(length)
        return None, b""

    def handle(self):
        subscribed = 0
        while True:
            kind, body = self.packet()
            if kind is None:
                return
            if kind == CONNECT:
                self.wfile.write(bytes([CONNACK << 4, 3, 0, 0, 0]))
            elif kind == SUBSCRIBE:
                filters = body.count(b"kinesisfirehose/")
                self.wfile.write(bytes([SUBACK << 4, 3 + filters]) + body[:2] + b"\0" + b"\1" * filters)
                subscribed += 1
                if subscribed == 1:
                    self.wfile.write(publish(MESSAGES, self.server.record, 1))
            elif kind == PUBLISH:
                end = 2 + struct.unpack(">H", body[:2])[0]
                self.wfile.write(bytes([PUBACK << 4, 2]) + body[end:end + 2])
                if body[2:end] == STATUSES:
                    self.server.statuses.put(json.loads(body[body.index(b"{", end):]))
            elif kind == PINGREQ:
                self.wfile.write(bytes([PINGRESP << 4, 0]))


class Firehose(http.server.BaseHTTPRequestHandler):
    """Takes every record."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        records = request.get("Records") or [request["Record"]]
        for record in records:
            self.server.records.put(base64.b64decode(record["Data"]))
        answers = [{"RecordId": str(number)} for number in range(len(records))]
        answer = {"FailedPutCount": 0, "RequestResponses": answers} if "Records" in request else answers[0]
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("", 0), handler)
        self.record = b"from oeqa"
        self.records, self.statuses = queue.Queue(), queue.Queue()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]


class FirehoseConnectorTest(OERuntimeTestCase):

    def on_device(self, command):
        status, output = self.target.run(command)
        self.assertEqual(status, 0, msg=f"{command}: {output}")
        return output

    def service(self, action):
        systemd = "systemd" in self.td.get("VIRTUAL-RUNTIME_init_manager", "")
        return f"systemctl {action} firehose-connector" if systemd else f"/etc/init.d/firehose-connector {action}"

    def tearDown(self):
        self.target.run(f"umount {ENVIRONMENT}; {self.service('restart')}")
        super().tearDown()

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    @OEHasPackage(["firehose-connector", "firehose-connector-bin"])
    def test_a_record_is_delivered_by_the_service(self):
        broker, firehose = Server(Broker), Server(Firehose)
        settings = {
            "DEFAULT_DELIVERY_STREAM_ARN": "arn:aws:firehose:eu-west-1:123456789012:deliverystream/oeqa",
            "PUBLISH_INTERVAL": "0",
            "FIREHOSE_CONNECTOR_MQTT_URL": f"mqtt://{self.target.server_ip}:{broker.port}",
            "AWS_ENDPOINT_URL_FIREHOSE": f"http://{self.target.server_ip}:{firehose.port}",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        # Over the settings of the image, which may be on a root that cannot be written.
        lines = "\\n".join(f"{name}={value}" for name, value in settings.items())
        self.on_device(f"printf '{lines}\\n' >/run/oeqa-environment && mount --bind /run/oeqa-environment {ENVIRONMENT}")
        self.on_device(self.service("restart"))

        self.assertEqual(firehose.records.get(timeout=PATIENCE), broker.record)
        self.assertEqual(broker.statuses.get(timeout=PATIENCE)["response"][0]["status"], "success")
        self.on_device(self.service("status"))
