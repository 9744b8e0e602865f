"""The fixture that fails a test for what it leaves behind does fail it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

LEAKY = """
import os
import subprocess
import threading

children = []


def test_thread():
    threading.Thread(target=threading.Event().wait, name="leaky", daemon=True).start()


def test_child():
    children.append(subprocess.Popen(["sleep", "60"]))


def test_descriptor():
    os.open("/dev/null", os.O_RDONLY)


def test_tidy():
    with open("/dev/null"):
        pass


def teardown_module():
    for child in children:
        child.kill()
        child.wait()
"""


def test_a_test_that_leaks_a_thread_a_child_or_a_descriptor_fails(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)
    fixture = (Path(__file__).parent / "conftest.py").read_text()
    pytester.makeconftest(fixture.replace("_GRACE_SECONDS = 30.0", "_GRACE_SECONDS = 0.1"))
    pytester.makepyfile(LEAKY)

    # a process of its own, for these leaks are real
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=4, errors=3)
    for leaked in ("thread leaky", "child *", "fd * -> /dev/null"):
        result.stdout.fnmatch_lines([f"left behind: {leaked}"])
