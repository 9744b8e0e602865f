"""The last list of hits on this terminal, whose numbers stand for photos: ``@3``, ``@1-10``.

A list is kept for each terminal session, so that two windows do not mix up their numbers.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from clipd.config.socketpath import runtime_folder
from clipd.ctl.destination import is_own
from clipd.ctl.output import objects, path_bytes
from clipd.errors import RequestError
from clipd.json_types import JsonObject, JsonValue
from clipd.pathtext import path_fields

_NUMBERS = re.compile(rb"@(all|\d+(?:-\d*)?(?:,\d+(?:-\d*)?)*)")
_MOST_DIGITS = 9  # a longer number is no number of a hit


class ListedPhoto(NamedTuple):
    """A photo that somebody named, by its number or by its path."""

    path: bytes
    photo: int | None = None  # its id in the catalog, where it was a hit
    offline: bool = False  # as it was when it was listed
    socket: str | None = None  # of the daemon that listed it

    @property
    def is_far(self) -> bool:
        """Whether another daemon than the user's own listed it: its path may mean nothing here."""
        return self.socket is not None and not is_own(Path(self.socket))


def keep_list(photos: Sequence[ListedPhoto]) -> None:
    """Have ``@1``, ``@2`` ... stand for these photos from now on, in this terminal.

    Raises:
        OSError: it cannot be written.
    """
    folder = lists_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _drop_lists_of_closed_terminals(folder)
    value: list[JsonValue] = [
        {
            "photo": one.photo,
            "offline": one.offline,
            "socket": one.socket,
            **path_fields(one.path),
        }
        for one in photos
    ]
    file = folder / terminal_name()
    aside = folder / f"{file.name}.{os.getpid()}.tmp"
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            json.dump(value, stream)
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)  # there only where it could not be written


def last_list() -> list[ListedPhoto]:
    """Return the photos of the last list on this terminal; none where there is none."""
    try:
        value = json.loads((lists_folder() / terminal_name()).read_bytes())
    except (OSError, ValueError):
        return []
    return [_listed(item) for item in objects(value)]


def chosen_photos(words: Iterable[bytes]) -> list[ListedPhoto]:
    """Return what words stand for: paths, made absolute, and numbers of the last list.

    A file that is named like a number is ``./@3``.

    Raises:
        RequestError: there is no such number, or no list.
    """
    return [photo for word in words for photo in _chosen_by(word)]


def lists_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the lists: gone with the session, where the system has such a one."""
    return runtime_folder(environment) / "clipd" / "lists"


def _chosen_by(word: bytes) -> Iterator[ListedPhoto]:
    found = _NUMBERS.fullmatch(word)
    if found is None:
        yield ListedPhoto(os.path.abspath(word))
        return
    listed = last_list()
    if not listed:
        raise RequestError(
            "no_list",
            f"{word.decode()} means a number of the last list, and this terminal has none yet; "
            'make one with: clipctl search "sunset"',
        )
    if found[1] == b"all":
        yield from listed
        return
    for span in found[1].split(b","):
        yield from _listed_within(span, listed)


def _listed_within(span: bytes, listed: Sequence[ListedPhoto]) -> Sequence[ListedPhoto]:
    """Return the photos of ``3``, ``1-10`` or ``5-``."""
    start, dash, end = span.partition(b"-")
    first = _number(start)
    last = first if not dash else _number(end) if end else len(listed)
    if not 1 <= first <= last <= len(listed):
        numbers = "@1" if len(listed) == 1 else f"@1 to @{len(listed)}"
        raise RequestError(
            "no_such_number", f"there is no @{span.decode()}; the last list has {numbers}"
        )
    return listed[first - 1 : last]


def _number(digits: bytes) -> int:
    return int(digits) if len(digits) <= _MOST_DIGITS else 0


def _listed(item: JsonObject) -> ListedPhoto:
    photo, socket = item.get("photo"), item.get("socket")
    return ListedPhoto(
        path_bytes(item),
        photo if isinstance(photo, int) else None,
        item.get("offline") is True,
        socket if isinstance(socket, str) else None,
    )


def terminal_name() -> str:
    """Name this terminal session; where there is no terminal, the process that called us."""
    session, terminal = _fields_of("self", 3, 4)
    owner = session if terminal != "0" else str(os.getppid())
    return f"{owner}-{terminal}-{_started(owner)}"


def _started(pid: str) -> str:
    """Return when a process started: its id may be that of another one day."""
    return _fields_of(pid, 19)[0]


def _fields_of(pid: str, *numbers: int) -> list[str]:
    """Return fields of ``/proc/PID/stat``, counted from its state; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ["0" for _ in numbers]
    return [fields[number] for number in numbers]


def _drop_lists_of_closed_terminals(folder: Path) -> None:
    for file in folder.iterdir():
        owner, _, rest = file.name.partition("-")
        if not owner.isdigit() or _started(owner) != rest.partition("-")[2].partition(".")[0]:
            file.unlink(missing_ok=True)
