"""The wait until the catalog has noted which volumes lie in a root now."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from clipd.watch.root import VolumeChange
from clipd.watch.volumes import Volumes

_NOTING_SECONDS: Final = 1.0  # in all; the catalog of a full disk is not asked in a hurry
_TELL_AGAIN_SECONDS: Final = 5.0

Changes = tuple[VolumeChange, ...]


class VolumeExchange:
    """Tells of the volumes of one root until they are noted. For the root's thread.

    While one volume is exchanged for another, neither may the root be scanned, nor does its state
    mean anything: the files of one would be compared with the paths of the other.
    """

    def __init__(self, volumes: Volumes, tell: Callable[[Changes], None]) -> None:
        """Begin with nothing to tell.

        Args:
            tell: has the catalog note volumes, at some time.
        """
        self._volumes = volumes
        self._tell = tell
        self.is_under_way = False  # the paths of two volumes are to be exchanged
        self._told: Changes = ()
        self._tell_again = 0.0  # on the monotonic clock
        self._noted_by = 0.0  # when the catalog should have noted them, on that clock

    @property
    def is_soon_over(self) -> bool:
        """Whether it is worth looking again at once."""
        # Until a volume is noted, no file on it is believed: two seconds, at the very first start.
        is_noting = not self._volumes.is_settled and time.monotonic() < self._noted_by
        return self.is_under_way or is_noting

    def check(self) -> bool:
        """Look at the volumes; return whether one has just been exchanged for another."""
        was_under_way = self.is_under_way
        try:
            changes = tuple(self._volumes.check())
        except OSError:
            changes = ()  # the root is not there, which its state tells
        if changes:
            self._have_noted(changes)
        self.is_under_way = any(change.moves_paths for change in changes)
        return was_under_way and not self.is_under_way

    def _have_noted(self, changes: Changes) -> None:
        """Tell of volumes, and again now and then while the catalog cannot be written."""
        now = time.monotonic()
        if changes == self._told and now < self._tell_again:
            return
        self._told, self._tell_again = changes, now + _TELL_AGAIN_SECONDS
        self._noted_by = now + _NOTING_SECONDS
        self._tell(changes)
