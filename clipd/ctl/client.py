"""Ask the daemon: HTTP over its Unix socket, with the standard library."""

from __future__ import annotations

import http.client
import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias
from urllib.parse import urlencode

from clipd.errors import NotRunningError, RequestError
from clipd.socketpath import MAX_SOCKET_PATH_BYTES, is_too_long, socket_path

JsonValue: TypeAlias = str | int | float | bool | list["JsonValue"] | dict[str, "JsonValue"] | None
Object = dict[str, JsonValue]

START = "start it with: systemctl --user start clipd"


class Client:
    """A client of the daemon at one socket; one request, one connection."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or socket_path()

    def get(self, route: str, **query: str | int) -> Object:
        """Ask for something; see ``_ask`` for the errors."""
        return self._ask("GET", f"{route}?{urlencode(query)}" if query else route)

    def post(self, route: str, value: Object | None = None) -> Object:
        """Ask for something to be done, or with more than an address can say."""
        return self._ask("POST", route, json.dumps(value or {}).encode("ascii"))

    def upload(self, route: str, file: BinaryIO, query: Object) -> Object:
        """Ask with a picture's bytes."""
        address = f"{route}?{urlencode(query)}" if query else route
        return self._ask("POST", address, file, "application/octet-stream")

    def _ask(
        self,
        method: str,
        address: str,
        body: bytes | BinaryIO | None = None,
        kind: str = "application/json",
    ) -> Object:
        """Send one request and return the answer.

        Raises:
            NotRunningError: no daemon answers at the socket.
            RequestError: the daemon refuses, with its code and sentence.
        """
        connection = _UnixConnection(self._path)
        try:
            self._send(connection, method, address, body, kind)
            response = connection.getresponse()
            return _value(response.status, response.read())
        except (http.client.HTTPException, ConnectionError) as error:
            raise NotRunningError(
                f"clipd at {self._path} went away before it answered; see: systemctl --user "
                "status clipd"
            ) from error
        finally:
            connection.close()

    def _send(
        self,
        connection: _UnixConnection,
        method: str,
        address: str,
        body: bytes | BinaryIO | None,
        kind: str,
    ) -> None:
        headers = {"Content-Type": kind, "Connection": "close"}
        if body is not None and not isinstance(body, bytes):
            headers["Content-Length"] = str(os.fstat(body.fileno()).st_size)
        # A request that is refused before it was sent whole breaks here; the answer says why.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request(method, address, body, headers)


class _UnixConnection(http.client.HTTPConnection):
    """An HTTP connection to a Unix socket instead of a host."""

    def __init__(self, path: Path) -> None:
        super().__init__("clipd")
        self._path = path

    def connect(self) -> None:
        """Connect.

        Raises:
            NotRunningError: with what to do about it.
        """
        if is_too_long(self._path):
            raise NotRunningError(
                f"the socket path {self._path} has more than {MAX_SOCKET_PATH_BYTES} bytes; "
                "set CLIPD_SOCKET to the path of clipd's socket"
            )
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.connect(os.fspath(self._path))
        except PermissionError as error:
            raise NotRunningError(
                f"{self._path} belongs to another user; {START} as yourself"
            ) from error
        except OSError as error:
            raise NotRunningError(
                f"clipd does not run (no answer at {self._path}); {START}"
            ) from error


def _value(status: int, body: bytes) -> Object:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise NotRunningError(
            "what answers at the socket is not clipd; check CLIPD_SOCKET"
        ) from error
    if not isinstance(value, dict):
        raise NotRunningError("what answers at the socket is not clipd; check CLIPD_SOCKET")
    if status >= 400:
        error_value = value.get("error", {})
        raise RequestError(error_value.get("code", ""), error_value.get("message", ""), status)
    return value
