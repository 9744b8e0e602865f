"""Reading the headers of photos that clipd knows, beside everything else: nothing is decoded."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from clipd.decode.pool import DecoderPool
from clipd.decode.sidecar import named_by
from clipd.ingest.inbox import HeadersRead, Message
from clipd.ingest.meta_keeper import MetaKeeper
from clipd.ingest.reach import Reach
from clipd.ingest.settling import ToRead
from clipd.photo import Headers, Refused, same
from clipd.store.catalog import Catalog
from clipd.store.meta_writer import UnreadPhoto
from clipd.watch.roots import Roots

_SLICE = 2000  # ids that one statement looks through
_AT_ONCE = 4  # files under way: enough for two decoders, and a fresh photo waits for no more
_BATCH = 64  # photos in one transaction
_AGAIN_SECONDS = 0.5
# What says nothing of the file: its disk is away, it changed, or memory is short. It is asked
# another time, at the latest by the next start.
_PASSING_KINDS = frozenset({"unreadable", "missing", "memory"})


@dataclass(frozen=True, slots=True)
class HeaderProgress:
    """How far the pass over the photos is."""

    read: int
    total: int
    seconds_left: float | None  # None: there is no telling yet


class HeaderPass:
    """Passes over the photos whose headers were not read yet, or not by this clipd.

    The indexer's thread only, but for ``progress``. Where a pass ends is not written down: what is
    read is, so that the next one, after a kill, finds only the rest.
    """

    def __init__(
        self,
        catalog: Catalog,
        roots: Roots,
        pool: DecoderPool,
        post: Callable[[Message], None],
        again: Callable[[bytes, float], None],
    ) -> None:
        """Make a pass.

        Args:
            post: leaves a message for the indexer; called on the pool's threads.
            again: has a path looked at again after a number of seconds.
        """
        self._catalog = catalog
        self._reach = Reach(catalog, roots)
        self._pool = pool
        self._post = post
        self._again = again
        self._keeper = MetaKeeper(catalog)
        self._wanted: deque[int] = deque()  # photos that are asked before the pass goes on
        self._page: deque[UnreadPhoto] = deque()
        self._flying = 0  # files in decoders
        self._asked: set[int] = set()  # photos, from the decoder to the catalog
        self._outdated: set[int] = set()  # of those: changed since, and to be asked once more
        self._read: list[HeadersRead] = []  # waits for its transaction
        self._after = 0
        self._last: int | None = None  # id of the last photo of this pass; None: it is to begin
        self._position = 0  # id of the photo that was handed out last, or behind which none is
        self._began: tuple[int, float] | None = None  # first id to read, time.monotonic()

    def restart(self) -> None:
        """Begin a new pass at the first photo."""
        self._page.clear()
        self._after, self._last, self._began = 0, None, None
        self._position = 0

    def want(self, photos: Iterable[int]) -> None:
        """Have photos asked again soon, in a transaction of the caller's."""
        for photo in photos:
            self._catalog.have_read_again(photo)
            if photo in self._asked:
                self._outdated.add(photo)
            else:
                self._wanted.append(photo)

    def sidecar_changed(self, path: bytes) -> None:
        """Have the photos beside a file asked again, which came, changed or went."""
        folder, name = os.path.split(path)
        self.want(self._catalog.photos_beside(folder, named_by(name)))

    @property
    def can_send(self) -> bool:
        """Whether there may be something to read, and room to have it read."""
        has_more = self._last is None or self._after < self._last
        return self._flying < _AT_ONCE and bool(self._wanted or self._page or has_more)

    def send(self) -> None:
        """Have as many files read as there is room for; look through one slice of the ids.

        No more, though none of its photos may be read just now: a drive that is away may hold a
        million, and the indexer has more to do.
        """
        while self.can_send and (found := self._next()) is not None:
            file = self._reach.file_of(found.photo, found.path)
            if file is not None and found.photo not in self._asked:
                self._have_read(found.photo, file)
            if not self._wanted and not self._page:
                return

    def take_in(self, message: HeadersRead) -> Callable[[], None]:
        """Note that a file has been read; return what is left to be recorded."""
        self._flying -= 1
        self._read.append(message)
        return self._record

    def progress(self) -> HeaderProgress | None:
        """Return how far the pass is; None where nothing was to be read, or all is. Any thread."""
        began, last, position = self._began, self._last, self._position
        if began is None or last is None or position >= last:
            return None
        first, since = began
        passed, seconds = position - first, time.monotonic() - since
        left = (last - position) * seconds / passed if passed > 0 else None
        return HeaderProgress(position, last, left)

    def _next(self) -> UnreadPhoto | None:
        """Return the next photo to be asked; None when this slice of the ids holds none."""
        if self._wanted:
            photo = self._wanted.popleft()
            places = self._catalog.places_of(photo)
            is_wanted = bool(places) and self._catalog.is_unread(photo)
            return UnreadPhoto(photo, places[0][0]) if is_wanted else None
        if not self._page:
            self._turn_page()
        if not self._page:
            self._position = self._after
            return None
        found = self._page.popleft()
        self._position = found.photo
        self._began = self._began or (found.photo, time.monotonic())
        return found

    def _turn_page(self) -> None:
        if self._last is None:
            self._last = self._catalog.last_photo()
        upto = min(self._after + _SLICE, self._last)
        self._page.extend(self._catalog.unread_photos(self._after, upto))
        self._after = upto

    def _have_read(self, photo: int, file: ToRead) -> None:
        self._flying += 1
        self._asked.add(photo)

        def report(outcome: Headers | Refused) -> None:
            self._post(HeadersRead(photo, file.path, outcome))

        self._pool.read_headers(file.path, file.root, report)

    def _record(self) -> None:
        """Write what was read, many photos at a time."""
        if len(self._read) < _BATCH and self._flying:
            return
        read, self._read = self._read, []
        photos = {message.photo for message in read}
        # Before the writes: if they fail, nobody will answer for these a second time.
        self._asked -= photos
        outdated, self._outdated = self._outdated & photos, self._outdated - photos
        for message in read:
            self._record_one(message)
        self.want(outdated)

    def _record_one(self, message: HeadersRead) -> None:
        outcome = message.outcome
        row = self._catalog.path(message.path)
        if row is None or row.gone_at is not None or row.photo != message.photo:
            return  # another photo lies there by now, or none
        seen = outcome.fingerprint
        has_changed = seen and same(row.fingerprint, seen, stable_inodes=False) == "changed"
        if has_changed or (isinstance(outcome, Refused) and outcome.kind == "missing"):
            self._again(message.path, _AGAIN_SECONDS)
        elif isinstance(outcome, Headers):
            self._keeper.put(message.photo, outcome.meta)
        elif outcome.kind not in _PASSING_KINDS:
            # It would kill the next decoder too: it is asked no more, until it changes.
            self._keeper.give_up(message.photo)
