"""A request to the daemon, as it is written into the socket.

HTTP/1.0, in which the end of the connection is the end of the answer, so that a dozen lines
of socket do: importing ``http.client`` (email, ssl) took 20 of the 59 ms that clipctl needed
to start (measured 2026-11).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from clipd.json_types import JsonObject

_PIECE_BYTES = 1 << 16


class HttpRequest(NamedTuple):  # not a dataclass, whose module is 5 ms that clipctl starts later
    """A request; its body is bytes, or a file to its end."""

    method: str
    address: str
    body: bytes | BinaryIO = b""
    kind: str = "application/json"

    def _head(self) -> bytes:
        body = self.body
        size = len(body) if isinstance(body, bytes) else os.fstat(body.fileno()).st_size
        return (
            f"{self.method} {self.address} HTTP/1.0\r\nHost: clipd\r\n"
            f"Content-Type: {self.kind}\r\nContent-Length: {size}\r\n\r\n"
        ).encode("ascii")

    def pieces(self) -> Iterator[bytes]:
        """Yield what is to be sent; a second time it is the same."""
        yield self._head()
        if isinstance(self.body, bytes):
            yield self.body
            return
        self.body.seek(0)  # it may have been sent before
        while piece := self.body.read(_PIECE_BYTES):
            yield piece


def address_of(route: str, query: JsonObject | None) -> str:
    """Return a route with a query behind it, as an address has it."""
    if not query:
        return route
    from urllib.parse import urlencode  # here, because it takes 2 ms and few commands need it

    return f"{route}?{urlencode(query)}"
