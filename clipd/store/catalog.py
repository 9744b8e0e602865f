"""The catalog: the one truth that clipd keeps, as its only writer sees it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from clipd.store.meta_writer import MetaWriter
from clipd.store.model_writer import ModelWriter
from clipd.store.path_writer import PathWriter
from clipd.store.photo_writer import PhotoWriter
from clipd.store.repair_writer import RepairWriter
from clipd.store.root_writer import RootWriter
from clipd.store.sqlite import Access
from clipd.store.volume_writer import VolumeWriter
from clipd.store.writer import Writer


class Catalog:
    """Everything that the indexer writes. One per process, for one thread at a time.

    Its parts write some tables each, and their methods are the catalog's own. Every method that
    changes something must be called inside of ``writing``.
    """

    def __init__(self, writer: Writer) -> None:
        """Make a catalog of its one writing connection, which ``close`` closes."""
        self.writer = writer
        paths, volumes, roots = PathWriter(writer), VolumeWriter(writer), RootWriter(writer)
        models = ModelWriter(writer)
        photos = PhotoWriter(writer, models)
        metas = MetaWriter(writer)

        self.path = paths.path
        self.paths_of = paths.paths_of
        self.paths_under = paths.paths_under
        self.same_inode = paths.same_inode
        self.put_path = paths.put_path
        self.forget_path = paths.forget_path
        self.doubt_path = paths.doubt_path
        self.revive = paths.revive
        self.failure = paths.failure
        self.put_failure = paths.put_failure
        self.drop_failure = paths.drop_failure
        self.failures_due = paths.failures_due
        self.retry_in_new_world = paths.retry_in_new_world
        self.retry_under = paths.retry_under

        self.root = roots.root
        self.retire_roots = roots.retire_roots
        self.remember_root = roots.remember_root
        self.take_volume = volumes.take_volume

        self.photo_of_hash = photos.photo_of_hash
        self.add_photo = photos.add_photo
        self.expect = photos.expect
        self.put_vector = photos.put_vector
        self.add_vector = photos.add_vector
        self.have_followed = photos.have_followed
        self.drop_vectors = photos.drop_vectors
        self.add_checksums = photos.add_checksums
        self.count_without_vector = photos.count_without_vector
        self.photos_without_vector = photos.photos_without_vector
        self.purge = photos.purge

        self.put_meta = metas.put_meta
        self.put_sharpness = metas.put_sharpness
        self.date_by_path = metas.date_by_path
        self.is_dated_by_path = metas.is_dated_by_path
        self.places_of = metas.places_of
        self.is_unread = metas.is_unread
        self.has_meta = metas.has_meta
        self.mark_read = metas.mark_read
        self.have_read_again = metas.have_read_again
        self.last_photo = metas.last_photo
        self.unread_photos = metas.unread_photos
        self.photos_beside = metas.photos_beside

        self.model = models.model
        self.use_model = models.use_model
        self.prepare_model = models.prepare_model
        self.model_in_use = models.model_in_use
        self.models = models.models
        self.forget_vectors = models.forget_vectors
        self.forget_model = models.forget_model
        self.purge_models = models.purge_models
        self.put_text_vector = models.put_text_vector

        self.repair = RepairWriter(writer).repair

    @classmethod
    def open(cls, file: Path) -> Self:
        """Open the catalog, making or migrating it as needed; see ``Writer.open``."""
        return cls(Writer.open(file))

    def close(self) -> None:
        """Close the connection; an open transaction is undone."""
        self.writer.close()

    @property
    def file(self) -> Path:
        """Where it lies."""
        return self.writer.file

    @property
    def access(self) -> Access:
        """How it was opened: its readers must open it in the same way."""
        return self.writer.access

    @property
    def changes(self) -> int:
        """How many rows were changed since the start; grows with every write that counts."""
        return self.writer.changes

    def writing(self) -> AbstractContextManager[None]:
        """Do everything in the block in one transaction; see ``Writer.writing``."""
        return self.writer.writing()

    def checkpoint(self) -> None:
        """Give back what the write-ahead log holds; see ``Writer.checkpoint``."""
        self.writer.checkpoint()

    def insist_on_whole(self, thoroughly: bool) -> None:
        """Read every page of the file; see ``Writer.insist_on_whole``."""
        self.writer.insist_on_whole(thoroughly)

    def trim_journal(self, upto: int) -> None:
        """Drop the journal up to a sequence number, which snapshots have taken in."""
        self.writer.write("DELETE FROM journal WHERE seq <= ?", upto)

    def renew_lineage(self) -> None:
        """Begin a new line of history: no older snapshot of the index is to be trusted."""
        self.writer.write("UPDATE lineage SET token = lower(hex(randomblob(16)))")
