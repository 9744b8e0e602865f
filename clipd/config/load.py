"""Read the configuration: TOML in, a ``Config`` out, or an error that says what to write."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipd.config.folders import Paths
from clipd.config.keys import Key, keys_of, tables
from clipd.config.lines import line_of
from clipd.config.options import Config, RootConfig
from clipd.config.render import text_literal
from clipd.config.units import write_duration
from clipd.config.values import WrongValueError, read_value, shown
from clipd.deadline import answer_within
from clipd.errors import ConfigError
from clipd.suggest import nearest

_Table = Mapping[str, object]
# `path = ~/Pictures` or `settle = 300ms`: a value without quotes.
_BARE_TEXT = re.compile(r"\s*(?P<key>[\w-]+)\s*=\s*(?P<value>[^\s\"'\[{#][^\"'#]*)(?:#.*)?")
_DISK_SECONDS = 2.0  # for the disk of a root to say what lies there


def load_config(file: Path | None = None, *, needs_roots: bool = True) -> Config:
    """Read and check a configuration.

    Args:
        file: None: the user's, at its XDG place.
        needs_roots: refuse one that names no folder; False where nothing is watched.

    Raises:
        ConfigError: it is absent, cannot be read, or says something that cannot be.
    """
    place = file or Paths.of().config
    return parse_config(read_config(place), place, needs_roots=needs_roots)


def read_config(file: Path) -> str:
    """Return the text of a configuration file.

    Raises:
        ConfigError: it is absent, cannot be read, or is not UTF-8.
    """
    try:
        return file.read_bytes().decode()
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no configuration at {file}; run: clipd setup ~/Pictures"
        ) from error
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{file} is not UTF-8 (byte {error.start}), which TOML must be; save it as UTF-8"
        ) from error


def parse_config(text: str, file: Path, *, needs_roots: bool = True) -> Config:
    """Read a configuration from its text; ``file`` is named in errors.

    Args:
        needs_roots: as in `load_config`.

    Raises:
        ConfigError: it says something that cannot be.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        advice = _unquoted_text(text, str(error))
        raise ConfigError(f"{file} is not valid TOML: {advice or error}") from error
    source = _Source(file, text)
    _refuse_unknown(source, document, ("roots", *tables()), _Spot(""))
    roots = _read_roots(source, document.get("roots", []))
    if needs_roots and not roots:
        raise ConfigError(f"{file} names no folder to watch; add one: clipd setup ~/Pictures")
    known = {
        name: _read_table(source, document.get(name, {}), table, _Spot(name))
        for name, table in tables().items()
    }
    config = Config(roots=roots, **known)
    _check_together(source, config)
    return config


def _unquoted_text(text: str, complaint: str) -> str:
    """Say what to write where a text has no quotes, the mistake made most; "" for any other.

    Args:
        text: the file's.
        complaint: what tomllib says, with "(at line 2, column 8)" at its end.
    """
    place = re.search(r"\(at line (\d+), column \d+\)$", complaint)
    line = text.splitlines()[int(place[1]) - 1] if place else ""
    found = _BARE_TEXT.fullmatch(line)
    if place is None or found is None or _is_toml(line):
        return ""
    return (
        f"line {place[1]}: a text needs quotes: write "
        f"{found['key']} = {text_literal(found['value'].strip())}"
    )


def _is_toml(line: str) -> bool:
    try:
        tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Spot:
    """A table of the file, for messages."""

    table: str
    nth: int | None = None  # which [[roots]], from 0

    def key(self, name: str) -> str:
        """Name a key of the table as a reader finds it."""
        number = "" if self.nth is None else f"[{self.nth + 1}]"
        return f"{self.table}{number}.{name}" if self.table else name


@dataclass(frozen=True, slots=True)
class _Source:
    """A file and its text, for messages."""

    file: Path
    text: str

    def wrong(self, spot: _Spot, key: str, complaint: str) -> ConfigError:
        """Make the error of a key: file, line, key, complaint."""
        line = line_of(self.text, spot.table, key, spot.nth or 0)
        where = f"{self.file}, line {line}" if line else f"{self.file}"
        return ConfigError(f"{where}: {spot.key(key)}{complaint}")


def _read_roots(source: _Source, value: object) -> tuple[RootConfig, ...]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise source.wrong(
            _Spot(""), "roots", ' must be tables: write [[roots]] and path = "~/Pictures" below it'
        )
    return tuple(
        _read_table(source, each, RootConfig, _Spot("roots", nth)) for nth, each in enumerate(value)
    )


