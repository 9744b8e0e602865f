"""The daemon's handlers under real signals, in a process of their own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemon.conftest import Daemons

PATIENCE_SECONDS = 60.0
MANY = 10_000  # a threading.Event set by the handler ended the process in 3 of 3 runs

WAITS_UNTIL_STOPPED = """
from clipd.daemon.signals import listening_to_signals
with listening_to_signals() as signals:
    print("listening", flush=True)
    while not signals.must_end:
        signals.wait(60)
    print("reload" if signals.must_reload else "stop", flush=True)
"""

A_THREAD_DIES = """
import threading
from clipd.daemon.signals import listening_to_signals
with listening_to_signals() as signals:
    print("listening", flush=True)
    threading.Thread(target=lambda: 1 / 0).start()
    while not signals.must_end:
        signals.wait(60)
"""


@contextmanager
def listener(script: str = WAITS_UNTIL_STOPPED) -> Iterator[subprocess.Popen[bytes]]:
    """A process that listens to signals already when the block begins."""
    with subprocess.Popen(
        [sys.executable, "-P", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"listening\n"
            yield process
        finally:
            process.kill()


def test_many_signals_one_after_another_do_not_keep_it_from_stopping() -> None:
    random_pauses = random.Random(929)
    with listener() as process:
        for _ in range(MANY):
            os.kill(process.pid, signal.SIGHUP)
            # So that they meet the process at every place of its loop: signals that come at once
            # are one to the kernel. A spin, because no sleep is as short.
            until = time.perf_counter() + random_pauses.random() * 1e-4
            while time.perf_counter() < until:
                pass
        process.terminate()
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, said) == (0, b"reload\n")


def test_each_signal_that_stops_ends_the_wait_at_once() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with listener() as process:
            begun = time.monotonic()
            process.send_signal(number)
            assert process.wait(PATIENCE_SECONDS) == 0
            assert time.monotonic() - begun < 30  # the wait alone would take 60


def test_a_thread_that_dies_ends_the_wait_and_leaves_its_traceback() -> None:
    with listener(A_THREAD_DIES) as process:
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0
        assert b"ZeroDivisionError" in errors


@pytest.mark.slow
def test_a_daemon_started_with_signals_ignored_stops_on_sigterm(
    daemons: Daemons, tmp_path: Path
) -> None:
    # As `nohup clipd run &` in a script starts it.
    (tmp_path / "root").mkdir()
    prefix = ["sh", "-c", "trap '' HUP INT QUIT TERM; exec \"$@\"", "sh"]
    daemon = daemons.new([tmp_path / "root"], prefix=prefix).start()
    daemon.wait_idle()
    daemon.stop()
