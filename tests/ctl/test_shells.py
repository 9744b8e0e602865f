"""Completion, by the shells themselves where they are installed."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from clipd.ctl.command import cli
from clipd.ctl.last_list import ListedPhoto
from clipd.ctl.shells import BashWords
from tests.ctl.conftest import PATIENCE_SECONDS, Ctl


@pytest.fixture
def programs(ctl: Ctl, tmp_path: Path) -> dict[str, str]:
    """An environment in which both programs are found by name."""
    python, _, _, start = ctl.command()
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, code in (("clipctl", start), ("clipd", "from clipd.cli.command import main; main()")):
        program = folder / name
        # argv[0] is what click names in messages.
        program.write_text(f"#!/bin/sh\nexec {python!s} -P -c '{code!s}' \"$@\"\n")
        program.chmod(0o755)
    return ctl.environment() | {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TERM": "dumb",
    }


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


BASH = r"""
eval "$(clipd completion bash)"
COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=($1) COMP_CWORD=1
compopt() { :; }
case $1 in clipd*) _clipd_completion ;; *) _clipctl_completion ;; esac
printf '%s\n' "${COMPREPLY[@]}"
"""


def by_bash(line: str, environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", line],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    assert not done.stderr
    return [line for line in done.stdout.split("\n") if line]


def by_fish(line: str, environment: dict[str, str]) -> list[str]:
    script = 'clipd completion fish | source; complete -C "$argv[1]"'
    done = subprocess.run(
        ["fish", "--no-config", "-c", script, line],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    return [row.partition("\t")[0] for row in done.stdout.splitlines()]


@needs("bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("clipctl re", {"rescan", "resume"}),
        ("clipctl status --w", {"--wait"}),
        ("clipctl search --ex", {"--explain"}),
        ("clipctl search cat --preview o", {"on", "off"}),
        ("clipctl vi", {"view"}),
        ("clipd mod", {"model"}),
        ("clipd model f", {"fetch", "forget"}),
    ],
)
def test_bash_completes_commands_and_options(
    programs: dict[str, str], line: str, expected: set[str]
) -> None:
    assert set(by_bash(line, programs)) == expected


@needs("fish")
def test_fish_completes_commands_and_options(programs: dict[str, str]) -> None:
    assert set(by_fish("clipctl re", programs)) == {"rescan", "resume"}
    assert set(by_fish("clipd model f", programs)) == {"fetch", "forget"}
    assert by_fish("clipctl status --w", programs) == ["--wait"]


def typed_into_zsh(keys: bytes, until: bytes, environment: dict[str, str]) -> bytes:
    """Type into an interactive zsh, on a terminal; return what it drew until it drew this."""
    here, there = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "zsh", "--no-rcs", "--interactive"],
        env=environment,
        stdin=there,
        stdout=there,
        stderr=there,
    )
    os.close(there)
    try:
        setup = (
            b'autoload -Uz compinit; compinit -u; eval "$(clipd completion zsh)"; echo rea""dy\n'
        )
        os.write(here, setup)
        _read_until(here, b"ready")
        os.write(here, keys)
        return _read_until(here, until, again=b"\t")  # see in_time
    finally:
        process.kill()
        process.wait()
        os.close(here)


def _read_until(descriptor: int, words: bytes, again: bytes = b"") -> bytes:
    drawn = b""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while words not in drawn:
        assert time.monotonic() < deadline, drawn
        if select.select([descriptor], [], [], 3)[0]:
            drawn += os.read(descriptor, 4096)
        else:
            os.write(descriptor, again)
    return drawn


@needs("zsh")
@pytest.mark.slow
def test_zsh_completes_commands_and_options(programs: dict[str, str]) -> None:
    typed_into_zsh(b"clipctl resc\t", b"rescan", programs)
    typed_into_zsh(b"clipctl status --wa\t", b"--wait", programs)
    typed_into_zsh(b"clipd model forg\t", b"forget", programs)


def offered(words: list[str], incomplete: str) -> list[str]:
    completion = BashWords(cli, {}, "clipctl", "_CLIPCTL_COMPLETE")
    return [item.value for item in completion.get_completions(words, incomplete)]


def test_what_an_option_takes_is_offered() -> None:
    for words in (["search", "cat"], ["similar", "/a.jpg"]):
        assert offered([*words, "--preview"], "o") == ["on", "off"]


def test_numbers_of_the_last_list_are_offered(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(ctl.socket.parent))
    ctl.lists(*[ListedPhoto(b"/a.jpg", 1)] * 12)
    for command in ("open", "show", "view", "copy", "similar", "rescan"):
        assert offered([command], "@1") == ["@1", "@10", "@11", "@12"]


def test_names_of_libraries_are_offered_behind_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "clipd" / "clipctl.toml"
    file.parent.mkdir()
    file.write_text('[[peers]]\nname = "nas"\nsocket = "/run/nas.sock"\n')

    assert offered(["--at"], "") == ["here", "nas"]
    assert offered(["search", "--at"], "n") == ["nas"]
    assert "status" in offered(["--at", "nas"], "sta")
    file.write_text("broken")
    assert offered(["--at"], "") == ["here"]


CANON = 'camera:"Canon EOS 80D"'
ANSWERS = {
    "camera:Can": [CANON, 'camera:"Canon, old"'],
    "cam": ["camera:"],
    "in:~/Pic": ["in:~/Pictures/a:b"],
    "cat": [],
}


@contextmanager
def completing(path: Path) -> Iterator[None]:
    """Answer at a socket as clipd does where it is asked how a query may go on."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        listening.settimeout(0.1)
        ended = threading.Event()
        answering = threading.Thread(target=_answer, args=(listening, ended))
        answering.start()
        try:
            yield
        finally:
            ended.set()
            answering.join()


