"""Learns what cosines are worth, on the thread ``clipd-calibrate``, beside the answers."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from clipd.durable import write_durably
from clipd.errors import ClipdError
from clipd.photo import Ids
from clipd.search.calibration import Calibration, Cosines, calibrate
from clipd.search.query import Query, Term
from clipd.search.query_vectors import QueryVectors
from clipd.search.reference_texts import REFERENCE_TEXTS
from clipd.store.view import StoreView

_log = logging.getLogger(__name__)
_SAMPLE = 512  # pictures whose pairs are compared
_END_SECONDS = 5.0


class Calibrator:
    """Keeps the calibration of the model in use; any thread may ask for it."""

    def __init__(self, stored: StoreView, vectors: QueryVectors, cache: Path) -> None:
        """Read what was learnt before, if anything.

        Args:
            stored: the library.
            vectors: of the reference texts, which the catalog remembers.
            cache: where what is learnt is kept.
        """
        self._stored = stored
        self._vectors = vectors
        self._file = cache / "calibration" / f"{stored.spec.fingerprint[:32]}.json"
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._has_tried = threading.Event()
        self._known = self._read()  # replaced as a whole

    @property
    def known(self) -> Calibration | None:
        """What was learnt; None: nothing yet."""
        return self._known

    def wake(self, photos: int) -> None:
        """Have it learn, if that is called for, now that the model is awake. Never waits.

        Args:
            photos: how many can be found.
        """
        if photos and (self._known is None or self._known.is_stale(photos)):
            self._wanted.set()

    def wake_and_wait(self, photos: int, seconds: float) -> None:
        """Have it learn, and wait a little where nothing was learnt yet and it was never tried.

        Else the first answer of a library would have other scores than the same one later.
        """
        self.wake(photos)
        if photos and self._known is None:
            self._has_tried.wait(seconds)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Learn when it is called for, for the length of the block."""
        thread = threading.Thread(target=self._run, name="clipd-calibrate", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            self._wanted.set()
            thread.join(_END_SECONDS)

    def learn(self) -> Calibration | None:
        """Learn now; None where it was broken off."""
        index = self._stored.follower.index
        photos = len(index)
        nearest = []
        for text in REFERENCE_TEXTS:
            # One by one: a query of a person waits for no more than that.
            if self._stopped.is_set():
                return None
            aims = self._vectors.made(Query((Term(text=text),)))
            assert aims.whole is not None
            nearest.extend(index.search(aims.whole, 1)[1].tolist())
        pairs = self._pairs(index.ids())
        if not nearest:
            return None  # the last photo has gone meanwhile
        made = calibrate(photos, np.array(nearest, np.float32), pairs)
        self._known = made
        self._write(made)
        _log.info("what scores mean was learnt from %d photos", photos)
        return made

    def _pairs(self, ids: Ids) -> Cosines:
        some = np.random.default_rng(0).permutation(ids)[:_SAMPLE]
        _, rows = self._stored.follower.index.vectors(some)
        above = np.triu_indices(len(rows), 1)
        return (rows @ rows.T)[above].astype(np.float32)

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._stopped.is_set():
                return
            try:
                self.learn()
            except ClipdError as error:
                _log.info("what scores mean is learnt another time: %s", error)
            self._has_tried.set()

    def _read(self) -> Calibration | None:
        try:
            return Calibration.from_json(self._file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return None

    def _write(self, made: Calibration) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self._file, made.to_json().encode())
        except OSError as error:
            _log.info("what scores mean is not kept: %s", error)
