"""A stand-in for the nucleus of AWS IoT Greengrass V2: its IPC, by the rules of the classic nucleus and of nucleus lite together,
as their sources have them, and with faults. AWS's own client speaks with it in the tests, too."""

import base64
import binascii
import json
import select
import socket
import struct
import threading

from botocore.eventstream import EventStreamBuffer

MESSAGE, ERROR, PING, PONG, CONNECT, ACK, PROTOCOL_ERROR, INTERNAL_ERROR = range(8)
ACCEPTED, TERMINATE = 1, 2
# Nucleus lite closes the connection at a longer frame (ggipcd, ipc_server.h); the classic nucleus at one of 24 MiB.
LITE_FRAME = 10_000
CLASSIC_FRAME = 24 * 1024 * 1024
# Nucleus lite: an MQTT packet (iotcored, mqtt.c), objects that an event decodes to (core-bus, client_subscribe.c), a topic.
LITE_PACKET = 5_000
LITE_OBJECTS = 50
LITE_TOPIC = 256
PREFIX = "aws.greengrass#"
TOKEN = "0123456789ABCDEF"
OTHER_TOKEN = "FEDCBA9876543210"


def frame(kind, flags, stream, payload=b"", texts=()):
    """As c-event-stream writes it."""
    headers = b""
    for name, number in ((":message-type", kind), (":message-flags", flags), (":stream-id", stream)):
        headers += bytes([len(name)]) + name.encode() + b"\x04" + struct.pack(">i", number)
    for name, text in texts:
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(text)) + text.encode()
    prelude = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    prelude += struct.pack(">I", binascii.crc32(prelude))
    message = prelude + headers + payload
    return message + struct.pack(">I", binascii.crc32(message))


def matches(topic_filter, topic):
    """MQTT's wildcards."""
    wanted, given = topic_filter.split("/"), topic.split("/")
    for place, level in enumerate(wanted):
        if level == "#":
            return len(given) >= place
        if place >= len(given) or level not in ("+", given[place]):
            return False
    return len(wanted) == len(given)


def objects(value):
    """About what nucleus lite decodes a value to: itself, and for each member a key and a value."""
    if isinstance(value, dict):
        return 1 + sum(1 + objects(inner) for inner in value.values())
    if isinstance(value, list):
        return 1 + sum(objects(inner) for inner in value)
    return 1


class Nucleus:
    """`lite`: frames and messages are as small as there, subscriptions get lost as there, and requests that are answered once are
    not terminated. What a client does against the rules of either is a fault in `faults`, and ends its connection."""

    def __init__(self, path, lite=True):
        self.path = path
        self.lite = lite
        self.tokens = {TOKEN: "connector", OTHER_TOKEN: "application"}
        self.faults = []
        # What is allowed, by the resource as the recipe has it; None: everything.
        self.access = None
        # Whether its daemon for the configuration runs: without it nucleus lite says of everything that it is not authorized.
        self.configured = True
        # What comes before the answer to each subscription, as it may of nucleus lite, where messages and answers come by two threads.
        self.early = None
        # Bytes that come before the answer to a token.
        self.greeting = b""
        # Whether it reads what its clients send.
        self.reads = threading.Event()
        self.reads.set()
        # AWS IoT Core: what was published there, and whether it can be reached.
        self.cloud, self.online = [], True
        # How many subscriptions each connection of the connector had when the connector closed it.
        self.left_with = []
        self.requests = []
        self.states = []
        self.accepted = 0
        # Operations that are answered with this error, or not at all.
        self.errors, self.unanswered = {}, set()
        self.lock = threading.RLock()
        self.clients = []
        self.listener = None

    def start(self):
        self.path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()
        return self

    def stop(self):
        """As a daemon that ends."""
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        self.disconnect()

    def disconnect(self):
        for client in list(self.clients):
            client.close()

    def forget_tokens(self):
        """As nucleus lite's daemon does that starts again: tokens are in its memory only."""
        self.tokens.clear()

    def lose_subscriptions(self):
        """As nucleus lite does when its daemon for messages starts again: nobody is told."""
        with self.lock:
            for client in self.clients:
                client.subscriptions.clear()

    def end_subscriptions(self):
        """As the classic nucleus does: with a termination."""
        with self.lock:
            for client in self.clients:
                for stream in client.subscriptions:
                    client.send(MESSAGE, TERMINATE, stream)
                client.subscriptions.clear()

    def subscribed(self, component="connector"):
        """Filters that this component has now; those of AWS IoT Core behind "cloud:"."""
        with self.lock:
            mine = [client for client in self.clients if client.component == component]
            return sorted(f"{'cloud:' if cloud else ''}{topic}" for c in mine for topic, cloud in c.subscriptions.values())

    def publish(self, topic, message, cloud=False):
        """By somebody: bytes, or anything that JSON can say. Answers to how many it was delivered."""
        with self.lock:
            delivered = 0
            for client in list(self.clients):
                for stream, (topic_filter, of_cloud) in list(client.subscriptions.items()):
                    if cloud == of_cloud and matches(topic_filter, topic):
                        delivered += client.deliver(stream, topic, message, cloud)
            return delivered

    def operations(self, component="connector"):
        return [operation for who, operation, _ in list(self.requests) if who == component]

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            client = Client(self, connection)
            with self.lock:
                self.clients.append(client)
            threading.Thread(target=client.serve, daemon=True).start()


