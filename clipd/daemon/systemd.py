"""Tell systemd how clipd is, by the protocol of sd_notify(3)."""

from __future__ import annotations

import os
import socket
import time


def notify(*assignments: str) -> bool:
    """Send assignments such as ``READY=1`` and ``STATUS=...``; return whether systemd listens.

    Never raises: a manager that is gone is no reason for clipd to stop.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    # A leading @ stands for the zero byte of an abstract address.
    target = "\0" + address[1:] if address[0] == "@" else address
    lines = [each.replace("\n", " ") for each in assignments]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1.0)
            # Connected, because only then does poll(2) know that the other's queue is full;
            # otherwise a send with a timeout spins until the timeout is over.
            sock.connect(target)
            sock.send(os.fsencode("\n".join(lines)))
    except OSError:
        return False
    return True


def notify_ready(status: str) -> bool:
    """Say that clipd answers, and what it does."""
    return notify("READY=1", f"STATUS={status}")


def notify_status(status: str) -> bool:
    """Say in one line what clipd does, for ``systemctl --user status clipd``."""
    return notify(f"STATUS={status}")


def notify_reloading() -> bool:
    """Say that the configuration is read again; ``notify_ready`` ends it."""
    # The time is what Type=notify-reload (systemd 253) tells an old message from a new one by.
    return notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def notify_stopping() -> bool:
    """Say that clipd is on its way out."""
    return notify("STOPPING=1", "STATUS=stopping")


def notify_watchdog() -> bool:
    """Say that clipd is well; it is killed and started again when this stays out."""
    return notify("WATCHDOG=1")


def watchdog_interval() -> float | None:
    """Return how often to call ``notify_watchdog``, in seconds; None: systemd does not ask.

    Half of the time that systemd waits, as sd_watchdog_enabled(3) recommends.
    """
    asked = os.environ.get("WATCHDOG_USEC", "")
    if not asked.isascii() or not asked.isdigit() or int(asked) == 0:
        return None
    process = os.environ.get("WATCHDOG_PID", "")
    if process and process != str(os.getpid()):
        return None  # meant for a parent of ours
    return int(asked) / 2_000_000
