"""Pipes, sockets and terminals that nobody reads."""

import contextlib
import os
import pty
import socket
import termios


def fill(pipe):
    """Byte by byte, so that no room is left."""
    description = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(description, b"x")
    os.close(description)


@contextlib.contextmanager
def full_pipe():
    """A reader, a writer, and what fills the way between them; as below."""
    with _closed(os.pipe()) as (reader, writer):
        yield reader, writer, lambda: fill(writer)


@contextlib.contextmanager
def full_socket():
    """As journald's."""
    ours, theirs = socket.socketpair()

    def send():
        with contextlib.suppress(BlockingIOError):
            while True:
                theirs.send(b"x" * 512, socket.MSG_DONTWAIT)

    with ours, theirs:
        yield ours.fileno(), theirs.fileno(), send


@contextlib.contextmanager
def hung_terminal():
    """Nobody reads the other side, as when a connection by SSH hangs."""
    with _closed(pty.openpty()) as (ours, theirs):
        attributes = termios.tcgetattr(theirs)
        attributes[1] &= ~termios.OPOST
        termios.tcsetattr(theirs, termios.TCSANOW, attributes)
        yield ours, theirs, lambda: fill(theirs)


@contextlib.contextmanager
def stopped_terminal():
    """By Ctrl-S."""
    with _closed(pty.openpty()) as (ours, theirs):
        yield ours, theirs, lambda: termios.tcflow(theirs, termios.TCOOFF)


@contextlib.contextmanager
def _closed(descriptors):
    """Closes both at the end."""
    yield descriptors
    for descriptor in descriptors:
        os.close(descriptor)
