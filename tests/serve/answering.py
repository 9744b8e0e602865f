"""A service that answers from given data: the daemon as the API sees it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clipd.config.options import ServeConfig
from clipd.errors import CheckStoppedError, RequestError
from clipd.json_types import JsonValue
from clipd.photo import FailureKind, Fingerprint, Fitted, Hit
from clipd.search.completion import Completion
from clipd.search.explanation import explain
from clipd.search.query import Answer, DuplicateAnswer, DuplicateGroup, Query, Sameness
from clipd.search.query_keys import Surroundings
from clipd.serve.lanes import request_lanes
from clipd.serve.limits import Limits
from clipd.serve.listener import listening
from clipd.serve.protocol import Service
from clipd.serve.server import serving_on
from clipd.store.other_models import Forgotten
from clipd.store.pace import StageProgress
from clipd.store.rows import FailureRow
from clipd.store.vector_file import PortablePhoto
from clipd.store.vector_intake import Imported
from clipd.store.verify import CheckScope, Difference, PassedOver, Verdict
from tests.daemon.wire import wait_until
from tests.threads import started_threads

UGLY = b"/photos/caf\xe9\n\x1b[31mred\t.jpg"
HITS = (
    Hit(
        7,
        b"/photos/sunset.jpg",
        0.31234567,
        False,
        (b"/photos/copy.jpg",),
        raw=0.25,
        taken="2019-07-12T14:03:22",
        taken_from="exif",
        place="Florence, Italy",
        tags=("holiday",),
        key=0.25,
        content_hash=bytes(16),
    ),
    Hit(9, UGLY, 0.25, False),
    Hit(4, b"/usb/beach.jpg", 0.2, True),
)


def failure(path: bytes, kind: FailureKind, reason: str) -> FailureRow:
    return FailureRow(path, 1, None, kind, reason, since=1_700_000_000)


@dataclass
class GivenCheck:
    """A check that goes on, half done, until it is stopped."""

    verdict: Future[Verdict] = field(default_factory=Future)
    stopped: threading.Event = field(default_factory=threading.Event)

    def progress(self) -> StageProgress:
        return StageProgress("vectors", 500, 1000, 65.0)

    def stop(self) -> None:
        self.stopped.set()
        if not self.verdict.done():
            self.verdict.set_exception(CheckStoppedError())


@dataclass
class GivenService(Service):
    """Answers with given hits, remembers what it was asked."""

    hits: tuple[Hit, ...] = HITS
    failures: tuple[FailureRow, ...] = ()
    states: list[Mapping[str, JsonValue]] = field(default_factory=list)
    asked: list[object] = field(default_factory=list)
    before_search: Callable[[], None] = lambda: None
    remarks: Mapping[str, Any] = field(default_factory=dict)  # fields of the answer
    needs_model: bool = False
    checks_end: bool = True  # False: they go on until they are stopped
    check: GivenCheck | None = None  # the last that was asked for
    before_status: Callable[[], None] = lambda: None
    before_thumbnail: Callable[[int], None] = lambda photo: None

    def search_known(self, query: Query) -> Answer | None:
        return None if self.needs_model else self.search(query)

    def search(self, query: Query) -> Answer:
        self.asked.append(query)
        self.before_search()
        path = query.terms[0].path if query.terms else None
        if path is not None and path not in {hit.path for hit in self.hits}:
            raise RequestError("no_such_file", f"there is no file {os.fsdecode(path)}", 404)
        low = -1.0 if query.min_score is None else query.min_score
        hits = tuple(hit for hit in self.hits if (hit.score or 0) >= low)[: query.limit]
        reading = explain(query, None, len(self.hits))
        answer = Answer(str(query), "pocket", hits, 1.5, reading=reading, matching=len(self.hits))
        return replace(answer, **self.remarks)

    def thumbnail(self, photo: int, side: int) -> bytes:
        self.asked.append((photo, side))
        self.before_thumbnail(photo)
        if photo not in {hit.photo for hit in self.hits}:
            raise RequestError("no_such_photo", f"there is no photo {photo} any more", 404)
        return b"\xff\xd8\xff of %d\xff\xd9" % side

    def fit(self, photo: int, box: tuple[int, int]) -> Fitted:
        self.asked.append((photo, box))
        self.thumbnail(photo, 256)
        return Fitted(Fingerprint(1, 1, 1, 1, 1), *box, bytes(3 * box[0] * box[1]))

    def complete(self, text: str, at: int, around: Surroundings) -> Completion:
        self.asked.append((text, at, around.folder, around.home))
        return Completion(4, at, ('camera:"Canon EOS 80D"',))

    def duplicates(self, sameness: Sameness, limit: int) -> DuplicateAnswer:
        self.asked.append((sameness, limit))
        hits = tuple(replace(hit, score=None, raw=None, key=None) for hit in self.hits[:1])
        return DuplicateAnswer(sameness, 1, (DuplicateGroup(7, hits),), 2.5)

    def status(self) -> Mapping[str, JsonValue]:
        self.asked.append("status")
        self.before_status()
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def errors(self, after: bytes, limit: int, skipped: bool) -> Sequence[FailureRow]:
        wanted = [one for one in self.failures if skipped or one.kind != "skipped"]
        return [one for one in wanted if one.path > after][:limit]

    def photo(self, photo: int) -> Mapping[str, JsonValue]:
        if photo != INFO["photo"]:
            raise RequestError("unknown_photo", f"there is no photo {photo}", 404)
        return INFO

    def info(self, path: bytes) -> Mapping[str, JsonValue]:
        if path == b"/photos/cut.jpg":
            fields: JsonValue = {
                "path": "/photos/cut.jpg",
                "kind": "corrupt",
                "reason": "cut short",
            }
            return {"photo": None, "failure": fields}
        if path != b"/photos/sunset.jpg":
            raise RequestError("not_indexed", f"nothing is known of {os.fsdecode(path)}", 404)
        return INFO

    def rescan(self, path: bytes | None) -> None:
        self.asked.append(("rescan", path))

    def pause(self) -> None:
        self.asked.append("pause")

    def resume(self) -> None:
        self.asked.append("resume")

    def forget(self, model: str | None) -> Sequence[Forgotten]:
        if model == "pocket":
            raise RequestError("model_in_use", "pocket is the model in use", 409)
        return [Forgotten(model or "old", 7)]

    def switch_model(self) -> None:
        self.asked.append("switch")

    def take_in(self, model: str, fingerprint: str, photos: Sequence[PortablePhoto]) -> Imported:
        if model != "pocket":
            raise RequestError("wrong_model", f"{model} is not the model in use", 409)
        self.asked.append(photos)
        return Imported(taken=1, known=len(photos) - 1)

    def verify(self, scope: CheckScope) -> GivenCheck:
        self.asked.append(scope)
        self.check = GivenCheck()
        found = Difference("index-lacks", 1, "the index lacks 1 photo", (UGLY,))
        if self.checks_end and scope.repair:
            self.check.verdict.set_result(Verdict(mended=(found,)))
        elif self.checks_end:
            away = PassedOver(b"/usb", "the folder is missing")
            self.check.verdict.set_result(Verdict((found,), passed_over=(away,), photos=3))
        return self.check


INFO: Mapping[str, JsonValue] = {
    "photo": 7,
    "paths": [
        {
            "path": "/photos/sunset.jpg",
            "size_bytes": 4_100_000,
            "modified": 1_700_000_000,
            "offline": False,
            "gone_since": None,
        },
        {
            "path": "/usb/sunset.jpg",
            "size_bytes": 4_100_000,
            "modified": 1_700_000_000,
            "offline": True,
            "gone_since": None,
        },
    ],
    "width": 4000,
    "height": 3000,
    "format": "JPEG",
    "content_hash": "00" * 16,
    "added": 1_700_000_000,
    "is_read": True,
    "taken": "2019-07-12T14:03:22",
    "taken_from": "exif",
    "utc_offset_min": -150,
    "camera": "Canon EOS 80D",
    "lens": "EF50mm f/1.8 STM",
    "focal_mm": 50.0,
    "lat": 43.77,
    "lon": 11.25,
    "country": "IT",
    "region": "Tuscany",
    "city": "Florence",
    "rating": 4,
    "caption": "At the\x1b[31m sea",
    "tags": ["sea", "holiday"],
    "sharpness": 812.5,
    "has_exif": True,
    "models": ["pocket"],
    "failure": None,
}

IDLE: Mapping[str, JsonValue] = {
    "pid": os.getpid(),
    "state": "idle",
    "photos": 3,
    "paths": 4,
    "errors": 1,
    "skipped": 2,
    "backlog": 0,
    "decoded": 4,
    "encoded": 3,
    "encoder": {
        "state": "asleep",
        "device": "cpu",
        "precision": "bf16",
        "model": "pocket",
        "reason": "CUDA is not available",
    },
    "index": {
        "kind": "fp16",
        "count": 3,
        "lists": 0,
        "nprobe": 0,
        "recall": 1.0,
        "changes": 0,
        "merging": False,
        "behind": 0,
        "away": "",
    },
    "roots": [
        {"path": "/photos", "state": "online", "reason": ""},
        {"path": "/usb", "state": "offline", "reason": "it is not mounted"},
    ],
}


@contextmanager
def running(
    folder: Path, service: GivenService | None = None, config: ServeConfig | None = None
) -> Iterator[Path]:
    """Serve on a socket in a folder; no thread is left when the block ends."""
    given = service or GivenService()
    given.states = given.states or [IDLE]
    path = folder / "clipd.sock"
    before = started_threads()
    with (
        listening(path) as sock,
        request_lanes() as lanes,
        serving_on(sock, given, Limits(config or ServeConfig()), lanes),
    ):
        yield path
    # A moment for a timer of the test that has just let the last answer go.
    wait_until(lambda: started_threads() <= before, 30, what="a thread is left")
    assert not path.exists()
