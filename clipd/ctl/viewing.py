"""``clipctl view``: photos in the terminal, as large as its window."""

from __future__ import annotations

from pathlib import Path

import click

from clipd.ctl.command_group import json_option
from clipd.ctl.completing import PhotoWord
from clipd.ctl.failures import DONE, NOTHING
from clipd.ctl.hit_list import linked, short_path
from clipd.ctl.info import known_of, place_of, taken_of
from clipd.ctl.last_list import ListedPhoto, chosen_photos
from clipd.ctl.output import dimmed, emit, emit_json, objects, path_bytes
from clipd.ctl.picture_source import fetch_picture, without_place
from clipd.ctl.previews import chosen_drawing, no_pictures
from clipd.ctl.text_width import cut_off, shortened
from clipd.ctl.tiles import Drawing, Tile, reason_tile, side_by_side
from clipd.ctl.window import current_window
from clipd.errors import RequestError
from clipd.json_types import JsonObject
from clipd.pathtext import one_line, shown

_TEXT_ROWS = 4  # the path, date and place, an empty line, and the prompt
_REASON_CELLS = (50, 7)  # of a sentence in place of a picture
_PICTURE_SECONDS = 20.0  # a drive that sleeps takes ten to wake


@click.command()
@click.argument("photos", nargs=-1, required=True, type=PhotoWord())
@json_option
def view(photos: tuple[bytes, ...], as_json: bool) -> int:
    """Draw photos in the terminal, as large as its window, but no larger than they are.

    \b
      clipctl view @3              the third of the last list
      clipctl view @1-5
      clipctl view ~/Pictures/beach.jpg

    As pixels where the terminal has kitty's graphics protocol, else in half blocks. For the
    program of the desktop: clipctl open; for the file manager: clipctl show.
    """
    chosen = chosen_photos(photos)
    if as_json:
        emit_json([known_of(photo) for photo in chosen])
        return DONE
    if reason := no_pictures():
        raise RequestError("no_pictures", f"{reason}; look at it with: clipctl open", 501)
    with chosen_drawing("on") as drawing:
        assert drawing is not None  # no_pictures() knows all that speaks against it
        try:
            drawn = [_view(photo, drawing) for photo in chosen]
        except BaseException:
            # Ctrl-C, too: in half a drawing, the terminal would take the prompt for more of it.
            emit(f"{drawing.end}\n")
            raise
    return DONE if any(drawn) else NOTHING


def _view(photo: ListedPhoto, drawing: Drawing) -> bool:
    """Draw a photo, or a box with the reason why it cannot be; return whether it could."""
    window = current_window()
    room = (window.columns, max(1, window.rows - _TEXT_ROWS))
    info: JsonObject = {}
    try:
        info = known_of(photo)
        tile, is_drawn = _large(info, photo, drawing, room), True
    except RequestError as error:
        reason = without_place(str(error), [shown(photo.path), *_places(info)])
        columns, rows = (min(one, most) for one, most in zip(_REASON_CELLS, room, strict=True))
        tile, is_drawn = reason_tile(reason, columns, rows), False
    texts = [_name(info, photo, window.columns), *_facts(info, window.columns), ""]
    emit(side_by_side([tile]) + "".join(text + "\n" for text in texts))
    return is_drawn


def _large(info: JsonObject, listed: ListedPhoto, drawing: Drawing, room: tuple[int, int]) -> Tile:
    failure, photo = info.get("failure"), info.get("photo")
    if not isinstance(photo, int):
        reason = failure.get("reason") if isinstance(failure, dict) else "clipd does not know it"
        raise RequestError("no_thumbnail", str(reason), 422)
    socket = Path(listed.socket) if listed.socket else None
    picture = fetch_picture(photo, drawing.box(*room), _PICTURE_SECONDS, socket)
    return drawing.tile(picture, *drawing.cells(picture, *room))


def _places(info: JsonObject) -> list[str]:
    return [str(place.get("path")) for place in objects(info.get("paths"))]


def _name(info: JsonObject, photo: ListedPhoto, room: int) -> str:
    known = [path_bytes(place) for place in objects(info.get("paths"))]
    path = photo.path if photo.path in known or not known else known[0]
    text = shortened(short_path(path), room)
    return text if photo.is_far else linked(text, path)


def _facts(info: JsonObject, room: int) -> list[str]:
    """Return the line of when and where, if anything is known of that."""
    text = ", ".join(fact for fact in (taken_of(info), place_of(info)) if fact)
    return [dimmed(cut_off(one_line(text), room))] if text else []
