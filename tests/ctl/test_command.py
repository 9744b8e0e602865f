from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from clipd.ctl import answer_wait
from clipd.json_types import JsonValue
from tests.ctl.conftest import Ctl, Said
from tests.ctl.terminal import on_terminal
from tests.serve.answering import IDLE, GivenService, failure


def test_without_a_daemon_every_command_ends_with_3_and_says_how_to_start(tmp_path: Path) -> None:
    assert Ctl(tmp_path / "none.sock").process("ping").code == 3
    for arguments in (["ping"], ["search", "x"], ["status", "--wait"], ["similar", "/a"]):
        said = Ctl(tmp_path / "none.sock")(*arguments)
        assert (said.code, said.out) == (3, b"")
        assert "unset CLIPD_SOCKET" in said.err


def test_a_socket_path_that_is_too_long_is_said_to_be(tmp_path: Path) -> None:
    said = Ctl(tmp_path / ("x" * 120))("ping")
    assert said.code == 3
    assert "CLIPD_SOCKET" in said.err


def test_something_else_at_the_socket_is_not_taken_for_clipd(tmp_path: Path) -> None:
    path = tmp_path / "other.sock"
    for answer in (b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", b""):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.bind(str(path))
            other.listen()
            answering = threading.Thread(target=_answer_once, args=(other, answer))
            answering.start()
            assert Ctl(path)("ping").code == 3
            answering.join()
        path.unlink()


def _answer_once(listening: socket.socket, answer: bytes) -> None:
    client, _ = listening.accept()
    with client:
        client.recv(10_000)
        client.sendall(answer)


def test_ping_names_the_process(ctl: Ctl) -> None:
    assert f"pid {os.getpid()}" in ctl.process("ping").lines[0]
    assert json.loads(ctl("ping", "--json").out)["pid"] == os.getpid()


def test_status_as_json_is_what_the_daemon_says(ctl: Ctl) -> None:
    assert json.loads(ctl("status", "--json").out) == IDLE


def test_status_names_what_a_person_wants_to_know(ctl: Ctl) -> None:
    text = ctl("status").out.decode()
    for word in ("idle", "3 photos", "pocket", "asleep", "/usb: offline (it is not mounted)"):
        assert word in text
    assert "clipctl errors" in text


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"state": "paused"}, "end the pause with: clipctl resume"),
        ({"state": "resting"}, "wait for mains power"),
        ({"state": "waiting"}, "clipd model fetch"),
        (
            {"state": "indexing", "backlog": 300, "rate": 2.5},
            "300 changes waiting, about 2:00 left",
        ),
        ({}, "has left memory until it is needed"),
        ({"metadata": {"read": 10, "total": 90, "seconds_left": 65}}, "10 of 90, 1:05 left"),
    ],
)
def test_status_says_what_rests_and_why_and_how_long_work_takes(
    ctl: Ctl, service: GivenService, more: dict[str, JsonValue], sentence: str
) -> None:
    service.states = [{**IDLE, **more}]
    assert sentence in ctl("status").out.decode()


def test_status_says_a_sentence_once(ctl: Ctl, service: GivenService) -> None:
    service.states = [{**IDLE, "problems": ["/usb: it is not mounted", "the disk is full"]}]
    text = ctl("status").out.decode()
    assert text.count("it is not mounted") == 1
    assert "problem  the disk is full" in text


def test_errors_counts_files_skipped_by_name_unless_asked(ctl: Ctl, service: GivenService) -> None:
    service.failures = (
        failure(b"/photos/a\tb.jpg", "corrupt", "cut short"),
        failure(b"/photos/notes.txt", "skipped", "not a picture"),
        failure(b"/photos/x\xff.jpg", "empty", "no bytes"),
    )
    said = ctl("errors")
    assert said.lines == [
        "corrupt\t/photos/a\\tb.jpg\tcut short",
        "empty\t/photos/x\\xff.jpg\tno bytes",
    ]
    assert "2 files skipped" in said.err
    assert "clipctl errors --all" in said.err
    assert len(ctl("errors", "--all").lines) == 3
    listed = json.loads(ctl("errors", "--json").out)
    assert len(listed) == 3
    assert {"path", "reason", "kind", "since"} <= set(listed[0])


AWAY: JsonValue = {"state": "away", "far": "desktop", "model": "pocket"}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"state": "indexing", "backlog": 2, "encoder": AWAY},
            "new photos wait for desktop, and are encoded when it is back (2 changes wait)",
        ),
        ({"state": "paused", "backlog": 1}, "end the pause with: clipctl resume (1 change waits)"),
        ({"state": "waiting", "backlog": 1}, "wait for the weights of the model"),
        ({"index": {"away": "Milvus does not answer"}}, "the index is away: Milvus does not"),
    ],
    ids=["encoder", "paused", "weights", "index"],
)
def test_errors_says_what_photos_wait_for_that_are_none(
    ctl: Ctl, service: GivenService, more: dict[str, JsonValue], sentence: str
) -> None:
    service.states = [{**IDLE, **more}]
    said = ctl("errors")
    assert said.out == b""
    assert sentence in said.err


