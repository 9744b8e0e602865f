"""Hits as pictures, several across, with a number, a confidence and a name under each."""

from __future__ import annotations

import os
from collections.abc import Sequence

from clipd.ctl.hit_list import confidence_bar, hit_link, libraries_of, socket_of
from clipd.ctl.output import dimmed, emit, objects, path_bytes
from clipd.ctl.picture_source import PictureSource, WantedPicture
from clipd.ctl.text_width import padded, shortened, width_of
from clipd.ctl.tiles import GAP, Drawing, RgbPicture, Tile, reason_tile, side_by_side
from clipd.ctl.window import current_window
from clipd.json_types import JsonObject
from clipd.pathtext import one_line, shown

_MOST_COLUMNS = 40
_TEXT_ROWS = 4  # of a window, that no picture takes: what stands under it, and the prompt


def print_grid(hits: Sequence[JsonObject], drawing: Drawing) -> None:
    """Print hits as pictures, row by row, as they come."""
    window = current_window()
    columns = _tile_columns(window.columns, drawing.least_columns)
    rows = max(1, min(drawing.rows_for(columns), window.rows - _TEXT_ROWS))
    box = drawing.box(columns, rows)
    wanted = [_wanted(hit) for hit in hits]
    across = _across(window.columns, columns)
    number_room = len(str(len(hits)))
    try:
        with PictureSource(wanted, box) as source:
            first = 0
            while first < len(hits):
                pictures = source.take(first, first + across)
                # The window may have become narrower since the row above.
                across = min(across, _across(current_window().columns, columns))
                tiles = [tile_of(one, drawing, columns, rows) for one in pictures[:across]]
                texts = [
                    _captions(hit, f"{number:>{number_room}}", columns)
                    for number, hit in enumerate(hits[first : first + across], first + 1)
                ]
                emit(side_by_side(tiles) + _beside(texts) + "\n")
                first += across
    except BaseException:
        # Ctrl-C, too: in half a drawing, the terminal would take the prompt for more of it.
        emit(f"{drawing.end}\n")
        raise


def tile_of(picture: RgbPicture | str, drawing: Drawing, columns: int, rows: int) -> Tile:
    """Draw a picture, or the reason why there is none."""
    if isinstance(picture, str):
        return reason_tile(picture, columns, rows)
    return drawing.tile(picture, columns, rows)


def _across(room: int, columns: int) -> int:
    return max(1, (room + GAP) // (columns + GAP))


def _tile_columns(room: int, least: int) -> int:
    """Return how wide tiles are, so that as many as there is room for fill a line."""
    across = _across(room, least)
    return max(1, min(_MOST_COLUMNS, (room - GAP * (across - 1)) // across))


def _wanted(hit: JsonObject) -> WantedPicture:
    photo = hit.get("photo")
    places = [str(place.get("path")) for place in (hit, *objects(hit.get("also")))]
    number = photo if isinstance(photo, int) else None
    return WantedPicture(number, tuple(places), socket_of(hit))


def _captions(hit: JsonObject, number: str, columns: int) -> tuple[str, str]:
    """Return the lines under a picture: number, confidence and the like; and its name."""
    head = shortened(number, columns)
    for part in _parts(hit):
        if part and width_of(head) + 1 + width_of(part) <= columns:
            head += f" {part}"
    path = path_bytes(hit)
    text = shortened(one_line(shown(os.path.basename(path))), columns)
    name = hit_link(text, hit) + " " * (columns - width_of(text))
    head = padded(head, columns)
    return (dimmed(head), dimmed(name)) if hit.get("offline") else (head, name)


def _parts(hit: JsonObject) -> list[str]:
    count, taken = hit.get("stands_for"), hit.get("taken")
    is_dated = taken and hit.get("taken_from") != "file"
    return [
        confidence_bar(hit.get("score")),
        libraries_of(hit),
        "offline" if hit.get("offline") else "",
        f"+{count - 1}" if isinstance(count, int) and count > 1 else "",
        one_line(str(taken)[:10]) if is_dated else "",
    ]


def _beside(texts: Sequence[tuple[str, str]]) -> str:
    gap = " " * GAP
    return "".join(gap.join(text[line] for text in texts).rstrip(" ") + "\n" for line in (0, 1))
