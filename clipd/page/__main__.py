"""One page, of ``python -m clipd.page``. Says where it is, serves, and ends when it rests."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
import threading
import time
from html import escape
from pathlib import Path
from urllib.parse import quote

import uvicorn

from clipd.config.socketpath import runtime_folder
from clipd.ctl.answer_wait import MODEL_SECONDS
from clipd.ctl.client import Client
from clipd.page.application import PageApi
from clipd.page.gate import Gate

_REST_SECONDS = 900.0  # without a request of a person
_ENTRY_SECONDS = 30.0  # for a browser to start and follow the file that it was given
_LOOK_SECONDS = 5.0


class Rest:
    """Ends the server when nobody has used it for long. Any thread."""

    def __init__(self, seconds: float, entry_seconds: float) -> None:
        self._seconds = seconds
        self._entry_seconds = entry_seconds
        self._used_at = time.monotonic()

    def used(self) -> None:
        """Begin to wait anew."""
        self._used_at = time.monotonic()

    def watch(self, server: uvicorn.Server, redirect: Path) -> None:
        """Wait until nobody uses it any more; remove the file of entry when it is too old."""
        started = time.monotonic()
        while time.monotonic() - self._used_at < self._seconds:
            time.sleep(min(_LOOK_SECONDS, self._seconds))
            if time.monotonic() - started > self._entry_seconds:
                redirect.unlink(missing_ok=True)
        server.should_exit = True


def main(arguments: list[str]) -> None:
    """Serve one page until it rests."""
    parser = argparse.ArgumentParser("python -m clipd.page")
    parser.add_argument("query", nargs="?", default="", help="to begin with")
    parser.add_argument("--rest", type=float, default=_REST_SECONDS, help="seconds without use")
    parser.add_argument("--entry", type=float, default=_ENTRY_SECONDS, help="seconds to enter")
    asked = parser.parse_args(arguments)
    rest = Rest(asked.rest, asked.entry)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        # Else an answer in two parts waits 40 ms for the browser to acknowledge the first. asyncio
        # sets this only where a socket was made with IPPROTO_TCP; connections inherit it from here.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        gate = Gate(sock.getsockname()[1], asked.entry)
        page = PageApi(gate, lambda: Client(seconds=MODEL_SECONDS), rest.used)
        redirect = _write_redirect(gate, asked.query)
        said = {"file": str(redirect), "port": sock.getsockname()[1], "pid": os.getpid()}
        print(json.dumps(said), flush=True)
        with contextlib.suppress(OSError):  # from here on there is nobody to talk to
            sys.stdout.close()
        server = uvicorn.Server(
            uvicorn.Config(
                page.application(),
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=2,
            )
        )
        watching = threading.Thread(target=rest.watch, args=(server, redirect), daemon=True)
        watching.start()
        try:
            server.run([sock])
        finally:
            redirect.unlink(missing_ok=True)


def _write_redirect(gate: Gate, query: str) -> Path:
    """Write the file that sends a browser to the page: its word is in no command line.

    Returns:
        A file that only its user can read, and that is gone when it is no longer of use.
    """
    folder = runtime_folder() / "clipd"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"browse-{os.getpid()}.html"
    file.unlink(missing_ok=True)
    target = f"http://{gate.address}/enter?word={gate.word}&q={quote(query)}"
    content = (
        '<!doctype html><meta charset="utf-8"><title>clipd</title>'
        f'<meta http-equiv="refresh" content="0;url={escape(target)}">'
    )
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as written:
        written.write(content)
    return file


if __name__ == "__main__":
    main(sys.argv[1:])
