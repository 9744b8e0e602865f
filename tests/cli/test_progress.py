import io

import click
import pytest

from clipd.cli.progress import showing_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """What stood in the line, one drawing after the other."""
        return [click.unstyle(line).rstrip() for line in self.getvalue().split("\r")]


@pytest.fixture(autouse=True)
def colourful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_terminal_shows_how_far_it_is() -> None:
    terminal = Terminal()

    with showing_progress("fetching pocket", terminal) as show:
        show(0, 200_000_000)
        show(100_000_000, 200_000_000)
        show(200_000_000, 200_000_000)

    lines = "\n".join(terminal.lines())
    assert f"fetching pocket  [{'#' * 15}{'-' * 15}]  100 of 200 MB" in lines
    assert f"fetching pocket  [{'#' * 30}]  200 of 200 MB" in lines


def test_what_an_earlier_run_fetched_does_not_flatter_the_bar() -> None:
    terminal = Terminal()

    with showing_progress("x", terminal) as show:
        show(900_000_000, 1_000_000_000)
        show(950_000_000, 1_000_000_000)

    assert f"x  [{'#' * 15}{'-' * 15}]  950 of 1000 MB" in "\n".join(terminal.lines())


def test_a_fetch_that_begins_anew_is_shown_again_where_it_goes_on() -> None:
    terminal = Terminal()

    with showing_progress("x", terminal) as show:
        for here in (0, 60_000_000, 0, 40_000_000, 80_000_000):
            show(here, 100_000_000)

    assert terminal.lines()[-1].endswith("80 of 100 MB")
    assert f"[{'#' * 24}{'-' * 6}]" in terminal.lines()[-1]


def test_an_unknown_total_is_no_division_by_zero() -> None:
    terminal = Terminal()

    with showing_progress("x", terminal) as show:
        show(0, 0)
        show(5_000_000, 0)

    assert terminal.lines()[-1].endswith("5 MB")


def test_a_file_or_no_color_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    file, terminal = io.StringIO(), Terminal()

    with showing_progress("x", file) as show:
        show(1, 1)
    monkeypatch.setenv("NO_COLOR", "1")
    with showing_progress("x", terminal) as show:
        show(1, 1)

    assert file.getvalue() == terminal.getvalue() == ""
