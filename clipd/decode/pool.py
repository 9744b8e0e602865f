"""The decoders: files in, pixels or reasons out, in any order."""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from clipd.config import DecoderConfig
from clipd.decode.decoder import Decoder
from clipd.decode.opening import identify, open_photo
from clipd.decode.sandbox import SandboxState
from clipd.decode.settings import Settings, Target
from clipd.errors import ChildError, PictureError
from clipd.photo import Decoded, Fingerprint, Preprocess, Refused

log = logging.getLogger(__name__)

_MOST_PROCESSES: Final = 8  # decoding is a third of the work; more would starve the encoder
_REST_SECONDS: Final = 10.0
_MOST_SERVED: Final = 1000  # then a fresh child: what a codec leaks does not add up
_START_TRIES: Final = 3
_START_PAUSE_SECONDS: Final = 1.0
_WORTH_ANOTHER_TRY: Final = ("crash", "timeout", "memory")


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """One file to decode."""

    ticket: int  # the caller's own, comes back with the answer
    path: bytes
    want_pixels: bool = True  # False: the hash is enough
    follow: bool = False  # whether the path may be a symbolic link


@dataclass(frozen=True, slots=True)
class _Task:
    run: Callable[[_Bench], None]


class DecoderPool:
    """Up to `processes` sandboxed children, each fed by a thread ``clipd-decode-N``.

    A child starts with the first file, serves many, and ends after ten seconds without work.
    Thread-safe. `close` (or the end of a ``with`` block) drops what waits, kills the children.
    """
