"""What decoders and the encoder found out, written into the catalog."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Sequence

from clipd.decode.sidecar import sidecar_names
from clipd.errors import EncodeError, EncoderAwayError, EncoderClosedError
from clipd.ingest.backfill import WorldOf
from clipd.ingest.inbox import Encoded, NotEncodable, NotEncoded, Ready
from clipd.ingest.meta_keeper import MetaKeeper
from clipd.ingest.recent_rate import RecentRate
from clipd.ingest.settling import ToRead
from clipd.photo import Decoded, FailureKind, Fingerprint, Refused
from clipd.store.catalog import Catalog

_log = logging.getLogger(__name__)
_AGAIN_SECONDS = 0.5  # a file that changed while it was read is looked at again
_ENCODER_WAITS = (5.0, 300.0)  # after a failing encoder: the first wait, the longest
_AWAY_WAIT = 20.0  # the longest where it is only away
# What may be the machine's fault and not the file's: a busy hour, a shortage of memory. Such a
# file is tried three times over days, then only when it or the limits change.
_PASSING_KINDS = frozenset({"crash", "timeout", "memory", "unreadable"})
_RETRY_SECONDS = (6 * 3600, 2 * 86400)


class Recorder:
    """Writes outcomes. The indexer's thread, inside its transaction; figures for any thread."""

    def __init__(
        self,
        catalog: Catalog,
        model: int,
        again: Callable[[bytes, float], None],
        fingerprint_of: Callable[[bytes], Fingerprint | None],
        world_of: WorldOf,
        want_headers: Callable[[Sequence[int]], None],
        photos_found: Callable[[], object],
        absence: str = "",
    ) -> None:
        """Make a recorder.

        Args:
            model: the catalog's id of the model in use.
            again: has a path looked at again after a number of seconds.
            fingerprint_of: looks at a path; None where there is no telling.
            world_of: tells what a refusal of a kind depends on besides the file.
            want_headers: has the headers of photos read again, in the transaction.
            photos_found: told when new photos can be found.
            absence: why there is no model, as a sentence: no picture is worth decoding then.
        """
        self._catalog = catalog
        self._model = model
        self._again = again
        self._fingerprint_of = fingerprint_of
        self._world_of = world_of
        self._want_headers = want_headers
        self._photos_found = photos_found
        self._keeper = MetaKeeper(catalog)
        self.decoded = 0
        self.encoded = 0
        self.problem = absence
        self._wait = _ENCODER_WAITS[0]
        self._retry_at = (
            math.inf if absence else 0.0
        )  # time.monotonic(); no picture is worth decoding before
        self._rate = RecentRate()

    def known(self, file: ToRead, decoded: Decoded) -> None:
        """Record a path whose bytes are those of a photo that is known, or soon will be."""
        photo = self._catalog.photo_of_hash(decoded.content_hash)
        if photo is None:  # its first copy is still being encoded, or it was purged in between
            self._again(file.path, _AGAIN_SECONDS)
            return
        self._put_path(file, decoded.fingerprint, photo)
        self._keeper.renew_date(photo)
        if self._catalog.is_unread(photo):
            self._want_headers([photo])

    def refused(self, file: ToRead, refused: Refused) -> None:
        """Record why a file is not a photo, unless it has changed since: then look again."""
        seen = self._fingerprint_of(file.path)
        has_changed = refused.fingerprint is not None and seen not in (None, refused.fingerprint)
        if refused.kind == "missing" or has_changed:
            self._again(file.path, _AGAIN_SECONDS)
            return
        # A file that cannot be read may become readable with no change of its own
        # (its disk recovers), so that it has no fingerprint and every scan tries it again.
        fingerprint = None if refused.kind == "unreadable" else seen or refused.fingerprint
        self._put_failure(file, fingerprint, refused.kind, refused.reason)

    def encoded_batch(self, answer: Encoded) -> None:
        """Record the photos of a batch with their vectors."""
        now = int(time.time())
        for ready, vector in zip(answer.batch, answer.vectors, strict=True):
            decoded = ready.decoded
            photo = self._catalog.add_photo(
                decoded.content_hash,
                decoded.width,
                decoded.height,
                decoded.format,
                decoded.meta.taken,
                now,
            )
            try:
                self._catalog.put_vector(self._model, photo, vector)
            except EncodeError as error:
                self._not_usable(ready, "encode", str(error))
            else:
                self._put_path(ToRead(ready.path, ready.root), decoded.fingerprint, photo)
                self._put_meta(ready, photo)
        self.problem, self._wait, self._retry_at = "", _ENCODER_WAITS[0], 0.0
        _log.log(
            logging.INFO if len(answer.batch) > 1 else logging.DEBUG,
            "encoded %d photos",
            len(answer.batch),
        )

    def not_encodable(self, answer: NotEncodable) -> None:
        """Record a picture that the model makes no vector of."""
        (ready,) = answer.batch
        self._not_usable(ready, answer.kind, answer.reason)

    def not_encoded(self, answer: NotEncoded) -> None:
        """Have the photos of a failed batch tried again, later each time."""
        if isinstance(answer.error, EncoderClosedError):
            return  # no failure: the next start finds what is left
        if not self.problem:
            _log.error("%s; trying again in %.0f s", answer.error, self._wait)
        self.problem = str(answer.error)
        self._retry_at = time.monotonic() + self._wait
        for ready in answer.batch:
            self._again(ready.path, self._wait)
        # Another machine is back when somebody switches it on, not when it has had enough rest.
        most = _AWAY_WAIT if isinstance(answer.error, EncoderAwayError) else _ENCODER_WAITS[1]
        self._wait = min(2 * self._wait, most)

    def encoder_wait(self) -> float:
        """Return for how many seconds a failing encoder is to be left alone; 0 when it works."""
        return min(max(0.0, self._retry_at - time.monotonic()), _ENCODER_WAITS[1])

    def rate(self) -> float:
        """Return the photos encoded per second over the last half minute."""
        return self._rate.a_second()

    def count(self, photos: int) -> None:
        """Count photos whose vectors are committed and in the index."""
        if photos:
            self.encoded += photos
            self._rate.add(photos)
            self._photos_found()

    def _put_path(self, file: ToRead, read: Fingerprint, photo: int) -> None:
        """Let a path go live, if the file that was read is still what lies there.

        Between the read and now it may have been moved or replaced, and the event that told of
        it may have been taken while the catalog did not know the path yet.
        """
        seen = self._fingerprint_of(file.path)
        if seen == read:
            self._catalog.put_path(file.root, file.path, seen, photo)
        else:
            self._again(file.path, _AGAIN_SECONDS)

    def _put_meta(self, ready: Ready, photo: int) -> None:
        """Keep what a photo says of itself, if the file beside it is still the one that was read.

        What told of its change may have been taken in while the photo was not known yet.
        """
        self._keeper.put(photo, ready.decoded.meta)
        folder, name = os.path.split(ready.path)
        files = (self._catalog.failure(os.path.join(folder, each)) for each in sidecar_names(name))
        known = next((file.fingerprint for file in files if file is not None), None)
        if known is not None and known != ready.decoded.sidecar:
            self._want_headers([photo])

    def _put_failure(
        self, file: ToRead, seen: Fingerprint | None, kind: FailureKind, reason: str
    ) -> None:
        world, now = self._world_of(kind), int(time.time())
        tries = 1 + self._tries_before(file.path, seen, kind, world)
        self._catalog.put_failure(
            file.root,
            file.path,
            seen,
            kind,
            reason,
            now,
            world=world,
            tries=tries,
            retry_at=_retry_at(kind, tries, now),
        )
        _log.debug("refused %r: %s", file.path, reason)

    def _tries_before(
        self, path: bytes, seen: Fingerprint | None, kind: FailureKind, world: str
    ) -> int:
        """Count how often this very file was refused for this reason in this world."""
        before = self._catalog.failure(path)
        if before is None or (before.kind, before.world) != (kind, world):
            return 0
        return before.tries if before.fingerprint == seen else 0

    def _not_usable(self, ready: Ready, kind: FailureKind, reason: str) -> None:
        seen = self._fingerprint_of(ready.path)
        if seen == ready.decoded.fingerprint:
            self._put_failure(ToRead(ready.path, ready.root), seen, kind, reason)
        else:
            self._again(ready.path, _AGAIN_SECONDS)


def _retry_at(kind: FailureKind, tries: int, now: int) -> int | None:
    """Return when a file that was refused is worth another try though it is as it was."""
    if kind not in _PASSING_KINDS or tries > len(_RETRY_SECONDS):
        return None
    return now + _RETRY_SECONDS[tries - 1]
