"""Where photos of the last list lie by now: they may have been renamed since."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from clipd.ctl.client import Client
from clipd.ctl.last_list import ListedPhoto, chosen_photos
from clipd.ctl.libraries import library_name
from clipd.ctl.output import objects, path_bytes
from clipd.errors import ClipdError
from clipd.json_types import JsonObject, JsonValue
from clipd.pathtext import shown

_HASH_BYTES = 16  # as docs/api.md has it


def client_of(photo: ListedPhoto) -> Client:
    """Return a client of the daemon that has listed a photo; of the one to ask for a path."""
    return Client(Path(photo.socket) if photo.socket else None)


def chosen_files(words: Iterable[bytes]) -> list[ListedPhoto]:
    """Return the photos that words stand for, each where it lies now as far as clipd knows.

    Raises:
        RequestError: there is no such number, or no list.
    """
    return [_found_again(photo) for photo in chosen_photos(words)]


def is_there(photo: ListedPhoto) -> bool:
    """Whether the file of a photo is on this machine now."""
    return not photo.is_far and os.path.exists(photo.path)


def absence(photo: ListedPhoto) -> str:
    """Say that a photo is not there."""
    if photo.is_far:
        library = library_name(Path(str(photo.socket)))
        return (
            f"{shown(photo.path)} of {library} is not on this machine; clipctl view draws it, "
            "and its file has to be fetched from there"
        )
    if photo.offline:
        return f"{shown(photo.path)} is on a drive that is not there; connect it and try again"
    return f"there is no file {shown(photo.path)}"


def _found_again(photo: ListedPhoto) -> ListedPhoto:
    if photo.is_far:
        return _found_here(photo)
    if photo.photo is None or os.path.lexists(photo.path):
        return photo
    try:
        known = objects(client_of(photo).get(f"/v1/photos/{photo.photo}").get("paths"))
    except ClipdError:
        return photo  # what is not there is told by whoever wants to open it
    paths = (path_bytes(one) for one in known)
    return next((photo._replace(path=path) for path in paths if os.path.exists(path)), photo)


def _found_here(photo: ListedPhoto) -> ListedPhoto:
    """Return a photo of another daemon as a file of this machine, where it is one, too."""
    try:
        path = file_here(client_of(photo).get(f"/v1/photos/{photo.photo}"))
    except ClipdError:
        return photo
    return photo if path is None else ListedPhoto(path)


def file_here(info: JsonObject) -> bytes | None:
    """Return a file of this machine that is a photo of another daemon, to the byte.

    The same path is no proof: every camera writes a DSC_0001.jpg. A drive that both machines
    have mounted at one place is found so, and so is a daemon beside the user's own.
    """
    for place in objects(info.get("paths")):
        path = path_bytes(place)
        with suppress(OSError):
            if _has_content(path, place.get("size_bytes"), info.get("content_hash")):
                return path
    return None


def _has_content(path: bytes, size_bytes: JsonValue, content_hash: JsonValue) -> bool:
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode) or found.st_size != size_bytes:
        return False
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_HASH_BYTES))
    return digest.hexdigest() == content_hash
