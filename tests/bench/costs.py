"""What a delivered byte costs: bytes that Amazon bills, and bytes on the wire, with packing and without, over connections
that are kept and over such that something on the way closes when they are idle."""

from contextlib import ExitStack
from dataclasses import dataclass

from runs import Site

# Bytes of a record, records, records a second: batches of 200 with PublishInterval 1.
RECORDS = [(100, 1600, 200), (1000, 1600, 200)]
PACKED = {"FIREHOSE_CONNECTOR_PACK": "5120", "FIREHOSE_CONNECTOR_DELIMITER_AT_END": "1"}
# A new connection for each batch.
CLOSE_AFTER_MS = 300


@dataclass(frozen=True)
class Steady:
    size: int
    rate: int
    qos: int = 1
    kind: str = "json"


def measure(connector, say):
    """The rows of the table, and what went wrong."""
    rows, faults = [], []
    for size, records, rate in RECORDS:
        for packed in (False, True):
            for close_after in (None, CLOSE_AFTER_MS):
                row, broken = one(connector, Steady(size, rate), records, packed, close_after)
                say(f"cost, {row['name']}: {row['billed']:.2f} billed, {row['wire']:.2f} on the wire")
                rows.append(row)
                faults += [f"cost, {row['name']}: {fault}" for fault in broken]
    return rows, faults


def one(connector, load, records, packed, close_after):
    with ExitStack() as stack:
        site = Site(stack, close_after=close_after)
        process = site.start_program("connector", [connector], PACKED if packed else {})
        account, _ = site.publish(process, load, records)
        service, wire = site.service(), site.wire()
    data = records * load.size
    delivered = service["accepted_bytes"] - (records if packed else 0)
    broken = []
    if delivered != data:
        broken.append(f"{delivered} bytes of data were delivered instead of {data}")
    if account["succeeded"] != records or account["repeated"] or account["unknown"]:
        broken.append(f"{account}")
    kept = "kept" if close_after is None else "closed when idle"
    return {
        "name": f"{load.size} bytes, {'packed' if packed else 'each alone'}, connections {kept}",
        "records": records,
        "service_records": service["accepted"],
        "connections": wire["connections"],
        "billed": service["billed_bytes"] / data,
        "wire": (wire["from_clients"] + wire["to_clients"]) / data,
    }, broken
