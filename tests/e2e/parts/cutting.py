"""A way to the broker that is cut when a test says so, and that lets the connector announce a smaller window."""

import socket
import threading


class Cutting:
    """Passes bytes on between the connector and the broker. A `receive_maximum` takes the place of the connector's in CONNECT. So many
    of the `first` connections are accepted and closed, as by whoever stands before a broker that is starting."""

    def __init__(self, broker_port, receive_maximum=None, first=0):
        self.broker_port = broker_port
        self.receive_maximum = receive_maximum
        self.first = first
        self.pairs = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Ends what is connected now, with whatever is on its way."""
        pairs, self.pairs = self.pairs, []
        for one in (one for pair in pairs for one in pair):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                """It had ended."""
            one.close()

    def close(self):
        self.socket.close()
        self.cut()

    def _accept(self):
        while True:
            try:
                here, _ = self.socket.accept()
                if self.first:
                    self.first -= 1
                    here.close()
                    continue
                there = socket.create_connection(("127.0.0.1", self.broker_port))
            except OSError:
                return
            self.pairs.append((here, there))
            for source, sink, first in ((here, there, True), (there, here, False)):
                threading.Thread(target=self._pass, args=(source, sink, first), daemon=True).start()

    def _pass(self, source, sink, is_connect):
        try:
            while piece := source.recv(65536):
                if is_connect and self.receive_maximum:
                    # Property 0x21, Receive Maximum, of 1,000.
                    before, after = piece.split(b"\x21\x03\xe8", 1)
                    piece = before + b"\x21" + self.receive_maximum.to_bytes(2) + after
                is_connect = False
                sink.sendall(piece)
        except OSError:
            """Cut."""
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                """It had ended."""
