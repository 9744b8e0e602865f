"""One large file over HTTP: resumed where it stopped, checked against its hash.

Not by huggingface_hub, whose version 2.4 deletes what an interrupted download has fetched.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError

from clipd.encode.model_json import read_json, sha256_of, write_json
from clipd.errors import FetchError

Progress = Callable[[int, int], None]  # bytes here, bytes in all

_BLOCK_BYTES = 1 << 18
_STALL_SECONDS = 30.0  # without one byte
_TRIES = 5  # in a row that brought nothing new
_SHA256 = re.compile(r"[0-9a-f]{64}")
_START = re.compile(r"bytes (\d+)-")


class NotThereError(FetchError):
    """The server has no such file."""


class UnreachableError(FetchError):
    """The server could not be reached, or stopped answering."""


class OtherBytesError(FetchError):
    """What the server has is not the file that was wanted."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that was downloaded whole."""

    size_bytes: int
    sha256: str
    revision: str  # of the repository that it is from, "" when the server named none


@dataclass(frozen=True, slots=True)
class _Whole:
    """The file that the server has, as it said before the first byte."""

    tag: str  # changes when the file does; its SHA-256 where the server knows that
    size_bytes: int
    revision: str


class _Trail(urllib.request.HTTPRedirectHandler):
    """Follows redirects and keeps the headers on the way.

    The hub tells the hash and the revision in its redirect; the host that it leads to does not.
    """

    def __init__(self) -> None:
        self.passed: dict[str, str] = {}

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        self.passed.update({key.lower(): value for key, value in headers.items()})
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def download(
    url: str,
    target: Path,
    progress: Progress,
    *,
    token: str = "",
    sha256: str = "",
    pause_seconds: float = 2.0,
) -> Fetched:
    """Download a file; go on where an earlier call stopped.

    Args:
        url: http or https; proxies are taken from the environment.
        target: where it goes once it is whole and checked; meanwhile beside it as ``.part``.
        progress: called for each block.
        sha256: what the file must be; "" for what the server says that it is.
        token: for the ``Authorization`` header of the first host; "" for none.
        pause_seconds: before a try that follows one which brought nothing.

    Raises:
        NotThereError: the server has no such file, or not for us.
        UnreachableError: no connection, or it broke again and again; what came is kept.
        OtherBytesError: the server's file is not the one that is wanted.
        FetchError: not what the server promised, no room, or another process fetches it.
    """
    with _only_one(target):
        part = target.with_name(target.name + ".part")
        whole = _gather(lambda: _try(url, part, progress, token), part, pause_seconds)
        came = sha256_of(part)
        is_whole = came == whole.tag if _SHA256.fullmatch(whole.tag) else True
        if is_whole and came == (sha256 or came):
            part.replace(target)
        _forget(part)
        if not is_whole:
            raise FetchError(f"{url} arrived damaged (its hash is wrong): fetch it again")
        if came != (sha256 or came):
            raise OtherBytesError(
                f"{url} is not the file that belongs to this model: its SHA-256 is {came}, "
                f"not {sha256}. It was not kept"
            )
        return Fetched(whole.size_bytes, came, whole.revision)


def _gather(attempt: Callable[[], _Whole], part: Path, pause_seconds: float) -> _Whole:
    """Fill the part file: try again as long as one try in a few brings something."""
    failures, start = 0, _size(part)
    while True:
        before = _size(part)
        try:
            return attempt()
        except (URLError, HTTPException, ConnectionError, TimeoutError) as error:
            failures = 0 if _size(part) > before else failures + 1
            if failures == _TRIES or _size(part) == start:
                raise UnreachableError(_reason(error)) from error
        except OSError as error:
            raise FetchError(_disk_reason(error, part)) from error
        if failures:  # there is nothing to wait for but time
            threading.Event().wait(pause_seconds)


def _try(url: str, part: Path, progress: Progress, token: str) -> _Whole:
    have, note = _size(part), read_json(_note(part)) or {}
    if have and have == note.get("size_bytes"):  # stopped between the last byte and the check
        return _Whole(str(note.get("tag")), have, str(note.get("revision")))
    trail = _Trail()
    request = urllib.request.Request(url, headers={"User-Agent": "clipd"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        response = urllib.request.build_opener(trail).open(request, timeout=_STALL_SECONDS)
    except HTTPError as error:
        error.close()
        if error.code in (401, 403, 404):
            raise NotThereError(f"{url} is not there ({error.code} {error.reason})") from error
        if error.code == 416:  # our part is longer than the file, so it is another's
            _forget(part)
        raise
    with response:
        start, whole = _told({**trail.passed, **_lower(response.headers)})
        if start and whole.tag != note.get("tag"):  # the file changed since: from the beginning
            _forget(part)
            raise ConnectionResetError("the file on the server is another one now")
        write_json(_note(part), asdict(whole))
        _receive(response, start, whole, part, progress)
    return whole


def _told(headers: dict[str, str]) -> tuple[int, _Whole]:
    """Return the first byte that the server sends, and what it says of the file."""
    found = _START.match(headers.get("content-range", ""))
    start = int(found[1]) if found else 0
    size = start + int(headers.get("content-length", "0"))
    tag = (headers.get("x-linked-etag") or headers.get("etag") or "").removeprefix("W/").strip('"')
    return start, _Whole(tag, size, headers.get("x-repo-commit", ""))


def _receive(
    response: IO[bytes], start: int, whole: _Whole, part: Path, progress: Progress
) -> None:
    free = shutil.disk_usage(part.parent).free
    if whole.size_bytes - start > free:
        raise OSError(
            errno.ENOSPC, f"{whole.size_bytes >> 20} MiB are needed, {free >> 20} are free"
        )
    with part.open("r+b" if start else "wb") as file:
        file.truncate(start)
        file.seek(start)
        progress(start, whole.size_bytes)
        while block := response.read(_BLOCK_BYTES):
            file.write(block)
            progress(file.tell(), whole.size_bytes)
        file.flush()
        os.fsync(file.fileno())
        if file.tell() != whole.size_bytes:
            raise ConnectionResetError(f"the connection broke after {file.tell()} bytes")


@contextmanager
def _only_one(target: Path) -> Iterator[None]:
    """Hold the right to fetch into that folder: a lock on the folder itself."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise FetchError(_disk_reason(error, target)) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise FetchError(f"{target.name} is being fetched by another process") from error
    finally:
        os.close(folder)


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _lower(headers: Message) -> dict[str, str]:
    return {key.lower(): value for key, value in headers.items()}


def _reason(error: BaseException) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    return str(getattr(cause, "strerror", None) or cause or type(error).__name__)


def _disk_reason(error: OSError, file: Path) -> str:
    return f"cannot write to {file.parent}: {error.strerror}"
