from __future__ import annotations

import os
from pathlib import Path

import pytest

from clipd.process.child import Child
from clipd.process.seals import Seals
from clipd.process.thread_limit import ThreadLimit

ROOT = str(Path(__file__).parents[2])


def test_a_sealed_child_can_start_as_many_threads_as_it_may_and_not_one_more() -> None:
    path = os.pathsep.join(filter(None, (ROOT, os.environ.get("PYTHONPATH", ""))))
    with Child("tests.process.many_threads", environment={"PYTHONPATH": path}) as child:
        (lane,) = child.lanes
        hello = lane.receive(0)
        assert hello is not None
        seals = Seals.from_json(hello.header)
        if not seals.threads:
            pytest.skip(f"this machine cannot bound threads: {seals.reason}")
        limit = ThreadLimit(hello.fds[0], child.pid, most=5)
        lane.send({})
        answer = lane.receive(0)
        assert answer is not None
        assert answer.header["threads"] == 5
    limit.join()
