"""Memory: what this process freed goes back to the system, and how much there is for another."""

from __future__ import annotations

import ctypes
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")


def give_back() -> None:
    """Return what was freed to the system: glibc would keep tens of MiB that nobody uses.

    malloc_trim(3). Other libraries of C do it by themselves, or not at all.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def available_bytes() -> int:
    """Return how much memory a new process can have without swapping (proc_meminfo(5))."""
    for line in _MEMINFO.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 0
