"""A link between two network namespaces that is as slow, far and lossy as it is told to be, packet by packet.

What `tc netem` does, without its kernel module, which many kernels do not have. Needs root and /dev/net/tun.
"""

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time
from contextlib import contextmanager

NEAR, FAR = "10.77.0.1", "10.77.0.2"
# Bytes that wait at the entrance of a slow link; what finds no room is lost, as in a modem.
QUEUE = 32 * 1024

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
CLONE_NEWNET = 0x40000000


class Link:
    """`rate`: bit/s; `delay`: seconds one way; `loss`: part of the packets. All may be changed, and 1.0 of loss is a cut."""

    def __init__(self, rate, delay=0.0, loss=0.0):
        self.rate, self.delay, self.loss = rate, delay, loss
        self.ended = False
        # The same packets are lost in each run, as far as the same are sent.
        self.chance = random.Random(77)
        self.namespaces = [f"connector-{side}-{os.getpid()}" for side in ("near", "far")]
        self.ends = [self._end(*end) for end in zip(self.namespaces, [NEAR, FAR])]
        self.wake, self.woken = os.pipe()
        self.thread = threading.Thread(target=self._carry)
        self.thread.start()

    def _end(self, namespace, address):
        device = f"tun{'n' if address == NEAR else 'f'}{os.getpid() % 1_000_000}"
        end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH14x", device.encode(), IFF_TUN | IFF_NO_PI))
        ip("netns", "add", namespace)
        ip("link", "set", device, "netns", namespace)
        for command in (["link", "set", "lo", "up"], ["address", "add", f"{address}/24", "dev", device], ["link", "set", device, "up"]):
            ip("-n", namespace, *command)
        return end

    def close(self):
        self.ended = True
        os.write(self.woken, b".")
        self.thread.join()
        for descriptor in (*self.ends, self.wake, self.woken):
            os.close(descriptor)
        for namespace in self.namespaces:
            ip("netns", "delete", namespace)

    def near(self):
        """What is opened or started within is on the near side."""
        return _inside(self.namespaces[0])

    def far(self):
        return _inside(self.namespaces[1])

    def _carry(self):
        # When the entrance of each direction is free again, and packets on their way: (arrival, number, where to, bytes).
        free, under_way, number = [0.0, 0.0], [], 0
        while not self.ended:
            wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
            readable, _, _ = select.select([*self.ends, self.wake], [], [], wait)
            now = time.monotonic()
            for side, end in enumerate(self.ends):
                if end not in readable:
                    continue
                packet = os.read(end, 65536)
                seconds = len(packet) * 8 / self.rate
                is_full = free[side] - now > QUEUE * 8 / self.rate
                if is_full or self.chance.random() < self.loss:
                    continue
                free[side] = max(free[side], now) + seconds
                number += 1
                heapq.heappush(under_way, (free[side] + self.delay, number, 1 - side, packet))
            while under_way and under_way[0][0] <= now:
                _, _, side, packet = heapq.heappop(under_way)
                try:
                    os.write(self.ends[side], packet)
                except OSError:
                    pass  # as lost as any other


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


@contextmanager
def _inside(namespace):
    """This thread, and what it starts, in the namespace."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(descriptor):
        if libc.setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")

    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    inside = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        enter(inside)
        yield
    finally:
        enter(before)
        os.close(before)
        os.close(inside)
