import subprocess
import sys

import pytest


def logged_with(level: str | None) -> str:
    """Return what a process writes that logs a line of each level."""
    script = (
        "import logging; from clipd.logs import write_logs; write_logs();"
        "log = logging.getLogger('clipd.test');"
        "log.debug('a detail'); log.info('a step'); log.warning('a worry')"
    )
    environment = {} if level is None else {"CLIPD_LOG": level}
    return subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stderr


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("debug", ["a detail", "a step", "a worry"]),
        (None, ["a step", "a worry"]),
        ("WARNING", ["a worry"]),
    ],
)
def test_the_environment_says_how_much_is_logged(level: str | None, said: list[str]) -> None:
    assert [line.partition(": ")[2] for line in logged_with(level).splitlines()] == said


def test_a_level_that_is_none_is_told_with_those_that_are() -> None:
    first, *rest = logged_with("loud").splitlines()
    assert "CLIPD_LOG=loud is no level" in first
    assert "debug, info" in first
    assert len(rest) == 2
