"""Change the text of a configuration and keep the user's comments and layout."""

from __future__ import annotations

import re
from collections.abc import MutableMapping

import tomlkit
from tomlkit.items import Array, Comment, Table

from clipd.config.render import root_section, text_literal


def with_root(text: str, path: str) -> str:
    """Return the text with one more root.

    Args:
        text: valid TOML.
        path: of the root, absolute.
    """
    document = tomlkit.parse(text)
    roots = document.get("roots")
    if not isinstance(roots, Array):
        # At the end, not behind the other [[roots]]: there it would come between the next table
        # and the comment above it.
        return _with_section(text, root_section(path))
    root = tomlkit.inline_table()
    root["path"] = path
    roots.append(root)
    return tomlkit.dumps(document)


def with_text(text: str, table: str, key: str, value: str) -> str:
    """Return the text with a key of a table set to a text: in its place, or where it belongs.

    Args:
        text: valid TOML.
        table: a table at the top of the file; it is made where there is none.
        key: the key.
        value: its new value.
    """
    document = tomlkit.parse(text)
    section = document.get(table)
    assignment = f"{key} = {text_literal(value)}"
    if not isinstance(section, MutableMapping):
        return _with_section(text, f"[{table}]\n{assignment}\n")
    shown = _shown_default(section, key)
    if key in section or shown is None:
        section[key] = value
    else:
        shown.trivia.comment = assignment
    return tomlkit.dumps(document)


def with_model(text: str, name: str, pretrained: str = "") -> str:
    """Return the text with another model: without the keys that belonged to the former one.

    Args:
        text: valid TOML.
        name: what ``model.name`` is to be.
        pretrained: the weights of an architecture; "" for those of a preset.
    """
    text = _without(text, "model", "checkpoint")
    text = with_text(text, "model", "name", name)
    if pretrained:
        return with_text(text, "model", "pretrained", pretrained)
    return _without(text, "model", "pretrained")


def _without(text: str, table: str, key: str) -> str:
    document = tomlkit.parse(text)
    section = document.get(table)
    if not isinstance(section, MutableMapping) or key not in section:
        return text
    del section[key]
    return tomlkit.dumps(document)


def _shown_default(section: object, key: str) -> Comment | None:
    """Find the comment that shows a key's default, as a fresh configuration has it."""
    if not isinstance(section, Table):
        return None
    comments = (item for _, item in section.value.body if isinstance(item, Comment))
    form = re.compile(rf"#\s*{re.escape(key)}\s*=")
    return next((each for each in comments if form.match(each.trivia.comment)), None)


def _with_section(text: str, lines: str) -> str:
    return f"{text.rstrip()}\n\n{lines}".lstrip()
