"""Memory: what this process freed goes back to the system, and how much there is for another."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h
_MEMINFO = Path("/proc/meminfo")
_droppable: list[Callable[[], object]] = []


def drop_at_rest(drop: Callable[[], object]) -> None:
    """Have something called whenever memory is given back: what it drops is made again if needed.

    Args:
        drop: for any thread; must not raise.
    """
    _droppable.append(drop)


def give_back() -> None:
    """Return what was freed to the system: glibc would keep tens of MiB that nobody uses.

    malloc_trim(3). Other libraries of C do it by themselves, or not at all.
    """
    for drop in _droppable:
        drop()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def hold_little() -> None:
    """Have glibc keep little of what is freed, for a process that lives for years.

    By default each thread gets a heap of its own, and buffers of up to 32 MiB come from these, so
    that small things that stay keep the room of large ones that went. mallopt(3).
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_ARENA_MAX, 2)
        set_option(_M_MMAP_THRESHOLD, 256 << 10)


def available_bytes() -> int:
    """Return how much memory a new process can have without swapping (proc_meminfo(5))."""
    for line in _MEMINFO.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 0
