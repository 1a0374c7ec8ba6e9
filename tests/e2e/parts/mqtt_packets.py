"""Packets of MQTT 5, as brokers of the tests read and write them."""

import struct


def number(value):
    """A variable byte integer."""
    digits = b""
    while True:
        value, digit = value >> 7, value & 0x7F
        digits += bytes([digit | (0x80 if value else 0)])
        if not value:
            return digits


def packet(first, body):
    return bytes([first]) + number(len(body)) + body


def publish(topic, payload, packet_id=0, properties=b""):
    """At QoS 1, or 0 without a packet id."""
    acknowledged = struct.pack(">H", packet_id) if packet_id else b""
    name = topic.encode()
    head = struct.pack(">H", len(name)) + name + acknowledged
    return packet(0x32 if packet_id else 0x30, head + number(len(properties)) + properties + payload)


def read(stream):
    """The first byte of the next packet and what follows its length; None when the connection has ended."""
    if not (first := stream.read(1)):
        return None
    length = shift = 0
    while digit := stream.read(1):
        length |= (digit[0] & 0x7F) << shift
        shift += 7
        if digit[0] < 0x80:
            body = stream.read(length)
            return (first[0], body) if len(body) == length else None
    return None
