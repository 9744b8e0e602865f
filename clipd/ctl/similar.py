"""``clipctl similar``."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import click

from clipd.ctl.answer_form import AnswerForm, print_answer
from clipd.ctl.completing import PhotoWord
from clipd.ctl.destination import asked_socket
from clipd.ctl.last_list import ListedPhoto, chosen_photos
from clipd.ctl.output import path_value
from clipd.ctl.searching import limit_values, limits, searching
from clipd.ctl.whereabouts import client_of
from clipd.errors import RequestError
from clipd.json_types import JsonObject

# The daemon finds no such photo, or can make no picture of it: what it cannot see (its unit
# hides folders from it) or open, we may.
UPLOADABLE = (404, 422)
_SHOWN_SIDE = 1024  # pixels of a photo that another daemon is shown; models look at a third of that


@limits
@click.command()
@click.argument("pictures", nargs=-1, required=True, type=PhotoWord())
def similar(
    pictures: tuple[bytes, ...],
    limit: int | None,
    min_score: float | None,
    as_json: bool,
    null: bool,
    preview: str,
) -> int:
    """Find photos that look like a picture, which may lie anywhere; or like several at once.

    \b
      clipctl similar @3                        the third of the last list
      clipctl similar ~/Pictures/beach.jpg
      clipctl similar /tmp/download.png -n 5 --json
      curl https://... | clipctl similar -      a picture from standard input
    """
    bounds = limit_values(limit, min_score)
    if b"-" in pictures:
        answer = _uploaded(pictures, bounds)
    else:
        chosen = chosen_photos(pictures)
        try:
            asked: JsonObject = {"terms": [_photo_term(photo) for photo in chosen]}
            with searching() as client:
                answer = client.post("/v1/search", asked | bounds)
        except RequestError as error:
            if error.status not in UPLOADABLE or any(_is_of_another(photo) for photo in chosen):
                raise
            answer = _uploaded([photo.path for photo in chosen], bounds)
    return print_answer(answer, AnswerForm(as_json, null, preview))


def _is_of_another(photo: ListedPhoto) -> bool:
    """Whether another daemon than the one that is asked has listed a photo."""
    return photo.socket is not None and Path(photo.socket) != asked_socket()


def _photo_term(photo: ListedPhoto) -> JsonObject:
    if _is_of_another(photo):
        # Neither its path nor its id means anything to the daemon that is asked: it is shown it.
        asked: JsonObject = {"side": _SHOWN_SIDE}
        picture = client_of(photo).fetch(f"/v1/photos/{photo.photo}/thumbnail", asked)
        return {"picture_b64": base64.b64encode(picture).decode("ascii")}
    return path_value(photo.path) if photo.photo is None else {"photo": photo.photo}


def _uploaded(pictures: Sequence[bytes], bounds: JsonObject) -> JsonObject:
    from clipd.ctl.picture_files import search_by_files

    with searching() as client:
        return search_by_files(client, pictures, bounds)
