"""One connection: uvicorn's HTTP protocol with our limits, and refusals in JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from clipd.serve.answers import error_json
from clipd.serve.peer import uid_of

_CODES = {400: "bad_request", 431: "header_too_large", 501: "not_implemented"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may do."""

    uids: frozenset[int]  # whose processes may ask
    max_connections: int
    timeout_seconds: float  # for a request's header to arrive, and for an answer to be read


class Connection(H11Protocol):
    """A connection that is cut when its client is someone else, silent, slow or one too many."""

    def __init__(
        self,
        limits: Limits,
        stopping: threading.Event,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.since = self.loop.time()  # when it last had nothing to do, seconds of the loop
        self._limits = limits
        self._stopping = stopping
        self._unread_header: asyncio.TimerHandle | None = None
        self._unread_answer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or refuse it before it has said anything."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that pause_writing tells of every delay
        if self._stopping.is_set():
            self.refuse(503, "stopping", "clipd is stopping")
        elif uid_of(transport.get_extra_info("socket")) not in self._limits.uids:
            self.refuse(403, "forbidden", "this socket answers its own user only")
        elif not self._has_room():
            self.refuse(503, "too_many_connections", "too many requests at once; try again")
        else:
            self._time_header()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the header of a request has one deadline, however its bytes drip."""
        super().data_received(data)
        if self.is_waiting:
            self._time_header()
        else:
            self._stop_timing_header()

    def on_response_complete(self) -> None:
        """Go on to the next request, or drop what is left of one that was answered early."""
        super().on_response_complete()
        self.since = self.loop.time()
        if self.is_waiting and self.conn.their_state is h11.SEND_BODY:
            self._time_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._stop_timing_header()
        self._stop_timing_answer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give the client time to read its answer."""
        super().pause_writing()
        self._stop_timing_answer()
        self._unread_answer = self.loop.call_later(
            self._limits.timeout_seconds, self.transport.abort
        )

    def resume_writing(self) -> None:
        """The client has read all there was."""
        super().resume_writing()
        self._stop_timing_answer()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP (uvicorn calls this while it handles h11's error)."""
        error = sys.exc_info()[1]
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        self.refuse(status, _CODES.get(status, "bad_request"), f"not a request: {error or msg}")

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being answered: the client has the word."""
        return self.cycle is None or self.cycle.response_complete

    def refuse(self, status: int, code: str, message: str) -> None:
        """Answer with an error, where an answer still fits, and close."""
        self._stop_timing_header()
        self.connections.discard(self)
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        body = json.dumps(error_json(code, message)).encode("ascii") + b"\n"
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
        }
        head = h11.Response(status_code=status, headers=list(headers.items()))
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _has_room(self) -> bool:
        if len(self.connections) <= self._limits.max_connections:
            return True
        # Whoever only holds a connection open gives way to one who may want something;
        # 200 half-open clients did no harm (measured), and neither should 2,000.
        others = (other for other in self.connections if isinstance(other, Connection))
        return _cut_longest_waiting(other for other in others if other is not self)

    def _time_header(self) -> None:
        if self._unread_header is None and not self.transport.is_closing():
            self._unread_header = self.loop.call_later(
                self._limits.timeout_seconds, self._header_is_late
            )

    def _header_is_late(self) -> None:
        seconds = self._limits.timeout_seconds
        self.refuse(408, "too_slow", f"the request took over {seconds:g} s to arrive")

    def _stop_timing_header(self) -> None:
        if self._unread_header is not None:
            self._unread_header.cancel()
            self._unread_header = None

    def _stop_timing_answer(self) -> None:
        if self._unread_answer is not None:
            self._unread_answer.cancel()
            self._unread_answer = None


def _cut_longest_waiting(connections: Iterable[Connection]) -> bool:
    waiting = [one for one in connections if one.is_waiting]
    if not waiting:
        return False
    oldest = min(waiting, key=lambda one: one.since)
    oldest.refuse(503, "too_many_connections", "too many connections; try again")
    return True
