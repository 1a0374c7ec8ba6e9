"""A booted system that speaks TLS with a broker and with moto."""

import json

from machine import Machine, settings
from parts.client import Client
from parts.connector import definition
from parts.service import Moto, arn
from surroundings import Surroundings


class TlsSite:
    """`authority`: how it signs; `interval`: the connector's `PublishInterval`; `machine`: how it boots."""

    def __init__(self, parts, folder, system, authority=None, interval=1, **machine):
        self.surroundings = Surroundings(folder, **(authority or {}))
        parts.callback(self.surroundings.close)
        self.broker = self.surroundings.broker
        self.moto = Moto(folder, self.surroundings.authority)
        parts.callback(self.moto.close)
        self.stream = self.moto.stream()
        keys = self.moto.user([{"Effect": "Allow", "Action": ["firehose:PutRecord*"], "Resource": "*"}])
        environment = self.surroundings.tls(self.moto.url) | {name.upper(): key for name, key in keys.items()}
        document = definition(DefaultDeliveryStreamArn=arn(self.stream), PublishInterval=str(interval))
        configuration = {"connectors.json": json.dumps(document), "environment": settings(environment)}
        self.machine = Machine(folder, system, configuration | self.surroundings.files, **machine)
        parts.callback(self.machine.close)
        self.client = Client(self.broker.port)
        parts.callback(self.client.close)

    def deliver(self, data, within=60.0):
        """Publishes a record and waits for its status and its arrival."""
        self.client.send(data, data)
        (entry,) = self.client.wait_answered(data, within=within)
        assert entry["status"] == "success", entry
        assert data.encode() in self.moto.arrived(self.stream)
