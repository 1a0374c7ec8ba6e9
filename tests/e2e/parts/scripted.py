"""A scripted broker for one client at a time, for what mosquitto does not do."""

import json
import socket
import struct
import threading
import time

from .client import STATUS
from .mqtt_packets import number, packet, read


class ScriptedBroker:
    """`connack(connection)` gives the properties of the answer to a login, `suback` the codes for the two filters;
    `acknowledge(body)` answers a status with a reason code, or with none. `after(broker, connection)` runs when the
    subscription is granted; connections are counted from 1."""

    def __init__(self, connack=lambda _: b"", suback=b"\1\1", acknowledge=lambda _: 0, after=lambda *_: None):
        self.connack, self.suback, self.acknowledge, self.after = connack, suback, acknowledge, after
        self.connections = 0
        self.statuses = []
        self.acknowledged = []
        self.client = None
        self.lock = threading.Lock()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *pieces, pause=0):
        """All of them before anything else."""
        with self.lock:
            for piece in pieces:
                self.client.sendall(piece)
                time.sleep(pause)

    def drop(self):
        """Ends the connection silently."""
        self.client.shutdown(socket.SHUT_RDWR)

    def entries(self):
        return [entry for message in list(self.statuses) for entry in json.loads(message)["response"]]

    def _accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.client = client
            threading.Thread(target=self._serve, args=(client, self.connections), daemon=True).start()

    def _serve(self, client, connection):
        stream = client.makefile("rb")
        try:
            while received := read(stream):
                self._answer(connection, *received)
        except OSError:
            return

    def _answer(self, connection, first, body):
        kind = first >> 4
        if kind == 1:
            properties = self.connack(connection)
            self.send(packet(0x20, b"\0\0" + number(len(properties)) + properties))
        elif kind == 8:
            self.send(packet(0x90, body[:2] + b"\0" + self.suback))
            threading.Thread(target=self.after, args=(self, connection), daemon=True).start()
        elif kind == 4:
            self.acknowledged.append(struct.unpack(">H", body[:2])[0])
        elif kind == 12:
            self.send(b"\xd0\0")
        elif kind == 3:
            begin = 2 + len(STATUS)
            packet_id = body[begin : begin + 2] if first & 6 else b""
            self.statuses.append(body[begin + len(packet_id) + 1 :])
            code = self.acknowledge(body)
            if packet_id and code is not None:
                self.send(packet(0x40, packet_id + (bytes([code, 0]) if code else b"")))
