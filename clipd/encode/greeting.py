"""The first line of a far encoder, behind which its frames begin. Standard library only.

In front of it may lie anything: what a .bashrc prints, and, since systemd gives ssh the same socket
for its errors, the words in which ssh says why it cannot connect.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from clipd.errors import EncoderAwayError

MARK = b"\0clipd encoder 1 "
_MOST_BEFORE_BYTES = 64 << 10
_MOST_LINE_BYTES = 4 << 10
_LOOK_SECONDS = 0.25
_MOST_WORDS = 400  # characters


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a far encoder says of itself before it is asked anything."""

    version: str  # of its clipd
    before: str  # what stood in front of it, as text
    rest: bytes  # what has come behind it


def greeting_line(version: str) -> bytes:
    """Return the line that a far encoder begins with."""
    return MARK + json.dumps({"version": version}).encode() + b"\n"


def await_greeting(sock: socket.socket, seconds: float, is_wanted: Callable[[], bool]) -> Greeting:
    """Read until the greeting has come.

    Args:
        sock: connected.
        seconds: how long it may take.
        is_wanted: asked now and then; when it says no, this gives up.

    Raises:
        EncoderAwayError: none has come; with the last words that did.
    """
    came, ends = bytearray(), time.monotonic() + seconds
    sock.settimeout(_LOOK_SECONDS)
    while (found := _found(came)) is None:
        try:
            data = sock.recv(4096)
        except TimeoutError:
            if time.monotonic() > ends or not is_wanted():
                words = last_words(came)
                raise EncoderAwayError(
                    f"no clipd has answered there within {seconds:.0f} s"
                    + (f"; it said: {words}" if words else "")
                ) from None
            continue
        except ConnectionError:
            data = b""
        if not data:
            raise EncoderAwayError(last_words(came) or "it closed the connection without a word")
        came += data
        if len(came) > _MOST_BEFORE_BYTES + _MOST_LINE_BYTES and _found(came) is None:
            whole = came.rpartition(b"\n")[0] or came  # a read may end in the middle of a line
            raise EncoderAwayError(f"it does not speak as clipd does: {last_words(whole)!r}")
    return found


def last_words(data: bytes | bytearray) -> str:
    """Return the last line of what is text, short and without control characters."""
    text = bytes(data).decode("utf-8", "replace")
    clean = ("".join(each for each in line if each.isprintable()) for line in text.splitlines())
    lines = [line.strip() for line in clean if line.strip()]
    return lines[-1][:_MOST_WORDS] if lines else ""


def _found(came: bytearray) -> Greeting | None:
    before, mark, behind = bytes(came).partition(MARK)
    line, end, rest = behind.partition(b"\n")
    if not mark or not end:
        return None
    try:
        said = json.loads(line)
        version = str(said["version"])
    except (ValueError, TypeError, KeyError) as error:
        raise EncoderAwayError("its greeting cannot be read") from error
    return Greeting(last_words(version.encode())[:40], last_words(before), rest)
