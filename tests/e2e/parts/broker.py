"""A real mosquitto, and a broker of forty lines for what mosquitto does not do."""

import shutil
import socket
import subprocess
import threading

from .mqtt_packets import read
from .waiting import end, free_port, started

CONFIGURATION = """
listener {port} 127.0.0.1
allow_anonymous {anonymous}
persistence true
persistence_location {folder}/
# The default, 1000, drops what a client is too slow for: that would be the broker's loss, not the connector's.
max_queued_messages 0
log_dest stderr
log_type error
log_type warning
log_type notice
log_type subscribe
{more}
"""


class Mosquitto:
    """Can be stopped, killed and started again on the same port, with its persisted sessions."""

    def __init__(self, folder, anonymous=True, more=""):
        self.port = free_port()
        self.folder = folder
        self.log_file = folder / "mosquitto.log"
        self.configuration = folder / "mosquitto.conf"
        anonymous = "true" if anonymous else "false"
        text = CONFIGURATION.format(port=self.port, folder=folder, anonymous=anonymous, more=more)
        self.configuration.write_text(text + "user root\n")
        self.process = None

    def start(self):
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen([program, "-c", self.configuration], stdout=log, stderr=log)
        started(self.process, self.port, "mosquitto")
        return self

    def stop(self):
        """As init does: mosquitto saves its sessions first."""
        end(self.process)

    def kill(self):
        """As a power cut does: what was not saved is lost."""
        self.process.kill()
        self.process.wait()

    def log(self):
        return self.log_file.read_text(errors="replace").splitlines()

    def subscriptions(self, client_id):
        """How many subscriptions the client has made since the first start."""
        return sum(f" {client_id} " in line and " kinesisfirehose/message" in line for line in self.log())

    def connections(self, client_id):
        """How often the client has connected since the first start."""
        return sum("New client connected" in line and f" as {client_id} " in line for line in self.log())


class RefusingBroker:
    """Refuses every client in the given way: by protocol version, at SUBSCRIBE, at PUBLISH, or by every client id but
    the one that is `known`."""

    def __init__(self, refuse, known=""):
        self.refuse = refuse
        self.known = known.encode()
        self.refusals = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.socket.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        stream = client.makefile("rb")
        with client:
            try:
                while received := read(stream):
                    kind, body = received[0] >> 4, received[1]
                    if kind == 1 and self.refuse == "protocol version":
                        # A 3.1.1 CONNACK, "unacceptable protocol version".
                        client.sendall(bytes([0x20, 2, 0, 1]))
                        self.refusals += 1
                        return
                    if kind == 1 and self.refuse == "client id" and self.known != self._client_id(body):
                        # "Not authorized", as AWS IoT Core says when a policy does not allow the id.
                        client.sendall(bytes([0x20, 3, 0, 0x87, 0]))
                        self.refusals += 1
                        return
                    if kind == 1:
                        client.sendall(bytes([0x20, 3, 0, 0, 0]))
                    elif kind == 3 and self.refuse == "publish":
                        # DISCONNECT, "not authorized".
                        client.sendall(bytes([0xE0, 1, 0x87]))
                        self.refusals += 1
                        return
                    elif kind == 3:
                        topic = int.from_bytes(body[:2], "big")
                        client.sendall(bytes([0x40, 2]) + body[2 + topic :][:2])
                    elif kind == 8:
                        # A reason code for each filter, "QoS 1" or "not authorized": those follow id and properties.
                        code = 0x87 if self.refuse == "subscription" else 1
                        filters = body[2 + 1 + body[2] :]
                        count = 0
                        while filters:
                            filters = filters[2 + int.from_bytes(filters[:2], "big") + 1 :]
                            count += 1
                        client.sendall(bytes([0x90, 3 + count]) + body[:2] + bytes([0]) + bytes([code] * count))
                        self.refusals += code >= 0x80
                    elif kind == 12:
                        client.sendall(bytes([0xD0, 0]))
            except OSError:
                return

    @staticmethod
    def _client_id(connect):
        """It follows protocol name, version, flags, keep-alive, and properties (less than 128 bytes)."""
        rest = connect[11 + connect[10] :]
        return rest[2 : 2 + int.from_bytes(rest[:2], "big")]
