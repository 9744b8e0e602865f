"""The keys of the configuration as values: what ``load`` reads and ``render`` writes."""

from __future__ import annotations

import types
import typing
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias

from clipd.config.options import Config, Duration, Size

Kind: TypeAlias = Literal[
    "text", "path", "texts", "flag", "whole", "number", "duration", "size", "choice"
]
# What a key can hold once it is read.
Value: TypeAlias = str | Path | tuple[str, ...] | bool | int | float | None

_KINDS: dict[object, Kind] = {
    str: "text",
    Path: "path",
    Path | None: "path",
    tuple[str, ...]: "texts",
    bool: "flag",
    int: "whole",
    float: "number",
    Duration: "duration",
    Size: "size",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of one table."""

    name: str
    kind: Kind
    why: str
    default: Value = None  # also None where there is none: see is_required
    is_required: bool = False
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    example: str = ""  # shown where the default is None


def tables() -> dict[str, type]:
    """Return the class of every table but ``[[roots]]``, by its name, in the file's order."""
    hints = typing.get_type_hints(Config)
    return {each.name: hints[each.name] for each in fields(Config) if each.name != "roots"}


def keys_of(table: type) -> dict[str, Key]:
    """Return the keys of a table's class by name, in order."""
    hints = typing.get_type_hints(table, include_extras=True)
    return {each.name: _key(each, hints[each.name]) for each in fields(table)}


def _key(field: Field[Any], hint: object) -> Key:
    is_choice = typing.get_origin(hint) is Literal
    if isinstance(hint, types.UnionType):
        hint = Path | None
    meta = field.metadata
    is_required = field.default is MISSING
    default: Any = None if is_required else field.default
    return Key(
        name=field.name,
        kind="choice" if is_choice else _KINDS[hint],
        why=meta["why"],
        default=default,
        is_required=is_required,
        choices=typing.get_args(hint) if is_choice else (),
        least=meta.get("least"),
        most=meta.get("most"),
        example=meta.get("example", ""),
    )
