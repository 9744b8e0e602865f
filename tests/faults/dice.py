"""Chance that can be had again: one seed for a whole run, told with every failure.

CLIPD_FAULT_SEED=12345 pytest tests/faults/test_kills.py      the same once more
CLIPD_FAULT_ROUNDS=100 pytest tests/faults                    all rounds, not a share of them
"""

from __future__ import annotations

import os
import random

SEED = int(os.environ.get("CLIPD_FAULT_SEED") or random.SystemRandom().randrange(10**6))
_PERCENT = int(os.environ.get("CLIPD_FAULT_ROUNDS", "10"))


def rounds(whole: int) -> int:
    """Return how many rounds to do now of those that `make faults` does."""
    return max(1, whole * _PERCENT // 100)


def dice(name: str) -> random.Random:
    """Return chance for one test, which depends on the seed and the name alone."""
    return random.Random(f"{SEED} {name}")