@pytest.mark.parametrize("more", [{"encoder": AWAY}, {"state": "paused"}, {"backlog": 3}])
def test_errors_says_nothing_of_what_keeps_no_photo_waiting(
    ctl: Ctl, service: GivenService, more: dict[str, JsonValue]
) -> None:
    service.states = [{**IDLE, **more}]
    assert "wait" not in ctl("errors").err


def test_status_says_what_another_machine_does_before_it_is_ready(
    ctl: Ctl, service: GivenService
) -> None:
    encoder: JsonValue = {"state": "starting", "far": "desktop", "doing": "preparing the model"}
    service.states = [{**IDLE, "encoder": encoder}]
    assert "starting, on desktop, preparing the model" in ctl("status").out.decode()


def test_status_says_once_that_a_model_is_being_prepared(ctl: Ctl, service: GivenService) -> None:
    doing = "preparing pocket for this processor"
    encoder: JsonValue = {"state": "ready", "doing": doing, "reason": f"{doing}; until then, torch"}
    service.states = [{**IDLE, "encoder": encoder}]
    assert ctl("status").out.decode().count(doing) == 1


def test_errors_lists_more_than_a_page(ctl: Ctl, service: GivenService) -> None:
    service.failures = tuple(
        failure(b"/photos/%04d\xff?&.jpg" % n, "corrupt", "cut") for n in range(2500)
    )
    assert len(set(ctl("errors").lines)) == 2500


def test_commands_reach_the_daemon(ctl: Ctl, service: GivenService, tmp_path: Path) -> None:
    for arguments in (["pause"], ["resume"], ["rescan"], ["rescan", b"./caf\xe9/"]):
        said = ctl(*arguments)
        assert (said.code, said.out) == (0, b"")
        assert "clipctl" in said.err
    here = os.fsencode(Path.cwd() / "x")[:-1] + b"caf\xe9"
    assert service.asked == ["pause", "resume", ("rescan", None), ("rescan", here)]


def _indexing(encoded: int, backlog: int) -> Mapping[str, JsonValue]:
    return {**IDLE, "state": "indexing", "encoded": encoded, "backlog": backlog}


def test_wait_ends_when_the_daemon_is_idle(ctl: Ctl, service: GivenService) -> None:
    waiting = {**IDLE, "state": "paused", "backlog": 4}
    service.states = [_indexing(7, 9), waiting, _indexing(11, 5), IDLE]
    said = ctl("status", "--wait", "--json")
    assert json.loads(said.out) == IDLE
    assert service.asked == ["status"] * 4
    assert "\x1b" not in said.err


def test_wait_draws_a_bar_on_a_terminal_and_never_under_no_color(
    ctl: Ctl, service: GivenService
) -> None:
    states = [_indexing(100, 300), _indexing(200, 200), _indexing(300, 100), IDLE]
    for extra, has_bar in (({}, True), ({"NO_COLOR": "1"}, False)):
        service.states = list(states)
        drawn = _drawn_by(ctl, "status", "--wait", **extra)
        assert ("[####" in drawn) is has_bar
        assert ("100 of 300" in drawn) is has_bar
        assert bool(re.search(r"\d/s, \d+:\d\d left", drawn)) is has_bar


def _drawn_by(ctl: Ctl, *arguments: str, **environment: str) -> str:
    with on_terminal(ctl, *arguments, **environment) as terminal:
        drawn = terminal.read_to_end()
        assert terminal.exit_code() == 0
    return drawn


