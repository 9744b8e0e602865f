"""Memory of this process: what was freed goes back to the system."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Return what was freed to the system: glibc would keep tens of MiB that nobody uses.

    malloc_trim(3). Other libraries of C do it by themselves, or not at all.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
