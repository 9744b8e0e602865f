"""Where photos of the last list lie by now: they may have been renamed since."""

from __future__ import annotations

import os
from collections.abc import Iterable

from clipd.ctl.client import Client
from clipd.ctl.last_list import ListedPhoto, chosen_photos
from clipd.ctl.output import objects, path_bytes
from clipd.errors import ClipdError
from clipd.pathtext import shown


def chosen_files(words: Iterable[bytes]) -> list[ListedPhoto]:
    """Return the photos that words stand for, each where it lies now as far as clipd knows.

    Raises:
        RequestError: there is no such number, or no list.
    """
    return [_found_again(photo) for photo in chosen_photos(words)]


def absence(photo: ListedPhoto) -> str:
    """Say that a photo is not there."""
    if photo.offline:
        return f"{shown(photo.path)} is on a drive that is not there; connect it and try again"
    return f"there is no file {shown(photo.path)}"


def _found_again(photo: ListedPhoto) -> ListedPhoto:
    if photo.photo is None or os.path.lexists(photo.path):
        return photo
    try:
        known = objects(Client().get(f"/v1/photos/{photo.photo}").get("paths"))
    except ClipdError:
        return photo  # what is not there is told by whoever wants to open it
    paths = (path_bytes(one) for one in known)
    return next((photo._replace(path=path) for path in paths if os.path.exists(path)), photo)
