"""Small pictures of hits, asked for ahead of whoever draws them, and waited for only so long."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import NamedTuple

from clipd.ctl.client import Client
from clipd.ctl.tiles import MOST_EDGE, RgbPicture
from clipd.errors import ClipdError, NotRunningError, RequestError
from clipd.json_types import JsonObject

PICTURE_SECONDS = 3.0
# Then no more are asked for: a drive hangs, and a list is not to wait for each of its photos.
_MOST_LATE = 3
SLOW = "slow_picture"  # the code of what is late
_NOT_ASKED = "not asked for, since others did not come"
_THREADS = 2  # as many as clipd works on at once
_CLOSE_SECONDS = 0.1


class WantedPicture(NamedTuple):
    """A photo, and the words that clipd's reasons begin with, which the list shows anyway."""

    photo: int | None  # its id
    places: tuple[str, ...] = ()
    socket: Path | None = None  # of the daemon that has it; None: the one that is asked


class PictureSource:
    """Fetches pictures in their order; use it as a context.

    Args:
        wanted: the photos.
        box: the most pixels across and down.
        seconds: how long a picture may take.
    """

    def __init__(
        self,
        wanted: Sequence[WantedPicture],
        box: tuple[int, int],
        seconds: float = PICTURE_SECONDS,
    ) -> None:
        self._wanted = wanted
        self._box = box
        self._seconds = seconds
        self._numbers = itertools.count()
        self._late = 0  # guarded by `_lock`, which the threads alone take
        self._lock = threading.Lock()
        self._is_closed = False
        # The thread that shows the pictures takes no lock written in Python, so that Ctrl-C cannot
        # come between its parts. None: a thread has ended.
        self._arrivals: SimpleQueue[tuple[int, RgbPicture | str] | None] = SimpleQueue()
        self._come: dict[int, RgbPicture | str] = {}
        self._working = min(_THREADS, len(wanted))
        self._threads = [
            # Whoever waits for a drive that hangs is left behind when clipctl ends.
            threading.Thread(target=self._fetch_all, name=f"clipctl-picture-{number}", daemon=True)
            for number in range(self._working)
        ]

    def __enter__(self) -> PictureSource:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_closed = True
        for thread in self._threads:
            thread.join(_CLOSE_SECONDS)

    def take(self, first: int, end: int) -> list[RgbPicture | str]:
        """Wait for the pictures from one to before another; a sentence for one that is not there.

        Each comes within the time that a picture may take, or is found to be late.
        """
        numbers = range(first, min(end, len(self._wanted)))
        while self._working and not all(number in self._come for number in numbers):
            if (arrival := self._arrivals.get()) is None:
                self._working -= 1
            else:
                self._come[arrival[0]] = arrival[1]
        return [self._come.get(number, _NOT_ASKED) for number in numbers]

    def _fetch_all(self) -> None:
        try:
            for number in self._numbers:
                if self._is_closed or self._late >= _MOST_LATE or number >= len(self._wanted):
                    return
                self._arrivals.put((number, self._fetched(self._wanted[number])))
        finally:  # a bug is told by the thread, and is no reason to wait for ever
            self._arrivals.put(None)

    def _fetched(self, wanted: WantedPicture) -> RgbPicture | str:
        if wanted.photo is None:
            return "clipd does not know it"
        try:
            return fetch_picture(wanted.photo, self._box, self._seconds, wanted.socket)
        except ClipdError as error:
            if isinstance(error, RequestError) and error.code == SLOW:
                with self._lock:
                    self._late += 1
            return without_place(str(error), wanted.places)


def without_place(reason: str, places: Sequence[str]) -> str:
    """Take the path off a reason that begins with it."""
    for place in places:
        reason = reason.removeprefix(f"{place}: ")
    return reason


def fetch_picture(
    photo: int, box: tuple[int, int], seconds: float, socket: Path | None = None
) -> RgbPicture:
    """Ask clipd for the pixels of a photo that fit into a box.

    Args:
        socket: of the daemon that has it; None: the one that is asked.

    Raises:
        ClipdError: there are none, or not in time.
    """
    began = time.monotonic()
    fit: JsonObject = {"fit": f"{min(MOST_EDGE, box[0])}x{min(MOST_EDGE, box[1])}"}
    try:
        client = Client(socket, seconds=seconds)
        headers, rgb = client.fetch_with_headers(f"/v1/photos/{photo}/thumbnail", fit)
    except NotRunningError as error:
        if time.monotonic() - began < seconds:
            raise
        message = f"it did not come within {seconds:.2g} s"
        raise RequestError(SLOW, message, 504) from error
    size = [headers.get(f"clipd-{edge}", "") for edge in ("width", "height")]
    width, height = (int(edge) if edge.isdecimal() else 0 for edge in size)
    if len(rgb) != 3 * width * height or not rgb or width > box[0] or height > box[1]:
        raise RequestError("broken_picture", "clipd broke off; try again", 502)
    return RgbPicture(width, height, rgb)
