"""Another machine that is away: since when, why, and when to look for it again."""

from __future__ import annotations

import time

from clipd.errors import EncoderAwayError, EncoderRefusedError

_WAITS = (1.0, 30.0)  # between two looks whether it is back: the first, the longest


class Away:
    """True while the machine is away. Not for two threads at once."""

    def __init__(self, name: str) -> None:
        """Begin with a machine that is not known to be away."""
        self._name = name
        self.since: float | None = None  # time.time()
        self._why: EncoderAwayError | None = None
        self._wait = _WAITS[0]
        self._before: float | None = None  # since when, while it is presumed to be back

    def __bool__(self) -> bool:
        return self.since is not None

    def begin(self, why: EncoderAwayError) -> str:
        """Note why it is away; return that as a sentence. It stays away since the first time."""
        if self.since is None:
            self.since = self._before or time.time()
        self._why = why
        return self.sentence()

    def presume_back(self) -> None:
        """Note that it can be reached again; whether it encodes, its next answer shows.

        One that can be reached and does not encode would else be asked every second for ever.
        """
        self._before, self.since, self._why = self.since, None, None

    def end(self) -> None:
        """Note that it is back."""
        self.since, self._why, self._before, self._wait = None, None, None, _WAITS[0]

    def next_wait(self) -> float:
        """Return for how many seconds to wait before the next look, longer each time."""
        wait = self._wait
        self._wait = min(2 * wait, _WAITS[1])
        return wait

    def sentence(self) -> str:
        """Say since when it is away, and why; "" while it is not."""
        if self.since is None:
            return ""
        if isinstance(self._why, EncoderRefusedError):
            return str(self._why)
        now, then = time.localtime(), time.localtime(self.since)
        form = "%H:%M" if now[:3] == then[:3] else "%Y-%m-%d %H:%M"
        return f"{self._name} away since {time.strftime(form, then)}: {self._why}"
