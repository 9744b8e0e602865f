"""Searches out of requests: every way to write one becomes a ``Query``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import get_args

from clipd.errors import QueryError, RequestError
from clipd.json_types import JsonObject, JsonValue
from clipd.search.grammar import FilterPart
from clipd.search.query import (
    MAX_LIMIT,
    MAX_TERMS,
    MAX_TEXT_CHARACTERS,
    MAX_WEIGHT,
    Query,
    Sameness,
    Term,
)
from clipd.search.query_keys import KEYS, Surroundings
from clipd.search.query_reader import read_parts, read_query
from clipd.serve import fields
from clipd.suggest import nearest

_LIMITS = ("limit", "min_score", "after", "anyway", "explain", "members", "typing")
_AROUND = ("folder", "home", "list")
_IN_ADDRESS = ("q", "path", "path_b64", *_AROUND, *_LIMITS)
_IN_BODY = ("q", "query", "terms", "filters", *_AROUND, *_LIMITS)
_IN_TERM = ("text", "path", "path_b64", "picture_b64", "photo", "weight")
_IN_FILTER = ("key", "values", "not")
_GROUPS = 1000  # of duplicates, unless more are asked for
_MOST_LISTED = 100_000
_MOST_VALUES = 1000  # of all filters together


def from_address(query_string: bytes) -> Query:
    """Read ``?q=sunset in:~/Pictures``, or ``?path=/home/me/a.jpg`` for what looks like a photo."""
    words = fields.parse_query_string(query_string, _IN_ADDRESS)
    path = fields.path_of(words, exact=True)
    if path is not None and "q" in words:
        raise RequestError("bad_request", "give 'q' or a path, not both; POST takes several terms")
    if path is not None:
        return _limited(Query((Term(path=path),)), _values(words))
    if "q" not in words:
        raise RequestError("query_empty", "there is nothing to search for; add ?q=sunset")
    values = _values(words)
    return _limited(_written(words["q"], _around(values)), values)


def from_json(body: bytes) -> Query:
    """Read ``{"q": "sunset in:."}``, plain words as ``query``, or ``terms`` and ``filters``."""
    values = fields.parse_object(body, _IN_BODY)
    is_in_parts = "terms" in values or "filters" in values
    if ("q" in values) + ("query" in values) + is_in_parts != 1:
        raise RequestError("query_empty", "give one of 'q', 'query', and 'terms' or 'filters'")
    around = _around(values)
    if "q" in values:
        return _limited(_written(values["q"], around), values)
    if "query" in values:
        text = fields.text_of(values["query"], "query")
        return _limited(Query((Term(text=text),)), {"anyway": True, **values})
    query = _filtered(values["filters"], around) if "filters" in values else Query(())
    if "terms" in values:
        query = replace(query, terms=_terms(values["terms"]))
    # For programs, which have a bar of their own.
    return _limited(query, {"anyway": True, **values})


def from_picture(body: bytes, query_string: bytes) -> Query:
    """Take the body as a picture file; its limits come from the address."""
    words = fields.parse_query_string(query_string, _LIMITS)
    return _limited(Query((_picture(body, 1.0),)), _values(words))


def unfinished(query_string: bytes) -> tuple[str, int, Surroundings]:
    """Read ``?q=cat%20cam&at=7``: a query that is being written, and where."""
    words = fields.parse_query_string(query_string, ("q", "at", "folder", "home"))
    text = words.get("q", "")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise RequestError("query_too_long", f"'q' has over {MAX_TEXT_CHARACTERS:,} characters")
    at = fields.read_word(words["at"]) if "at" in words else len(text)
    return text, fields.integer_of(at, "at", 0, len(text)), _around(_values(words))


def sameness_of(query_string: bytes) -> tuple[Sameness, int]:
    """Read ``?by=burst&limit=100``: which photos are the same, and how many groups to show."""
    words = fields.parse_query_string(query_string, ("by", "limit"))
    by = words.get("by", "copy")
    known: tuple[Sameness, ...] = get_args(Sameness)
    found = next((each for each in known if each == by), None)
    if found is None:
        raise RequestError("bad_value", f"'by' must be one of {', '.join(known)}")
    limit = fields.read_word(words.get("limit", str(_GROUPS)))
    return found, fields.integer_of(limit, "limit", 1, MAX_LIMIT)


def _written(value: JsonValue, around: Surroundings) -> Query:
    fields.text_of(value, "q")
    # As it was sent: the place of an error is counted in it.
    return read_query(str(value), around)


def _around(values: Mapping[str, JsonValue]) -> Surroundings:
    listed = values.get("list", [])
    if not isinstance(listed, list) or len(listed) > _MOST_LISTED:
        raise RequestError("bad_type", f"'list' must be up to {_MOST_LISTED:,} ids of photos")
    return Surroundings(
        now=datetime.now(),
        folder=fields.folder_of(values, "folder"),
        home=fields.folder_of(values, "home"),
        listed=tuple(fields.integer_of(each, "list", 1, (1 << 63) - 1) for each in listed),
    )


def _terms(value: JsonValue) -> tuple[Term, ...]:
    if not isinstance(value, list):
        raise RequestError("bad_type", "'terms' must be a list of objects")
    if not value:
        raise RequestError("query_empty", "'terms' is empty")
    if len(value) > MAX_TERMS:
        raise RequestError("query_too_long", f"'terms' has {len(value)}; the most is {MAX_TERMS}")
    return tuple(_term(fields.as_object(item, _IN_TERM, "a term")) for item in value)


def _term(values: JsonObject) -> Term:
    weight = fields.number_of(values.get("weight", 1), "weight", -MAX_WEIGHT, MAX_WEIGHT)
    if weight == 0:
        raise RequestError("bad_value", "'weight' is 0: leave the term out")
    path = fields.path_of(values, exact=False)
    given = [key for key in ("text", "picture_b64", "photo") if key in values]
    if len(given) + (path is not None) != 1:
        message = "a term needs one of 'text', 'path', 'photo' and 'picture_b64'"
        raise RequestError("bad_request", message)
    if path is not None:
        return Term(weight, path=path)
    if "text" in values:
        return Term(weight, text=fields.text_of(values["text"], "text"))
    if "photo" in values:
        return Term(weight, photo=fields.integer_of(values["photo"], "photo", 1, (1 << 63) - 1))
    return _picture(fields.base64_of(values["picture_b64"], "picture_b64"), weight)


def _picture(picture: bytes, weight: float) -> Term:
    if not picture:
        raise RequestError("picture_empty", "the picture has no bytes")
    return Term(weight, picture=picture)


def _filtered(value: JsonValue, around: Surroundings) -> Query:
    """Read ``[{"key": "on", "values": ["2019"], "not": false}]``: filters without a text."""
    if not isinstance(value, list):
        raise RequestError("bad_type", "'filters' must be a list of objects")
    parts = [_filter(fields.as_object(item, _IN_FILTER, "a filter")) for item in value]
    if sum(len(part.values) for part in parts) > _MOST_VALUES:
        raise RequestError("query_too_long", f"'filters' has over {_MOST_VALUES:,} values")
    try:
        return read_parts(parts, around)
    except QueryError as error:
        raise RequestError("bad_value", str(error)) from error


def _filter(values: JsonObject) -> FilterPart:
    key, written = values.get("key"), values.get("values")
    if not isinstance(key, str) or key not in KEYS.keys:
        near = nearest(str(key), KEYS.keys)
        advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(KEYS.keys)}"
        raise RequestError("bad_value", f"a filter has no 'key' that is known; {advice}")
    if not isinstance(written, list) or not written:
        raise RequestError("bad_type", f"the 'values' of the filter {key} must be a list of texts")
    texts = tuple(fields.text_of(each, "values") for each in written)
    return FilterPart(key, texts, fields.flag_of(values.get("not", False), "not"))


def _limited(query: Query, values: Mapping[str, JsonValue]) -> Query:
    limit, low = values.get("limit"), values.get("min_score")
    after = values.get("after", "")
    if not isinstance(after, str):
        raise RequestError("bad_type", "'after' must be the 'next' of an answer")
    return replace(
        query,
        limit=None if limit is None else fields.integer_of(limit, "limit", 1, MAX_LIMIT),
        min_score=None if low is None else fields.number_of(low, "min_score", -1, 1),
        after=after,
        anyway=fields.flag_of(values.get("anyway", False), "anyway"),
        explain=fields.flag_of(values.get("explain", False), "explain"),
        members=fields.flag_of(values.get("members", False), "members"),
        typing=fields.flag_of(values.get("typing", False), "typing"),
    )


def _values(words: Mapping[str, str]) -> Mapping[str, JsonValue]:
    """Return the values of an address as JSON would have them."""
    values: dict[str, JsonValue] = {
        key: words[key] if key == "after" else fields.read_word(words[key])
        for key in _LIMITS
        if key in words
    }
    values |= {key: words[key] for key in ("folder", "home") if key in words}
    if "list" in words:
        values["list"] = [fields.read_word(each) for each in words["list"].split(",") if each]
    return values
