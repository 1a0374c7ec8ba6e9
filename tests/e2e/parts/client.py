"""The application on the device: publishes input, collects statuses. paho-mqtt, so another implementation judges."""

import contextlib
import json
import threading

from paho.mqtt.client import CallbackAPIVersion, Client as Paho, MQTTv5, MQTTv311
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from .waiting import until

MESSAGE = "kinesisfirehose/message"
BINARY = "kinesisfirehose/message/binary/"
STATUS = "kinesisfirehose/message/status"


def leave(paho):
    """Disconnects, and waits until paho's thread has ended."""
    paho.disconnect()
    # After a disconnect the thread ends by itself, and its last act is to remove itself, maybe between loop_stop's look at it and its join.
    with contextlib.suppress(AttributeError):
        paho.loop_stop()


class Client:
    def __init__(self, port, client_id="application", old=False, **login):
        """`old`: of MQTT 3.1.1."""
        self.payloads = []
        self.subscribed = threading.Event()
        self.paho = Paho(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv311 if old else MQTTv5, **({"clean_session": False} if old else {}))
        if login:
            self.paho.username_pw_set(**login)
        self.paho.max_inflight_messages_set(1000)
        self.paho.reconnect_delay_set(min_delay=1, max_delay=1)
        self.paho.on_connect = lambda client, *_: client.subscribe(STATUS, qos=1)
        self.paho.on_subscribe = lambda *_: self.subscribed.set()
        self.paho.on_disconnect = lambda *_: self.subscribed.clear()
        self.paho.on_message = lambda _client, _userdata, message: self.payloads.append(message.payload)
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        properties.ReceiveMaximum = 1000
        session = {} if old else {"clean_start": False, "properties": properties}
        self.paho.connect("127.0.0.1", port, keepalive=20, **session)
        self.paho.loop_start()
        self.wait_subscribed()

    def wait_subscribed(self):
        until(self.subscribed.is_set, "the client's subscription")

    def close(self):
        leave(self.paho)

    def publish(self, topic, payload, retain=False):
        """One QoS 1 publish, not yet acknowledged."""
        return self.paho.publish(topic, payload, qos=1, retain=retain)

    def send(self, data, record_id=None, arn=None):
        """One JSON message as the document has it."""
        request = {"data": data}
        if arn is not None:
            request["delivery_stream_arn"] = arn
        message = {"request": request}
        if record_id is not None:
            message["id"] = record_id
        return self.publish(MESSAGE, json.dumps(message))

    def send_binary(self, data, record_id=""):
        return self.publish(BINARY + record_id, data)

    def send_all(self, publishes, within=60.0):
        """Waits until the broker has acknowledged each."""
        publishes = list(publishes)
        until(lambda: all(publish.is_published() for publish in publishes), "the broker's acknowledgements", within)

    def messages(self):
        """Status messages as they came."""
        return [json.loads(payload) for payload in list(self.payloads)]

    def entries(self):
        """Status entries of versions 2 to 5, in the order they came."""
        return [entry for message in self.messages() for entry in message["response"]]

    def wait_messages(self, count, within=30.0):
        until(lambda: len(self.payloads) >= count, f"{count} status messages, {len(self.payloads)} came", within)
        return self.messages()

    def wait_entries(self, count, within=30.0):
        """At least that many entries; more than were asked for fail the test."""

        def enough():
            return len(self.entries()) >= count

        try:
            until(enough, f"{count} status entries", within)
        except AssertionError as error:
            raise AssertionError(f"{error}; {len(self.entries())} came: {self.entries()[:5]}") from None
        entries = self.entries()
        assert len(entries) == count, f"{len(entries)} status entries instead of {count}: {entries[-5:]}"
        return entries

    def wait_answered(self, *ids, within=60.0):
        """The first entry of each of these ids. For where a broker or the connector was stopped: what was not yet acknowledged then comes
        again, a status, too."""

        def first():
            return {entry["id"]: entry for entry in reversed(self.entries())}

        until(lambda: first().keys() >= {*ids}, f"statuses of {ids}", within)
        return [first()[record_id] for record_id in ids]
