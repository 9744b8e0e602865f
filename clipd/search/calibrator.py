"""Learns what cosines are worth, on the thread ``clipd-calibrate``, beside the answers."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from clipd.durable import write_durably
from clipd.errors import ClipdError
from clipd.photo import Ids
from clipd.search.calibration import Calibration, Cosines, calibrate
from clipd.search.query import Query, Term
from clipd.search.query_vectors import QueryVectors, Vector
from clipd.search.reference_texts import REFERENCE_TEXTS
from clipd.store.view import StoreView

_log = logging.getLogger(__name__)
_SAMPLE = 512  # pictures whose pairs are compared
# A query of a person waits for no more than these; one by one each would wait for photos (torch).
_TEXTS_AT_ONCE = 8
_AGAIN_SECONDS = 0.2  # that an answer waits where the library has grown: 64 searches of it
_END_SECONDS = 1.0  # of a stop, for the texts at hand; closing the encoder ends the wait for them
# Texts take a second or more of an encoder that is busy with a new library. Its first photos come
# before them, and before the first query, which would else wait for them, they come themselves.
_FIRST_PHOTOS_SECONDS = 10.0


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
        # `_changed` guards the next five, and tells of them.
        self._changed = threading.Condition()
        self._is_wanted = False
        self._is_stopped = False
        self._texts_at: float | None = None  # time.monotonic() at which to have the texts encoded
        self._has_texts = False
        self._tries = 0
        self._known = self._read()  # replaced as a whole

    @property
    def known(self) -> Calibration | None:
        """What was learnt; None: nothing yet."""
        return self._known

    def has_texts(self) -> bool:
        """Whether the catalog remembers the reference texts, so that no child is woken for them."""
        if not self._has_texts:
            known = self._known is not None or all(
                self._vectors.known(_query(text)) is not None for text in REFERENCE_TEXTS
            )
            with self._changed:
                self._has_texts |= known
        return self._has_texts

    def wake_and_wait(self, photos: int, seconds: float) -> None:
        """Have it learn, if that is called for, and wait a little for it.

        Else the first answer of a library, and the first after it has grown, would have other
        scores than the same one later.

        Args:
            photos: how many can be found.
            seconds: how long to wait where nothing was learnt yet, and it was never tried.
        """
        known = self._known
        if not photos or not (known is None or known.is_stale(photos)):
            return
        with self._changed:
            before = self._tries
            self._is_wanted = True
            self._changed.notify_all()
            if known is not None or not before:
                most = seconds if known is None else _AGAIN_SECONDS
                self._changed.wait_for(lambda: self._tries > before, most)

    def photos_found(self) -> None:
        """Have the texts encoded in a while, if need be: the encoder is at work. Never waits."""
        with self._changed:
            if self._known is not None or self._has_texts or self._texts_at is not None:
                return
            self._texts_at = time.monotonic() + _FIRST_PHOTOS_SECONDS
            self._changed.notify_all()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Learn when it is called for, for the length of the block."""
        thread = threading.Thread(target=self._run, name="clipd-calibrate", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._is_stopped = True
                self._changed.notify_all()
            thread.join(_END_SECONDS)

    def learn(self) -> Calibration | None:
        """Learn now; None where it was broken off."""
        index = self._stored.follower.index
        photos = len(index)
        nearest = []
        for vector in self._text_vectors():
            nearest.extend(index.search(vector, 1)[1].tolist())
        if self._is_stopped or not nearest:  # the last photo has gone meanwhile
            return None
        pairs = self._pairs(index.ids())
        made = calibrate(photos, np.array(nearest, np.float32), pairs)
        self._known = made
        self._write(made)
        _log.info("what scores mean was learnt from %d photos", photos)
        return made

    def _text_vectors(self) -> Iterator[Vector]:
        """Yield the reference texts as vectors, until this is stopped."""
        for start in range(0, len(REFERENCE_TEXTS), _TEXTS_AT_ONCE):
            if self._is_stopped:
                return
            some = self._vectors.of_texts(REFERENCE_TEXTS[start : start + _TEXTS_AT_ONCE])
            if not self._is_stopped:  # else there may be no index any more
                yield from some

    def _pairs(self, ids: Ids) -> Cosines:
        some = np.random.default_rng(0).permutation(ids)[:_SAMPLE]
        _, rows = self._stored.follower.index.vectors(some)
        above = np.triu_indices(len(rows), 1)
        return (rows @ rows.T)[above].astype(np.float32)

    def _run(self) -> None:
        while (task := self._next()) != "end":
            try:
                if task == "learn":
                    self.learn()
                else:
                    self._remember_texts()
            except ClipdError as error:
                _log.info("what scores mean is learnt another time: %s", error)
            if task == "learn":
                with self._changed:
                    self._tries += 1
                    self._changed.notify_all()

    def _remember_texts(self) -> None:
        """Have the texts encoded for the first query, unless the encoder has gone to sleep."""
        # The catalog tells whether it has them: what was made may have found no room there.
        if not self.has_texts() and self._vectors.is_awake:
            list(self._text_vectors())

    def _next(self) -> Literal["learn", "texts", "end"]:
        """Wait until there is something to do."""
        with self._changed:
            while not (self._is_wanted or self._is_stopped):
                left = None if self._texts_at is None else self._texts_at - time.monotonic()
                if left is not None and left <= 0:
                    self._texts_at = None
                    return "texts"
                self._changed.wait(left)
            self._is_wanted = False
            return "end" if self._is_stopped else "learn"

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


def _query(text: str) -> Query:
    return Query((Term(text=text),))
