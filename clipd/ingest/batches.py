"""Pictures gathered into batches, and a thread that has them encoded."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from clipd.encode.handle import Encoder
from clipd.encode.portions import Portion, Portions
from clipd.errors import EncodeError
from clipd.ingest.inbox import Encoded, NotEncodable, NotEncoded, Ready

_COMPANY_SECONDS = 0.25  # how long a lone picture waits for others that are being decoded
_AHEAD = 2  # batches given to the encoder's thread: one at work, one at hand

Outcome = Encoded | NotEncodable | NotEncoded


class Batches:
    """Batches fill while more pictures are coming, and go at once when none are.

    ``add`` and ``send_due`` belong to the indexer's thread; ``report`` is called on the
    thread ``clipd-encode``, for each picture once, alone or with others of its batch.
    """

    def __init__(self, encoder: Encoder, size: int, report: Callable[[Outcome], None]) -> None:
        self._size = size
        self._report = report
        self._portions = Portions(encoder, size)
        self._ready: deque[Ready] = deque()
        self._work: queue.SimpleQueue[tuple[Ready, ...] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # guards `_sent`
        self._sent = 0  # batches given to the thread and not done yet
        self._thread = threading.Thread(target=self._encode, name="clipd-encode")

    def __len__(self) -> int:
        """Count the pictures that have no vector yet: waiting for a batch, or in one."""
        return len(self._ready) + self._sent * self._size

    @property
    def room(self) -> int:
        """How many more pictures are welcome."""
        return max(0, (_AHEAD + 1) * self._size - len(self))

    def add(self, ready: Ready) -> None:
        """Take a decoded picture."""
        self._ready.append(ready)

    def send_due(self, more_coming: bool) -> None:
        """Hand over what should not wait any longer."""
        while self._ready and self._sent < _AHEAD and self._is_due(more_coming):
            count = min(self._size, len(self._ready))
            with self._lock:
                self._sent += 1
            self._work.put(tuple(self._ready.popleft() for _ in range(count)))

    def _is_due(self, more_coming: bool) -> bool:
        if len(self._ready) >= self._size or not more_coming:
            return True
        waited = time.monotonic() - self._ready[0].since
        return not self._sent and waited > _COMPANY_SECONDS

    def _encode(self) -> None:
        while (batch := self._work.get()) is not None:
            self._encode_batch(batch)

    def _encode_batch(self, batch: tuple[Ready, ...]) -> None:
        pixels = np.stack([r.decoded.pixels for r in batch if r.decoded.pixels is not None])
        done = 0
        try:
            for portion in self._portions.encode(pixels):
                done = portion.rows.stop
                if done == len(batch):
                    self._note_batch_done()
                self._report_portion(batch[portion.rows], portion)
        except EncodeError as error:
            self._note_batch_done()
            self._report(NotEncoded(batch[done:], error))

    def _note_batch_done(self) -> None:
        # Before the last report, so that the next batch leaves on the turn that takes it in.
        with self._lock:
            self._sent -= 1

    def _report_portion(self, pictures: tuple[Ready, ...], portion: Portion) -> None:
        is_usable = np.isfinite(portion.vectors).all(axis=1)
        good = tuple(pictures[row] for row in np.flatnonzero(is_usable))
        if good:
            self._report(Encoded(good, portion.vectors[is_usable]))
        for row in np.flatnonzero(~is_usable):
            self._report(NotEncodable((pictures[row],), portion.kind, portion.reason))

    def __enter__(self) -> Batches:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._work.put(None)
        self._thread.join()
