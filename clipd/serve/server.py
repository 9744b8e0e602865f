"""The server: uvicorn on a socket that we opened, in one thread of the daemon."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import cast

import uvicorn

from clipd.config.options import ServeConfig
from clipd.errors import ClipdError
from clipd.serve.app import MAX_HEADER_BYTES, app
from clipd.serve.connection import Connection, Limits
from clipd.serve.listener import listening
from clipd.serve.peer import allowed_uids
from clipd.serve.protocol import Service

WORKERS = 8  # requests that are worked on at once; the index has one lock anyway
GRACE_SECONDS = 3  # for answers in progress when the server stops
START_SECONDS = 30.0


@contextmanager
def serving(path: Path, service: Service, config: ServeConfig) -> Iterator[None]:
    """Answer on a Unix socket until the block ends; it answers when the block begins.

    Threads: ``clipd-serve`` runs the loop, ``clipd-serve_N`` call the service.

    Raises:
        ConfigError: there can be no socket at this path.
        AlreadyRunningError: a daemon answers there.
    """
    with listening(path) as sock, serving_on(sock, service, config):
        yield


@contextmanager
def serving_on(sock: socket.socket, service: Service, config: ServeConfig) -> Iterator[None]:
    """Answer on a socket that listens already and goes on listening afterwards.

    Clients that come between two such blocks, as during a reload, wait for the second.
    """
    with sock.dup() as own, _workers() as threads:  # uvicorn closes what it is given
        stopping = threading.Event()
        server = _Server(_settings(service, config, threads, stopping), stopping)
        thread = threading.Thread(target=server.run, args=([own],), name="clipd-serve")
        thread.start()
        try:
            server.wait_until_started()
            yield
        finally:
            server.stop()
            thread.join()


@contextmanager
def _workers() -> Iterator[ThreadPoolExecutor]:
    threads = ThreadPoolExecutor(WORKERS, "clipd-serve")
    try:
        yield threads
    finally:
        threads.shutdown(wait=True, cancel_futures=True)


def _settings(
    service: Service, config: ServeConfig, threads: ThreadPoolExecutor, stopping: threading.Event
) -> uvicorn.Config:
    limits = Limits(allowed_uids(), config.max_connections, config.timeout)
    return uvicorn.Config(
        app(service, config, threads),
        http=cast("type[asyncio.Protocol]", partial(Connection, limits, stopping)),
        loop="asyncio",
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

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config)
        self._stopping = stopping  # for connections that are accepted while we stop
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
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
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
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def wait_until_started(self) -> None:
        """Return when the server answers."""
        if not self._ready.wait(START_SECONDS) or not self.started:
            raise ClipdError("the server did not start; journalctl --user -u clipd says why")

    def stop(self) -> None:
        """Stop answering; callable from any thread."""
        self._stopping.set()
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
