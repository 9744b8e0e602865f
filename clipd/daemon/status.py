"""The state of the daemon in one picture, as `clipctl status` shows it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from clipd import __version__
from clipd.daemon.figures import CatalogFigures
from clipd.daemon.parts import Children, WritePath
from clipd.ingest.indexer import IngestProgress
from clipd.json_types import JsonValue
from clipd.pathtext import path_fields, shown
from clipd.store.view import StoreView


class StatusBoard:
    """Gathers the figures of all parts. Any thread."""

    def __init__(
        self,
        config_file: Path,
        stored: StoreView,
        write_path: WritePath,
        children: Children,
        notes: Sequence[str],
    ) -> None:
        """Join the parts that have figures.

        Args:
            config_file: the configuration that a reload reads.
            notes: sentences about the start that are worth repeating.
        """
        self._config_file = config_file
        self._stored = stored
        self._figures = CatalogFigures(stored)
        self._write_path = write_path
        self._children = children
        self._notes = tuple(notes)
        self._complaint = ""
        self._started = time.time()

    def complain(self, sentence: str) -> None:
        """Show a sentence about the configuration; "" for none."""
        self._complaint = sentence

    def line(self) -> str:
        """Say in a few words what goes on, for systemd."""
        progress = self._write_path.indexer.progress()
        counts = self._figures.counts()
        backlog = progress.waiting + progress.working
        waiting = f", {backlog} waiting" if backlog else ""
        trouble = " - has problems, see: clipctl status" if self._problems(progress) else ""
        return f"{self.state()}: {counts.photos} photos{waiting}{trouble}"

    def state(self) -> str:
        """Return the one word for what goes on."""
        # Asked first: what a scan has found is in the backlog before the scan is over.
        is_scanning = self._write_path.watcher.is_scanning
        progress = self._write_path.indexer.progress()
        if self._write_path.pause.is_paused:
            return "paused"
        has_work = bool(progress.waiting or progress.working or self._lacks_vectors(progress))
        has_work = has_work or self._is_changing_over()
        if has_work and self._write_path.pause.is_resting:
            return "resting"
        if is_scanning:
            return "scanning"
        if has_work and self._children.encoder.status().state == "absent":
            return "waiting"
        return "indexing" if has_work else "idle"

    def _is_changing_over(self) -> bool:
        changeover = self._write_path.changeover
        return changeover is not None and changeover.state().is_working

    def _lacks_vectors(self, progress: IngestProgress) -> bool:
        return progress.is_encoding_anew and self._figures.counts().without_vector > 0

    def status(self) -> dict[str, JsonValue]:
        """Return all figures; keys are only ever added."""
        progress = self._write_path.indexer.progress()
        counts = self._figures.counts()
        return {
            "pid": os.getpid(),
            "version": __version__,
            "config": shown(os.fsencode(self._config_file)),
            "uptime_s": round(time.time() - self._started),
            "state": self.state(),
            "photos": counts.photos,
            "paths": counts.paths,
            "errors": counts.errors,
            "skipped": counts.skipped,
            "backlog": progress.waiting + progress.working,
            "decoded": progress.decoded,
            "encoded": progress.encoded,
            "rate": round(progress.rate, 1),
            "encoder": self._encoder_figures(),
            "model": {
                "name": self._stored.spec.name,
                "dim": self._stored.spec.dim,
                "fingerprint": self._stored.spec.fingerprint,
                "photos": counts.photos - counts.without_vector,
                "of": counts.photos,
                "next": self._next_model_figures(),
            },
            "index": self._index_figures(),
            "roots": self._root_figures(),
            "watch": self._watch_figures(),
            "sandbox": self._sandbox_figures(),
            "metadata": _metadata_figures(progress),
            "problems": list(self._problems(progress)),
        }

    def _encoder_figures(self) -> JsonValue:
        now = self._children.encoder.status()
        return {
            "state": now.state,
            "far": now.far or None,
            "away_since": None if now.away_since is None else round(now.away_since),
            "doing": now.doing,
            "runtime": now.runtime,
            "device": now.device,
            "precision": now.precision,
            "model": now.model,
            "measured": now.measured,
            "reason": now.reason,
            "error": now.error,
            "seals": now.seals.to_json() if now.seals else None,
        }

    def _next_model_figures(self) -> JsonValue:
        changeover = self._write_path.changeover
        if changeover is None:
            return None  # the model in use is the configured one
        spec, now = changeover.following.spec, changeover.state()
        counts = self._figures.counts_of(changeover.following.id)
        left = counts.without_vector / now.rate if now.rate else None
        return {
            "name": spec.name,
            "dim": spec.dim,
            "fingerprint": spec.fingerprint,
            "photos": counts.photos - counts.without_vector,
            "of": counts.photos,
            "seconds_left": None if left is None else round(left),
            "reason": now.reason,
        }

    def _index_figures(self) -> JsonValue:
        now = self._stored.follower.state()
        return {
            "kind": now.kind,
            "count": now.photos,
            "lists": now.lists,
            "nprobe": now.nprobe,
            "recall": round(now.recall, 3),
            "changes": now.changes,
            "merging": now.is_merging,
            "behind": now.behind,
            "away": now.away,
        }

    def _root_figures(self) -> JsonValue:
        known = self._figures.root_counts()
        figures: list[JsonValue] = []
        for root in self._write_path.roots:
            now = self._write_path.roots.state(root.id)
            figures.append(
                {
                    **path_fields(root.path),
                    "state": now.state,
                    "reason": now.reason,
                    "paths": known.get(root.id, 0),
                }
            )
        return figures

    def _watch_figures(self) -> JsonValue:
        now = self._write_path.watcher.state()
        return {"watches": now.watches, "limit": now.limit, "scanned_at": now.scanned_at}

    def _sandbox_figures(self) -> JsonValue:
        now = self._children.pool.seals()
        return None if now is None else now.to_json()  # None: no decoder has run yet

    def _trouble_with_children(self) -> Iterator[str]:
        encoder, decoders = self._children.encoder.status(), self._children.pool.seals()
        if encoder.state in ("silent", "away"):  # its other errors are told by the indexer
            yield encoder.error
        yield self._children.pool.problem()
        if encoder.seals is not None:
            there = f" on {encoder.far}" if encoder.far else ""
            yield encoder.seals.warning(f"the encoder{there}")
        if decoders is not None:
            yield decoders.warning("the decoders")

    def _problems(self, progress: IngestProgress) -> Sequence[str]:
        disk = self._stored.reader.disk_trouble() or self._figures.trouble
        ingest, far = progress.problem, self._children.encoder.status().far
        if far and ingest.startswith(far):
            ingest = ""  # what was wrong at the last try; the encoder tells what is wrong now
        # Where the disk has no room, the write path says the same in other words.
        found = [
            *self._notes,
            self._complaint,
            disk or ingest,
            self._stored.follower.trouble(),
            *self._write_path.watcher.state().problems,
            *self._trouble_with_children(),
        ]
        found += [
            f"{shown(root.path)}: {self._write_path.roots.state(root.id).reason}"
            for root in self._write_path.roots
            if self._write_path.roots.state(root.id).state != "online"
        ]
        return _without_repeats(
            each.encode(errors="backslashreplace").decode() for each in found if each
        )


def _metadata_figures(progress: IngestProgress) -> JsonValue:
    now = progress.headers
    if now is None:
        return None  # every photo has been asked
    left = None if now.seconds_left is None else round(now.seconds_left)
    return {"read": now.read, "total": now.total, "seconds_left": left}


def _without_repeats(sentences: Iterable[str]) -> list[str]:
    """Leave out what another sentence says as well: two parts may see the same trouble."""
    once = list(dict.fromkeys(sentences))
    return [
        each
        for each in once
        if not any(other.startswith(each) for other in once if other is not each)
    ]
