"""When pictures are drawn, and what is said when they are not."""

from __future__ import annotations

import subprocess

import pytest

from tests.ctl.conftest import Ctl
from tests.ctl.drawing_terminal import DrawingTerminal, Kind
from tests.serve.answering import GivenService

SILENT = "so that there are no pictures"


@pytest.mark.parametrize(
    ("kind", "words", "pixels", "blocks"),
    [
        ("kitty", "", True, False),
        ("kitty", "--preview auto", True, False),
        ("kitty", "--preview on", True, False),
        ("kitty", "--preview=off", False, False),
        ("plain", "", False, False),
        ("plain", "--preview on", False, True),
        ("plain", "--preview off", False, False),
    ],
)
@pytest.mark.parametrize("command", ["search sunset", "sunset", "similar /photos/sunset.jpg"])
def test_auto_is_pixels_only_and_on_takes_half_blocks_as_well(
    ctl: Ctl,
    service: GivenService,
    kind: Kind,
    words: str,
    pixels: bool,
    blocks: bool,
    command: str,
) -> None:
    screen = DrawingTerminal(kind=kind).run(ctl, f"clipctl {command} {words}")

    assert bool(screen.pictures) is pixels
    assert ("▀" in screen.text()) is blocks
    assert ("/photos/sunset.jpg" in screen.text()) is not (pixels or blocks)


def test_the_environment_has_a_default(ctl: Ctl, service: GivenService) -> None:
    assert not DrawingTerminal().run(ctl, "clipctl sunset", CLIPD_PREVIEW="off").pictures
    plain = DrawingTerminal(kind="plain")
    assert "▀" in plain.run(ctl, "clipctl sunset", CLIPD_PREVIEW="on").text()
    wrong = DrawingTerminal().run(ctl, "clipctl sunset", CLIPD_PREVIEW="perhaps").text()
    assert "CLIPD_PREVIEW" in wrong


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"NO_COLOR": "1"}, "NO_COLOR is set"),
        ({"TERM": "dumb"}, "the terminal has no colours (TERM=dumb)"),
        ({"TERM": "linux"}, "the terminal has no colours (TERM=linux)"),
        ({"PYTHONIOENCODING": "latin-1"}, "the terminal's characters are iso8859-1, not UTF-8"),
        ({"COLUMNS": "11"}, "the window has 11 columns and 40 lines"),
    ],
)
def test_where_there_are_no_pictures_on_says_why_and_auto_says_nothing(
    ctl: Ctl, service: GivenService, environment: dict[str, str], reason: str
) -> None:
    loud = DrawingTerminal(200).run(ctl, "clipctl sunset --preview on", **environment)
    assert f"clipctl: {reason}, {SILENT}" in loud.text()
    assert loud.text().partition(SILENT)[2].lstrip().startswith("1 ")  # the list of lines
    quiet = DrawingTerminal(200).run(ctl, "clipctl sunset", **environment)
    assert SILENT not in quiet.text()
    assert not loud.pictures
    assert not quiet.pictures


def test_in_a_pipe_nothing_is_said(ctl: Ctl, service: GivenService) -> None:
    said = ctl.process("search", "sunset", "--preview", "on")
    assert said.err == ""
    assert said.lines[0] == "0.312\t/photos/sunset.jpg"


def test_a_list_for_a_pipe_loads_nothing_of_it(ctl: Ctl) -> None:
    start = (
        "import sys; from clipd.ctl.command import run; run(['search', 'sunset']);"
        "print(*sys.modules, file=sys.stderr)"
    )
    command = [ctl.command()[0], "-P", "-c", start]
    done = subprocess.run(command, env=ctl.environment(), capture_output=True, check=True)
    loaded = set(done.stderr.decode().split())
    assert "clipd.ctl.hit_list" in loaded
    assert not loaded & {"zlib", "termios", "clipd.ctl.previews", "clipd.ctl.kitty"}


def test_pictures_are_drawn_with_click_and_the_standard_library_alone(
    ctl: Ctl, service: GivenService
) -> None:
    start = (
        "import sys; before = set(sys.modules); import clipd.ctl.viewing, clipd.ctl.previews;"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before}"
        " - sys.stdlib_module_names)"
    )
    command = [ctl.command()[0], "-P", "-c", start]
    done = subprocess.run(command, env=ctl.environment(), capture_output=True, check=True)
    assert set(done.stdout.split()) == {b"click", b"clipd"}
