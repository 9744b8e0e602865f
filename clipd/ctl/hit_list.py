"""Hits as lines: numbered and aligned on a terminal, a score and a path in a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from clipd.ctl.destination import asked_socket, is_own
from clipd.ctl.file_address import file_address
from clipd.ctl.last_list import ListedPhoto, keep_list
from clipd.ctl.output import columns, dimmed, emit_lines, objects, path_bytes, say
from clipd.ctl.text_width import padded, shortened, terminal_columns, width_of
from clipd.json_types import JsonObject
from clipd.pathtext import one_line, shown

_BAR_CELLS = 5
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEAST_PATH = 30  # columns: where a path would have less, its place is left out
_MOST_PLACE = 24
# Terminals that draw what they do not know of escape sequences.
PLAIN_TERMINALS = ("dumb", "linux", "vt100", "vt220")


def print_hits(hits: Sequence[JsonObject]) -> None:
    """Print hits one a line; on a terminal their numbers stand for them from now on."""
    if not hits:
        return
    if sys.stdout is None or not sys.stdout.isatty():
        emit_lines(_pipe_line(hit) for hit in hits)
        return
    keep_numbers(hits)
    emit_lines(terminal_lines(hits, terminal_columns()))


def keep_numbers(hits: Sequence[JsonObject]) -> None:
    """Have the numbers of these hits be those of the last list of this terminal."""
    try:
        keep_list([_listed(hit) for hit in hits])
    except OSError as error:
        say(f"the numbers of this list cannot be kept: {error.strerror}; name photos by path")


def terminal_lines(hits: Sequence[JsonObject], room: int) -> Iterator[str]:
    """Yield a line for each hit: number, confidence, path, date, place, how many it stands for.

    Args:
        room: columns that a line may take.
    """
    tails = _aligned([_tail(hit) for hit in hits], room)
    number_room = len(str(len(hits)))
    bars = [confidence_bar(hit.get("score")) for hit in hits]
    left = number_room + 1 + (_BAR_CELLS + 1 if any(bars) else 0)
    longest = max(map(width_of, tails))
    path_room = max(10, room - left - (longest + 2 if longest else 0))
    paths = [shortened(short_path(path_bytes(hit)), path_room) for hit in hits]
    path_room = max(map(width_of, paths))
    for number, (hit, bar, path, tail) in enumerate(zip(hits, bars, paths, tails, strict=True), 1):
        cells = [f"{number:>{number_room}}", *([padded(bar, _BAR_CELLS)] if any(bars) else [])]
        end = " " * (path_room - width_of(path)) + f"  {tail}" if tail else ""
        start = " ".join([*cells, hit_link(path, hit)])
        yield dimmed(start + end) if hit.get("offline") else start + (dimmed(end) if end else "")


def _pipe_line(hit: JsonObject) -> str:
    score = hit.get("score")
    cells = [f"{score:.3f}" if isinstance(score, int | float) else "", hit["path"]]
    if libraries := libraries_of(hit):
        cells.append(libraries)
    return columns(*cells, *(["offline"] if hit.get("offline") else []))


def libraries_of(hit: JsonObject) -> str:
    """Name the libraries that a hit lies in; "" where only one was asked."""
    names = [hit.get("library"), *(other.get("library") for other in objects(hit.get("also_in")))]
    return ",".join(str(name) for name in names if name)


def _listed(hit: JsonObject) -> ListedPhoto:
    photo = hit.get("photo")
    return ListedPhoto(
        path_bytes(hit),
        photo if isinstance(photo, int) else None,
        hit.get("offline") is True,
        str(socket_of(hit)),
    )


def socket_of(hit: JsonObject) -> Path:
    """Return the socket of the daemon that found a photo: of several, the hit names it."""
    named = hit.get("socket")
    return Path(named) if isinstance(named, str) else asked_socket()


def _tail(hit: JsonObject) -> tuple[str, str, str]:
    """Return what stands behind the path: date, place, and the rest, with the library in front."""
    taken, place, count = (hit.get(key) for key in ("taken", "place", "stands_for"))
    if hit.get("taken_from") == "file":
        taken = None  # when the file was written, which says little of when it was taken
    more = [libraries_of(hit)] if hit.get("library") else []
    if isinstance(count, int) and count > 1:
        more.append(f"+{count - 1}")
    if hit.get("offline"):
        more.append("offline")
    date = str(taken)[:10] if taken else ""
    where = shortened(one_line(str(place)), _MOST_PLACE) if place else ""
    return one_line(date), where, " ".join(more)


def _aligned(tails: Sequence[tuple[str, str, str]], room: int) -> list[str]:
    """Join the columns of the tails, each as wide as its widest; without places in little room."""
    chosen = [0, 1, 2] if room >= _LEAST_PATH + 10 + _MOST_PLACE else [0, 2]
    widths = [max(width_of(tail[column]) for tail in tails) for column in range(3)]
    chosen = [column for column in chosen if widths[column]]
    return [
        "  ".join(padded(tail[column], widths[column]) for column in chosen).rstrip()
        for tail in tails
    ]


def confidence_bar(score: object) -> str:
    """Draw a confidence of 0 to 1; nothing where there is none."""
    if not isinstance(score, int | float):
        return ""
    eighths = round(min(1.0, max(0.0, score)) * _BAR_CELLS * 8)
    if not (sys.stdout.encoding or "").lower().startswith("utf"):
        return "#" * round(eighths / 8) or "."
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip() or "▏"


def short_path(path: bytes) -> str:
    """Return a path as text of one line, with ``~`` for the home folder."""
    home = os.fsencode(os.environ.get("HOME", ""))
    is_below_home = len(home) > 1 and path.startswith(home.rstrip(b"/") + b"/")
    return one_line(shown(b"~" + path[len(home.rstrip(b"/")) :] if is_below_home else path))


def hit_link(text: str, hit: JsonObject) -> str:
    """Make a text a link to the file of a hit, unless that is none of this machine."""
    return linked(text, path_bytes(hit)) if is_own(socket_of(hit)) else text


def linked(text: str, path: bytes) -> str:
    """Make a text a link to a file, for terminals that have links (OSC 8)."""
    if os.environ.get("TERM", "dumb") in PLAIN_TERMINALS:
        return text
    address = file_address(path, os.uname().nodename)
    return f"\x1b]8;;{address}\x1b\\{text}\x1b]8;;\x1b\\"
