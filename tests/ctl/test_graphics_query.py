"""What clipctl asks of a terminal, by terminals that answer, answer late, or never do."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from tests.ctl.conftest import Ctl
from tests.ctl.drawing_terminal import DrawingTerminal, Kind
from tests.serve.answering import GivenService

TWICE = "clipctl sunset; clipctl sunset"
# What the shell would be given to read after a search: what somebody types, and nothing else.
READ = 'echo done; IFS= read -r line; printf "got <%s>" "$line"'
KEPT = 'before=$(stty -g); {}; [ "$before" = "$(stty -g)" ] && echo restored'


@pytest.mark.parametrize(("kind", "pictures"), [("kitty", 6), ("plain", 0)])
def test_a_terminal_is_asked_once_in_a_window(
    ctl: Ctl, service: GivenService, kind: Kind, pictures: int
) -> None:
    screen = DrawingTerminal(kind=kind).run(ctl, KEPT.format(TWICE))

    assert screen.asked == ["graphics 31", "DA1"]
    assert len(screen.pictures) == pictures
    assert "restored" in screen.text()
    assert not screen.unknown


def test_a_terminal_that_never_answers_is_not_waited_for_again(
    ctl: Ctl, service: GivenService
) -> None:
    began = time.monotonic()
    screen = DrawingTerminal(kind="silent").run(ctl, KEPT.format(TWICE))

    assert 1.0 <= time.monotonic() - began < 10
    assert screen.asked == ["graphics 31", "DA1"]
    assert screen.text().count("/photos/sunset.jpg") == 2
    assert "restored" in screen.text()


def test_an_answer_has_a_tenth_of_a_second(ctl: Ctl, service: GivenService) -> None:
    times: list[float] = []

    def note(terminal: DrawingTerminal) -> None:
        words = [b"\x1b[c", b"sunset.jpg"]
        if len(times) < 2 and words[len(times)] in terminal.raw:
            times.append(time.monotonic())

    DrawingTerminal(kind="silent", during=note).run(ctl, "clipctl sunset")
    # The list is there before an answer would be too late to be kept from the shell.
    assert times[1] - times[0] < 1.0


def test_an_answer_that_comes_late_is_not_typed_into_the_shell_and_counts_the_next_time(
    ctl: Ctl, service: GivenService
) -> None:
    def type_at_the_prompt(terminal: DrawingTerminal) -> None:
        if b"done" in terminal.raw and b"hello" not in terminal.raw:
            terminal.type(b"hello\n")

    terminal = DrawingTerminal(kind="kitty", delay=0.4, during=type_at_the_prompt)
    screen = terminal.run(ctl, f"clipctl sunset; {READ}; echo; clipctl sunset")

    assert "got <hello>" in screen.text()
    assert "/photos/sunset.jpg" in screen.text()  # a line, at first
    assert len(screen.pictures) == 3
    assert screen.asked == ["graphics 31", "DA1"]
    assert not screen.unknown


@pytest.mark.parametrize("hint", ["KITTY_WINDOW_ID", "WEZTERM_PANE", "KONSOLE_VERSION"])
def test_without_an_answer_in_time_the_environment_decides(
    ctl: Ctl, service: GivenService, hint: str
) -> None:
    late = DrawingTerminal(kind="kitty", delay=0.4)
    assert len(late.run(ctl, "clipctl sunset", **{hint: "1"}).pictures) == 3
    # A program that was started from kitty inherits its variables. Where much else runs, even a
    # terminal that answers at once may be late.
    others = (DrawingTerminal(kind="plain") for _ in range(3))
    runs = (other.run(ctl, "clipctl sunset", **{hint: "1"}) for other in others)
    assert any(not run.pictures for run in runs)


@pytest.mark.parametrize("name", ["xterm-kitty", "xterm-ghostty"])
def test_a_name_says_enough(ctl: Ctl, service: GivenService, name: str) -> None:
    screen = DrawingTerminal(kind="silent").run(ctl, "clipctl sunset", TERM=name)

    assert len(screen.pictures) == 3
    assert not screen.asked


@pytest.mark.parametrize(
    "environment",
    [
        {"TMUX": "/tmp/tmux-0/default,1,0", "TERM": "xterm-kitty"},
        {"STY": "1.pts-1.host"},
        {"ZELLIJ": "0", "KITTY_WINDOW_ID": "1"},
        {"TERM": "screen-256color"},
        {"TERM": "tmux-256color"},
    ],
)
def test_a_terminal_in_a_terminal_is_not_asked_and_draws_half_blocks(
    ctl: Ctl, service: GivenService, environment: dict[str, str]
) -> None:
    screen = DrawingTerminal().run(ctl, "clipctl sunset", **environment)
    assert not screen.asked
    assert not screen.pictures
    assert "▀" not in screen.text()
    screen = DrawingTerminal().run(ctl, "clipctl sunset --preview on", **environment)
    assert not screen.asked
    assert not screen.pictures
    assert "▀" in screen.text()


@pytest.mark.parametrize(
    "line", ["clipctl sunset </dev/null", "set -m; clipctl sunset & wait", "clipctl sunset 2>&-"]
)
def test_only_who_may_read_the_answer_asks(ctl: Ctl, service: GivenService, line: str) -> None:
    screen = DrawingTerminal().run(ctl, line)

    assert (len(screen.asked), len(screen.pictures)) == ((2, 3) if "2>&-" in line else (0, 0))
    assert "sunset.jpg" in screen.text()


@pytest.mark.parametrize(
    "line", ["clipctl sunset | cat", "clipctl sunset --json", "clipctl -0 sunset -n 1"]
)
def test_a_pipe_and_json_are_as_they_were(ctl: Ctl, service: GivenService, line: str) -> None:
    plain = DrawingTerminal().run(ctl, line, CLIPD_PREVIEW="off").text()
    terminal = DrawingTerminal()
    assert terminal.run(ctl, line, CLIPD_PREVIEW="on", TERM="xterm-kitty").text() == plain
    assert b"\x1b" not in terminal.raw


@pytest.mark.parametrize("kind", ["kitty", "plain"])
def test_what_is_typed_while_a_list_is_drawn_is_left_to_the_shell(
    ctl: Ctl, service: GivenService, kind: Kind
) -> None:
    def is_left() -> bool:
        is_typed = threading.Event()
        service.before_thumbnail = lambda photo: None if photo == 7 else _wait(is_typed)

        def type_ahead(terminal: DrawingTerminal) -> None:
            if b"sunset.jpg" in terminal.raw and not is_typed.is_set():
                is_typed.set()
                terminal.type(b"ahead\n")

        terminal = DrawingTerminal(18, kind=kind, during=type_ahead)
        try:
            screen = terminal.run(ctl, f"clipctl sunset --preview on; {READ}")
        except AssertionError:  # it was not left to the shell, which waits for a line
            return False
        is_read = "got <ahead>" in screen.text().replace("\n", "")
        # Once as it was typed: the terminal was itself.
        return is_read and terminal.raw.count(b"ahead") == 2

    # Where much else runs, even a terminal that answers at once may be late; until its answer is
    # there, what is typed is taken for it.
    assert any(is_left() for _ in range(3))


def _wait(event: threading.Event) -> None:
    event.wait(20)


def test_what_was_typed_ahead_is_left_to_the_shell(ctl: Ctl, service: GivenService) -> None:
    terminal = DrawingTerminal(typed=b"ahead\n")
    screen = terminal.run(ctl, f"clipctl sunset; {READ}")

    assert "got <ahead>" in screen.text()
    assert not screen.asked


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_terminal_is_as_it_was_whatever_ends_the_question(
    ctl: Ctl, service: GivenService, number: int
) -> None:
    sent: list[int] = []

    def end(terminal: DrawingTerminal) -> None:
        if terminal.screen.asked and not sent:
            sent.append(number)
            terminal.send(number)

    terminal = DrawingTerminal(kind="silent", during=end)
    ignoring = "trap : TERM HUP INT"
    screen = terminal.run(ctl, KEPT.format(f'{ignoring}; clipctl sunset; echo "ended $?"'))

    assert f"ended {128 + number}" in screen.text()
    assert "restored" in screen.text()
    assert "Traceback" not in screen.text()
