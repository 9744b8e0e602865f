"""The tables of the catalog, and how an older catalog becomes a present one.

Counts, the number of live paths of a photo, and the journal are kept by triggers: whatever
writes to ``paths`` and ``vectors``, nothing can forget to tell them.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from clipd.store.query_texts import hide_texts

if TYPE_CHECKING:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

SCHEMA = 4  # PRAGMA user_version of a catalog that this code writes

# Numbers of a file that may not fit in SQLite's signed 64 bits (inodes of some file systems,
# times after 2262) are stored as text in a BLOB, which an INTEGER column leaves alone.
_TABLES = (
    # AUTOINCREMENT: without it the highest id is given out again after a delete, and the index
    # would show a dead photo's vector under a new photo's name.
    """CREATE TABLE photos (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        content_hash BLOB NOT NULL UNIQUE,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        format TEXT NOT NULL,
        taken_at TEXT NOT NULL,
        added_at INTEGER NOT NULL,
        live INTEGER NOT NULL DEFAULT 0,
        left_at INTEGER NOT NULL
    )""",
    "CREATE INDEX photos_unused ON photos(left_at) WHERE live = 0",
    """CREATE TABLE roots (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        path BLOB NOT NULL UNIQUE,
        device INTEGER,
        inode INTEGER,
        configured INTEGER NOT NULL DEFAULT 1
    )""",
    """CREATE TABLE paths (
        id INTEGER PRIMARY KEY,
        root_id INTEGER NOT NULL REFERENCES roots(id),
        folder BLOB NOT NULL,
        name BLOB NOT NULL,
        photo_id INTEGER NOT NULL REFERENCES photos(id),
        size_bytes INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        ctime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        device INTEGER NOT NULL,
        gone_at INTEGER,
        UNIQUE (folder, name)
    )""",
    "CREATE INDEX paths_by_inode ON paths(inode, size_bytes, mtime_ns)",
    "CREATE INDEX paths_by_photo ON paths(photo_id)",
    "CREATE INDEX paths_gone ON paths(gone_at) WHERE gone_at IS NOT NULL",
    """CREATE TABLE models (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        fingerprint TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        dim INTEGER NOT NULL
    )""",
    # The key begins with the photo, so that one index serves a photo's vectors, the foreign
    # key and a rebuild in the order of photos.
    """CREATE TABLE vectors (
        photo_id INTEGER NOT NULL REFERENCES photos(id),
        model_id INTEGER NOT NULL REFERENCES models(id),
        vector BLOB NOT NULL,
        PRIMARY KEY (photo_id, model_id)
    )""",
    """CREATE TABLE text_vectors (
        model_id INTEGER NOT NULL REFERENCES models(id),
        text BLOB NOT NULL,
        vector BLOB NOT NULL,
        used_at INTEGER NOT NULL,
        PRIMARY KEY (model_id, text)
    )""",
    "CREATE INDEX text_vectors_used ON text_vectors(used_at)",
    """CREATE TABLE failures (
        folder BLOB NOT NULL,
        name BLOB NOT NULL,
        root_id INTEGER NOT NULL REFERENCES roots(id),
        size_bytes INTEGER,
        mtime_ns INTEGER,
        ctime_ns INTEGER,
        inode INTEGER,
        device INTEGER,
        kind TEXT NOT NULL,
        reason TEXT NOT NULL,
        since INTEGER NOT NULL,
        PRIMARY KEY (folder, name)
    )""",
    "CREATE INDEX failures_by_root ON failures(root_id)",
    "CREATE INDEX failures_errors ON failures(folder, name) WHERE kind <> 'skipped'",
    # Photos whose presence in the index may have changed, in the order of the changes.
    "CREATE TABLE journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, photo_id INTEGER NOT NULL)",
    # 'photos' (live ones), 'paths' (live ones, id: root), 'vectors' (of live photos, id: model),
    # 'errors', 'skipped'.
    """CREATE TABLE tallies (
        what TEXT NOT NULL,
        id INTEGER NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (what, id)
    ) WITHOUT ROWID""",
    # Drawn anew when a catalog is made or restored: a snapshot of the index that was made from
    # another line of history is not to be trusted, even where its numbers fit.
    "CREATE TABLE lineage (token TEXT NOT NULL)",
    "INSERT INTO lineage VALUES (lower(hex(randomblob(16))))",
)

_NOW = "CAST(strftime('%s', 'now') AS INTEGER)"


def _tally(what: str, key: str, value: str) -> str:
    return (
        f"INSERT INTO tallies VALUES ('{what}', {key}, {value}) "
        "ON CONFLICT DO UPDATE SET value = value + excluded.value;"
    )


_IS_LIVE = "SELECT live > 0 FROM photos WHERE id ="
_SKIPPED = "CASE kind WHEN 'skipped' THEN 'skipped' ELSE 'errors' END"
_KIND_GROUP = "CASE kind WHEN 'skipped' THEN kind WHEN 'sidecar' THEN kind ELSE 'errors' END"


def _failure_tally(row: str, value: str, group: str = _SKIPPED) -> str:
    # An UPSERT fed by a SELECT needs a WHERE, or its ON would be read as that of a join
    # (sqlite.org/lang_upsert.html, "Parsing Ambiguity").
    return (
        f"INSERT INTO tallies SELECT {group}, 0, {value} FROM (SELECT {row}.kind AS kind) "
        "WHERE true ON CONFLICT DO UPDATE SET value = value + excluded.value;"
    )


_TRIGGERS = (
    f"""CREATE TRIGGER path_added AFTER INSERT ON paths WHEN NEW.gone_at IS NULL BEGIN
        UPDATE photos SET live = live + 1 WHERE id = NEW.photo_id;
        {_tally("paths", "NEW.root_id", "1")}
    END""",
    f"""CREATE TRIGGER path_removed AFTER DELETE ON paths WHEN OLD.gone_at IS NULL BEGIN
        UPDATE photos SET live = live - 1, left_at = {_NOW} WHERE id = OLD.photo_id;
        {_tally("paths", "OLD.root_id", "-1")}
    END""",
    # First the gain, then the loss: a path that only changes its root never takes its photo
    # through zero.
    f"""CREATE TRIGGER path_changed AFTER UPDATE OF photo_id, gone_at, root_id ON paths
    WHEN OLD.photo_id <> NEW.photo_id OR OLD.root_id <> NEW.root_id
        OR (OLD.gone_at IS NULL) <> (NEW.gone_at IS NULL) BEGIN
        UPDATE photos SET live = live + 1 WHERE id = NEW.photo_id AND NEW.gone_at IS NULL;
        UPDATE photos SET live = live - 1, left_at = coalesce(NEW.gone_at, {_NOW})
            WHERE id = OLD.photo_id AND OLD.gone_at IS NULL;
        {_tally("paths", "NEW.root_id", "NEW.gone_at IS NULL")}
        {_tally("paths", "OLD.root_id", "-(OLD.gone_at IS NULL)")}
    END""",
    f"""CREATE TRIGGER photo_came_or_left AFTER UPDATE OF live ON photos
    WHEN (OLD.live > 0) <> (NEW.live > 0) BEGIN
        INSERT INTO journal(photo_id) VALUES (NEW.id);
        {_tally("photos", "0", "CASE WHEN NEW.live > 0 THEN 1 ELSE -1 END")}
        UPDATE tallies SET value = value + CASE WHEN NEW.live > 0 THEN 1 ELSE -1 END
            WHERE what = 'vectors'
            AND id IN (SELECT model_id FROM vectors WHERE photo_id = NEW.id);
    END""",
    f"""CREATE TRIGGER vector_added AFTER INSERT ON vectors BEGIN
        INSERT INTO journal(photo_id) VALUES (NEW.photo_id);
        {_tally("vectors", "NEW.model_id", f"({_IS_LIVE} NEW.photo_id)")}
    END""",
    """CREATE TRIGGER vector_changed AFTER UPDATE OF vector ON vectors BEGIN
        INSERT INTO journal(photo_id) VALUES (NEW.photo_id);
    END""",
    f"""CREATE TRIGGER vector_removed AFTER DELETE ON vectors BEGIN
        INSERT INTO journal(photo_id) VALUES (OLD.photo_id);
        {_tally("vectors", "OLD.model_id", f"-({_IS_LIVE} OLD.photo_id)")}
    END""",
    f"""CREATE TRIGGER failure_added AFTER INSERT ON failures BEGIN
        {_failure_tally("NEW", "1")}
    END""",
    f"""CREATE TRIGGER failure_changed AFTER UPDATE OF kind ON failures BEGIN
        {_failure_tally("OLD", "-1")}
        {_failure_tally("NEW", "1")}
    END""",
    f"""CREATE TRIGGER failure_removed AFTER DELETE ON failures BEGIN
        {_failure_tally("OLD", "-1")}
    END""",
)

_SECOND = (
    # The time of birth tells a renamed file from another that was given its inode; NULL: unknown.
    "ALTER TABLE paths ADD COLUMN born_ns INTEGER",
    "ALTER TABLE failures ADD COLUMN born_ns INTEGER",
    # A refusal holds only in the world in which it was made: its limits, codecs, memory.
    "ALTER TABLE failures ADD COLUMN world TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE failures ADD COLUMN tries INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE failures ADD COLUMN retry_at INTEGER",
    # Of the vector's bytes. NULL: not computed yet, which is done little by little, since it
    # writes every vector again.
    "ALTER TABLE vectors ADD COLUMN checksum INTEGER",
    "CREATE INDEX vectors_unchecked ON vectors(photo_id) WHERE checksum IS NULL",
    # Since when another model is in use; NULL: it is the one. What is dropped of a former model
    # is in no index, so that the journal does not tell of it: the index would look at every photo
    # again.
    "ALTER TABLE models ADD COLUMN left_at INTEGER",
    "DROP TRIGGER vector_removed",
    f"""CREATE TRIGGER vector_removed AFTER DELETE ON vectors BEGIN
        INSERT INTO journal(photo_id)
            SELECT OLD.photo_id FROM models WHERE id = OLD.model_id AND left_at IS NULL;
        {_tally("vectors", "OLD.model_id", f"-({_IS_LIVE} OLD.photo_id)")}
    END""",
    # The key of the hashes that stand for texts of queries.
    "CREATE TABLE text_key (key BLOB NOT NULL)",
    # All that is asked of a root's failures goes by folder; this index only led SQLite astray.
    "DROP INDEX failures_by_root",
    "CREATE INDEX failures_by_world ON failures(kind, world) WHERE kind <> 'skipped'",
    "CREATE INDEX failures_due ON failures(retry_at) WHERE retry_at IS NOT NULL",
    # File systems that were seen at a folder: the root, or a mount point below it. Of those at one
    # folder at most one is there now; the paths of the others are set aside, see rows.aside_folder.
    """CREATE TABLE volumes (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        root_id INTEGER NOT NULL REFERENCES roots(id),
        folder BLOB NOT NULL,
        uuid TEXT NOT NULL,
        device INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        is_here INTEGER NOT NULL
    )""",
    "CREATE UNIQUE INDEX volumes_here ON volumes(folder) WHERE is_here",
)

_THIRD = (
    # What a photo says of itself besides its pixels. A photo without a row here has not been asked
    # yet; until then `photos.taken_at` is all that is known.
    """CREATE TABLE meta (
        photo_id INTEGER PRIMARY KEY REFERENCES photos(id),
        taken TEXT,
        taken_from TEXT,
        utc_offset_min INTEGER,
        camera TEXT,
        lens TEXT,
        focal_mm REAL,
        lat REAL,
        lon REAL,
        country TEXT,
        region TEXT,
        city TEXT,
        rating INTEGER,
        caption TEXT,
        sharpness REAL,
        has_exif INTEGER,
        read_by INTEGER NOT NULL
    )""",
    "CREATE INDEX meta_by_taken ON meta(taken)",
    # Of most photos some of this is not known: such rows need no place in an index.
    "CREATE INDEX meta_by_camera ON meta(camera) WHERE camera IS NOT NULL",
    "CREATE INDEX meta_by_lens ON meta(lens) WHERE lens IS NOT NULL",
    "CREATE INDEX meta_by_position ON meta(lat, lon) WHERE lat IS NOT NULL",
    "CREATE INDEX meta_by_place ON meta(country, region, city) WHERE country IS NOT NULL",
    "CREATE INDEX meta_by_city ON meta(city) WHERE city IS NOT NULL",
    "CREATE INDEX meta_by_rating ON meta(rating) WHERE rating IS NOT NULL",
    """CREATE TABLE tags (
        photo_id INTEGER NOT NULL,
        tag TEXT NOT NULL,
        PRIMARY KEY (photo_id, tag)
    ) WITHOUT ROWID""",
    "CREATE INDEX tags_by_tag ON tags(tag)",
    # Files beside photos are no failures. They are among them all the same, because a scan compares
    # with the disk what is there; whoever lists failures passes over them.
    "UPDATE failures SET kind = 'sidecar', size_bytes = NULL WHERE kind = 'skipped'"
    " AND lower(CAST(name AS TEXT)) LIKE '%_.xmp'",
    "DROP INDEX failures_errors",
    "CREATE INDEX failures_errors ON failures(folder, name)"
    " WHERE kind <> 'skipped' AND kind <> 'sidecar'",
    "DROP TRIGGER failure_added",
    "DROP TRIGGER failure_changed",
    "DROP TRIGGER failure_removed",
    f"""CREATE TRIGGER failure_added AFTER INSERT ON failures BEGIN
        {_failure_tally("NEW", "1", _KIND_GROUP)}
    END""",
    f"""CREATE TRIGGER failure_changed AFTER UPDATE OF kind ON failures BEGIN
        {_failure_tally("OLD", "-1", _KIND_GROUP)}
        {_failure_tally("NEW", "1", _KIND_GROUP)}
    END""",
    f"""CREATE TRIGGER failure_removed AFTER DELETE ON failures BEGIN
        {_failure_tally("OLD", "-1", _KIND_GROUP)}
    END""",
    "DELETE FROM tallies WHERE what IN ('skipped', 'errors')",
    f"INSERT INTO tallies SELECT {_KIND_GROUP}, 0, count(*) FROM failures GROUP BY 1",
    # A trigger, so that whatever drops a photo drops what it said of itself; before, since the
    # row refers to the photo.
    """CREATE TRIGGER photo_dropped BEFORE DELETE ON photos BEGIN
        DELETE FROM meta WHERE photo_id = OLD.id;
        DELETE FROM tags WHERE photo_id = OLD.id;
    END""",
)

_FOURTH = (
    # What the configuration says of a model, as JSON: to find its weights again once another one
    # is configured. '' where a former clipd used it.
    "ALTER TABLE models ADD COLUMN meant TEXT NOT NULL DEFAULT ''",
    # Vectors of a model that is not in use are in no index that follows the journal: those of one
    # that is to be used next would have the present index look at every photo again.
    "DROP TRIGGER vector_added",
    "DROP TRIGGER vector_changed",
    f"""CREATE TRIGGER vector_added AFTER INSERT ON vectors BEGIN
        INSERT INTO journal(photo_id)
            SELECT NEW.photo_id FROM models WHERE id = NEW.model_id AND left_at IS NULL;
        {_tally("vectors", "NEW.model_id", f"({_IS_LIVE} NEW.photo_id)")}
    END""",
    """CREATE TRIGGER vector_changed AFTER UPDATE OF vector ON vectors BEGIN
        INSERT INTO journal(photo_id)
            SELECT NEW.photo_id FROM models WHERE id = NEW.model_id AND left_at IS NULL;
    END""",
)

# What the triggers must have arrived at: (what, id, value). Used to verify and to repair.
RECOUNT = """
    SELECT 'photos', 0, count(*) FROM photos WHERE live > 0
    UNION ALL SELECT 'paths', root_id, count(*) FROM paths WHERE gone_at IS NULL GROUP BY root_id
    UNION ALL SELECT 'vectors', model_id, count(*) FROM vectors
        JOIN photos ON photos.id = photo_id WHERE live > 0 GROUP BY model_id
    UNION ALL SELECT 'skipped', 0, count(*) FROM failures WHERE kind = 'skipped'
    UNION ALL SELECT 'sidecar', 0, count(*) FROM failures WHERE kind = 'sidecar'
    UNION ALL SELECT 'errors', 0, count(*) FROM failures
        WHERE kind <> 'skipped' AND kind <> 'sidecar'
