"""What clipctl prints: results to stdout, the rest to stderr, colour on a terminal only."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterable
from typing import NoReturn, TextIO

from clipd.json_types import JsonObject, JsonValue
from clipd.pathtext import one_line

# What write(2) says of a full disk, a broken one, and a reader that is gone. An error of a file
# names it, and those of sockets are translated where they arise.
_OUTPUT_ERRORS = frozenset(
    (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
)
OUTPUT_FAILED = 4  # the exit code
DIM, RESET = "\x1b[2m", "\x1b[0m"


def emit(data: bytes | str) -> None:
    """Write results; end quietly when nobody reads on (``clipctl ... | head``).

    Raises:
        SystemExit: they cannot be written.
    """
    raw = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    if sys.stdout is None:  # Python's word for a descriptor that was closed before the start
        _end_without_output("clipctl", "standard output is closed")
    try:
        sys.stdout.buffer.write(raw)
        sys.stdout.buffer.flush()
    except OSError as error:
        give_up_output(error, "clipctl")
        raise


def give_up_output(error: OSError, program: str) -> None:
    """End the program if an error is one of writing to standard output; else return.

    Raises:
        SystemExit: with 0 where nobody reads on, with 4 and a line where it cannot be written.
    """
    if error.filename is not None or error.errno not in _OUTPUT_ERRORS:
        return
    _discard(sys.stdout)
    if error.errno == errno.EPIPE:
        raise SystemExit(0) from None
    _end_without_output(program, error.strerror or repr(error))


def _end_without_output(program: str, reason: str) -> NoReturn:
    say(f"cannot write the results: {reason}; give them another place", program)
    raise SystemExit(OUTPUT_FAILED)


def _discard(stream: TextIO) -> None:
    """Let Python, which flushes a stream once more at exit, do so into nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def emit_lines(lines: Iterable[str]) -> None:
    """Write one result a line."""
    emit("".join(line + "\n" for line in lines))


def emit_json(value: JsonValue) -> None:
    """Write a value for scripts, in one line."""
    emit(json.dumps(value, ensure_ascii=False) + "\n")


def say(text: str, program: str = "clipctl") -> None:
    """Tell the person something that is not a result."""
    if sys.stderr is None:  # closed; print() would write to standard output instead
        return
    try:
        print(f"{program}: {one_line(text)}", file=sys.stderr, flush=True)
    except BrokenPipeError:
        raise SystemExit(0) from None
    except OSError:
        _discard(sys.stderr)  # the results are worth more than what is said about them


def draw_line(words: str) -> None:
    """Show a line on the terminal until it is drawn anew or erased."""
    sys.stderr.write(f"\r\x1b[K{words}")
    sys.stderr.flush()


def erase_line() -> None:
    """Take the line back."""
    draw_line("")


def is_lively(stream: TextIO | None) -> bool:
    """Whether colour and progress are welcome there (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream is not None and stream.isatty()


def dimmed(text: str) -> str:
    """Return the text as less important than the rest, on a terminal."""
    return f"{DIM}{text}{RESET}" if is_lively(sys.stdout) else text


def columns(*values: JsonValue) -> str:
    """Join values with tabs; none of them can break the line or the columns."""
    return "\t".join(one_line(str(value)) for value in values)


def path_bytes(item: JsonObject) -> bytes:
    """Return the exact bytes of an answer's path."""
    if "path_b64" in item:
        import base64

        return base64.b64decode(str(item["path_b64"]))
    return str(item["path"]).encode("utf-8")


def path_value(path: bytes) -> JsonObject:
    """Return the exact bytes of a path as a request carries them."""
    try:
        return {"path": path.decode("utf-8")}
    except UnicodeDecodeError:
        import base64

        return {"path_b64": base64.b64encode(path).decode("ascii")}


def objects(value: JsonValue) -> list[JsonObject]:
    """Take a value of an answer as a list of objects."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
