"""Values out of requests: checked for type and range, refused in a sentence."""

from __future__ import annotations

import base64
import binascii
import json
import math
import os
import re
import unicodedata
from collections.abc import Collection, Mapping
from typing import NoReturn
from urllib.parse import parse_qsl

from clipd.errors import RequestError
from clipd.json_types import JsonObject, JsonValue
from clipd.search.query import MAX_TEXT_CHARACTERS, THUMBNAIL_SIDES
from clipd.suggest import nearest

MAX_PATH_BYTES = 4096  # PATH_MAX of Linux
MAX_QUERY_KEYS = 64
_BOX = re.compile(r"([0-9]{1,4})x([0-9]{1,4})")


def parse_json(body: bytes) -> JsonValue:
    """Parse a body as JSON; NaN and infinity, which JSON does not have, are refused."""
    try:
        return _as_json(json.loads(body, parse_constant=_no_constant))
    except RecursionError as error:
        raise RequestError("bad_json", "the body is JSON nested too deeply") from error
    except ValueError as error:
        raise RequestError("bad_json", f"the body is not JSON: {error}") from error


def parse_object(body: bytes, allowed: Collection[str]) -> JsonObject:
    """Parse a body as a JSON object of known keys; no body is an empty object."""
    return as_object(parse_json(body), allowed, "the body") if body.strip() else {}


def parse_query_string(raw: bytes, allowed: Collection[str]) -> dict[str, str]:
    """Parse a query string; bytes that are not UTF-8 become surrogates (``os.fsdecode``)."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii", "surrogateescape"),
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=MAX_QUERY_KEYS,
        )
    except ValueError as error:
        raise RequestError("bad_request", "the query string has too many keys") from error
    values: dict[str, str] = {}
    for key, value in pairs:
        if key in values:
            raise RequestError("bad_request", f"'{_brief(key)}' is given twice")
        values[key] = value
    check_keys(values, allowed, "the query string")
    return values


def as_object(value: JsonValue, allowed: Collection[str], what: str) -> JsonObject:
    """Take a value as an object of known keys."""
    if not isinstance(value, dict):
        raise RequestError("bad_type", f"{what} must be an object, not {_kind(value)}")
    check_keys(value, allowed, what)
    return value


def check_keys(values: Collection[str], allowed: Collection[str], what: str) -> None:
    """Refuse keys that mean nothing here, with the nearest one that does."""
    for key in values:
        if key not in allowed:
            near = nearest(key, allowed)
            advice = (
                f"did you mean '{near[0]}'?" if near else f"known: {', '.join(sorted(allowed))}"
            )
            raise RequestError(
                "unknown_key", f"{what} has an unknown key '{_brief(key)}'; {advice}"
            )


def text_of(value: JsonValue, key: str) -> str:
    """Take a value as the text of a query: 1 to 1,000 characters, none of them control."""
    text = string_of(value, key).strip()
    if not text:
        raise RequestError("query_empty", "the query is empty: say what the picture shows")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise RequestError(
            "query_too_long",
            f"'{key}' has {len(text):,} characters; the most is {MAX_TEXT_CHARACTERS:,}",
        )
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise RequestError("query_not_text", f"'{key}' holds bytes or control characters, not text")
    return text


def path_of(values: Mapping[str, JsonValue], *, exact: bool) -> bytes | None:
    """Take ``path`` or ``path_b64`` as the bytes of an absolute path; None when neither is there.

    Args:
        values: the object or the query string.
        exact: whether ``path`` may stand for bytes that are not UTF-8, as in a query string.
    """
    if "path" in values and "path_b64" in values:
        raise RequestError("bad_request", "give 'path' or 'path_b64', not both")
    if "path_b64" in values:
        return _absolute(base64_of(values["path_b64"], "path_b64"))
    if "path" not in values:
        return None
    text = string_of(values["path"], "path")
    try:
        return _absolute(os.fsencode(text) if exact else text.encode("utf-8"))
    except UnicodeEncodeError as error:
        message = "'path' holds bytes that are not text; send it as 'path_b64'"
        raise RequestError("bad_path", message) from error


def folder_of(values: Mapping[str, JsonValue], key: str) -> bytes | None:
    """Take a value as the absolute path of a folder; None when it is not there."""
    if key not in values:
        return None
    # Bytes that are not UTF-8 come as surrogates, from an address and from JSON alike.
    return _absolute(string_of(values[key], key).encode("utf-8", "surrogateescape"))


def box_of(values: Mapping[str, str]) -> tuple[int, int]:
    """Take ``fit``, such as ``320x200``, as the most pixels across and down."""
    if "side" in values:
        raise RequestError("bad_request", "give 'side' or 'fit', not both")
    found = _BOX.fullmatch(values["fit"])
    edges = (int(found[1]), int(found[2])) if found else (0, 0)
    most = max(THUMBNAIL_SIDES)
    if not all(1 <= edge <= most for edge in edges):
        raise RequestError(
            "bad_value", f"'fit' must be the pixels across and down, 1x1 to {most}x{most}"
        )
    return edges


def model_of(values: Mapping[str, JsonValue]) -> str | None:
    """Take ``model`` as the name of a model, or ``others`` as all that are not in use: None."""
    if ("model" in values) == ("others" in values):
        raise RequestError("bad_request", "give 'model' or 'others', and not both")
    if "model" in values:
        return string_of(values["model"], "model")
    if not flag_of(values["others"], "others"):
        raise RequestError("bad_value", "'others' must be true: it says which models are meant")
    return None


def base64_of(value: JsonValue, key: str) -> bytes:
    """Take a value as bytes written in base64."""
    try:
        return base64.b64decode(string_of(value, key), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError("bad_base64", f"'{key}' is not base64: {error}") from error


def number_of(value: JsonValue, key: str, low: float, high: float) -> float:
    """Take a value as a number within a range, its ends included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RequestError("bad_type", f"'{key}' must be a number, not {_kind(value)}")
    if not math.isfinite(value) or not low <= value <= high:
        raise RequestError("bad_value", f"'{key}' must be from {low:g} to {high:g}")
    return float(value)


