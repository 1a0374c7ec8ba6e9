"""Waiting for a condition, never for a time."""

import socket
import time

PATIENCE = 30.0


def until(condition, what, within=PATIENCE):
    """Returns what `condition` returns once that is true; fails, saying what was waited for, when it never is."""
    deadline = time.monotonic() + within
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"waited {within} s for {what}"
        time.sleep(0.02)


def listens(port):
    """Whether something accepts connections on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port():
    """A port that is free now, for programs that cannot say which one the kernel gave them."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def end(process, within=10.0):
    """Ends a process of ours, politely first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(within)
        except Exception:
            process.kill()
            process.wait()
