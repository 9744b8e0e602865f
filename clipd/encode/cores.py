"""How many threads the encoder computes with."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

MOST = 8  # more gain little in slices so short, and cost the desktop

_CPUS = Path("/sys/devices/system/cpu")


def physical_cores(cpus: Collection[int] | None = None) -> int:
    """Return how many cores we may run on, hyperthreads counted once.

    Two threads on the two halves of a core share its multipliers: they slow each other down.

    Args:
        cpus: the logical ones to count; None for those that this process may use.
    """
    allowed = os.sched_getaffinity(0) if cpus is None else cpus
    return max(1, len({_siblings(cpu) for cpu in allowed}))


def threads_for(configured: int) -> int:
    """Return the number of threads for ``encoder.threads``; 0 means one a core, at most `MOST`."""
    return configured or min(physical_cores(), MOST)


def _siblings(cpu: int) -> str:
    try:
        return (_CPUS / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text().strip()
    except OSError:  # hidden in some containers
        return str(cpu)
