"""Read one value of the configuration, or say what a valid one looks like."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable
from pathlib import Path

from pathspec import GitIgnoreSpec

from clipd.config.keys import Key, Kind, Value
from clipd.config.render import literal
from clipd.config.units import DURATION_FORM, SIZE_FORM, parse_duration, parse_size
from clipd.suggest import nearest


class WrongValueError(ValueError):
    """A value that cannot be used; the text says what to write instead."""


def read_value(value: object, key: Key) -> Value:
    """Turn what TOML says into what clipd uses, and check it.

    Raises:
        WrongValueError: it cannot be used.
    """
    read = _READERS[key.kind](value, key)
    if isinstance(read, int | float) and not isinstance(read, bool):
        _check_range(read, key)
    return read


_MOST_SHOWN = 300  # characters: a long path is shown whole


def shown(value: object) -> str:
    """Show a value as the user may have written it, on one line and not too long."""
    if isinstance(value, datetime.date | datetime.time):
        return str(value)
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."


def _check_range(number: float, key: Key) -> None:
    if key.least is not None and number < key.least:
        raise WrongValueError(f"at least {literal(_of_the_same_kind(key.least, number), key.kind)}")
    if key.most is not None and number > key.most:
        raise WrongValueError(f"at most {literal(_of_the_same_kind(key.most, number), key.kind)}")


def _of_the_same_kind(limit: float, number: float) -> float:
    return int(limit) if isinstance(number, int) else float(limit)


def _read_text(value: object, _key: Key) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise WrongValueError('a text in quotes, such as "..."')
    return value


def _read_path(value: object, _key: Key) -> Path:
    form = 'an absolute path, or one that starts with ~/, in quotes: "~/Pictures"'
    if not isinstance(value, str) or "\0" in value:
        raise WrongValueError(form)
    path = os.path.expanduser(value)
    if not os.path.isabs(path):
        # clipd runs in the background, in no folder that a relative path could mean.
        raise WrongValueError(form)
    # "a/../b" is not b where a is a symlink, and the kernel never reports a path with "..".
    return Path(os.path.realpath(path) if ".." in path.split("/") else os.path.normpath(path))


def _read_texts(value: object, _key: Key) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise WrongValueError('a list of patterns: ["*.tmp", "Trash/"]')
    for pattern in value:
        _check_pattern(pattern)
    return tuple(value)


def _check_pattern(pattern: str) -> None:
    try:
        spec = GitIgnoreSpec.from_lines([pattern])
    except ValueError as error:
        raise WrongValueError(f"patterns as in .gitignore; {shown(pattern)} is none") from error
    if all(each.include is None for each in spec.patterns):
        raise WrongValueError(f"patterns as in .gitignore; {shown(pattern)} matches nothing")


def _read_flag(value: object, _key: Key) -> bool:
    if not isinstance(value, bool):
        raise WrongValueError("true or false, without quotes")
    return value


def _read_whole(value: object, _key: Key) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise WrongValueError("a whole number, without quotes")
    return value


def _read_number(value: object, _key: Key) -> float:
    # NaN is the one number that does not equal itself.
    if not isinstance(value, int | float) or isinstance(value, bool) or value != value:
        raise WrongValueError("a number, without quotes")
    return float(value)


def _read_duration(value: object, _key: Key) -> float:
    return _with_unit(value, parse_duration, DURATION_FORM)


def _read_size(value: object, _key: Key) -> int:
    return int(_with_unit(value, parse_size, SIZE_FORM))


def _with_unit(value: object, parse: Callable[[str], float], form: str) -> float:
    if not isinstance(value, str):
        raise WrongValueError(form)
    try:
        return parse(value)
    except ValueError as error:
        raise WrongValueError(str(error)) from error


# What people write for one of the choices, although it is not spelled like it: to the eye of
# `nearest`, "gpu" is most like "cpu".
_OTHER_WORDS = {"gpu": "cuda", "nvidia": "cuda", "float16": "fp16", "bfloat16": "bf16"}


def _read_choice(value: object, key: Key) -> str:
    if isinstance(value, str) and value in key.choices:
        return value
    meant = _OTHER_WORDS.get(str(value).lower())
    guesses = [meant] if meant in key.choices else nearest(str(value), key.choices)
    guess = "".join(f" (did you mean {shown(each)}?)" for each in guesses)
    raise WrongValueError(" or ".join(shown(each) for each in key.choices) + guess)


_READERS: dict[Kind, Callable[[object, Key], Value]] = {
    "text": _read_text,
    "path": _read_path,
    "texts": _read_texts,
    "flag": _read_flag,
    "whole": _read_whole,
    "number": _read_number,
    "duration": _read_duration,
    "size": _read_size,
    "choice": _read_choice,
}
