"""``clipctl open`` and ``show``: photos in the programs of the desktop."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

import click

from clipd.ctl.command_group import json_option
from clipd.ctl.completing import PhotoWord
from clipd.ctl.file_address import file_address
from clipd.ctl.last_list import ListedPhoto
from clipd.ctl.output import emit_json, say
from clipd.ctl.whereabouts import absence, chosen_files, is_there
from clipd.errors import RequestError
from clipd.pathtext import path_fields, shown

# So many windows at once are a slip, not a wish.
MOST_WINDOWS = 20
# A starter of programs that fails does so at once; some wait for the program that they started.
_FAILURE_SECONDS = 1.0
_MANAGER_SECONDS = 10.0
_OTHERWISE = "clipctl view draws photos in the terminal, clipctl copy copies them"
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
_FILE_MANAGER = "org.freedesktop.FileManager1"


@click.command("open")
@click.argument("photos", nargs=-1, required=True, type=PhotoWord())
@json_option
def open_photos(photos: tuple[bytes, ...], as_json: bool) -> None:
    """Open photos in the program that the desktop has for them.

    \b
      clipctl open @3              the third of the last list
      clipctl open @1-5
      clipctl open ~/Pictures/beach.jpg
    """
    chosen = open_each(chosen_files(photos))
    if as_json:
        emit_json({"opened": [dict(path_fields(photo.path)) for photo in chosen]})


@click.command()
@click.argument("photos", nargs=-1, required=True, type=PhotoWord())
@json_option
def show(photos: tuple[bytes, ...], as_json: bool) -> None:
    """Show photos in the file manager, selected in their folder.

    \b
      clipctl show @3              the third of the last list
      clipctl show ~/Pictures/beach.jpg
    """
    chosen = show_each(chosen_files(photos))
    if as_json:
        emit_json({"shown": [dict(path_fields(photo.path)) for photo in chosen]})


def open_each(photos: Sequence[ListedPhoto]) -> Sequence[ListedPhoto]:
    """Open photos in the program that the desktop has for them; return those that are there.

    Raises:
        RequestError: none is there, there are too many, or nothing can open them.
    """
    chosen = _few(present(photos))
    for photo in chosen:
        open_by_desktop(photo.path, _OTHERWISE)
    return chosen


def show_each(photos: Sequence[ListedPhoto]) -> Sequence[ListedPhoto]:
    """Show photos in the file manager; see `open_each`."""
    chosen = _few(present(photos))
    if not _shown_by_file_manager([file_address(photo.path) for photo in chosen]):
        for folder in dict.fromkeys(os.path.dirname(photo.path) for photo in chosen):
            open_by_desktop(folder, _OTHERWISE)
    return chosen


def present(photos: Sequence[ListedPhoto]) -> list[ListedPhoto]:
    """Return the photos that are there now; say which are not.

    Raises:
        RequestError: none is there.
    """
    there = []
    for photo in photos:
        if is_there(photo):
            there.append(photo)
            continue
        reason = absence(photo)
        if len(photos) == 1:
            raise RequestError("no_such_file", reason, 404)
        say(reason)
    if not there:
        raise RequestError("no_such_file", "none of these photos is there now", 404)
    return there


def _few(photos: Sequence[ListedPhoto]) -> Sequence[ListedPhoto]:
    if len(photos) > MOST_WINDOWS:
        raise RequestError(
            "too_many",
            f"that would open {len(photos):,} windows; name at most {MOST_WINDOWS}, "
            "or have them in one folder: clipctl copy --link @all DIR",
        )
    return photos


def open_by_desktop(path: bytes, otherwise: str) -> None:
    """Have the desktop open a file or folder, by a process that outlives this one.

    Args:
        otherwise: what somebody can do who has no desktop, as a sentence.

    Raises:
        RequestError: there is no desktop, no xdg-open, or it fails at once.
    """
    # xdg-open would start a browser for terminals, without a terminal, and report success.
    if not any(os.environ.get(name) for name in _DISPLAYS):
        raise RequestError(
            "no_desktop",
            f"nothing can open {shown(path)}: this session has no desktop (neither DISPLAY nor "
            f"WAYLAND_DISPLAY is set); {otherwise}",
            501,
        )
    if shutil.which("xdg-open") is None:
        raise RequestError(
            "no_desktop",
            f"xdg-open is not installed, so that nothing can open {shown(path)}; "
            "it comes with the package xdg-utils",
            501,
        )
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(
        ["xdg-open", path], stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
    )
    try:
        code = process.wait(_FAILURE_SECONDS)
    except subprocess.TimeoutExpired:
        process.returncode = 0  # it goes on, and is nobody's child once this process has ended
        return
    if code:
        raise RequestError(
            "no_desktop",
            f"xdg-open cannot open {shown(path)} (exit status {code}); choose a program for it "
            "in the settings of your desktop, or with: xdg-mime default",
            501,
        )


def _shown_by_file_manager(addresses: Sequence[str]) -> bool:
    """Ask the desktop's file manager to show files; return whether it does."""
    for command in (_gdbus(addresses), _dbus_send(addresses)):
        if shutil.which(command[0]) is None:
            continue
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=_MANAGER_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0:
            return True
    return False


def _gdbus(addresses: Sequence[str]) -> list[str]:
    listed = ", ".join(f"'{address}'" for address in addresses)
    return [
        *("gdbus", "call", "--session", "--dest", _FILE_MANAGER),
        *("--object-path", "/org/freedesktop/FileManager1"),
        *("--method", f"{_FILE_MANAGER}.ShowItems", f"[{listed}]", ""),
    ]


def _dbus_send(addresses: Sequence[str]) -> list[str]:
    return [
        *("dbus-send", "--session", "--print-reply", f"--dest={_FILE_MANAGER}"),
        *("/org/freedesktop/FileManager1", f"{_FILE_MANAGER}.ShowItems"),
        *(f"array:string:{','.join(addresses)}", "string:"),
    ]
