"""The query language: a line of text into its parts, and back. Pure; knows no key's meaning.

    query  = term*                             term   = ["-"] (filter | phrase | word)
    filter = KEY ":" value ["|" value ...]     value  = '"' ... '"' | characters up to a space
    phrase = '"' ... '"' ["^" weight]          word   = characters up to a space ["^" weight]

Plain words side by side are one text for the model; a phrase, a weight, a minus or a filter ends
it. Within quotes a backslash keeps a quote or a backslash from its meaning.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from clipd.errors import QueryError
from clipd.suggest import nearest

MAX_WEIGHT = 100.0
Span: TypeAlias = tuple[int, int]  # where a part stands in the text: first character, and end

_NOWHERE: Span = (0, 0)
_WEIGHT = re.compile(r"\^(\d+(?:\.\d*)?|\.\d+)$")
_WEIGHT_BEHIND_QUOTE = re.compile(r"\^(\d+(?:\.\d*)?|\.\d+)(?=\s|$)")
_KEY = re.compile(r"(-?)([A-Za-z]+):(?!//)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_WORD = re.compile(r"\S+")
_BARE_VALUE = re.compile(r"[^\s|]*")


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text for the model; ``weight`` below zero pushes away what it describes."""

    text: str
    weight: float = 1.0
    is_phrase: bool = False  # it stood in quotes
    span: Span = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class FilterPart:
    """``key:value``, with its values as they were written, without quotes."""

    key: str
    values: tuple[str, ...]
    is_negated: bool = False
    weight: float = 1.0  # of the keys that stand for a picture
    span: Span = field(default=_NOWHERE, compare=False)


QueryPart: TypeAlias = TextPart | FilterPart


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """The keys that there are; those of ``weighted`` may end with a weight."""

    keys: Collection[str]
    weighted: Collection[str] = ()


def parse(text: str, vocabulary: KnownKeys) -> tuple[QueryPart, ...]:
    """Take a query apart.

    Raises:
        QueryError: a quote is never closed, a key is not known but looks like one that is, a
            filter has no value, or a weight is out of range; it says where.
    """
    return tuple(_joined(_Scanner(text, vocabulary).parts()))


def written(parts: Sequence[QueryPart], vocabulary: KnownKeys) -> str:
    """Write parts as a query that ``parse`` takes apart into the same parts."""
    following: QueryPart | None = None
    texts = []
    for part in reversed(parts):
        if isinstance(part, FilterPart):
            texts.append(_filter_text(part, vocabulary))
        else:
            # Of two plain texts side by side only a weight tells where the first ends.
            texts.append(_words_text(part, is_ended=_is_plain(part) and _is_plain(following)))
        following = part
    return " ".join(reversed(texts))


def value_text(value: str) -> str:
    """Write a value as it may follow a key's colon: in quotes where it needs them."""
    return value if _is_plain_value(value, weighted=False) else _in_quotes(value)


