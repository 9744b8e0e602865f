from __future__ import annotations

import struct

import pytest

from clipd.decode.reasons import picture_error
from clipd.errors import PictureError

NO_MEMORY = "decoding needs more memory than decoder.memory allows"
ABSURD = "the PNG data are damaged (a size makes no sense)"
CUT_SHORT = "the PNG data are cut short"


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (MemoryError(), "memory", NO_MEMORY),
        (OSError("Failed to allocate memory"), "memory", NO_MEMORY),
        (RuntimeError("Memory allocation error: Security limit exceeded"), "corrupt", ABSURD),
        (RuntimeError("Memory allocation error: Invalid image size: zero"), "corrupt", ABSURD),
        (OSError(5, "Input/output error"), "unreadable", "reading failed: Input/output error"),
        (
            OSError(22, "Invalid argument"),
            "corrupt",
            "the PNG data are damaged (an offset makes no sense)",
        ),
        (OSError("image file is truncated (9 bytes not processed)"), "corrupt", CUT_SHORT),
        (EOFError(), "corrupt", CUT_SHORT),
        (
            OSError("Unsupported BMP compression (6)"),
            "unsupported",
            "a kind of PNG that is not read (Unsupported BMP compression (6))",
        ),
        (NotImplementedError(), "unsupported", "a kind of PNG that is not read"),
        (
            SyntaxError("no marker found"),
            "corrupt",
            "the PNG header cannot be read (no marker found)",
        ),
        (SyntaxError("320"), "corrupt", "the PNG header cannot be read"),
        (
            ValueError("tile cannot\n extend <PIL at 0x7f>"),
            "corrupt",
            "the PNG data are damaged (tile cannot extend)",
        ),
        (ValueError(), "corrupt", "the PNG data are damaged"),
        (struct.error("unpack requires 4 bytes"), "corrupt", "the PNG data are damaged"),
        (RecursionError(), "corrupt", "the PNG data are damaged"),
        (PictureError("too-large", "over it"), "too-large", "over it"),
    ],
)
def test_whatever_a_library_raises_becomes_a_kind_and_a_sentence(
    error: Exception, kind: str, sentence: str
) -> None:
    told = picture_error(error, "PNG")
    assert (told.kind, str(told)) == (kind, sentence)
