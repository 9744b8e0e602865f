"""Paths as addresses that desktops and terminals know."""

from __future__ import annotations

# Neither a comma nor a quote: what takes lists of addresses would take them apart.
_PLAIN = frozenset(b"/-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def file_address(path: bytes, host: str = "") -> str:
    """Return ``file://host/path``, with all that is not plain as ``%20``."""
    escaped = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in path)
    return f"file://{host}{escaped}"
