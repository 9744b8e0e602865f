"""Tells an error of torch or OpenVINO that says that memory ran out from another one."""

from __future__ import annotations

_WORDS = (
    *("can't allocate memory", "bad_alloc", "not enough memory", "ALLOC_FAILED"),
    *("out of memory", "Failed to allocate"),
    "could not create a primitive",  # how oneDNN puts it
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: of the GPU or of the machine."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _WORDS)


def first_line(error: object) -> str:
    """Return what an error says, short enough for a status."""
    return (str(error).strip() or repr(error)).splitlines()[0][:200]
