"""Searches out of requests: the three ways to write one become a ``Query``."""

from __future__ import annotations

from collections.abc import Mapping

from clipd.errors import RequestError
from clipd.json_types import JsonObject, JsonValue
from clipd.search.query import MAX_LIMIT, MAX_TERMS, MAX_WEIGHT, Query, Term
from clipd.serve import fields

_LIMITS = ("limit", "min_score")
_IN_ADDRESS = ("q", "path", "path_b64", *_LIMITS)
_IN_BODY = ("query", "terms", *_LIMITS)
_IN_TERM = ("text", "path", "path_b64", "picture_b64", "weight")


def from_address(query_string: bytes) -> Query:
    """Read ``?q=sunset&limit=5``, or ``?path=/home/me/a.jpg`` for what looks like a photo."""
    values = fields.parse_query_string(query_string, _IN_ADDRESS)
    path = fields.path_of(values, exact=True)
    if path is not None and "q" in values:
        raise RequestError("bad_request", "give 'q' or a path, not both; POST takes several terms")
    if path is not None:
        return _limited((Term(path=path),), _numbers(values))
    if "q" not in values:
        raise RequestError("query_empty", "there is nothing to search for; add ?q=sunset")
    return _limited((Term(text=fields.text_of(values["q"], "q")),), _numbers(values))


def from_json(body: bytes) -> Query:
    """Read ``{"query": "sunset"}`` or ``{"terms": [...]}``, with their limits."""
    values = fields.parse_object(body, _IN_BODY)
    if ("query" in values) == ("terms" in values):
        raise RequestError("query_empty", "give either 'query' or 'terms'")
    if "query" in values:
        return _limited((Term(text=fields.text_of(values["query"], "query")),), values)
    return _limited(_terms(values["terms"]), values)


def from_picture(body: bytes, query_string: bytes) -> Query:
    """Take the body as a picture file; its limits come from the address."""
    values = fields.parse_query_string(query_string, _LIMITS)
    return _limited((_picture(body, 1.0),), _numbers(values))


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
    if ("text" in values) + ("picture_b64" in values) + (path is not None) != 1:
        raise RequestError("bad_request", "a term needs one of 'text', 'path' and 'picture_b64'")
    if path is not None:
        return Term(weight, path=path)
    if "text" in values:
        return Term(weight, text=fields.text_of(values["text"], "text"))
    return _picture(fields.base64_of(values["picture_b64"], "picture_b64"), weight)


def _picture(picture: bytes, weight: float) -> Term:
    if not picture:
        raise RequestError("picture_empty", "the picture has no bytes")
    return Term(weight, picture=picture)


def _limited(terms: tuple[Term, ...], values: Mapping[str, JsonValue]) -> Query:
    limit, low = values.get("limit"), values.get("min_score")
    return Query(
        terms,
        None if limit is None else fields.integer_of(limit, "limit", 1, MAX_LIMIT),
        None if low is None else fields.number_of(low, "min_score", -1, 1),
    )


def _numbers(values: Mapping[str, str]) -> Mapping[str, JsonValue]:
    return {key: fields.read_word(values[key]) for key in _LIMITS if key in values}
