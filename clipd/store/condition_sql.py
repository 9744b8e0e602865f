"""Conditions on photos as SQL: what follows FROM and WHERE. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from clipd.store.conditions import (
    Condition,
    Criterion,
    FileNamed,
    FolderNamed,
    InFolder,
    Offline,
    OfKind,
    Whereabouts,
    Within,
)
from clipd.store.criterion_sql import TAKEN, Sql, joined, sql_of
from clipd.store.screenshot_sql import MAY_BE_SCREENSHOT

_IS_ALIVE = "photos.live > 0"
# The index of photos that are gone has few, and the words make SQLite take it.
_IS_NOT_GONE = "meta.photo_id NOT IN (SELECT id FROM photos WHERE live = 0 AND left_at >= 0)"


def where(conditions: Sequence[Condition], whereabouts: Whereabouts) -> Sql:
    """Return what follows WHERE: one live path meets all conditions at once."""
    parts = [Sql("gone_at IS NULL")]
    parts += [_condition(condition, whereabouts) for condition in conditions]
    return joined(" AND ", parts)


def narrowed(passing: Sql, conditions: Sequence[Condition]) -> Sql:
    """Say the same of paths, and first of how few it can be, where that is quick to tell."""
    screenshots = (OfKind("screenshot"),)
    if any(each.criteria == screenshots and not each.is_negated for each in conditions):
        return Sql(f"{passing.text} AND {MAY_BE_SCREENSHOT}", passing.values)
    return passing


def tables(*texts: str) -> str:
    """Return what follows FROM: the paths, joined with no more than the texts name."""
    source = "paths"
    if any("photos." in text for text in texts):
        source += " JOIN photos ON photos.id = paths.photo_id"
    if any("meta." in text for text in texts):
        source += " LEFT JOIN meta ON meta.photo_id = paths.photo_id"
    return source


def is_of_photo(criterion: Criterion) -> bool:
    """Whether a photo meets it wherever it lies; its date, too, where it says one."""
    match criterion:
        case Within():
            return criterion.measure != "size_bytes"
        case OfKind():
            return criterion.kind != "screenshot"
        case InFolder() | FolderNamed() | FileNamed() | Offline():
            return False
    return True


def where_of_meta(passing: Sql) -> Sql | None:
    """Ask meta alone for what ``where_of_photos`` asks; None where it does not know enough.

    That takes half the time where every photo has a row there: the photos that are gone have an
    index.
    """
    alive, _, others = passing.text.replace("photos.id", "meta.photo_id").partition(" AND ")
    if alive != _IS_ALIVE or "meta." not in others or "photos." in others:
        return None
    return Sql(f"{others} AND {_IS_NOT_GONE}", passing.values)


def where_of_photos(conditions: Sequence[Condition]) -> Sql:
    """Return what follows WHERE in a question for photos joined with meta, not for their paths.

    Args:
        conditions: all of whose criteria are those of a photo; dates are compared with those that
            photos tell themselves.
    """
    passing = where(conditions, Whereabouts())
    text = passing.text.replace(TAKEN, "meta.taken").replace("paths.photo_id", "photos.id")
    return Sql(text.replace("gone_at IS NULL", _IS_ALIVE, 1), passing.values)


def _condition(condition: Condition, there: Whereabouts) -> Sql:
    alternatives = [sql_of(criterion, there) for criterion in condition.criteria]
    either = joined(" OR ", [Sql(f"({each.text})", each.values) for each in alternatives])
    # What is not known of a photo is no reason to leave it out.
    negated = " IS NOT TRUE" if condition.is_negated else ""
    return Sql(f"({either.text}){negated}", either.values)