class Client:
    def __init__(self, nucleus, connection):
        self.nucleus = nucleus
        self.connection = connection
        self.component = None
        self.stream = 0
        # Those that live, and the requests for any that the client has not ended.
        self.subscriptions, self.asked = {}, set()

    def serve(self):
        buffer = b""
        # Both nuclei wait so: whoever waits inside a read is woken by each message that the other side reads, too, at its expense.
        waits = select.poll()
        waits.register(self.connection, select.POLLIN)
        try:
            while waits.poll() and self.nucleus.reads.wait():
                piece = self.connection.recv(65536)
                if not piece:
                    return self.leaves()
                buffer += piece
                while len(buffer) >= 12:
                    (length,) = struct.unpack(">I", buffer[:4])
                    if length > (LITE_FRAME if self.nucleus.lite else CLASSIC_FRAME):
                        return self.fault(f"a frame of {length} bytes")
                    if len(buffer) < length:
                        break
                    with self.nucleus.lock:
                        self.read(buffer[:length])
                    buffer = buffer[length:]
        except OSError:
            pass
        finally:
            self.close()

    def close(self):
        with self.nucleus.lock:
            if self in self.nucleus.clients:
                self.nucleus.clients.remove(self)
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.connection.close()

    def leaves(self):
        if self.component == "connector":
            self.nucleus.left_with.append(len(self.subscriptions))

    def fault(self, what):
        self.nucleus.faults.append(what)
        self.close()

    def send(self, kind, flags, stream, payload=None, model=None):
        payload = b"" if payload is None else json.dumps(payload, separators=(",", ":")).encode()
        texts = (("service-model-type", PREFIX + model), (":content-type", "application/json")) if model else ()
        try:
            self.connection.sendall(frame(kind, flags, stream, payload, texts))
        except OSError:
            pass

    def read(self, data):
        # botocore's decoder checks lengths and checksums, and is nobody's of this project.
        decoder = EventStreamBuffer()
        decoder.add_data(data)
        message = next(iter(decoder))
        headers = message.headers
        for name, value in headers.items():
            if not isinstance(value, (int, str)) or isinstance(value, bool):
                return self.fault(f"a header of another type: {name}")
        kind, flags, stream = (headers.get(name) for name in (":message-type", ":message-flags", ":stream-id"))
        if kind == CONNECT:
            return self.connect(stream, headers, message.payload)
        if self.component is None:
            return self.fault("a request before the connection")
        if kind == PONG:
            return self.nucleus.requests.append((self.component, "pong", message.payload))
        if kind != MESSAGE:
            return self.fault(f"a message of type {kind}")
        if flags & TERMINATE:
            if stream not in self.asked:
                return self.fault(f"a termination of {stream}, which is no subscription")
            self.asked.remove(stream)
            self.subscriptions.pop(stream, None)
            return self.nucleus.requests.append((self.component, "terminate", stream))
        if stream != self.stream + 1:
            return self.fault(f"stream {stream} after {self.stream}")
        self.stream = stream
        operation = headers.get("operation", "").removeprefix(PREFIX)
        if headers.get("service-model-type") != f"{PREFIX}{operation}Request":
            return self.fault(f"the model of {operation}: {headers}")
        request = json.loads(message.payload)
        self.nucleus.requests.append((self.component, operation, request))
        if operation.startswith("SubscribeTo"):
            self.asked.add(stream)
        if operation in self.nucleus.unanswered:
            return None
        if error := self.nucleus.errors.get(operation):
            return self.error(stream, error, "as the test wants it")
        return getattr(self, operation)(stream, request)

    def connect(self, stream, headers, payload):
        if (stream, headers.get(":version")) != (0, "0.1.0"):
            return self.fault(f"a connection with {headers}")
        if self.nucleus.greeting:
            self.connection.sendall(self.nucleus.greeting)
        self.component = self.nucleus.tokens.get(json.loads(payload).get("authToken"))
        if self.component is None and self.nucleus.lite:
            return self.close()
        self.send(ACK, ACCEPTED if self.component else 0, 0)
        if self.component is None:
            return self.close()
        self.nucleus.accepted += 1
        return None

    def error(self, stream, name, text):
        self.asked.discard(stream)
        payload = {"_message": text, "_errorCode": name} if self.nucleus.lite else {"message": text}
        self.send(ERROR, TERMINATE, stream, payload, name)

    def answer(self, stream, operation, payload, streaming=False):
        flags = 0 if streaming or self.nucleus.lite else TERMINATE
        self.send(MESSAGE, flags, stream, payload, f"{operation}Response")

    def may(self, stream, operation, topic):
        if len(topic.encode()) > LITE_TOPIC:
            self.error(stream, "InvalidArgumentsError", "the topic is too long")
            return False
        if not self.nucleus.configured:
            self.error(stream, "UnauthorizedError", "IPC Operation not authorized.")
            return False
        access = self.nucleus.access
        if access is None or self.component != "connector" or topic in access.get(operation, ()):
            return True
        self.error(stream, "UnauthorizedError", f"the {self.component} is not authorized for {topic}")
        return False

    def SubscribeToTopic(self, stream, request):
        if self.may(stream, "SubscribeToTopic", request["topic"]):
            if self.nucleus.early:
                self.deliver(stream, *self.nucleus.early, cloud=False)
            self.answer(stream, "SubscribeToTopic", {"topicName": request["topic"]}, streaming=True)
            self.subscriptions[stream] = (request["topic"], False)

    def SubscribeToIoTCore(self, stream, request):
        if request.get("qos") not in ("0", "1"):
            return self.fault("a subscription without qos")
        if self.may(stream, "SubscribeToIoTCore", request["topicName"]):
            self.answer(stream, "SubscribeToIoTCore", {}, streaming=True)
            self.subscriptions[stream] = (request["topicName"], True)
        return None

    def PublishToTopic(self, stream, request):
        if not self.may(stream, "PublishToTopic", request["topic"]):
            return
        message = request["publishMessage"]
        if "binaryMessage" in message:
            data = base64.b64decode(message["binaryMessage"]["message"], validate=True)
        else:
            data = message["jsonMessage"]["message"]
        self.answer(stream, "PublishToTopic", {})
        self.nucleus.publish(request["topic"], data)

    def PublishToIoTCore(self, stream, request):
        if request.get("qos") not in ("0", "1"):
            return self.fault("a publish without qos")
        if not self.may(stream, "PublishToIoTCore", request["topicName"]):
            return None
        data = base64.b64decode(request["payload"], validate=True)
        if self.nucleus.lite and len(data) + len(request["topicName"]) + 16 > LITE_PACKET:
            return self.fault(f"{len(data)} bytes for an MQTT packet")
        if not self.nucleus.online:
            return self.error(stream, "ServiceError", "Failed to publish to IoT Core")
        self.nucleus.cloud.append((request["topicName"], data))
        return self.answer(stream, "PublishToIoTCore", {})

    def UpdateState(self, stream, request):
        self.nucleus.states.append(request["state"])
        self.answer(stream, "UpdateState", {})

    def deliver(self, stream, topic, message, cloud):
        if cloud:
            event = {"message": {"topicName": topic, "payload": base64.b64encode(message).decode()}}
            self.send(MESSAGE, 0, stream, event, "IoTCoreMessage")
            return 1
        context = {"topic": topic}
        if isinstance(message, bytes):
            event = {"binaryMessage": {"message": base64.b64encode(message).decode(), "context": context}}
        else:
            event = {"jsonMessage": {"message": message, "context": context}}
        if self.nucleus.lite and (objects(event) > LITE_OBJECTS or len(json.dumps(event)) > LITE_FRAME - 200):
            # Everybody's subscription to it ends, and nobody is told.
            self.subscriptions.pop(stream)
            return 0
        self.send(MESSAGE, 0, stream, event, "SubscriptionResponseMessage")
        return 1
