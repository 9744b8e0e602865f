"""What a word of a query may become: keys, then the values that a key takes. Any thread."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from clipd.pathtext import is_utf8
from clipd.places import country_name
from clipd.search.grammar import value_text
from clipd.search.query import Sort, Unique
from clipd.search.query_keys import (
    FORMATS,
    HAVINGS,
    KEYS,
    KINDS,
    STATES,
    Surroundings,
    absolute,
)
from clipd.store.folding import folded
from clipd.store.selection import Column, PhotoSelection

MOST_OPTIONS = 50
_FRESH_SECONDS = 30.0  # for so long the values of a column are not asked again: people type fast
_MOST_VALUES = 20_000
_FIXED: Mapping[str, tuple[str, ...]] = {
    "type": tuple(FORMATS),
    "kind": KINDS,
    "has": HAVINGS,
    "is": STATES,
    "sort": get_args(Sort),
    "unique": get_args(Unique),
}
_COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "camera": ("camera",),
    "lens": ("lens",),
    "tag": ("tag",),
    "place": ("city", "region"),
}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_KEY = re.compile(r"(-?)([A-Za-z]*)")
_FILTER = re.compile(r"(-?([A-Za-z]+):)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Completion:
    """What may stand in place of the characters from ``start`` to ``end``, the likeliest first."""

    start: int
    end: int
    options: tuple[str, ...]


class Completer:
    """Completes queries from what the catalog knows."""

    def __init__(self, selection: PhotoSelection) -> None:
        self._selection = selection
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, tuple[str, ...]]] = {}  # guarded by _lock

    def complete(self, text: str, at: int, around: Surroundings) -> Completion:
        """Return what the word that ends at a character may become; at most 50 options."""
        start = _word_start(text[:at])
        word = text[start:at]
        found = _FILTER.fullmatch(word)
        if found is not None and found[2].lower() in KEYS.keys:
            options = self._values(found[1], found[2].lower(), found[3], around)
        else:
            options = _keys(word)
        return Completion(start, at, tuple(options)[:MOST_OPTIONS])

    def places(self) -> frozenset[str]:
        """Return the names of all countries, regions and cities that photos have, folded."""
        return frozenset(map(folded, self._known("place")))

    def _values(self, head: str, key: str, rest: str, around: Surroundings) -> list[str]:
        before, value = _last_value(rest)
        if key == "in" and ("/" in value or value.startswith(("~", "."))):
            found = self._folders_at(value, around)
        else:
            found = _matching(value, self._known(key))
        return [f"{head}{before}{value_text(each)}" for each in found]

    def _known(self, key: str) -> tuple[str, ...]:
        if key in _FIXED:
            return _FIXED[key]
        if key == "in":
            return self._fresh(key, self._folder_names)
        if key == "place":
            return self._fresh(key, self._place_names)
        if key in _COLUMNS:
            return self._fresh(key, lambda: self._column_values(_COLUMNS[key]))
        return ()

    def _column_values(self, columns: Iterable[Column]) -> list[str]:
        return [v for each in columns for v in self._selection.values(each, _MOST_VALUES)]

    def _place_names(self) -> list[str]:
        codes = self._selection.values("country", _MOST_VALUES)
        return [*self._column_values(_COLUMNS["place"]), *map(country_name, codes)]

    def _folder_names(self) -> list[str]:
        folders = self._selection.folders(b"/", _MOST_VALUES)
        names = {name for folder in folders for name in folder.split(b"/") if name}
        return [os.fsdecode(name) for name in names if is_utf8(name)]

    def _folders_at(self, value: str, around: Surroundings) -> list[str]:
        """Return the folders that begin so, a step further down, as they were begun."""
        typed, _, begun = value.rpartition("/")
        if not typed and not value.startswith("/"):
            return [value + "/"] if value in ("~", ".", "..") else []
        try:
            above = absolute(typed or "/", around)
        except ValueError:
            return []
        names = self._selection.folder_steps(above, os.fsencode(begun), _MOST_VALUES)
        return sorted(f"{typed}/{os.fsdecode(name)}/" for name in names if is_utf8(name))

    def _fresh(self, key: str, ask: Callable[[], Iterable[str]]) -> tuple[str, ...]:
        now = time.monotonic()
        with self._lock:
            asked_at, values = self._kept.get(key, (-_FRESH_SECONDS, ()))
        if now - asked_at < _FRESH_SECONDS:
            return values
        values = tuple(sorted(set(ask()), key=folded))
        with self._lock:
            self._kept[key] = now, values
        return values


def _keys(word: str) -> list[str]:
    match = _KEY.fullmatch(word)
    if match is None:
        return []
    minus, begun = match[1], match[2].lower()
    return [f"{minus}{key}:" for key in KEYS.keys if key.startswith(begun)]


def _matching(begun: str, values: Iterable[str]) -> list[str]:
    """Return the values that begin so, then those of which a later word does."""
    wanted = folded(begun)
    first, later = [], []
    for value in values:
        text = folded(value)
        if text.startswith(wanted):
            first.append(value)
        elif f" {wanted}" in text:
            later.append(value)
    return first + later


def _word_start(text: str) -> int:
    """Return where the last word begins; spaces within quotes belong to it."""
    spaces = [at for at, character in _outside_quotes(text) if character.isspace()]
    return spaces[-1] + 1 if spaces else 0


def _last_value(rest: str) -> tuple[str, str]:
    """Split what follows a colon into the values that are complete and the one being written."""
    bars = [at for at, character in _outside_quotes(rest) if character == "|"]
    start = bars[-1] + 1 if bars else 0
    value = rest[start:]
    if value.startswith('"'):
        value = _ESCAPED.sub(r"\1", value[1:].removesuffix('"'))
    return rest[:start], value


def _outside_quotes(text: str) -> Iterator[tuple[int, str]]:
    is_quoted = is_escaped = False
    for position, character in enumerate(text):
        if is_escaped or (is_quoted and character == "\\"):
            is_escaped = not is_escaped
        elif character == '"':
            is_quoted = not is_quoted
        elif not is_quoted:
            yield position, character
