"""The load test, see scripts/load: COUNT records of 1 KiB at QoS 1, with the service well and with it failing."""

import json
import os
import subprocess
import time

import pytest

from parts.connector import definition
from parts.service import TARGET

COUNT = int(os.environ.get("COUNT", "100000"))


@pytest.mark.parametrize(
    "faults",
    [{}, {"every_record": 97, "every_request": 13, "request_fault": "mixed"}],
    ids=["the service is well", "every 97th record and every 13th request fails"],
)
def test_nothing_is_lost_repeated_or_left_without_a_status(faults, broker, standin, connect):
    standin.set_faults(**faults)
    connector = connect(definition(DeliveryStreamQueueSize=str(COUNT)))
    # 100 MB do not fit in MemorySize, so while the connector backs off the input must not run away from it.
    rate = ["--rate", "5000"] if faults else []
    start = time.monotonic()
    command = [TARGET / "release/examples/load", "--port", str(broker.port), "--count", str(COUNT), *rate]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=900).stdout)
    seconds = time.monotonic() - start
    state = standin.state()
    cpu = connector.cpu_seconds()
    print(f"\n{COUNT} records in {seconds:.1f} s, {cpu / COUNT * 1e6:.1f} ms of CPU per 1,000 records,", end=" ")
    print(f"peak {connector.memory()} kB, {state['requests']} requests, {state['faulted_requests']} failed,", end=" ")
    print(f"{state['failed']} records failed alone\n{report}")
    assert (report["missing"], report["repeated"], report["unknown"], report["failed"]) == (0, 0, 0, {})
    assert (report["succeeded"], state["accepted"]) == (COUNT, COUNT)
    assert (state["repeated"], state["refused_requests"]) == (0, 0), state["last_refusal"]
    # Nothing was sent again that was accepted.
    assert state["received"] == COUNT + state["failed"] + state["dropped"]
