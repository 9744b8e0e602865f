"""Manual pages out of the commands themselves, in the macros of man(7)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import click

from clipd import __version__
from clipd.durable import write_durably
from clipd.errors import SetupError

_PREFORMATTED = "\b"  # how click marks a paragraph whose lines stay
_EXIT_STATUS = (
    ("0", "Found, or done."),
    (
        "1",
        "Nothing was found; for clipctl verify: not all is right; for clipd run: a bug ended it.",
    ),
    ("2", "Wrong usage, query or configuration."),
    ("3", "clipd does not run, or does not answer."),
    ("4", "Refused, or failed, which includes results that cannot be written."),
    ("130", "Ended by Ctrl-C."),
)
_FILES = (
    ("~/.config/clipd/config.toml", "The configuration: clipd config example explains it."),
    ("~/.local/state/clipd/", "The catalog, its daily backup, the saved index."),
    ("~/.local/share/clipd/models/", "Fetched weights of models."),
    ("~/.cache/clipd/", "What may be deleted at any time."),
    ("$XDG_RUNTIME_DIR/clipd/clipd.sock", "The socket; CLIPD_SOCKET names another one."),
)


class Manual(NamedTuple):
    """A program that gets a page."""

    name: str
    group: click.Group
    see_also: str


def man_page(program: Manual) -> str:
    """Return the page of a program: its commands with their options, exit status, files."""
    context = root_context(program)
    summary = program.group.get_short_help_str(1000).rstrip(".")
    lines = [
        f'.TH "{program.name.upper()}" "1" "" "clipd {__version__}" "clipd"',
        ".SH NAME",
        rf"{_plain(program.name)} \- {_plain(summary[:1].lower() + summary[1:])}",
        ".SH SYNOPSIS",
        rf".B {_plain(program.name)}",
        r"\fICOMMAND\fR [\fIOPTION\fR]... [\fIARGUMENT\fR]...",
        ".SH DESCRIPTION",
        *_paragraphs(program.group.help or ""),
        ".SH COMMANDS",
        *(line for command in commands_of(context) for line in _command(command)),
        ".SH EXIT STATUS",
        *_terms(_EXIT_STATUS),
        ".SH FILES",
        *_terms(_FILES),
        ".SH SEE ALSO",
        rf".BR {program.see_also} (1)",
    ]
    return "\n".join(lines) + "\n"


def write_pages(programs: Iterable[Manual], folder: Path) -> list[Path]:
    """Write the pages of programs into a folder, which is made; return the files.

    Raises:
        SetupError: they cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for program in programs:
            file = folder / f"{program.name}.1"
            write_durably(file, man_page(program).encode(), mode=0o644)
            written.append(file)
    except OSError as error:
        raise SetupError(
            f"cannot write manual pages into {folder}: {error.strerror}; "
            "name another folder: clipd man --to DIR"
        ) from error
    return written


def root_context(program: Manual) -> click.Context:
    """Return what a program runs in, with its settings: click remembers what it asked for."""
    return click.Context(program.group, info_name=program.name, **program.group.context_settings)


def commands_of(context: click.Context) -> Iterator[click.Context]:
    """Yield the commands of a group, those of groups in it, too, as what they run in."""
    group = context.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        below = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from commands_of(below)
        else:
            yield below


def _command(context: click.Context) -> Iterator[str]:
    command = context.command
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SS {_plain(context.command_path)} {_plain(usage)}"
    yield from _paragraphs(command.help or "")
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in parameter.opts and record[1]:
            yield from _terms([record])


def _paragraphs(text: str) -> Iterator[str]:
    """Write help as click lays it out: paragraphs, and lines that stay as they are."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith(_PREFORMATTED):
            yield from (".PP", ".nf", ".RS")
            yield from (_plain(line.strip()) for line in paragraph.splitlines()[1:])
            yield from (".RE", ".fi")
        else:
            yield ".PP"
            yield _plain(" ".join(paragraph.split()))


def _terms(terms: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, meaning in terms:
        yield ".TP"
        yield rf"\fB{_plain(term)}\fR"
        yield _plain(" ".join(meaning.split()))


def _plain(text: str) -> str:
    """Escape what means something to man(7): a hyphen is a minus, since all may be copied."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return r"\&" + escaped if escaped.startswith((".", "'")) else escaped