def _answer(listening: socket.socket, ended: threading.Event) -> None:
    while not ended.is_set():
        with suppress(TimeoutError, BrokenPipeError):
            client, _ = listening.accept()
            with client:
                asked = client.recv(10_000).split()[1].decode()
                (word,) = parse_qs(asked.partition("?")[2]).get("q", [""])
                value = {"from": 0, "to": len(word), "options": ANSWERS.get(word, [])}
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(value).encode())


@pytest.fixture
def answered(programs: dict[str, str]) -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="clipd-") as name:
        path = Path(name, "s")
        with completing(path):
            yield programs | {"CLIPD_SOCKET": str(path)}


# In bash a word ends at a colon, so that only what stands behind it is replaced.
@needs("bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("clipctl search cam", ["camera:"]),
        ("clipctl cam", ["camera:"]),
        ("clipctl search -cam", ["-camera:"]),
        (
            "clipctl search cat camera:Can",
            ['\\"Canon\\ EOS\\ 80D\\"', '\\"Canon,\\ old\\"'],
        ),
        ("clipctl beach -camera:Can", ['\\"Canon\\ EOS\\ 80D\\"', '\\"Canon,\\ old\\"']),
        ("clipctl search in:~/Pic", ["\\~/Pictures/a:b"]),
        ("clipctl search cat", []),
    ],
)
def test_bash_completes_filters(answered: dict[str, str], line: str, expected: list[str]) -> None:
    assert in_time(lambda: by_bash(line, answered), expected) == expected


@needs("fish")
def test_fish_completes_filters(answered: dict[str, str]) -> None:
    for line, expected in (
        ("clipctl search cam", ["camera:"]),
        ("clipctl search camera:Can", [CANON, 'camera:"Canon, old"']),
    ):
        assert in_time(partial(by_fish, line, answered), expected) == expected


def in_time(ask: Callable[[], list[str]], expected: list[str]) -> list[str]:
    """Ask again where a busy machine let the tenth of a second pass that an answer may take."""
    return next((found for _ in range(9) if (found := ask()) == expected), ask())


@needs("zsh")
@pytest.mark.slow
def test_zsh_completes_filters(answered: dict[str, str]) -> None:
    typed_into_zsh(b"clipctl search cam\t", b"era:", answered)
    typed_into_zsh(b"clipctl search camera:Can\t", b'\\"Canon', answered)


@needs("bash")
def test_completion_is_silent_and_quick_without_a_daemon(
    programs: dict[str, str], tmp_path: Path
) -> None:
    programs["CLIPD_SOCKET"] = str(tmp_path / "none.sock")
    began = time.monotonic()
    assert by_bash("clipctl search camera:Can", programs) == []
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_program_prints_its_script(ctl: Ctl, shell: str) -> None:
    assert b"_CLIPCTL_COMPLETE" in ctl("completion", shell).out
