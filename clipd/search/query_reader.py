"""A line of the query language, read: its parts become a ``Query``. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar, get_args

from clipd.errors import QueryError
from clipd.search.grammar import FilterPart, QueryPart, TextPart, parse
from clipd.search.number_ranges import NumberRange, read_number, read_range
from clipd.search.query import MAX_TERMS, Query, Sort, Term, Unique
from clipd.search.query_keys import KEYS, NARROWING, Surroundings, absolute, condition_of, one_of
from clipd.store.conditions import Condition

_Word = TypeVar("_Word", bound=str)
_SORTS: tuple[Sort, ...] = get_args(Sort)
_UNIQUES: tuple[Unique, ...] = get_args(Unique)


def read_query(text: str, around: Surroundings) -> Query:
    """Read a query as a person wrote it.

    Raises:
        QueryError: it cannot be read; it says where, and what would be right.
    """
    return replace(read_parts(parse(text, KEYS), around), text=text.strip())


def read_parts(parts: Sequence[QueryPart], around: Surroundings) -> Query:
    """Join the parts of a query.

    Raises:
        QueryError: a filter has a value that it does not take, or there are too many terms.
    """
    terms: list[Term] = []
    filters: list[FilterPart] = []
    for part in parts:
        if isinstance(part, TextPart):
            terms.append(Term(part.weight, text=part.text))
        elif part.key in ("like", "unlike"):
            terms.extend(_pictures(part, around))
        else:
            filters.append(part)
    if len(terms) > MAX_TERMS:
        raise QueryError(f"the query has {len(terms)} terms; the most is {MAX_TERMS}", (0, 0))
    return Query(
        tuple(terms),
        conditions=_conditions(filters, around),
        sort=_only_word(filters, "sort", _SORTS),
        unique=_only_word(filters, "unique", _UNIQUES) or "copy",
        confidence=_only_range(filters, "score"),
        cosine=_only_range(filters, "raw"),
        without=_without(filters),
    )


def _conditions(filters: Sequence[FilterPart], around: Surroundings) -> tuple[Condition, ...]:
    """Join the filters of one key, of which one has to hold; those with a minus stand alone."""
    joined: dict[str, Condition] = {}
    negated: list[Condition] = []
    for part in filters:
        if part.key not in NARROWING:
            continue
        condition = condition_of(part, around)
        before = joined.get(part.key)
        if part.is_negated:
            negated.append(condition)
        elif before is None:
            joined[part.key] = condition
        else:
            label = f"{before.label} or {condition.label}"
            joined[part.key] = Condition(before.criteria + condition.criteria, label=label)
    return (*joined.values(), *negated)


def _pictures(part: FilterPart, around: Surroundings) -> list[Term]:
    is_less = part.is_negated != (part.key == "unlike")
    weight = -part.weight if is_less else part.weight
    try:
        return [_picture(value, weight, around) for value in part.values]
    except ValueError as error:
        raise QueryError(f"{part.key}: {error}", part.span) from error


def _picture(value: str, weight: float, around: Surroundings) -> Term:
    if not value.startswith("@"):
        return Term(weight, path=absolute(value, around))
    if not value[1:].isascii() or not value[1:].isdigit():
        raise ValueError(f"{value} is no number of a list; write @3, or ./{value} for a file")
    number = int(value[1:])
    if not around.listed:
        raise ValueError(f"{value} stands for nothing: there is no last list here; search first")
    if not 1 <= number <= len(around.listed):
        raise ValueError(f"there is no {value}: the last list goes up to @{len(around.listed)}")
    return Term(weight, photo=around.listed[number - 1])


def _without(filters: Sequence[FilterPart]) -> tuple[str, ...]:
    found: list[str] = []
    for part in filters:
        if part.key != "not":
            continue
        if part.is_negated:
            raise QueryError("not: takes no minus; write the words to look for them", part.span)
        found.extend(part.values)
    return tuple(found)


def _only(filters: Sequence[FilterPart], key: str) -> FilterPart | None:
    found = [part for part in filters if part.key == key]
    for part in found:
        if part.is_negated:
            raise QueryError(f"{key}: takes no minus", part.span)
        if len(part.values) > 1 or len(found) > 1:
            raise QueryError(f"{key}: takes one value only", found[-1].span)
    return found[0] if found else None


def _only_word(filters: Sequence[FilterPart], key: str, known: tuple[_Word, ...]) -> _Word | None:
    part = _only(filters, key)
    if part is None:
        return None
    try:
        word = one_of(part.values[0], known, f"value of {key}:")
    except ValueError as error:
        raise QueryError(f"{key}: {error}", part.span) from error
    return next(each for each in known if each == word)


def _only_range(filters: Sequence[FilterPart], key: str) -> NumberRange | None:
    part = _only(filters, key)
    if part is None:
        return None
    try:
        found = read_range(part.values[0], read_number)
    except ValueError as error:
        raise QueryError(f"{key}: {error}", part.span) from error
    # `score:0.5` means what it says on the bar: at least so much.
    return NumberRange(found.low) if found.is_exact else found
