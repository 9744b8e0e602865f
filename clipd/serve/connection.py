"""One connection: uvicorn's HTTP protocol with our limits, and refusals in JSON.

A client is either served or owes us something: a request, the rest of its body, or to read its
answer. Those who owe have a deadline, and give way to new ones when there are too many
connections; whoever has owed the longest goes first. Who sends further requests without reading
the answers to those before owes, too, though one of them is being answered at every moment.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import sys
import termios
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from clipd.errors import StoppingError, code_of
from clipd.serve.answers import error_json, json_line
from clipd.serve.limits import Limits
from clipd.serve.peer import uid_of

_CODES = {400: "bad_request", 431: "header_too_large", 501: "not_implemented"}
# A client that connects says in this time what it wants; until then it is not cut for being one
# too many, since a hundred connections are accepted before the first is read from.
_FIRST_WORD_SECONDS = 0.1
# Closing a socket with bytes unread is a reset to the other end, which may then not see our
# refusal. We go on reading for so long, while the client finds out.
_LINGER_SECONDS = 1.0


class Connection(H11Protocol):
    """A connection that is cut when its client is someone else, silent, slow or one too many."""

    def __init__(
        self,
        limits: Limits,
        refused: set[Connection],
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Make a connection; the last four arguments are uvicorn's.

        Args:
            refused: the server's connections that have been refused and are still open.
        """
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._refused = refused
        self._owes_since = self.loop.time()
        self._is_ahead = False  # it asked again before it had read the answer before
        self._late_header: asyncio.TimerHandle | None = None
        self._late_reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or refuse it before it has said anything."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that pause_writing tells of every delay
        if self._limits.stopping.is_set():
            self._refuse_because_stopping()
        elif uid_of(transport.get_extra_info("socket")) not in self._limits.uids:
            self.refuse(403, "forbidden", "this socket answers its own user only")
        elif not self._has_room():
            self.refuse(503, "too_many_connections", "too many requests at once; try again")
        else:
            self._time_header()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the header of a request has one deadline, however its bytes drip."""
        if self in self._refused:
            return
        request_before = self.cycle
        super().data_received(data)
        if self.cycle is not request_before:
            self._note_request()
        if self._is_between_requests:
            self._time_header()
        else:
            self._stop_timing_header()

    def on_response_complete(self) -> None:
        """Go on to the next request, or drop what is left of one that was answered early."""
        answered = self.cycle
        super().on_response_complete()
        if self.cycle is not answered:
            self._note_request()
            return
        if not self._is_ahead:
            self._owes_since = self.loop.time()
        if self.conn.their_state is h11.SEND_BODY:
            self._linger()

    def shutdown(self) -> None:
        """Let an answer in progress out; have whoever was about to ask do so again."""
        if self.cycle is None:
            self._refuse_because_stopping()
        else:
            super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._refused.discard(self)
        self._stop_timing_header()
        self._stop_timing_reading()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give the client time to read its answer."""
        super().pause_writing()
        self._stop_timing_reading()
        self._owes_since = self.loop.time()
        self._late_reading = self.loop.call_later(self._limits.config.timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read all there was."""
        super().resume_writing()
        self._stop_timing_reading()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP (uvicorn calls this while it handles h11's error)."""
        error = sys.exc_info()[1]
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        self.refuse(status, _CODES.get(status, "bad_request"), f"not a request: {error or msg}")

    def refuse(self, status: int, code: str, message: str) -> None:
        """Answer with an error, where an answer still fits, and close."""
        self._stop_timing_header()
        if self.cycle is not None and not self.cycle.response_complete:
            # Whoever reads its body or prepares its answer learns that nobody waits for it.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        body = json_line(error_json(code, message))
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
        }
        head = h11.Response(status_code=status, headers=list(headers.items()))
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self._linger()

    def _refuse_because_stopping(self) -> None:
        error = StoppingError()
        self.refuse(503, code_of(error), str(error))

    def _linger(self) -> None:
        """End the connection so that its client still sees the answer."""
        self.connections.discard(self)
        self._unset_keepalive_if_required()
        if len(self._refused) >= self._limits.max_connections:
            self.transport.close()
            return
        self._refused.add(self)
        self.transport.write_eof()
        self.flow.resume_reading()  # what comes is dropped; its end ends the connection
        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def _note_request(self) -> None:
        """Note that a request has begun, and whether the answer before it has been read."""
        self._is_ahead = self._has_unread_answer()
        if not self._is_ahead:
            self._owes_since = self.loop.time()

    def _has_unread_answer(self) -> bool:
        """Whether something that we wrote still waits in the kernel for the client to read it."""
        sock = self.transport.get_extra_info("socket")
        try:
            unread = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
        except OSError:  # closed a moment ago
            return False
        return unread != struct.pack("i", 0)

    @property
    def _is_between_requests(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def _owes(self) -> bool:
        """Whether the client has to do something: ask, go on sending, or read its answer."""
        if self._is_between_requests or self._late_reading is not None:
            return True
        if self._is_ahead and self._has_unread_answer():
            return True
        # Where we have stopped to read, the rest of the body is not late by its client's fault.
        return self.cycle.more_body and not self.flow.read_paused

    def _has_room(self) -> bool:
        """See to it that there are few enough connections; False if all are being answered."""
        most = self._limits.max_connections
        if len(self.connections) <= most:
            return True
        owing = _longest_owing(self.connections, other_than=self)
        if len(self.connections) - len(owing) > most:
            return False
        if len(self.connections) > 2 * most:
            self._cut_superfluous()
        else:
            self.loop.call_later(_FIRST_WORD_SECONDS, self._cut_superfluous)
        return True

    def _cut_superfluous(self) -> None:
        superfluous = len(self.connections) - self._limits.max_connections
        for one in _longest_owing(self.connections, other_than=self)[: max(0, superfluous)]:
            one.refuse(503, "too_many_connections", "too many connections; try again")

    def _time_header(self) -> None:
        if self._late_header is None and not self.transport.is_closing():
            seconds = self._limits.config.timeout
            self._late_header = self.loop.call_later(seconds, self._header_is_late, seconds)

    def _header_is_late(self, seconds: float) -> None:
        self.refuse(408, "too_slow", f"the request took over {seconds:g} s to arrive")

    def _stop_timing_header(self) -> None:
        if self._late_header is not None:
            self._late_header.cancel()
            self._late_header = None

    def _stop_timing_reading(self) -> None:
        if self._late_reading is not None:
            self._late_reading.cancel()
            self._late_reading = None


def _longest_owing(connections: set[Any], other_than: Connection) -> list[Connection]:
    """Return the connections whose clients owe something, the longest first."""
    ours = (one for one in connections if isinstance(one, Connection) and one is not other_than)
    return sorted((one for one in ours if one._owes), key=lambda one: one._owes_since)
