"""A real catalog in a folder, and short ways to fill it."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from pathlib import Path
from typing import Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipd.config.options import IndexConfig
from clipd.photo import Fingerprint, ModelSpec, Preprocess
from clipd.store.backup import CATALOG
from clipd.store.catalog import Catalog
from clipd.store.follow import IndexFollower
from clipd.store.index_protocol import Follower
from clipd.store.milvus_follow import MilvusFollower
from clipd.store.milvus_link import MilvusLink
from clipd.store.reader import CatalogReader

Kind: TypeAlias = Literal["auto", "fp16", "flat", "ivf"]

DIM = 16
ROOT = b"/photos"


def a_model(fingerprint: str = "one", dim: int = DIM) -> ModelSpec:
    return ModelSpec(fingerprint, "arch", "", "", dim, Preprocess(32), fingerprint)


def a_print(number: int, size: int = 100, born: int = 0) -> Fingerprint:
    return Fingerprint(size, 10**18 + number, 10**18 + number, number, 7, born)


def a_vector(seed: int, dim: int = DIM) -> NDArray[np.float32]:
    vector = np.random.default_rng(seed).normal(size=dim).astype(np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def a_hash(content: int) -> bytes:
    return hashlib.blake2b(b"%d" % content, digest_size=16).digest()


class Stock:
    """A catalog, its reader, one root and one model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / CATALOG
        self.catalog = Catalog.open(self.file)
        self.reader = CatalogReader(self.file)
        self.spec = a_model()
        self._followers: list[Follower] = []
        with self.catalog.writing():
            self.root = self.catalog.root(ROOT)
            self.model = self.catalog.model(self.spec)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for follower in self._followers:
            follower.close()
        self.reader.close()
        self.catalog.close()

    def put(self, path: bytes, content: int, vector: bool = True) -> int:
        """Put a photo at a path, inside of a transaction of the caller's."""
        photo = self.catalog.add_photo(a_hash(content), 4, 3, "JPEG", "", 1000)
        self.catalog.put_path(self.root, path, a_print(content), photo)
        if vector:
            self.catalog.put_vector(self.model, photo, a_vector(content))
        return photo

    def put_id(self, content: int) -> int:
        """Return the photo with this content."""
        photo = self.catalog.photo_of_hash(a_hash(content))
        assert photo is not None
        return photo

    def fill(self, count: int) -> list[int]:
        """Put photos of the contents 0, 1, ... in one folder, in one transaction."""
        with self.catalog.writing():
            return [self.put(b"/photos/%06d.jpg" % n, n) for n in range(count)]

    def config(self, kind: Kind) -> IndexConfig:
        return IndexConfig(kind=kind)

    def follower(self, kind: Kind = "auto", spec: ModelSpec | None = None) -> IndexFollower:
        spec = spec or self.spec
        with self.catalog.writing():
            model = self.catalog.model(spec)
        made = IndexFollower(self.reader, model, spec, self.config(kind), self.folder / "index")
        self._followers.append(made)
        return made

    def milvus(self, uri: str, spec: ModelSpec | None = None) -> MilvusFollower:
        spec = spec or self.spec
        with self.catalog.writing():
            model = self.catalog.model(spec)
        made = MilvusFollower(self.reader, model, spec, MilvusLink(uri))
        self._followers.append(made)
        return made

    def following(self, engine: str, spec: ModelSpec | None = None) -> Follower:
        """Return a follower whose index lies in our own files ("") or a Milvus at an URI."""
        return self.milvus(engine, spec) if engine else self.follower(spec=spec)


def spoil_an_index(file: Path, name: str, sql: str) -> None:
    """Have an index of SQLite hold other columns than it says."""
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, name))
        (version,) = connection.execute("PRAGMA schema_version").fetchone()
        connection.execute(f"PRAGMA schema_version = {version + 1}")
