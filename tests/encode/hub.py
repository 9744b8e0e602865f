"""A stand-in for the hub on 127.0.0.1: redirects, ranges, hashes, and a connection that breaks."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub:
    """Serves `files` by path; sends at most `cut_after` bytes an answer, when that is set."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut_after: int | None = None
        self.tags: dict[str, str] = {}  # in place of the SHA-256
        self.address = ""
        self.asked: list[tuple[str, str, str]] = []  # path, Range, Authorization

    def put(self, repository: str, file: str, content: bytes, revision: str = "main") -> None:
        self.files[f"/{repository}/resolve/{revision}/{file}"] = content


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_GET(self) -> None:
        headers = self.headers
        asked = (self.path, headers.get("Range", ""), headers.get("Authorization", ""))
        self.hub.asked.append(asked)
        content = self.hub.files.get(self.path.removeprefix("/cdn"))
        if content is None:
            self.send_error(404)
        elif not self.path.startswith("/cdn"):
            self._redirect(content)
        else:
            self._send(content)

    def _redirect(self, content: bytes) -> None:
        tag = self.hub.tags.get(self.path) or hashlib.sha256(content).hexdigest()
        self.send_response(302)
        self.send_header("X-Linked-Etag", f'"{tag}"')
        self.send_header("X-Repo-Commit", "c0ffee")
        self.send_header("Location", f"{self.hub.address}/cdn{self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, content: bytes) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        if start >= len(content) > 0:
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", '"of-the-cdn"')
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = len(content) if self.hub.cut_after is None else start + self.hub.cut_after
        self.wfile.write(content[start:end])

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def serving_hub() -> Iterator[Hub]:
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
