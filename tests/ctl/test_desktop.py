from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from clipd.ctl.desktop import MOST_WINDOWS
from clipd.ctl.last_list import ListedPhoto
from tests.ctl.conftest import Ctl, Said
from tests.daemon.wire import wait_until

NOTE = '#!/bin/sh\nfor word; do printf "%s\\n" "$word" >> "$NOTES"; done\nexit {code}\n'


class Desktop:
    """A folder of programs that note how they were called, instead of a desktop."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder / "bin"
        self._folder.mkdir()
        self._notes = folder / "notes"
        monkeypatch.setenv("NOTES", str(self._notes))
        monkeypatch.setenv("DISPLAY", ":0")
        monkeypatch.setenv("PATH", str(self._folder))
        # These programs end at once, but not within a second where much else runs.
        monkeypatch.setattr("clipd.ctl.desktop._FAILURE_SECONDS", 30.0)

    def has(self, program: str, code: int = 0) -> None:
        file = self._folder / program
        file.write_text(NOTE.format(code=code))
        file.chmod(0o755)

    @property
    def notes(self) -> list[str]:
        if not self._notes.exists():
            return []
        return os.fsdecode(self._notes.read_bytes()).splitlines()


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desktop:
    return Desktop(tmp_path, monkeypatch)


def picture(tmp_path: Path, name: bytes = b"a.jpg") -> bytes:
    path = os.fsencode(tmp_path) + b"/" + name
    with open(path, "wb") as file:
        file.write(b"x")
    return path


def test_open_hands_each_photo_to_the_desktop(ctl: Ctl, desktop: Desktop, tmp_path: Path) -> None:
    one, other = picture(tmp_path, b"a b.jpg"), picture(tmp_path, b"caf\xe9.jpg")
    desktop.has("xdg-open")
    ctl.lists(ListedPhoto(b"/gone.jpg"), ListedPhoto(other, 4))
    said = ctl("open", one, "@2")
    assert (said.code, said.out, said.err) == (0, b"", "")
    assert desktop.notes == [os.fsdecode(one), os.fsdecode(other)]


def test_open_says_what_is_not_there(ctl: Ctl, desktop: Desktop, tmp_path: Path) -> None:
    desktop.has("xdg-open")
    ctl.lists(ListedPhoto(b"/usb/a.jpg", 1, True), ListedPhoto(picture(tmp_path), 2))
    said = ctl("open", "@1")
    assert "on a drive that is not there" in said.err
    assert (ctl("open", "@all").code, len(desktop.notes)) == (0, 1)
    assert "there is no file /nowhere.jpg" in ctl("open", "/nowhere.jpg").err


def test_a_desktop_without_programs_is_a_sentence(
    ctl: Ctl, desktop: Desktop, tmp_path: Path
) -> None:
    assert "xdg-utils" in refused(ctl("open", picture(tmp_path))).err
    assert "xdg-utils" in refused(ctl("show", picture(tmp_path))).err
    desktop.has("xdg-open", 3)
    assert "exit status 3" in refused(ctl("open", picture(tmp_path))).err


def test_a_session_without_a_desktop_is_told_what_else_there_is(
    ctl: Ctl, desktop: Desktop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop.has("xdg-open")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    for command in ("open", "show"):
        said = refused(ctl(command, picture(tmp_path)))
        assert "has no desktop" in said.err
        assert "clipctl view" in said.err
    assert not desktop.notes


def test_many_windows_are_refused(ctl: Ctl, desktop: Desktop, tmp_path: Path) -> None:
    desktop.has("xdg-open")
    ctl.lists(*[ListedPhoto(picture(tmp_path), 1)] * (MOST_WINDOWS + 1))
    assert "21 windows" in refused(ctl("open", "@all")).err
    assert not desktop.notes


@pytest.mark.parametrize("tool", ["gdbus", "dbus-send"])
def test_show_asks_the_file_manager(ctl: Ctl, desktop: Desktop, tmp_path: Path, tool: str) -> None:
    desktop.has(tool)
    desktop.has("xdg-open")
    path = picture(tmp_path, b"it's, \xe9.jpg")
    assert ctl("show", path).code == 0
    assert any(f"file://{tmp_path}/it%27s%2C%20%E9.jpg" in note for note in desktop.notes)
    assert any("ShowItems" in note for note in desktop.notes)
    assert str(tmp_path) not in desktop.notes


def test_without_a_file_manager_show_opens_the_folder_once(
    ctl: Ctl, desktop: Desktop, tmp_path: Path
) -> None:
    desktop.has("gdbus", 1)
    desktop.has("xdg-open")
    assert ctl("show", picture(tmp_path, b"a.jpg"), picture(tmp_path, b"b.jpg")).code == 0
    assert desktop.notes[-1] == str(tmp_path)
    assert desktop.notes.count(str(tmp_path)) == 1


@pytest.mark.skipif(
    not (shutil.which("dbus-run-session") and shutil.which("gdbus")), reason="there is no D-Bus"
)
def test_a_real_bus_without_a_file_manager_is_no_obstacle(
    ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    opener = tmp_path / "xdg-open"
    opener.write_text(NOTE.format(code=0))
    opener.chmod(0o755)
    environment = ctl.environment() | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "NOTES": str(tmp_path / "notes"),
        "WAYLAND_DISPLAY": "wayland-0",
    }
    path = picture(tmp_path)
    subprocess.run(
        ["dbus-run-session", "--", *ctl.command("show", path)],
        env=environment,
        check=True,
        timeout=60,
    )
    notes = tmp_path / "notes"
    wait_until(lambda: notes.exists() and notes.read_text() == f"{tmp_path}\n", 30, "it is opened")


def refused(said: Said) -> Said:
    assert said.code not in (0, 3)
    return said
