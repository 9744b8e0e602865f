"""Several daemons asked the same at once, with an end to the waiting."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from clipd.ctl.client import Client
from clipd.ctl.libraries import Library
from clipd.ctl.output import draw_line, erase_line, is_lively
from clipd.errors import ClipdError, NotRunningError, RequestError
from clipd.json_types import JsonObject

# A daemon that works answers a ping at once, whatever else it does; one far away takes a moment.
_PING_SECONDS = 3.0
_NOTICE_SECONDS = 0.3


class Reply(NamedTuple):
    """What a library has answered, or why it has not."""

    library: Library
    answer: JsonObject | None
    error: ClipdError | None = None


class Round:
    """Asks all libraries, each on a thread of its own; who is late is left behind.

    Args:
        libraries: whom to ask.
        asked: the body of the search.
        seconds: how long to wait for those who do not answer.
    """

    def __init__(self, libraries: Sequence[Library], asked: JsonObject, seconds: float) -> None:
        self._libraries = libraries
        self._asked = asked
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._changed = threading.Condition()  # guards all below
        self._replies: dict[str, Reply] = {}
        self._alive: set[str] = set()

    def replies(self) -> list[Reply]:
        """Ask; return a reply for each library, in their order, when all are there or time is."""
        for library in self._libraries:
            name = f"clipctl-ask-{library.name}"
            threading.Thread(target=self._ask, args=(library,), name=name, daemon=True).start()
        with self._changed:
            self._changed.wait_for(self._is_over, min(_NOTICE_SECONDS, self._seconds))
            is_drawn = not self._is_over() and is_lively(sys.stderr)
            while not self._is_over() and time.monotonic() < self._end:
                if is_drawn:
                    self._draw()
                self._changed.wait(self._left())
            if is_drawn:
                erase_line()
            return [self._replies.get(each.name) or self._late(each) for each in self._libraries]

    def _is_over(self) -> bool:
        return len(self._replies) == len(self._libraries)

    def _draw(self) -> None:
        waiting = [each.name for each in self._libraries if each.name not in self._replies]
        draw_line(f"searching: waiting for {', '.join(waiting)}...")

    def _ask(self, library: Library) -> None:
        try:
            reply = Reply(library, self._answer(library))
        except ClipdError as error:
            reply = Reply(library, None, error)
        with self._changed:
            self._replies[library.name] = reply
            self._changed.notify_all()

    def _answer(self, library: Library) -> JsonObject:
        with suppress(RequestError):  # it has too much to do, and says so
            Client(library.socket, seconds=min(_PING_SECONDS, self._left())).get("/v1/ping")
        with self._changed:
            self._alive.add(library.name)
        # Longer than anybody waits: who runs, but is late, is not said to be silent.
        client = Client(library.socket, seconds=self._left() + _PING_SECONDS)
        answer = client.post("/v1/search", self._asked)
        if "fingerprint" not in answer:  # a clipd that does not tell it there
            model = client.get("/v1/status").get("model")
            answer["fingerprint"] = model.get("fingerprint") if isinstance(model, dict) else None
        return answer

    def _left(self) -> float:
        return max(0.01, self._end - time.monotonic())

    def _late(self, library: Library) -> Reply:
        why = f"no answer within {self._seconds:g} s"
        if library.name in self._alive:
            longer = f"--within {max(60, round(3 * self._seconds))}"
            why += f", though it runs: its model may be waking; give it longer: {longer}"
        return Reply(library, None, NotRunningError(why))