STOPPED_LISTENER = """
import os, signal, socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.bind(sys.argv[1])
sock.listen()
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.mark.slow
def test_a_daemon_that_is_stopped_is_said_to_be_after_a_while(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with subprocess.Popen([sys.executable, "-c", STOPPED_LISTENER, path]) as process:
        try:
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            ping, search = (Ctl(path).process(*words) for words in (["ping"], ["search", "x"]))
            assert (ping.code, search.code) == (3, 3)
            assert f"kill -CONT {process.pid}" in ping.err
            assert search.err == ping.err
            with ExitStack() as held:
                fill_the_queue(held, path)
                said = Ctl(path).process("ping")
                assert said.code == 3
                assert "others wait there already" in said.err
                assert stopped_and_continued(Ctl(path), "ping") == said
        finally:
            process.kill()


def stopped_and_continued(ctl: Ctl, *arguments: str) -> Said:
    """Run clipctl while somebody presses Ctrl-Z and types fg, all the time."""
    with subprocess.Popen(
        ctl.command(*arguments),
        env=ctl.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        while process.poll() is None:
            process.send_signal(signal.SIGSTOP)
            process.send_signal(signal.SIGCONT)
            threading.Event().wait(0.05)
        out, err = process.communicate()
        return Said(process.returncode, out, err.decode())


def fill_the_queue(held: ExitStack, path: Path) -> None:
    """Connect until the kernel takes no more connections for a listener that accepts none."""
    with suppress(BlockingIOError):
        for _ in range(10_000):
            sock = held.enter_context(socket.socket(socket.AF_UNIX))
            sock.setblocking(False)
            sock.connect(str(path))
    with pytest.raises(BlockingIOError):
        sock.connect(str(path))


def test_a_slow_answer_is_waited_for_while_the_daemon_answers_pings(
    ctl: Ctl, service: GivenService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_wait, "PING_SECONDS", 0.5)
    slow = threading.Event()

    def take_a_second_and_a_half() -> None:
        slow.wait(1.5)

    service.before_search = take_a_second_and_a_half
    assert ctl("search", "x").code == 0


@pytest.mark.parametrize("doing", ["", "preparing pocket for this processor"])
def test_a_search_says_on_a_terminal_that_the_model_wakes_up(
    ctl: Ctl, service: GivenService, doing: str
) -> None:
    encoder: JsonValue = {"state": "starting", "doing": doing}
    service.states[:] = [{**IDLE, "encoder": encoder}]
    status_asked = threading.Event()

    def wait_until_status_was_asked() -> None:
        status_asked.wait(30)

    service.before_status = status_asked.set
    service.before_search = wait_until_status_was_asked
    drawn = _drawn_by(ctl, "search", "x")
    said = f"{doing or 'waking the model'}..."
    assert drawn.index(said) < drawn.rindex("\x1b[K")


IN_THE_FOREGROUND: list[str | bytes] = []
# What a script does for its background jobs; Python leaves an ignored SIGINT ignored.
SIGINT_IGNORED: list[str | bytes] = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]


@pytest.mark.parametrize("start", [IN_THE_FOREGROUND, SIGINT_IGNORED])
def test_ctrl_c_ends_a_wait_quietly(
    ctl: Ctl, service: GivenService, start: list[str | bytes]
) -> None:
    service.states = [_indexing(1, 9)]
    seen = threading.Event()
    service.before_status = seen.set
    process = subprocess.Popen(
        [*start, *ctl.command("status", "--wait")],
        env=ctl.environment(),
        stderr=subprocess.PIPE,
    )
    assert seen.wait(30)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.strip() == b""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(ctl: Ctl, shell: str) -> None:
    said = ctl("completion", shell)
    assert said.code == 0
    assert b"_CLIPCTL_COMPLETE" in said.out


def test_every_command_has_help_with_an_example_or_a_sentence(ctl: Ctl) -> None:
    text = ctl("--help").out.decode()
    assert "clipctl sunset over water" in text
    commands = re.findall(r"^  ([a-z]+)  +\S", text.partition("Commands:")[2], re.MULTILINE)
    assert len(commands) == 18
    assert ctl("search", "-h").out.decode().count("clipctl search") >= 2


def test_words_that_begin_like_a_group_are_told_how_to_be_searched_for(ctl: Ctl) -> None:
    said = ctl("model", "trains", "at", "night")
    assert said.code == 2
    assert "clipctl search model trains at night" in said.err


def test_clipctl_imports_nothing_heavy(ctl: Ctl) -> None:
    start = (
        "import sys; before = set(sys.modules); import clipd.ctl.command;"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}"
        " - sys.stdlib_module_names))"
    )
    command = [ctl.command()[0], "-P", "-c", start]
    done = subprocess.run(command, env=ctl.environment(), capture_output=True, check=True)
    assert set(done.stdout.split()) == {b"click", b"clipd"}


def test_status_says_how_far_it_is_with_what_old_photos_say(
    ctl: Ctl, service: GivenService
) -> None:
    assert "dates, cameras" not in ctl("status").out.decode()
    metadata: JsonValue = {"read": 12_000, "total": 100_000, "seconds_left": 170}
    service.states.append({**service.states.pop(), "metadata": metadata})
    line = "details  dates, cameras and tags of 12,000 of 100,000 photos are read, about 3 min left"
    assert line in ctl("status").lines


def test_status_says_where_a_search_does_not_look_at_every_photo(
    ctl: Ctl, service: GivenService
) -> None:
    assert "index" not in ctl("status").out.decode()
    index: JsonValue = {"lists": 4096, "nprobe": 64, "recall": 0.9852, "merging": True}
    service.states.append({**service.states.pop(), "index": index})
    assert [line for line in ctl("status").lines if line.startswith("index")] == [
        "index    a search reads 64 of 4,096 lists of photos, which finds 98.5 % of the ten best",
        "index    a new one is being built beside the other work",
    ]