class _Scanner:
    """Goes through a text once, from part to part."""

    def __init__(self, text: str, vocabulary: KnownKeys) -> None:
        self._text = text
        self._known = vocabulary
        self._at = 0

    def parts(self) -> Iterator[QueryPart]:
        """Yield the parts; plain words one by one."""
        while self._skip_space():
            yield self._filter() or self._phrase() or self._word()

    def _skip_space(self) -> bool:
        text = self._text
        while self._at < len(text) and text[self._at].isspace():
            self._at += 1
        return self._at < len(text)

    def _filter(self) -> FilterPart | None:
        start = self._at
        found = _KEY.match(self._text, start)
        if found is None:
            return None
        key = found[2].lower()
        if key not in self._known.keys:
            self._doubt(key, start, found.end())
            return None
        self._at = found.end()
        values = [self._value()]
        while self._text[self._at : self._at + 1] == "|":
            self._at += 1
            values.append(self._value())
        weight = 1.0
        if key in self._known.weighted:
            values[-1], weight = self._split_weight(values[-1])
        if "" in values:
            raise QueryError(
                f"{key}: has no value; write one behind the colon, without a space",
                (start, self._at),
            )
        return FilterPart(key, tuple(values), bool(found[1]), weight, (start, self._at))

    def _doubt(self, key: str, start: int, end: int) -> None:
        """Refuse what is no key but looks like one; anything else with a colon is a word."""
        near = nearest(key, self._known.keys)
        if near:
            word_end = _end_of(_WORD, self._text, start)
            raise QueryError(
                f"{key}: is no filter; did you mean {near[0]}:? "
                f'As words to look for it stands in quotes: "{self._text[start:word_end]}"',
                (start, end),
            )

    def _value(self) -> str:
        if self._text[self._at : self._at + 1] == '"':
            return self._quoted()
        start = self._at
        self._at = _end_of(_BARE_VALUE, self._text, start)
        return self._text[start : self._at]

    def _split_weight(self, value: str) -> tuple[str, float]:
        """Take a weight off the end of a value; behind quotes it still stands in the text."""
        behind = _WEIGHT_BEHIND_QUOTE.match(self._text, self._at)
        if behind is not None:
            self._at = behind.end()
            return value, _weight(behind[1], behind.span())
        # A value in quotes ends with its own characters, whatever they look like.
        if self._text[self._at - 1] == '"':
            return value, 1.0
        found = _WEIGHT.search(value)
        if found is None:
            return value, 1.0
        return value[: found.start()], _weight(found[1], (self._at - len(found[0]), self._at))

    def _phrase(self) -> TextPart | None:
        start = self._at
        is_negated = self._text.startswith('-"', start)
        if not is_negated and self._text[start] != '"':
            return None
        self._at += is_negated
        text = self._quoted()
        if not text.strip():
            raise QueryError("there is nothing between the quotes", (start, self._at))
        weight = 1.0
        found = _WEIGHT_BEHIND_QUOTE.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
            weight = _weight(found[1], found.span())
        return TextPart(text, -weight if is_negated else weight, True, (start, self._at))

    def _word(self) -> TextPart:
        start = self._at
        self._at = _end_of(_WORD, self._text, start)
        word = self._text[start : self._at]
        is_negated = len(word) > 1 and word.startswith("-")
        word = word[is_negated:]
        weight = 1.0
        found = _WEIGHT.search(word)
        if found is not None and found.start() > 0:
            weight = _weight(found[1], (self._at - len(found[0]), self._at))
            word = word[: found.start()]
        return TextPart(word, -weight if is_negated else weight, False, (start, self._at))

    def _quoted(self) -> str:
        found = _QUOTED.match(self._text, self._at)
        if found is None:
            raise QueryError(
                "the quote that opens here is never closed", (self._at, len(self._text))
            )
        self._at = found.end()
        return _ESCAPED.sub(r"\1", found[1])


def _end_of(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.match(text, start)
    return start if found is None else found.end()


def _weight(digits: str, span: Span) -> float:
    weight = float(digits)
    if not 0 < weight <= MAX_WEIGHT:
        raise QueryError(f"a weight is above 0 and at most {MAX_WEIGHT:g}", span)
    return weight


def _joined(parts: Iterator[QueryPart]) -> Iterator[QueryPart]:
    """Join plain words side by side into one text, up to and with the first that has a weight."""
    begun: TextPart | None = None
    for part in parts:
        if isinstance(part, TextPart) and _is_plain(part):
            begun = part if begun is None else _join(begun, part)
            if not _has_own_weight(part):
                continue
            yield begun
        else:
            if begun is not None:
                yield begun
            yield part
        begun = None
    if begun is not None:
        yield begun


def _is_plain(part: QueryPart | None) -> bool:
    return isinstance(part, TextPart) and not part.is_phrase and part.weight > 0


def _has_own_weight(part: TextPart) -> bool:
    # `a^1` is written with a weight, which is why its length is looked at and not the weight.
    return part.span[1] - part.span[0] > len(part.text)


def _join(one: TextPart, other: TextPart) -> TextPart:
    span = (one.span[0], other.span[1])
    return TextPart(f"{one.text} {other.text}", other.weight, False, span)


def _words_text(part: TextPart, is_ended: bool) -> str:
    text = _in_quotes(part.text) if part.is_phrase else part.text
    minus = "-" if part.weight < 0 else ""
    weight = abs(part.weight)
    # A word that itself ends like a weight would lose that end.
    if is_ended or (not part.is_phrase and _WEIGHT.search(part.text)):
        return f"{minus}{text}^{_digits(weight)}"
    return minus + text + _weight_text(weight)


def _filter_text(part: FilterPart, vocabulary: KnownKeys) -> str:
    weighted = part.key in vocabulary.weighted
    values = "|".join(
        value if _is_plain_value(value, weighted) else _in_quotes(value) for value in part.values
    )
    minus = "-" if part.is_negated else ""
    return f"{minus}{part.key}:{values}{_weight_text(part.weight)}"


def _is_plain_value(value: str, weighted: bool) -> bool:
    if value.startswith('"') or (weighted and _WEIGHT.search(value)):
        return False
    # A value that ends with a quote would be taken for one in quotes.
    return _BARE_VALUE.fullmatch(value) is not None and not value.endswith('"')


def _in_quotes(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _weight_text(weight: float) -> str:
    return "" if weight == 1 else f"^{_digits(weight)}"


def _digits(weight: float) -> str:
    """Write a weight without an exponent, and so that it is read as the same number."""
    return f"{weight:.0f}" if weight == int(weight) else f"{Decimal(repr(weight)):f}"
