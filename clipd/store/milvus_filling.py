"""The collection of the model that is to be used next, filled beside that in use."""

from __future__ import annotations

from collections.abc import Callable


class MilvusFilling:
    """Fills it while it is polled, by whichever thread does that. As ``BaseBuilder``."""

    def __init__(self, fill_more: Callable[[], int]) -> None:
        """Make it; nothing is filled yet.

        Args:
            fill_more: puts more photos in, and returns how many; 0 where no more can be.
        """
        self._fill_more = fill_more
        self._is_running = False

    @property
    def is_running(self) -> bool:
        """Whether there is more to be put in."""
        return self._is_running

    def begin(self) -> None:
        """Have ``poll`` fill it."""
        self._is_running = True

    def poll(self) -> int | None:
        """Fill it for half a second; with Milvus away, the rest is done when the model is used."""
        if self._is_running:
            self._is_running = self._fill_more() > 0
        return None

    def stop(self) -> None:
        """Leave it as it is."""
        self._is_running = False