def _read_table(source: _Source, value: object, table: type, spot: _Spot) -> Any:
    if not isinstance(value, dict):
        raise source.wrong(
            _Spot(""), spot.table, f" = {shown(value)} must be a table: write [{spot.table}]"
        )
    keys = keys_of(table)
    _refuse_unknown(source, value, keys, spot)
    for key in keys.values():
        if key.is_required and key.name not in value:
            raise source.wrong(spot, "", f"{key.name} is missing: write {key.name} = ...")
    return table(
        **{name: _read_key(source, each, keys[name], spot) for name, each in value.items()}
    )


def _read_key(source: _Source, value: object, key: Key, spot: _Spot) -> object:
    try:
        return read_value(value, key)
    except WrongValueError as error:
        complaint = f" = {shown(value)} cannot be used: write {error}"
        raise source.wrong(spot, key.name, complaint) from error


def _refuse_unknown(source: _Source, table: _Table, known: Collection[str], spot: _Spot) -> None:
    for name in table:
        if name not in known:
            header = f"[{spot.table}]" if spot.nth is None else f"[[{spot.table}]]"
            where = f"in {header}" if spot.table else "at the top of the file"
            complaint = f" is not a key {where}{_advice(name, known)}; valid: {', '.join(known)}"
            raise source.wrong(spot, name, complaint)


def _advice(name: str, known: Collection[str]) -> str:
    if name == "peers":
        return "; peers are clipctl's affair: write them into clipctl.toml beside it"
    for near in nearest(name, known):
        return f"; did you mean {near}?"
    elsewhere = [table for table, kind in tables().items() if name in keys_of(kind)]
    return f"; it belongs in [{elsewhere[0]}]" if elsewhere else ""


def _check_together(source: _Source, config: Config) -> None:
    watch = config.watch
    if watch.settle > watch.settle_max:
        raise source.wrong(
            _Spot("watch"),
            "settle",
            f" = {text_literal(write_duration(watch.settle))} is longer than "
            f"watch.settle_max = {text_literal(write_duration(watch.settle_max))}",
        )
    if config.index.kind == "milvus" and (complaint := _uri_complaint(config.index.uri)):
        raise source.wrong(_Spot("index"), "uri", f" = {shown(config.index.uri)} {complaint}")
    seen = [_look_at(root.path) for root in config.roots]
    for nth, root in enumerate(config.roots):
        # A folder that is not there may be on a drive that comes back; a file never will be one.
        if seen[nth].is_file:
            raise source.wrong(
                _Spot("roots", nth),
                "path",
                f" = {shown(str(root.path))} is a file; name the folder it is in",
            )
        for earlier in range(nth):
            _refuse_overlap(source, config.roots, seen, (earlier, nth))


def _uri_complaint(uri: str) -> str:
    """Say why Milvus cannot be there; "" where it can."""
    form = 'write "unix:/path/of/its.sock", or a folder for Milvus Lite (docs/milvus.md)'
    if not uri:
        return f'says nothing, but index.kind = "milvus" needs it: {form}'
    if re.match(r"[a-z]+://", uri) and not uri.startswith("unix:"):
        return f"is an address of the network, where clipd does not go: {form}"
    if uri.startswith("unix:"):
        is_good = os.path.isabs(uri.removeprefix("unix:"))
    else:
        is_good = os.path.isabs(os.path.expanduser(uri))
    return "" if is_good else f"is no absolute path: {form}"


@dataclass(frozen=True, slots=True)
class _SeenRoot:
    """What lies at the path of a root, and that path without symbolic links."""

    is_file: bool
    real: Path


def _look_at(path: Path) -> _SeenRoot:
    def look() -> _SeenRoot:
        return _SeenRoot(path.exists() and not path.is_dir(), path.resolve())

    try:
        return answer_within(_DISK_SECONDS, look)
    except TimeoutError:
        return _SeenRoot(False, path)  # a drive that does not answer must not keep us from starting


def _refuse_overlap(
    source: _Source, roots: Sequence[RootConfig], seen: Sequence[_SeenRoot], pair: tuple[int, int]
) -> None:
    earlier, nth = pair
    complaint = _overlap(seen[nth].real, seen[earlier].real)
    if complaint:
        raise source.wrong(
            _Spot("roots", nth),
            "path",
            f" = {shown(str(roots[nth].path))} {complaint[0]} "
            f"{_Spot('roots', earlier).key('path')} = {shown(str(roots[earlier].path))}; "
            f"{complaint[1]}",
        )


def _overlap(one: Path, other: Path) -> tuple[str, str] | None:
    if one == other:
        return "is the same folder as", "remove one of them"
    if one.is_relative_to(other):
        return "lies inside", "remove the inner one: a root includes all folders below it"
    if other.is_relative_to(one):
        return "contains", "remove the inner one: a root includes all folders below it"
    return None
