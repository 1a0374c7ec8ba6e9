"""Peers that say something else each time, in many lines."""

import itertools
import json
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .mqtt_packets import publish, read

FORGED = "\ninfo: delivery stream stream-name takes records again\n\x1b[2J" * 20
STREAM = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/stream-{}"


class FlappingServer(BaseHTTPRequestHandler):
    """HTTP; `answers` counts."""

    protocol_version = "HTTP/1.1"

    @classmethod
    def service(cls):
        return cls._serve(cls._of_service)

    @classmethod
    def credentials(cls):
        return cls._serve(cls._of_credentials)

    @classmethod
    def _serve(cls, answer):
        class Server(ThreadingHTTPServer):
            daemon_threads = True
            answers = 0
            count = itertools.count()

            def handle_error(self, *_):
                """A connector that ended is no fault."""

        server = Server(("127.0.0.1", 0), type("Handler", (cls,), {"answer": staticmethod(answer)}))
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    @staticmethod
    def _of_service(number):
        return [
            (500, {"__type": "InternalFailure", "message": f"{number}{FORGED}"}),
            (400, {"__type": "ExpiredTokenException", "message": f"{number}{FORGED}"}),
            (400, {"__type": f"Other{number}{FORGED}", "message": f"{number}{FORGED}"}),
            (403, f"<html>{number}{FORGED}</html>"),
            (200, {"RecordId": f"{number}"}),
        ][number % 5]

    @staticmethod
    def _of_credentials(number):
        keys = {"AccessKeyId": f"AKIA{number}", "SecretAccessKey": f"secret of {number}", "Token": f"token of {number}"}
        return [
            (500, {"message": f"{number}{FORGED}"}),
            (200, keys | {"Expiration": "2099-01-01T00:00:00Z"}),
            (200, keys | {"Expiration": f"{number}{FORGED}"}),
        ][number % 3]

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        status, body = self.answer(next(self.server.count))
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status, "so")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.answers += 1

    do_GET = do_POST

    def log_message(self, *_):
        """Says nothing."""


class FlappingBroker:
    """MQTT 5: each session brings records for other delivery streams, refuses every second status, and ends soon, for another
    reason each time."""

    def __init__(self):
        self.count = itertools.count()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self._serve, args=(connection, next(self.count)), daemon=True).start()

    def _serve(self, connection, session):
        end = time.monotonic() + 1
        connection.settimeout(0.1)
        stream = connection.makefile("rb")
        with connection:
            try:
                while time.monotonic() < end:
                    if not (received := read(stream)):
                        return
                    kind, body = received[0] >> 4, received[1]
                    if kind == 1:
                        connection.sendall(b"\x20\x03\0\0\0")
                    elif kind == 8:
                        connection.sendall(b"\x90\x05" + body[:2] + b"\0\1\1")
                        for number in range(1, 41):
                            connection.sendall(self._publish(session, number))
                    elif kind == 3:
                        topic = struct.unpack(">H", body[:2])[0]
                        refusal = session % 2 * 0x87
                        connection.sendall(b"\x40\x04" + body[topic + 2 : topic + 4] + bytes([refusal, 0]))
                connection.sendall(b"\xe0\x02" + [b"\x8b", b"\x97", b"\x89"][session % 3] + b"\0")
            except OSError:
                """Silent for a while, or gone: closed silently."""

    @staticmethod
    def _publish(session, number):
        arn = STREAM.format((session + number) % 20)
        body = json.dumps({"request": {"data": "x", "delivery_stream_arn": arn}, "id": f"{session}"}).encode()
        return publish("kinesisfirehose/message" if number < 40 else "foreign\n\x1b[2J", body, number)
