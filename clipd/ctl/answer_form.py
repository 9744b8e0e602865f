"""The answer to a search, printed: for a person, a script, or xargs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from clipd.ctl.destination import is_own
from clipd.ctl.failures import DONE, NOTHING
from clipd.ctl.hit_list import print_hits, socket_of
from clipd.ctl.output import emit, emit_json, is_lively, objects, path_bytes, say
from clipd.json_types import JsonObject, JsonValue


class AnswerForm(NamedTuple):
    """How hits are to be printed."""

    as_json: bool
    null: bool
    preview: str


def print_answer(
    answer: JsonObject, form: AnswerForm, *, explain: bool = False, page: int = 1
) -> int:
    """Print what a search has found, and on stderr what there is to say of it.

    Args:
        answer: of the daemon.
        form: how hits are to be printed.
        explain: say how the query was read.
        page: which page of the hits it is.

    Returns:
        The exit code.
    """
    hits = _with_members(objects(answer["hits"]))
    _remark(answer, explain)
    if form.as_json:
        emit_json(answer)
    elif form.null:
        emit(b"".join(_placed_path(hit) + b"\0" for hit in hits))
    elif hits:
        _print_hits(hits, form.preview)
        if answer.get("next") and is_lively(sys.stdout) and is_lively(sys.stderr):
            say(f"there are more: --page {page + 1}")
    if not hits and (not answer.get("note") or answer.get("nothing") != answer["note"]):
        nothing = answer.get("nothing") or f"nothing found for {answer['query']}"
        hint = "" if answer.get("nothing") else "; what is indexed: clipctl status"
        hint = " (the nearest: --anyway)" if answer.get("left_out") else hint
        say(f"{nothing}{hint}")
    return DONE if hits else NOTHING


def _placed_path(hit: JsonObject) -> bytes:
    """Return the path of a hit; one of another library has its name before it, as for scp."""
    path = path_bytes(hit)
    if "library" not in hit or is_own(socket_of(hit)):
        return path
    return os.fsencode(f"{hit['library']}:") + path


def _print_hits(hits: Sequence[JsonObject], preview: str) -> None:
    if preview == "off" or sys.stdout is None or not sys.stdout.isatty():
        print_hits(hits)
        return
    from clipd.ctl.previews import print_previews  # here, because few lists are for terminals

    print_previews(hits, preview)


def _with_members(hits: Sequence[JsonObject]) -> list[JsonObject]:
    """Return hits, each with those that it stands for behind it, where these were asked for."""
    return [each for hit in hits for each in (hit, *objects(hit.get("members", [])))]


def _remark(answer: JsonObject, explain: bool) -> None:
    for library in objects(answer.get("libraries")):
        if not library.get("answered"):
            say(f"{library.get('name')}: {library.get('why')}; left out")
    if note := answer.get("note"):
        say(str(note))
    if explain and (reading := answer.get("reading")):
        say(str(reading))
    tips: JsonValue = answer.get("tips")
    for tip in tips if isinstance(tips, list) else []:
        say(f"tip: {str(tip).removeprefix('tip: ')}")
