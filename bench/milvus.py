"""A Milvus as the index beside the local one: `python -m bench.milvus [PHOTOS]`.

One catalog with vectors of 512 numbers in themes; our own files, Milvus Lite and the server of the
`milvus` wheel follow it, each in a process of its own, and answer the same queries.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.inputs import fill_catalog, like_texts
from clipd.config.options import IndexConfig
from clipd.errors import IndexAwayError
from clipd.photo import Ids, ModelSpec, Preprocess, Vectors
from clipd.store.catalog import Catalog
from clipd.store.follow import IndexFollower
from clipd.store.index_protocol import Follower
from clipd.store.milvus_follow import MilvusFollower
from clipd.store.milvus_link import MilvusLink
from clipd.store.reader import CatalogReader
from tests import processes
from tests.milvus_server import milvus_server

_SPEC = ModelSpec("bench", "bench", "", "", 512, Preprocess(224), "bench")
_THEMES = 10_000
_QUERIES = 100
_K = 52  # as many as the first page of a search asks for
_CHANGES = 10
_SHARES = (0.01, 0.1, 0.5)  # of the photos that a filter lets pass
_GOOD = 0.98  # recall of the ten best, from which the engine's own graph is in use
_PATIENCE_SECONDS = 300


def main(photos: int) -> None:
    """Measure all three, one after the other."""
    with tempfile.TemporaryDirectory(prefix="clipd-bench-") as name, ExitStack() as running:
        folder = Path(name)
        _catalog(folder, photos)
        server = running.enter_context(milvus_server(folder / "server"))
        for what, uri in (
            ("files", ""),
            ("Milvus server", f"unix:{server}"),
            ("Milvus Lite", str(folder / "lite")),
        ):
            command = [sys.executable, "-m", "bench.milvus", "--one", str(folder), uri]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            figures = json.loads(done.stdout.splitlines()[-1])
            if what == "Milvus server":
                figures["engine_mib"] = round(_engine_mib("milvus run standalone"))
            print(f"{what:<14}", *(f"{key} {value}" for key, value in figures.items()), flush=True)


def _catalog(folder: Path, photos: int) -> None:
    (folder / "server").mkdir()
    fill_catalog(folder / "catalog.sqlite", _SPEC, folder / "photos", photos, _THEMES)


def _one(folder: Path, uri: str) -> None:
    file = folder / "catalog.sqlite"
    with closing(Catalog.open(file)) as catalog, closing(CatalogReader(file)) as reader:
        with catalog.writing():
            model = catalog.model(_SPEC)
        everything, *filtered = _questions(reader, model)
        before = processes.resident_bytes(os.getpid())
        follower = _follower(reader, model, uri, folder)
        figures: dict[str, float] = {}
        began = time.monotonic()
        follower.start()
        _wait_for(follower)
        figures["fill_s"] = time.monotonic() - began
        while (recall := everything.ask(follower)["recall10"]) < _GOOD:
            if time.monotonic() > began + _PATIENCE_SECONDS:
                break
            time.sleep(1)
        figures["good_after_s"] = time.monotonic() - began if recall >= _GOOD else math.inf
        for question in (everything, *filtered):
            figures |= question.ask(follower)
        began = time.monotonic()
        assert follower.differences() == ([], [])
        figures["verify_s"] = time.monotonic() - began
        figures |= _changed(catalog, follower)
        figures["mib"] = (processes.resident_bytes(os.getpid()) - before) / 2**20
        for child in processes.children(os.getpid()):
            if "milvus_lite_worker" in child.command:
                figures["engine_mib"] = processes.resident_bytes(child.pid) / 2**20
        follower.close()
    print(json.dumps({key: round(value, 3) for key, value in figures.items()}))


def _wait_for(follower: Follower) -> None:
    while follower.catch_up() or follower.state().behind or follower.state().away:
        time.sleep(0.01)


def _follower(reader: CatalogReader, model: int, uri: str, folder: Path) -> Follower:
    if uri:
        return MilvusFollower(reader, model, _SPEC, MilvusLink(uri))
    return IndexFollower(reader, model, _SPEC, IndexConfig(kind="fp16"), folder / "index")


@dataclass(frozen=True)
class _Question:
    """Texts to be searched for among some of the photos, and what an exact search finds."""

    name: str
    queries: Vectors
    within: Ids | None
    best: list[Ids]

    def ask(self, follower: Follower) -> dict[str, float]:
        """Return how long searches take, and which share of the ten best they find."""
        took, shares, refused = [], [], 0
        for query, best in zip(self.queries, self.best, strict=True):
            began = time.perf_counter()
            try:
                ids, _ = follower.index.search(query, _K, self.within)
            except IndexAwayError as error:
                print(
                    f"refused after {time.perf_counter() - began:.2f} s: {error}", file=sys.stderr
                )
                refused += 1
                _wait_for(follower)
                continue
            took.append(1000 * (time.perf_counter() - began))
            shares.append(len(np.intersect1d(best, ids[:10])) / len(best))
        return {
            f"{self.name}refused": refused,
            f"{self.name}p50_ms": float(np.percentile(took, 50)),
            f"{self.name}p95_ms": float(np.percentile(took, 95)),
            f"{self.name}recall10": float(np.mean(shares)),
        }


def _questions(reader: CatalogReader, model: int) -> list[_Question]:
    queries = like_texts(_QUERIES, _SPEC.dim, _THEMES, 2)
    every = reader.vectors.indexable(model, 0, 10**9)
    ids, scores = every.ids, queries @ every.vectors.T
    chance = np.random.default_rng(3)
    questions = [_Question("", queries, None, _ten_best(ids, scores))]
    for share in _SHARES:
        some = np.sort(chance.choice(len(ids), int(share * len(ids)), replace=False))
        best = _ten_best(ids[some], scores[:, some])
        questions.append(_Question(f"of_{share:.0%}_", queries, ids[some], best))
    return questions


def _ten_best(ids: Ids, scores: Vectors) -> list[Ids]:
    return [ids[np.argsort(-row, kind="stable")[:10]] for row in scores]


def _changed(catalog: Catalog, follower: Follower) -> dict[str, float]:
    """Delete photos and bring them back; how long until a search sees it."""
    gone: list[float] = []
    seen: list[float] = []
    for photo in range(1, _CHANGES + 1):
        vector = follower.index.vectors(np.array([photo]))[1][0]
        for statement, took, is_wanted in (
            ("UPDATE paths SET gone_at = 50 WHERE photo_id = ?", gone, False),
            ("UPDATE paths SET gone_at = NULL WHERE photo_id = ?", seen, True),
        ):
            with catalog.writing():
                catalog.writer.write(statement, photo)
            began = time.perf_counter()
            follower.catch_up()
            while (photo in follower.index.search(vector, 5)[0]) is not is_wanted:
                time.sleep(0.005)
            took.append(1000 * (time.perf_counter() - began))
    return {"gone_ms": float(np.median(gone)), "seen_ms": float(np.median(seen))}


def _engine_mib(command: str) -> float:
    every = [processes.look(int(entry.name)) for entry in Path("/proc").glob("[0-9]*")]
    found = [one.pid for one in every if one is not None and command in one.command]
    return max((processes.resident_bytes(pid) for pid in found), default=0) / 2**20


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        _one(Path(sys.argv[2]), sys.argv[3])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
