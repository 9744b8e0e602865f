"""What one thread of the pool does with a file: open, decode, try again, give up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from clipd.config.options import DecoderConfig
from clipd.decode.decoder import Decoder
from clipd.decode.desktop_thumbnails import DesktopThumbnails
from clipd.decode.opening import OpenPhoto, look_at
from clipd.decode.reading import HangingRoots, Made, Outcome, Reading
from clipd.decode.settings import Settings
from clipd.errors import PictureError
from clipd.photo import Drawn, Refused
from clipd.process.seals import Seals

_MOST_SERVED: Final = 1000  # then a fresh child: what a codec leaks does not add up


@dataclass(frozen=True, slots=True)
class Draw:
    """An order for a thumbnail.

    Attributes:
        side: pixels of its longer side.
        desktop: whose thumbnails may spare reading the file.
    """

    side: int
    desktop: DesktopThumbnails | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """An order for pixels; ``box``: the most across and down."""

    box: tuple[int, int]


# Whether the picture of a content hash is needed; None: only the headers of a file are.
Wanted = Callable[[bytes], bool] | Draw | Fit | None


@dataclass(frozen=True, slots=True)
class Source:
    """Where a picture comes from: a path, or a descriptor that stays its owner's."""

    path: bytes = b""
    fd: int = -1
    follow: bool = False
    root: int = 0  # the id of the root that it lies in, 0 for none


class RetryingDecoder:
    """Decodes one file after the other, through at most one child at a time.

    For one thread, but `abort` is for any.

    Args:
        config: the limits.
        settings: what its children are told.
        hanging: the roots that hang, shared by all threads of the pool.
        disk_seconds: how long a disk may take to open a file.
        on_start: told what seals each new child.
    """

    def __init__(
        self,
        config: DecoderConfig,
        settings: Settings,
        hanging: HangingRoots,
        disk_seconds: float,
        on_start: Callable[[Seals], None],
    ) -> None:
        self._config = config
        self._hanging = hanging
        self._disk_seconds = disk_seconds
        self._settings = settings
        self._on_start = on_start
        self._decoder: Decoder | None = None
        self._reading: Reading | None = None
        self._aborted = threading.Event()

    @property
    def has_decoder(self) -> bool:
        """Whether a child is running."""
        return self._decoder is not None

    def decode(self, source: Source, wanted: Wanted) -> Outcome:
        """Make pixels of one file, or read its headers, or say why not.

        Raises:
            ChildError: no decoder can be started here, which is no fault of the file.
            ShortageError: the machine has no descriptor, thread or memory left for the moment.
        """
        if source.fd >= 0:
            return self._decode_passed(source.fd, wanted)
        if source.root in self._hanging:
            return Refused("unreadable", "its disk does not answer")
        with Reading(source.path, self._config.max_file, follow=source.follow) as reading:
            self._reading = reading
            if self._aborted.is_set():  # `abort` may have come before it could see the reading
                reading.abort()
            return self._decode_reading(reading, source, wanted)

    def rest(self, *, at_once: bool = False) -> None:
        """End the decoder, if there is one."""
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.end(at_once=at_once)

    def abort(self) -> None:
        """Make a `decode` that runs in another thread return soon; no other will start."""
        self._aborted.set()
        reading, decoder = self._reading, self._decoder
        if reading is not None:
            reading.abort()
        if decoder is not None:
            decoder.abort()

    def _decode_reading(self, reading: Reading, source: Source, wanted: Wanted) -> Outcome:
        answer: Outcome
        photo = reading.opened(self._disk_seconds)
        if isinstance(photo, Refused):
            answer = photo
        else:
            answer = self._redrawn(photo, source, wanted) or self._decode_open(
                photo, wanted, reading
            )
            answer = reading.confirmed(answer, self._disk_seconds)
        if isinstance(answer, Refused) and answer.kind == "unreadable" and not reading.ends():
            self._hanging.add(source.root, reading)
        return answer

    def _redrawn(self, photo: OpenPhoto, source: Source, wanted: Wanted) -> Drawn | None:
        """Return a thumbnail made of the desktop's; None where that has none that is right."""
        if not isinstance(wanted, Draw) or wanted.desktop is None:
            return None
        made = wanted.desktop.open(source.path, photo.fingerprint, wanted.side)
        if made is None:
            return None
        decoder = self._ready_decoder(needs_raw=False)
        shown = OpenPhoto(made.fd, photo.fingerprint, "PNG")
        try:
            return decoder.draw(shown, wanted.side, made.claim)
        except PictureError:
            return None
        finally:
            shown.close()
            if decoder.has_ended:
                self._decoder = None

    def _decode_passed(self, fd: int, wanted: Wanted) -> Outcome:
        photo = look_at(fd, b"", self._config.max_file)
        return photo if isinstance(photo, Refused) else self._decode_open(photo, wanted)

    def _decode_open(
        self, photo: OpenPhoto, wanted: Wanted, reading: Reading | None = None
    ) -> Outcome:
        try:
            return self._tried_twice(photo, wanted, reading)
        except PictureError as error:
            return Refused(error.kind, str(error), photo.fingerprint)

    def _tried_twice(self, photo: OpenPhoto, wanted: Wanted, reading: Reading | None) -> Made:
        try:
            return self._try(photo, wanted)
        except PictureError as error:
            # Another decoder would wait as long for the same disk, and other roots' photos with it.
            if error.kind == "timeout" and reading is not None and not self._answers(reading):
                raise PictureError("unreadable", "its disk did not answer while it was read") from (
                    error
                )
            if not self._is_worth_another_try(error) or self._aborted.is_set():
                raise
        try:
            return self._try(photo, wanted)
        except PictureError as error:
            if self._decoder is None:
                raise PictureError(error.kind, f"{error}; tried twice") from error
            raise

    def _answers(self, reading: Reading) -> bool:
        """Whether the disk of an open file answers."""
        return reading.is_answering(self._disk_seconds)

    def _is_worth_another_try(self, error: PictureError) -> bool:
        """Whether a fresh decoder may do better; ends the one that will not."""
        if self._decoder is None:  # it died of the file, or was killed
            return True
        if error.kind != "memory":
            return False
        # The memory of a decoder that has served others may be in pieces.
        is_used = self._decoder.served > 1
        self.rest()
        return is_used

    def _try(self, photo: OpenPhoto, wanted: Wanted) -> Made:
        decoder = self._ready_decoder(needs_raw=photo.format == "RAW")
        try:
            if wanted is None:
                return decoder.read_headers(photo)
            if isinstance(wanted, Draw):
                return decoder.draw(photo, wanted.side)
            if isinstance(wanted, Fit):
                return decoder.fit(photo, wanted.box)
            return decoder.decode(photo, wanted)
        finally:
            if decoder.has_ended:
                self._decoder = None

    def _ready_decoder(self, *, needs_raw: bool) -> Decoder:
        decoder = self._decoder
        if decoder is not None and _serves(decoder, needs_raw=needs_raw):
            return decoder
        self.rest()
        settings = replace(self._settings, with_raw=needs_raw)
        self._decoder = Decoder(settings, self._config.timeout)
        self._on_start(self._decoder.seals)
        if self._aborted.is_set():  # `abort` may have come before it could see the decoder
            self._decoder.abort()
        return self._decoder


def _serves(decoder: Decoder, *, needs_raw: bool) -> bool:
    return decoder.served < _MOST_SERVED and (decoder.reads_raw or not needs_raw)
