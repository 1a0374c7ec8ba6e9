"""The application in Greengrass: another component, which speaks with the nucleus by AWS's own client."""

import json
from types import SimpleNamespace

import awsiot.greengrasscoreipc
from awsiot.greengrasscoreipc import model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from .client import STATUS, Client
from .nucleus import OTHER_TOKEN

PUBLISHED = SimpleNamespace(is_published=lambda: True)


class Application(Client):
    """What `Client` does, by IPC. JSON that is an object goes as a JSON message, all else as a binary one."""

    def __init__(self, nucleus):
        self.payloads = []
        client = awsiot.greengrasscoreipc.connect(ipc_socket=str(nucleus.path), authtoken=OTHER_TOKEN)
        # Without its threads: they might take two messages in the other order.
        self.ipc = GreengrassCoreIPCClientV2(client=client, executor=None)
        self.ipc.subscribe_to_topic(topic=STATUS, on_stream_event=self._take)

    def _take(self, event):
        assert event.json_message is None, "nucleus lite ends subscriptions at long JSON messages"
        self.payloads.append(event.binary_message.message)

    def close(self):
        self.ipc.close()

    def publish(self, topic, payload, retain=False):
        try:
            message = json.loads(payload)
        except (ValueError, RecursionError):
            message = None
        if isinstance(message, dict):
            message = model.PublishMessage(json_message=model.JsonMessage(message=message))
        else:
            payload = payload.encode() if isinstance(payload, str) else payload
            message = model.PublishMessage(binary_message=model.BinaryMessage(message=payload))
        self.ipc.publish_to_topic(topic=topic, publish_message=message)
        return PUBLISHED
