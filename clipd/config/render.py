"""Write the configuration as TOML: the example, the effective one, a fresh one."""

from __future__ import annotations

import json
from pathlib import Path

from clipd.config.keys import Key, Kind, Value, keys_of, tables
from clipd.config.options import Config, RootConfig
from clipd.config.units import write_duration, write_size

_EXAMPLE_HEAD = """\
# clipd's configuration: every key, its default, and why it is there.
# It belongs at ~/.config/clipd/config.toml. Only [[roots]] is needed; leave out what you
# do not change, so that better defaults reach you. Check it with `clipd config check`.
# A running clipd takes changes up with `systemctl --user reload clipd`.
"""
_FRESH_HEAD = """\
# clipd's configuration. Lines that start with # show the defaults; to change one, take its #
# away. Check it with `clipd config check`, then `systemctl --user reload clipd`.
"""


def example_text() -> str:
    """Return ``config.example.toml``: every key with its default and one line of why."""
    config = Config(roots=(RootConfig(path=Path("~/Pictures")),))
    parts = [_EXAMPLE_HEAD, *_sections(config, mark_defaults="")]
    return "\n".join(parts)


def fresh_text(config: Config) -> str:
    """Return a first configuration: what differs from the defaults is set, the rest is shown."""
    return "\n".join([_FRESH_HEAD, *_sections(config, mark_defaults="#")])


def effective_text(config: Config) -> str:
    """Return a configuration as plain TOML, every key with its value, without comments."""
    parts = [_plain("[[roots]]", root) for root in config.roots]
    parts += [_plain(f"[{name}]", getattr(config, name)) for name in tables()]
    return "\n".join(parts)


def literal(value: Value, kind: Kind) -> str:
    """Write one value as TOML."""
    if isinstance(value, tuple):
        return "[" + ", ".join(text_literal(each) for each in value) + "]"
    if isinstance(value, str | Path):
        return text_literal(str(value))
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if kind == "duration":
        return text_literal(write_duration(value))
    if kind == "size":
        return text_literal(write_size(int(value)))
    return f"{value:_}" if kind == "whole" else repr(value)


def text_literal(text: str) -> str:
    """Write a TOML basic string. JSON's escapes are TOML's, but JSON leaves DEL as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def root_section(path: str) -> str:
    """Write a ``[[roots]]`` section of a folder."""
    return f"[[roots]]\npath = {text_literal(path)}\n"


def _sections(config: Config, *, mark_defaults: str) -> list[str]:
    roots = [_commented("[[roots]]", root, mark_defaults) for root in config.roots]
    rest = [_commented(f"[{name}]", getattr(config, name), mark_defaults) for name in tables()]
    return roots + rest


def _commented(header: str, table: object, mark_defaults: str) -> str:
    lines = [f"# {type(table).__doc__}", header]
    for key in keys_of(type(table)).values():
        value = getattr(table, key.name)
        is_default = value == key.default and not key.is_required
        lines.append(f"# {_why(key)}")
        if value is None:
            lines.append(f"#{key.name} = {text_literal(key.example)}")
        else:
            mark = mark_defaults if is_default else ""
            lines.append(f"{mark}{key.name} = {literal(value, key.kind)}")
    return "\n".join([*lines, ""])


def _why(key: Key) -> str:
    return f"{key.why} ({' | '.join(key.choices)})" if key.choices else key.why


def _plain(header: str, table: object) -> str:
    lines = [header]
    for key in keys_of(type(table)).values():
        value = getattr(table, key.name)
        if value is not None:
            lines.append(f"{key.name} = {literal(value, key.kind)}")
    return "\n".join([*lines, ""])
