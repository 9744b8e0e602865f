"""Answers as JSON: the shapes that scripts rely on. Keys are added, never renamed."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence

from starlette.responses import Response

from clipd.errors import (
    CheckStoppedError,
    ChildError,
    ClipdError,
    EncodeError,
    EncoderClosedError,
    ModelError,
    QueryError,
    RequestError,
    StoppingError,
    StorageFullError,
    StoreUnavailableError,
    code_of,
)
from clipd.json_types import JsonValue
from clipd.pathtext import path_fields
from clipd.photo import Hit
from clipd.search.completion import Completion
from clipd.search.query import Answer, DuplicateAnswer
from clipd.store.other_models import Forgotten
from clipd.store.pace import StageProgress
from clipd.store.rows import FailureRow
from clipd.store.vector_intake import Imported
from clipd.store.verify import Difference, Verdict

_BUSY = (
    ModelError,
    EncodeError,
    ChildError,
    StoppingError,
    StoreUnavailableError,
    CheckStoppedError,
)  # may well succeed later

BUG = "a bug in clipd; its log has the traceback (journalctl --user -u clipd)"


def answered(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Make a response of a JSON value."""
    return Response(json_line(value), status, headers, media_type="application/json")


def json_line(value: object) -> bytes:
    """Write a value as one line of JSON, in ASCII."""
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def refused(code: str, message: str, status: int, allow: str = "") -> Response:
    """Make the response of a request that is not answered."""
    headers = {"allow": allow} if allow else {}
    return answered(error_json(code, message), status, headers)


def refused_by(error: ClipdError) -> Response:
    """Make the response of an error that was raised on purpose."""
    if isinstance(error, EncoderClosedError):
        error = StoppingError()  # to a client it is one thing, whichever part ended first
    body = error_json(code_of(error), str(error), _span_of(error))
    return answered(body, _status_of(error))


def _span_of(error: ClipdError) -> tuple[int, int] | None:
    return error.span if isinstance(error, QueryError) else None


def _status_of(error: ClipdError) -> int:
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, StorageFullError):
        return 507
    return 503 if isinstance(error, _BUSY) else 500


def error_json(code: str, message: str, span: tuple[int, int] | None = None) -> JsonValue:
    """Return the body of every refusal.

    Args:
        span: the characters of a query that are meant: the first, and the one behind the last.
    """
    error: dict[str, JsonValue] = {"code": code, "message": message}
    if span is not None:
        error["span"] = list(span)
    return {"error": error}


def answer_json(answer: Answer) -> JsonValue:
    """Return the body of a search."""
    return {
        "query": answer.query,
        "model": answer.model,
        "hits": [_hit_json(hit) for hit in answer.hits],
        "reading": answer.reading,
        "tips": list(answer.tips),
        "nothing": answer.nothing or None,
        "left_out": answer.left_out,
        "next": answer.following or None,
        "matching": answer.matching,
        "fingerprint": answer.fingerprint,
        "order": answer.order,
        "took_ms": round(answer.took_ms, 3),
        "note": answer.note,
    }


def completion_json(completion: Completion) -> JsonValue:
    """Return what may stand in place of a part of a query."""
    return {
        "from": completion.start,
        "to": completion.end,
        "options": list(completion.options),
    }


def duplicates_json(answer: DuplicateAnswer) -> JsonValue:
    """Return groups of photos that are the same."""
    return {
        "by": answer.sameness,
        "total": answer.total,
        "groups": [
            {"best": group.best, "photos": [_hit_json(hit) for hit in group.hits]}
            for group in answer.groups
        ],
        "took_ms": round(answer.took_ms, 3),
    }


def failures_json(failures: Sequence[FailureRow], is_last: bool) -> JsonValue:
    """Return a page of failures, with the ``after`` of the next page unless it is the last."""
    following = None if is_last else base64.b64encode(failures[-1].path).decode("ascii")
    return {"errors": [_failure_json(failure) for failure in failures], "next": following}


def forgotten_json(forgotten: Sequence[Forgotten]) -> JsonValue:
    """Return the body of what was forgotten."""
    models: list[JsonValue] = [{"model": each.name, "photos": each.photos} for each in forgotten]
    return {"ok": True, "forgotten": models}


def imported_json(imported: Imported) -> JsonValue:
    """Return the body of what was taken in."""
    reasons: list[JsonValue] = [*imported.reasons]
    return {
        "ok": not imported.refused,
        "taken": imported.taken,
        "known": imported.known,
        "placed": imported.placed,
        "refused": imported.refused,
        "reasons": reasons,
    }


def verdict_json(verdict: Verdict) -> JsonValue:
    """Return the body of a check."""
    return {
        "ok": verdict.ok,
        "problems": [one.sentence for one in verdict.differences],
        "differences": [_difference_json(one) for one in verdict.differences],
        "repaired": [_difference_json(one) for one in verdict.mended],
        "passed_over": [
            {**path_fields(one.path), "reason": one.reason} for one in verdict.passed_over
        ],
        "notes": list(verdict.notes),
        "photos": verdict.photos,
        "files": verdict.files,
        "bytes_read": verdict.bytes_read,
    }


def progress_json(progress: StageProgress) -> JsonValue:
    """Return a line of a check that is under way."""
    left = progress.seconds_left
    return {
        "stage": progress.stage,
        "done": progress.done,
        "total": progress.total,
        "seconds_left": None if left is None else round(left, 1),
    }


def _difference_json(difference: Difference) -> JsonValue:
    return {
        "kind": difference.kind,
        "count": difference.count,
        "problem": difference.sentence,
        "paths": [dict(path_fields(path)) for path in difference.paths],
    }


def _hit_json(hit: Hit) -> JsonValue:
    told: dict[str, JsonValue] = {
        "photo": hit.photo,
        **path_fields(hit.path),
        "score": None if hit.score is None else round(hit.score, 6),
        "raw": None if hit.raw is None else round(hit.raw, 6),
        "offline": hit.offline,
        "also": [dict(path_fields(path)) for path in hit.also],
        "taken": hit.taken,
        "taken_from": hit.taken_from,
        "place": hit.place,
        "tags": list(hit.tags),
        "stands_for": hit.stands_for,
        "key": hit.key,
        "content_hash": hit.content_hash.hex(),
    }
    if hit.members:
        told["members"] = [_hit_json(member) for member in hit.members]
    return told


def _failure_json(failure: FailureRow) -> JsonValue:
    return {
        **path_fields(failure.path),
        "reason": failure.reason,
        "kind": failure.kind,
        "since": failure.since,
    }
