"""Pictures gathered into batches, and a thread that has them encoded."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from clipd.encode.handle import Encoder
from clipd.errors import EncodeError
from clipd.ingest.inbox import Encoded, NotEncoded, Ready

_COMPANY_SECONDS = 0.25  # how long a lone picture waits for others that are being decoded
_AHEAD = 2  # batches given to the encoder's thread: one at work, one at hand


class Batches:
    """Batches fill while more pictures are coming, and go at once when none are.

    ``add`` and ``send_due`` belong to the indexer's thread; ``report`` is called on the
    thread ``clipd-encode``.
    """

    def __init__(
        self, encoder: Encoder, size: int, report: Callable[[Encoded | NotEncoded], None]
    ) -> None:
        self._encoder = encoder
        self._size = size
        self._report = report
        self._ready: deque[Ready] = deque()
        self._work: queue.SimpleQueue[tuple[Ready, ...] | None] = queue.SimpleQueue()
        self._sent = 0
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
            self._sent += 1
            self._work.put(tuple(self._ready.popleft() for _ in range(count)))

    def answered(self) -> None:
        """Note that the report of one batch was taken in."""
        self._sent -= 1

    def _is_due(self, more_coming: bool) -> bool:
        if len(self._ready) >= self._size or not more_coming:
            return True
        waited = time.monotonic() - self._ready[0].since
        return not self._sent and waited > _COMPANY_SECONDS

    def _encode(self) -> None:
        while (batch := self._work.get()) is not None:
            pixels = np.stack([r.decoded.pixels for r in batch if r.decoded.pixels is not None])
            try:
                self._report(Encoded(batch, self._encoder.encode_images(pixels)))
            except EncodeError as error:
                self._report(NotEncoded(batch, error))

    def __enter__(self) -> Batches:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._work.put(None)
        self._thread.join()
