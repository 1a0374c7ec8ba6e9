"""`MemorySize` is the ceiling of resident memory, in the worst of times. The figures are printed: run with `-s`."""

import pytest

from parts.connector import definition
from parts.waiting import until

pytestmark = pytest.mark.host_only


# With a small budget the largest packet is small, too; `check` prints it, and the broker drops what exceeds it.
SIZES = {
    65535: [(100, 2000), (1024, 20_000), (50_000, 1000), (1_024_000, 60)],
    8192: [(100, 10_000), (1024, 5000), (20_000, 500)],
}


@pytest.mark.parametrize("memory_size", SIZES)
def test_peak_memory_stays_below_memory_size_with_the_service_down(memory_size, connect, client, standin):
    standin.set_faults(down=True)
    connector = connect(definition(MemorySize=str(memory_size), DeliveryStreamQueueSize="50000"))
    idle = connector.memory("VmRSS")
    sent = 0
    for size, count in SIZES[memory_size]:
        # Some at a time, so that the publisher, not the connector, is what waits.
        for start in range(0, count, 500):
            numbers = range(sent + start, sent + min(count, start + 500))
            client.send_all(client.send_binary(str(number).encode().ljust(size, b"."), str(number)) for number in numbers)
        sent += count
        assert connector.alive()
    # The input runs on, and is answered at once: nothing fits any more.
    client.send_all(client.send_binary(str(number).encode().ljust(20_000, b","), "last") for number in range(20))
    sent += 20
    until(lambda: any(entry["id"] == "last" for entry in client.entries()), "the last rejections", within=60)
    peak = connector.memory()
    print(f"\nMemorySize {memory_size}: idle {idle} kB, peak {peak} kB with the service down")
    assert peak <= memory_size
    standin.heal()
    entries = client.wait_entries(sent, within=300)
    failed = {entry["ErrorCode"] for entry in entries if entry["status"] == "fail"}
    assert failed == {"MemoryFull"}
    delivered = sum(entry["status"] == "success" for entry in entries)
    assert standin.wait_accepted(delivered)["repeated"] == 0
    peak = connector.memory()
    drained = connector.memory("VmRSS")
    print(f"MemorySize {memory_size}: {delivered} held and delivered, peak {peak} kB, drained {drained} kB")
    assert peak <= memory_size
    assert drained <= idle + 2048, "memory goes back to the system when the backlog has drained"


@pytest.mark.parametrize("memory_size", [65535, 8192])
def test_hostile_input_and_huge_replies_stay_below_memory_size(memory_size, connect, client, standin):
    standin.set_faults(every_request=2, request_fault="huge")
    connector = connect(definition(MemorySize=str(memory_size), PublishInterval="0"))
    publishes = []
    for number in range(30):
        publishes.append(client.publish("kinesisfirehose/message", b"[" * 500_000))
        publishes.append(client.publish("kinesisfirehose/message", b'{"id":"' + b"\\u0000" * 50_000))
        publishes.append(client.send("x" * 5000, f"id {number}"))
    client.send_all(publishes)
    until(lambda: standin.state()["accepted"] == 30, "the good records", within=120)
    peak = connector.memory()
    print(f"\nMemorySize {memory_size}: peak {peak} kB under hostile input")
    assert peak <= memory_size
    assert connector.alive()
