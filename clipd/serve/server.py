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

from clipd.config import ServeConfig
from clipd.errors import ClipdError
from clipd.serve.app import app
from clipd.serve.connection import Connection, Limits
from clipd.serve.listener import listening
from clipd.serve.peer import allowed_uids
from clipd.serve.service import Service

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
    with listening(path) as sock, _workers() as threads:
        server = _Server(_settings(service, config, threads))
        thread = threading.Thread(target=server.run, args=([sock],), name="clipd-serve")
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


def _settings(service: Service, config: ServeConfig, threads: ThreadPoolExecutor) -> uvicorn.Config:
    limits = Limits(allowed_uids(), config.max_connections, config.timeout)
    return uvicorn.Config(
        app(service, config, threads),
        http=cast("type[asyncio.Protocol]", partial(Connection, limits)),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # hostile clients would fill the log with warnings
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class _Server(uvicorn.Server):
    """uvicorn's server without its ten wake-ups a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
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

    def wait_until_started(self) -> None:
        """Return when the server answers."""
        if not self._ready.wait(START_SECONDS) or not self.started:
            raise ClipdError("the server did not start; journalctl --user -u clipd says why")

    def stop(self) -> None:
        """Stop answering; callable from any thread."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
