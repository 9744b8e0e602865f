"""Texts of queries: the catalog knows them only by hashes that nobody else can compute.

What somebody searched for is private. The key is drawn for each catalog, so that a list of hashes
that was made elsewhere is of no use against a backup or a copy that has lost its key.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3

_KEY_BYTES = 32
_HASH_BYTES = 16


def new_key() -> bytes:
    """Draw the key of a new catalog."""
    return secrets.token_bytes(_KEY_BYTES)


def hash_of(text: str, key: bytes) -> bytes:
    """Return what stands for a text, also for a lone surrogate, which UTF-8 refuses."""
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, key=key, digest_size=_HASH_BYTES).digest()


def hide_texts(connection: sqlite3.Connection) -> None:
    """Replace the clear texts that clipd 0.1 kept by their hashes, within a transaction."""
    key = new_key()
    connection.execute("INSERT INTO text_key VALUES (?)", (key,))
    rows = connection.execute("SELECT rowid, text FROM text_vectors").fetchall()
    for row, text in rows:
        digest = hashlib.blake2b(text, key=key, digest_size=_HASH_BYTES).digest()
        connection.execute("UPDATE text_vectors SET text = ? WHERE rowid = ?", (digest, row))
