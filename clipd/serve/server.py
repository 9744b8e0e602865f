"""The server: uvicorn on a socket that we opened, in one thread of the daemon."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import cast

import uvicorn

from clipd.errors import ClipdError
from clipd.serve.accepting import Accepting
from clipd.serve.app import app
from clipd.serve.connection import Connection
from clipd.serve.lanes import Lanes
from clipd.serve.limits import Limits
from clipd.serve.middleware import MAX_HEADER_BYTES
from clipd.serve.protocol import Service

GRACE_SECONDS = 3  # for answers in progress when the server stops
START_SECONDS = 30.0
_LAST_WORD_SECONDS = 1.0  # for the refusals of requests that are given up
# asyncio accepts so many at a time and, when descriptors are out, says so as many times.
_ACCEPTED_AT_ONCE = 128


@contextmanager
def serving_on(
    sock: socket.socket, service: Service, limits: Limits, lanes: Lanes
) -> Iterator[None]:
    """Answer on a socket that listens already and goes on listening afterwards.

    It answers when the block begins; the thread ``clipd-serve`` runs its loop. Clients that come
    between two such blocks, as during a reload, wait for the second.

    A request that is not answered when the server has stopped is told so. Its thread may go on
    for as long as what it waits for; the lanes, which the caller closes, see to that.
    """
    with sock.dup() as own:  # uvicorn closes what it is given
        server = _Server(_settings(service, limits, lanes), limits)
        thread = threading.Thread(target=server.run, args=([own],), name="clipd-serve")
        thread.start()
        try:
            server.wait_until_started()
            yield
        finally:
            server.stop()
            thread.join()


def _settings(service: Service, limits: Limits, lanes: Lanes) -> uvicorn.Config:
    return uvicorn.Config(
        app(service, limits, lanes),
        loop="asyncio",
        backlog=_ACCEPTED_AT_ONCE,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # hostile clients would fill the log with warnings
        access_log=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class _Server(uvicorn.Server):
    """uvicorn's server without its ten wake-ups a second."""

    def __init__(self, config: uvicorn.Config, limits: Limits) -> None:
        self._refused: set[Connection] = set()
        config.http = cast("type[asyncio.Protocol]", partial(Connection, limits, self._refused))
        super().__init__(config)
        self._limits = limits
        self._accepting = Accepting()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer until stopped; whoever waits for the start learns of a failure too."""
        try:
            super().run(sockets)
        finally:
            self._ready.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer, and say so."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._accepting.on_loop_error)
        await super().startup(sockets)
        self._ready.set()

    async def main_loop(self) -> None:
        """Wait for ``stop``; there is nothing to tick for, without a date header."""
        await self._stop.wait()
        # asyncio forgets a connection that it has accepted but not yet set up when its server
        # closes: no more are accepted, and a turn of the loop sets up those that were.
        for server in self.servers:
            for sock in server.sockets:
                asyncio.get_running_loop().remove_reader(sock)
        await asyncio.sleep(0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let answers in progress out, then leave no connection open."""
        await super().shutdown(sockets)
        # uvicorn has cancelled what was not answered in its grace, and does not wait for it.
        if given_up := set(self.server_state.tasks):
            await asyncio.wait(given_up, timeout=_LAST_WORD_SECONDS)
        for connection in [*self.server_state.connections, *self._refused]:
            connection.transport.abort()

    def wait_until_started(self) -> None:
        """Return when the server answers."""
        if not self._ready.wait(START_SECONDS) or not self.started:
            raise ClipdError("the server did not start; journalctl --user -u clipd says why")

    def stop(self) -> None:
        """Stop answering; callable from any thread."""
        self._limits.stopping.set()
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
