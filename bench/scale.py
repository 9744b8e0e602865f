"""clipd with many photos: `python -m bench.scale [PHOTOS ...]`, by `make bench-scale`.

Vectors of 512 numbers in themes, as photographs have them, in a catalog whose photos are away; the
real daemon answers. Bare FAISS, `python -c pass` and the index in its two kinds in the same run.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from bench.inputs import (
    ARCHITECTURE,
    clustered,
    describe_photos,
    fill_catalog,
    like_texts,
    random_weights,
    twelve_megapixels,
)
from bench.plot import bars
from clipd.config.options import IndexConfig, ModelConfig
from clipd.encode.models import resolve
from clipd.encode.presets import IN_THE_BOX
from clipd.photo import ModelSpec, Vectors
from clipd.search.query_vectors import text_key
from clipd.search.reference_texts import REFERENCE_TEXTS
from clipd.store.catalog import Catalog
from clipd.store.follow import IndexFollower
from clipd.store.index_delta import exact_index
from clipd.store.index_faiss import faiss_library
from clipd.store.reader import CatalogReader
from tests.daemon.harness import Daemon

DOCS = Path(__file__).parents[1] / "docs"
LATENCY, MEMORY = DOCS / "scale-latency.svg", DOCS / "scale-memory.svg"
_THEMES = 10_000
_TEXTS = 50
_K = 20
_PRESENT = 300  # photos that are there, when the model is changed
_FILTERS = (
    *("name:00001", "on:2010", "on:2010-05-04", "after:2012", "camera:3", "place:Firenze"),
    *('tag:"tag 7"', "rating:5", "type:jpeg", "has:gps", "near:43.7,11.2,20km", "-on:2010"),
    *("camera:3 on:2010", "is:offline"),
)


def main(sizes: Sequence[int]) -> None:
    """Measure each size in a folder of its own; plot them where there are several."""
    latency: dict[str, dict[str, float]] = {}
    memory: dict[str, dict[str, float]] = {}
    for photos in sizes:
        with tempfile.TemporaryDirectory(prefix="clipd-bench-") as name:
            print(f"{photos:,} photos", flush=True)
            scale = _Scale(Path(name), photos)
            scale.measure()
            latency[f"{photos:,}"], memory[f"{photos:,}"] = scale.latency, scale.memory
    if len(sizes) > 1:
        LATENCY.write_text(bars("Milliseconds of a search, by photos", latency))
        MEMORY.write_text(bars("MiB of clipd at rest, by photos", memory))


class _Scale:
    def __init__(self, folder: Path, photos: int) -> None:
        self.latency: dict[str, float] = {}
        self.memory: dict[str, float] = {}
        self._folder = folder
        self._photos = photos
        weights = folder / "weights.safetensors"
        random_weights(weights)
        home = folder / "home"
        cache = home / "cache" / "clipd"
        self._spec: ModelSpec = resolve(
            ModelConfig(name=ARCHITECTURE, checkpoint=weights), folder, cache
        )
        self._texts = like_texts(_TEXTS, self._spec.dim, _THEMES, 1)
        state = home / "state" / "clipd"
        state.mkdir(parents=True)
        self._catalog = state / "catalog.sqlite"
        fill_catalog(self._catalog, self._spec, folder / "gone", photos, _THEMES)
        describe_photos(self._catalog)
        self._remember_texts()
        runtime = Path(tempfile.mkdtemp(prefix="clipd-", dir="/tmp"))
        self._daemon = Daemon(home, runtime, [])
        self._model = f'name = "{ARCHITECTURE}"\ncheckpoint = "{weights}"'
        self._write_config(self._model, folder / "gone")

    def measure(self) -> None:
        bare = self._bare()
        self._say("bare exact FAISS, fp16, one thread, p50", f"{bare:.2f} ms")
        daemon = self._daemon
        self._say("first start to first answer, from the catalog", f"{self._started():.2f} s")
        began = time.perf_counter()
        daemon.wait_until(lambda: daemon.status()["index"]["changes"] == 0, 900)
        index = daemon.status()["index"]
        self._say(
            "the first base, 30 s of waiting included", f"{time.perf_counter() - began:.0f} s"
        )
        self._say("the index", json.dumps(index))
        self._searches(bare)
        self._filters()
        own, all_of_it = anonymous_mib(daemon.pid), _resident_mib(daemon.pid)
        self.memory = {"its own": own, "with mapped files": all_of_it}
        self._say("anonymous memory at rest", f"{own:.0f} MiB")
        self._say("resident, most of it the system's", f"{all_of_it:.0f} MiB")
        self._checked()
        self._say("a stop", f"{daemon.stop():.2f} s")
        self._say("start to first answer after a stop", f"{self._started():.2f} s")
        daemon.kill()
        self._say("start to first answer after kill -9", f"{self._started():.2f} s")
        self._change_of_model()
        daemon.stop()
        daemon.close()
        self._merges()

    def _write_config(self, model: str, *roots: Path) -> None:
        folders = "".join(f'[[roots]]\npath = "{root}"\n' for root in roots)
        self._daemon.file.write_text(f'[model]\n{model}\n{folders}[power]\non_battery = "work"\n')

    def _started(self) -> float:
        began = time.perf_counter()
        self._daemon.start()
        assert len(self._daemon.search("text 0", n=_K)) == _K
        return time.perf_counter() - began

    def _bare(self) -> float:
        """Measure FAISS with all vectors in memory, and nothing around it."""
        index = exact_index(self._spec.dim, "fp16")
        for start in range(0, self._photos, 1000):
            index.add(clustered(1000, self._spec.dim, _THEMES, start))
        faiss_library()
        return _p50([lambda row=row: index.search(row[None], _K) for row in self._texts])

    def _searches(self, bare: float) -> None:
        daemon = self._daemon
        texts = [f"text {number}" for number in range(_TEXTS)]
        inside = [_took(daemon, text) for text in texts]
        middle, late = _quantile(inside, 0.5), _quantile(inside, 0.95)
        self.latency = {"bare exact FAISS": bare, "clipd, in the daemon": middle}
        self._say("search in the daemon, p50, p95", f"{middle:.2f}, {late:.2f} ms")
        self._say("of this, over bare exact FAISS", f"{middle / bare:.2f}")
        empty = _p50([lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)] * 15)
        whole = _p50([lambda: daemon.ctl("search", "--anyway", "text 3")] * 15)
        self._say("clipctl search over python -c pass", f"{whole - empty:.0f} ms")

    def _filters(self) -> None:
        """Search among those that a filter lets pass."""
        folder = self._folder / "gone" / "0001"
        for words in (f"in:{folder}", "in:0001", *_FILTERS):
            texts = [f"text {number} {words}" for number in range(7)]
            took = [_took(self._daemon, text) for text in texts]
            self._say(f"search with {words.replace(str(folder), '/one/folder')}", _shown(took))

    def _checked(self) -> None:
        """Have the daemon check catalog and index, and ask meanwhile."""
        texts = [f"text {number}" for number in range(_TEXTS)] * 4
        quiet = [_took(self._daemon, text) for text in texts]
        busy: list[float] = []
        began = time.perf_counter()
        with ThreadPoolExecutor(1) as thread:
            check = thread.submit(self._daemon.ctl, "verify")
            while not check.done():
                busy.append(_took(self._daemon, texts[len(busy) % len(texts)]))
                time.sleep(0.02)
            check.result()
        self._say(
            f"verify, {time.perf_counter() - began:.0f} s: searches p50, p95 over quiet ones",
            _over(busy, quiet),
        )

    def _change_of_model(self) -> None:
        """Have vectors of another model made of the photos that are there, and ask meanwhile."""
        daemon, here = self._daemon, self._folder / "here"
        twelve_megapixels(here, _PRESENT)
        self._write_config(self._model, self._folder / "gone", here)
        daemon.reload()
        daemon.wait_until(lambda: daemon.status()["photos"] == self._photos + _PRESENT, 900)
        daemon.wait_until(lambda: daemon.status()["encoder"]["state"] == "asleep", 900)
        texts = [f"text {number}" for number in range(_TEXTS)] * 4
        quiet = [_took(daemon, text) for text in texts]
        self._write_config(f'name = "{IN_THE_BOX}"', self._folder / "gone", here)
        daemon.reload()
        busy: list[float] = []
        began = time.perf_counter()
        while (daemon.status()["model"]["next"] or {"photos": _PRESENT})["photos"] < _PRESENT:
            for _ in range(10):
                busy.append(_took(daemon, texts[len(busy) % len(texts)]))
                time.sleep(0.02)
        self._say(
            f"{_PRESENT} vectors of a next model, {time.perf_counter() - began:.0f} s: searches"
            " p50, p95 over quiet ones",
            _over(busy, quiet),
        )

    def _merges(self) -> None:
        """Change 5 % of the library and measure a merge, with and without lists."""
        share = self._photos // 20
        for kind in ("fp16", "ivf"):
            with closing(CatalogReader(self._catalog)) as reader:
                config = IndexConfig(kind=kind)  # type: ignore[arg-type]
                with closing(Catalog.open(self._catalog)) as catalog, catalog.writing():
                    model = catalog.model(self._spec)
                folder = self._folder / kind
                follower = IndexFollower(reader, model, self._spec, config, folder)
                follower.start()
                self._merged(follower)
                first = 2 * self._photos if kind == "fp16" else 3 * self._photos
                root = self._folder / "gone"
                fill_catalog(self._catalog, self._spec, root, share, _THEMES, first)
                self._forget(share, 0 if kind == "fp16" else share)
                began = time.perf_counter()
                follower.catch_up()
                self._say(f"{kind}: {2 * share:,} changes taken in", _seconds(began))
                quiet = _p50(self._queries(follower))
                self._say(f"{kind}: search with 5 % dead, 5 % new", f"{quiet:.2f} ms")
                took, busy = self._merged(follower)
                self._say(
                    f"{kind}: merge",
                    f"{took:.0f} s; searches p50 meanwhile {busy / quiet:.2f} of quiet ones",
                )
                self._say(f"{kind}: search", f"{_p50(self._queries(follower)):.2f} ms")
                state = follower.state()
                found = self._recall(follower, reader, model)
                self._say(f"{kind}: recall", f"{found}; as measured when built {state.recall:.3f}")
                follower.close()

    def _merged(self, follower: IndexFollower) -> tuple[float, float]:
        """Merge; return how long it took, and the median of searches meanwhile."""
        took: list[float] = []
        began = time.perf_counter()
        follower.begin_merge()
        while follower.poll_merge() is None:
            if len(follower.index):
                took += [_ms(query) for query in self._queries(follower)[:5]]
            time.sleep(0.2)
        return time.perf_counter() - began, statistics.median(took)

    def _queries(self, follower: IndexFollower) -> list[Callable[[], object]]:
        return [lambda row=row: follower.index.search(row, _K) for row in self._texts]

    def _recall(self, follower: IndexFollower, reader: CatalogReader, model: int) -> str:
        """Return recall@10 and @100 for texts and pictures, against all vectors in numpy."""
        pictures = clustered(_TEXTS, self._spec.dim, _THEMES, self._photos // 2)
        every, ids = self._best(reader, model, np.concatenate([self._texts, pictures]))
        shares = {}
        for k in (10, 100):
            for what, start in (("texts", 0), ("pictures", _TEXTS)):
                queries = np.concatenate([self._texts, pictures])[start : start + _TEXTS]
                found = [follower.index.search(row, k)[0] for row in queries]
                shares[f"{what} {k}"] = float(
                    np.mean(
                        [
                            np.isin(ids[best[:k]], row).mean()
                            for row, best in zip(found, every[start : start + _TEXTS], strict=True)
                        ]
                    )
                )
        return ", ".join(f"{what} {share:.3f}" for what, share in shares.items())

    def _best(
        self, reader: CatalogReader, model: int, queries: Vectors
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        scores, ids, last = [], [], 0
        while (page := reader.vectors.indexable(model, last, 5000)).last:
            scores.append(queries @ page.vectors.T)
            ids.append(page.ids)
            last = page.last
        products = np.concatenate(scores, axis=1)
        best = np.argpartition(-products, 100, axis=1)[:, :100]
        order = np.argsort(-np.take_along_axis(products, best, axis=1), axis=1)
        return np.take_along_axis(best, order, axis=1), np.concatenate(ids)

    def _forget(self, count: int, first: int) -> None:
        with closing(Catalog.open(self._catalog)) as catalog:
            for start in range(first, first + count, 1000):
                with catalog.writing():
                    for number in range(start, start + 1000):
                        file = self._folder / "gone" / f"{number // 500:04d}" / f"{number:07d}.jpg"
                        catalog.forget_path(bytes(file), 50)

    def _remember_texts(self) -> None:
        """Have the catalog know all texts: weights drawn at random make vectors unlike any."""
        texts = {f"text {number}": row for number, row in enumerate(self._texts)}
        reference = like_texts(len(REFERENCE_TEXTS), self._spec.dim, _THEMES, 2)
        texts |= zip(map(text_key, REFERENCE_TEXTS), reference, strict=True)
        with closing(Catalog.open(self._catalog)) as catalog, catalog.writing():
            model = catalog.model(self._spec)
            for text, row in texts.items():
                catalog.put_text_vector(model, text, row, int(time.time()))

    def _say(self, what: str, figure: str) -> None:
        print(f"  {what:<48} {figure}", flush=True)


def _took(daemon: Daemon, text: str) -> float:
    _, answer = daemon.request("GET", f"/v1/search?q={quote(text)}&limit={_K}")
    return float(answer["took_ms"])


def _shown(took: Sequence[float]) -> str:
    return f"{statistics.median(took):.0f} ms"


def _p50(actions: Sequence[Callable[[], object]]) -> float:
    actions[0]()
    return statistics.median(_ms(action) for action in actions)


def _ms(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - began)


def _quantile(values: Sequence[float], at: float) -> float:
    return sorted(values)[int(at * len(values))]


def _over(busy: Sequence[float], quiet: Sequence[float]) -> str:
    ratios = (_quantile(busy, at) / _quantile(quiet, at) for at in (0.5, 0.95))
    return ", ".join(f"{ratio:.2f}" for ratio in ratios)


def _seconds(began: float) -> str:
    return f"{time.perf_counter() - began:.2f} s"


def anonymous_mib(pid: int) -> float:
    """Return the memory of a process that no file stands behind, in MiB."""
    return _kib(Path(f"/proc/{pid}/smaps_rollup"), "Anonymous") / 1024


def _resident_mib(pid: int) -> float:
    return _kib(Path(f"/proc/{pid}/smaps_rollup"), "Rss") / 1024


def _kib(file: Path, word: str) -> int:
    found: Any = re.search(rf"^{word}:\s+(\d+)", file.read_text(), re.MULTILINE)
    return int(found[1])


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [100_000, 1_000_000])
