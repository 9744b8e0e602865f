"""The threads of a test's process."""

from __future__ import annotations

import threading


def started_threads() -> set[threading.Thread]:
    """Return the threads that somebody started.

    The others are names that Python gave to threads of xdist, once one of them logged something.
    """
    return {each for each in threading.enumerate() if not each.name.startswith("Dummy-")}
