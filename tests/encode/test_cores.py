from __future__ import annotations

import os

from clipd.encode.cores import MOST, physical_cores, threads_for


def test_the_threads_are_those_configured_or_one_a_core() -> None:
    assert threads_for(3) == 3
    assert 1 <= threads_for(0) <= min(MOST, len(os.sched_getaffinity(0)))


def test_a_core_that_shows_no_siblings_counts_as_one() -> None:
    assert physical_cores([100_000, 100_001]) == 2
