"""How a query was read, in one line for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from clipd.search.query import Query, Term


def explain(query: Query, counts: Sequence[int] | None, photos: int) -> str:
    """Return such as ``words "birthday cake" · from 2019 (312 of 50,000)``.

    Args:
        counts: how many photos meet each condition by itself; None: not counted.
        photos: how many there are.
    """
    parts = [_term(term) for term in query.terms]
    for number, condition in enumerate(query.conditions):
        counted = "" if counts is None else f" ({counts[number]:,} of {photos:,})"
        parts.append(condition.label + counted)
    parts += [f'nothing that is "{text}"' for text in query.without]
    if query.sort is not None:
        parts.append(f"sorted by {query.sort}")
    if query.unique != "copy":
        parts.append(f"unique by {query.unique}")
    return " · ".join(parts) or "all photos, the newest first"


def nothing_found(query: Query, matching: int, *, has_bar: bool) -> tuple[str, bool]:
    """Say why there is no hit, and whether the bar is why: then there are some below it.

    Args:
        matching: how many photos meet the conditions.
        has_bar: photos that hardly show what was asked for were left out.
    """
    if not matching:
        if not query.conditions:
            return "no photo is known yet; what is watched: clipctl status", False
        labels = " · ".join(each.label for each in query.conditions)
        return f"no photo meets all of this: {labels}", False
    bounds = [key for key, wanted in _bounds(query) if wanted]
    if bounds:
        return f"none of {matching:,} photos is within {' and '.join(bounds)}", False
    if has_bar:
        texts = [term.text for term in query.terms if term.weight > 0 and term.text]
        among = f" among the {matching:,} photos that pass" if query.conditions else " here"
        return f'nothing{among} looks like "{" ".join(texts)}"', True
    return "nothing was found", False


def _bounds(query: Query) -> list[tuple[str, bool]]:
    return [
        ("score:", query.confidence is not None),
        ("raw:", query.cosine is not None),
        ("--min-score", query.min_score is not None),
    ]


def _term(term: Term) -> str:
    weight = "" if abs(term.weight) == 1 else f" {abs(term.weight):g} times"
    if term.text is not None:
        return f'{"less of" if term.weight < 0 else "words"} "{term.text}"{weight}'
    return f"{'unlike' if term.weight < 0 else 'like'} {term}{weight}"
