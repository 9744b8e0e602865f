"""What one thread of the pool does with a file: look, decode, try again, give up."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from clipd.config.options import DecoderConfig
from clipd.decode.decoder import Decoder
from clipd.decode.opening import identify, open_photo
from clipd.decode.settings import Settings
from clipd.errors import ChildError, PictureError
from clipd.photo import Decoded, Fingerprint, Refused
from clipd.process.seals import Seals

_MOST_SERVED: Final = 1000  # then a fresh child: what a codec leaks does not add up
_START_TRIES: Final = 3
_START_PAUSE_SECONDS: Final = 1.0

Wanted = Callable[[bytes], bool]  # whether the picture of a content hash is needed


@dataclass(frozen=True, slots=True)
class Source:
    """Where a picture comes from: a path, or a descriptor that stays its owner's."""

    path: bytes = b""
    fd: int = -1
    follow: bool = False


class Station:
    """Keeps at most one decoder. For one thread, but `abort` is for any.

    Args:
        config: the limits.
        settings: what its decoders are told.
        on_start: told what seals each new decoder.
    """

    def __init__(
        self, config: DecoderConfig, settings: Settings, on_start: Callable[[Seals], None]
    ) -> None:
        self._config = config
        self._settings = settings
        self._on_start = on_start
        self._decoder: Decoder | None = None
        self._aborted = threading.Event()

    @property
    def has_decoder(self) -> bool:
        """Whether a child is running."""
        return self._decoder is not None

    def decode(self, source: Source, wanted: Wanted) -> Decoded | Refused:
        """Make pixels of one file, or say why not.

        Raises:
            ChildError: no decoder can be started here, which is no fault of the file.
        """
        if source.fd >= 0:
            return self._decode_open(source.fd, b"", wanted)
        fd = open_photo(source.path, follow=source.follow)
        if isinstance(fd, Refused):
            return fd
        try:
            return self._decode_open(fd, os.path.basename(source.path), wanted)
        finally:
            os.close(fd)

    def rest(self, *, at_once: bool = False) -> None:
        """End the decoder, if there is one."""
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.end(at_once=at_once)

    def abort(self) -> None:
        """Make a `decode` that runs in another thread return soon; no other will start."""
        self._aborted.set()
        decoder = self._decoder
        if decoder is not None:
            decoder.abort()

    def _decode_open(self, fd: int, name: bytes, wanted: Wanted) -> Decoded | Refused:
        before = Fingerprint.of(os.fstat(fd))
        answer: Decoded | Refused
        try:
            format_ = identify(fd, name, self._config.max_file)
            answer = self._tried_twice(fd, before, format_, wanted)
        except PictureError as error:
            answer = Refused(error.kind, str(error), before)
        if Fingerprint.of(os.fstat(fd)) != before:
            return Refused("missing", "changed while it was read")
        return answer

    def _tried_twice(
        self, fd: int, fingerprint: Fingerprint, format_: str, wanted: Wanted
    ) -> Decoded:
        try:
            return self._try(fd, fingerprint, format_, wanted)
        except PictureError as error:
            if not self._is_worth_another_try(error) or self._aborted.is_set():
                raise
        try:
            return self._try(fd, fingerprint, format_, wanted)
        except PictureError as error:
            if error.kind in ("crash", "timeout"):
                raise PictureError(error.kind, f"{error}; tried twice") from error
            raise

    def _is_worth_another_try(self, error: PictureError) -> bool:
        """Whether a fresh decoder may do better; ends the one that will not."""
        if error.kind in ("crash", "timeout"):
            return True
        if error.kind != "memory":
            return False
        # The memory of a decoder that has served others may be in pieces.
        is_used = self._decoder is not None and self._decoder.served > 1
        self.rest()
        return is_used

    def _try(self, fd: int, fingerprint: Fingerprint, format_: str, wanted: Wanted) -> Decoded:
        decoder = self._ready_decoder(needs_raw=format_ == "RAW")
        try:
            return decoder.decode(fd, fingerprint, format_, wanted)
        except PictureError as error:
            if error.kind in ("crash", "timeout"):
                self._decoder = None  # it has been ended
            raise

    def _ready_decoder(self, *, needs_raw: bool) -> Decoder:
        decoder = self._decoder
        if decoder is not None and _serves(decoder, needs_raw=needs_raw):
            return decoder
        self.rest()
        self._decoder = self._started(replace(self._settings, with_raw=needs_raw))
        self._on_start(self._decoder.seals)
        if self._aborted.is_set():  # `abort` may have come before it could see the decoder
            self._decoder.abort()
        return self._decoder

    def _started(self, settings: Settings) -> Decoder:
        for _ in range(_START_TRIES - 1):
            try:
                return Decoder(settings, self._config.timeout)
            except ChildError:  # the machine may be out of memory or processes for a moment
                self._aborted.wait(_START_PAUSE_SECONDS)
        return Decoder(settings, self._config.timeout)


def _serves(decoder: Decoder, *, needs_raw: bool) -> bool:
    return decoder.served < _MOST_SERVED and (decoder.reads_raw or not needs_raw)
