from __future__ import annotations

import struct

import pytest

from clipd.decode.reasons import picture_error
from clipd.errors import PictureError


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (MemoryError(), "memory", "decoding needs more memory than decoder.memory allows"),
        (OSError("Failed to allocate memory"), "memory", "decoding needs more memory than"),
        (RuntimeError("Memory allocation error: Security limit exceeded"), "corrupt", "damaged"),
        (RuntimeError("Memory allocation error: Invalid image size: zero"), "corrupt", "damaged"),
        (OSError(5, "Input/output error"), "unreadable", "reading failed: Input/output error"),
        (OSError("image file is truncated (9 bytes not processed)"), "corrupt", "are cut short"),
        (EOFError(), "corrupt", "the PNG data are cut short"),
        (OSError("Unsupported BMP compression (6)"), "unsupported", "a kind of PNG that is not"),
        (NotImplementedError(), "unsupported", "a kind of PNG that is not read"),
        (SyntaxError("no marker found"), "corrupt", "header cannot be read (no marker found)"),
        (SyntaxError("320"), "corrupt", "the PNG header cannot be read"),
        (ValueError("tile cannot\n extend <PIL at 0x7f>"), "corrupt", "(tile cannot extend)"),
        (struct.error("unpack requires 4 bytes"), "corrupt", "the PNG data are damaged"),
        (RecursionError(), "corrupt", "the PNG data are damaged"),
        (PictureError("too-large", "over it"), "too-large", "over it"),
    ],
)
def test_whatever_a_library_raises_becomes_a_kind_and_a_sentence(
    error: Exception, kind: str, reason: str
) -> None:
    told = picture_error(error, "PNG")
    assert told.kind == kind
    assert reason in str(told)
    assert "\n" not in str(told)
    assert "0x" not in str(told)
