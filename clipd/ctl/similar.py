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
from clipd.ctl.searching import libraries, limit_values, limits, searching
from clipd.ctl.whereabouts import client_of
from clipd.errors import RequestError
from clipd.json_types import JsonObject, JsonValue

# The daemon finds no such photo, or can make no picture of it: what it cannot see (its unit
# hides folders from it) or open, we may.
UPLOADABLE = (404, 422)
_SHOWN_SIDE = 1024  # pixels of a photo that another daemon is shown; models look at a third of that


@limits
@libraries
@click.command()
@click.argument("pictures", nargs=-1, required=True, type=PhotoWord())
def similar(
    pictures: tuple[bytes, ...],
    everywhere: bool,
    within: float,
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
      clipctl similar @3 --everywhere           in the libraries of clipctl.toml, too
    """
    bounds = limit_values(limit, min_score)
    if everywhere:
        answer = _asked_everywhere(pictures, bounds, within)
    elif b"-" in pictures:
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
        return _picture_term(photo)
    return path_value(photo.path) if photo.photo is None else {"photo": photo.photo}


def _picture_term(photo: ListedPhoto) -> JsonObject:
    """Return a photo of a list as the picture that its daemon makes of it."""
    asked: JsonObject = {"side": _SHOWN_SIDE}
    picture = client_of(photo).fetch(f"/v1/photos/{photo.photo}/thumbnail", asked)
    return {"picture_b64": base64.b64encode(picture).decode("ascii")}


def _asked_everywhere(pictures: Sequence[bytes], bounds: JsonObject, within: float) -> JsonObject:
    """Ask all libraries, which are shown the same pictures: so their cosines can be compared."""
    from clipd.ctl.everywhere import ask_everywhere
    from clipd.ctl.picture_files import STANDARD_INPUT, picture_terms

    terms: list[JsonValue] = []
    for word in pictures:
        listed = [] if word == STANDARD_INPUT else chosen_photos([word])
        if listed and listed[0].photo is not None:
            terms += [_picture_term(photo) for photo in listed]
        else:
            terms += picture_terms(word)
    asked: JsonObject = {"terms": terms}
    return ask_everywhere(asked | bounds, 1, None, within)[0]


def _uploaded(pictures: Sequence[bytes], bounds: JsonObject) -> JsonObject:
    from clipd.ctl.picture_files import search_by_files

    with searching() as client:
        return search_by_files(client, pictures, bounds)
