"""Why a file could not be decoded: a decoder's exception -> a kind and a plain sentence."""

from __future__ import annotations

import errno
import os
import re
from typing import Final

from clipd.errors import PictureError

_MOST_LETTERS: Final = 160
_CUT_SHORT: Final = re.compile(
    r"truncated|unexpected end|premature|end of (file|data)|eof", re.IGNORECASE
)
_NOT_SUPPORTED: Final = re.compile(
    r"unsupported|not supported|unknown|cannot handle|not implemented|unrecognized|"
    r"conversion from .* not|bits per|no .* support",
    re.IGNORECASE,
)
# libheif calls it an "allocation error" when damage makes a size absurd.
_ABSURD_SIZE: Final = re.compile(r"security limit|invalid image size", re.IGNORECASE)
_NO_PLACE: Final = (errno.EINVAL, errno.EOVERFLOW)  # of lseek(2): the file leads to nowhere
_NO_MEMORY: Final = re.compile(r"memory|alloc", re.IGNORECASE)


def picture_error(error: Exception, format_: str) -> PictureError:
    """Say what an exception of a decoder means for the file.

    Args:
        error: anything: damaged files make Pillow raise ValueError, IndexError, TypeError,
            struct.error, SyntaxError, RecursionError and more besides OSError (measured).
        format_: the format as the first bytes tell it.
    """
    if isinstance(error, PictureError):
        return error
    said = _plain(str(error))
    words = f" ({said})" if " " in said else ""  # a bare number or name says nothing to a reader
    if _ABSURD_SIZE.search(said):
        return PictureError("corrupt", f"the {format_} data are damaged (a size makes no sense)")
    if isinstance(error, MemoryError) or _NO_MEMORY.search(said):
        return PictureError("memory", "decoding needs more memory than decoder.memory allows")
    if isinstance(error, OSError) and error.errno in _NO_PLACE:
        return PictureError("corrupt", f"the {format_} data are damaged (an offset makes no sense)")
    if isinstance(error, OSError) and error.errno is not None:
        return PictureError("unreadable", f"reading failed: {os.strerror(error.errno)}")
    if isinstance(error, EOFError) or _CUT_SHORT.search(said):
        return PictureError("corrupt", f"the {format_} data are cut short")
    if isinstance(error, NotImplementedError) or _NOT_SUPPORTED.search(said):
        return PictureError("unsupported", f"a kind of {format_} that is not read{words}")
    if isinstance(error, SyntaxError):
        return PictureError("corrupt", f"the {format_} header cannot be read{words}")
    if not isinstance(error, (OSError, ValueError)):
        # What trips over the damage by chance says nothing about the file.
        return PictureError("corrupt", f"the {format_} data are damaged")
    return PictureError("corrupt", f"the {format_} data are damaged{words}")


def _plain(text: str) -> str:
    """Return a library's message on one line, without addresses, not too long."""
    line = re.sub(r"<[^>]*>", "", " ".join(text.split()))
    return line[:_MOST_LETTERS].strip()