"""


def version_of(connection: sqlite3.Connection) -> int:
    """Return the schema of an open catalog; 0 when it is new."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a catalog up to ``SCHEMA``; each step is one transaction."""
    if version_of(connection) == SCHEMA:
        return
    # Late: a catalog that is up to date need not pay for the import (120 ms).
    with _without("pandas"):
        from sqlite_utils import Database

    # Clear texts of queries, which clipd 0.1 kept, are overwritten where they lie.
    connection.execute("PRAGMA secure_delete = ON")
    _migrations().apply(Database(connection, recursive_triggers=False, execute_plugins=False))
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


@contextlib.contextmanager
def _without(library: str) -> Iterator[None]:
    """Let a library that imports another one where it is installed do without, as elsewhere.

    sqlite_utils takes in pandas, for types that no catalog has: .2 s and 60 MiB.
    """
    if library in sys.modules:
        yield
        return
    sys.modules[library] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[library]


def _migrations() -> Migrations:
    from sqlite_utils.migrations import Migrations

    migrations = Migrations("clipd")

    @migrations()
    def first(db: Database) -> None:
        for statement in (*_TABLES, *_TRIGGERS):
            db.execute(statement)
        db.execute("PRAGMA user_version = 1")

    @migrations()
    def second(db: Database) -> None:
        for statement in _SECOND:
            db.execute(statement)
        hide_texts(db.conn)
        db.execute("PRAGMA user_version = 2")

    @migrations()
    def third(db: Database) -> None:
        for statement in _THIRD:
            db.execute(statement)
        db.execute("PRAGMA user_version = 3")

    @migrations()
    def fourth(db: Database) -> None:
        for statement in _FOURTH:
            db.execute(statement)
        db.execute("PRAGMA user_version = 4")

    return migrations
