from __future__ import annotations

import os

from clipd.process.child import Child
from tests.process.idle_threads import THREADS


def test_a_child_and_its_threads_give_way_to_who_started_it() -> None:
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    with Child("tests.process.idle_threads", nice=7) as child:
        assert child.lanes[0].receive(0) is not None
        threads = [int(name) for name in os.listdir(f"/proc/{child.pid}/task")]
        assert len(threads) == 1 + THREADS
        assert {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads} == {ours + 7}