def integer_of(value: JsonValue, key: str, low: int, high: int) -> int:
    """Take a value as a whole number within a range, its ends included."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise RequestError("bad_type", f"'{key}' must be a whole number, not {_kind(value)}")
    if not low <= value <= high:
        raise RequestError("bad_value", f"'{key}' must be from {low:,} to {high:,}")
    return value


def flag_of(value: JsonValue, key: str) -> bool:
    """Take a value as true or false."""
    if not isinstance(value, bool):
        raise RequestError("bad_type", f"'{key}' must be true or false, not {_kind(value)}")
    return value


def read_word(text: str) -> JsonValue:
    """Read a value of a query string the way JSON would write it: ``5``, ``0.2``, ``true``."""
    try:
        return parse_json(text.encode("utf-8", "replace"))
    except RequestError:
        return text


def _absolute(path: bytes) -> bytes:
    if not path.startswith(b"/") or b"\0" in path:
        raise RequestError("bad_path", "a path must be absolute and without NUL")
    if len(path) > MAX_PATH_BYTES:
        raise RequestError("bad_path", f"a path has at most {MAX_PATH_BYTES:,} bytes")
    return os.path.normpath(path)


def string_of(value: JsonValue, key: str) -> str:
    """Take a value as a string."""
    if not isinstance(value, str):
        raise RequestError("bad_type", f"'{key}' must be a string, not {_kind(value)}")
    return value


def _kind(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "true or false"
    names = {dict: "an object", list: "a list", str: "a string", type(None): "null"}
    return names.get(type(value), "a number")


def _brief(key: str) -> str:
    return key if len(key) <= 40 else key[:40] + "..."


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _as_json(value: object) -> JsonValue:
    # What json.loads returns is a JsonValue by construction; this is where Any ends.
    assert value is None or isinstance(value, bool | int | float | str | list | dict)
    return value
