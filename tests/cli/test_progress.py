import io

import pytest

from clipd.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def colourful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_terminal_shows_how_far_it_is_and_is_left_clean() -> None:
    terminal = Terminal()

    with Progress("fetching tiny", terminal) as progress:
        progress(0, 200_000_000)
        progress(200_000_000, 200_000_000)

    first, last, cleared = terminal.getvalue().split("\r\x1b[K")[1:]
    assert first == f"fetching tiny  [{'.' * 30}] 0 of 200 MB"
    assert last == f"fetching tiny  [{'#' * 30}] 200 of 200 MB"
    assert cleared == ""


def test_what_an_earlier_run_fetched_does_not_flatter_the_rate() -> None:
    terminal = Terminal()

    with Progress("x", terminal) as progress:
        progress(900_000_000, 1_000_000_000)

    assert "MB/s" not in terminal.getvalue()


def test_an_unknown_total_is_no_division_by_zero() -> None:
    terminal = Terminal()

    with Progress("x", terminal) as progress:
        progress(5_000_000, 0)

    assert "x  5 MB" in terminal.getvalue()


def test_a_file_or_no_color_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    file, terminal = io.StringIO(), Terminal()

    with Progress("x", file) as progress:
        progress(1, 1)
    monkeypatch.setenv("NO_COLOR", "1")
    with Progress("x", terminal) as progress:
        progress(1, 1)

    assert file.getvalue() == terminal.getvalue() == ""
