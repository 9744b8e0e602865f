"""Opening the catalog whatever state it is in, and the backup that this may need."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from pathlib import Path

from clipd.durable import put_in_place, replacing, sync_folder
from clipd.errors import CatalogCorruptError, CatalogNewerError
from clipd.store import check, schema
from clipd.store.catalog import Catalog
from clipd.store.faults import mark_suspect, suspect_mark, translating
from clipd.store.pace import Pace
from clipd.store.sqlite import Access, connect, uri_of

_log = logging.getLogger(__name__)

CATALOG = "catalog.sqlite"
BACKUP = "backup.sqlite"

_USER_VERSION = slice(60, 64)  # of a file's header (sqlite.org/fileformat2.html)
_ASIDE = ".damaged-"
_ASIDE_KEPT = 2  # a disk that goes on failing must not fill up with damaged catalogs
# The WAL goes before the catalog: left behind, it would be played into the file that follows.
_PARTS = ("-wal", "-shm", ".suspect", "")


def open_catalog(folder: Path, now: float) -> tuple[Catalog, str | None]:
    """Open the catalog of a state folder; a damaged one is set aside and replaced.

    On a disk that is full or read-only it is opened all the same, for its answers.

    Args:
        now: seconds since the epoch; names what is set aside.

    Returns:
        The catalog, and a sentence for the user when it is not the one that was there.

    Raises:
        CatalogNewerError: a newer clipd wrote it; it is left alone.
        StoreUnavailableError: it cannot be opened just now; it is left alone.
    """
    _make_private(folder)
    file = folder / CATALOG
    if _is_lost(file) and (folder / BACKUP).exists():
        return _replace(file, now, "the catalog was missing")
    try:
        return _open_checked(file), None
    except CatalogCorruptError as error:
        return _replace(file, now, f"the catalog was damaged ({error.__cause__ or error})")


def backup(
    catalog_file: Path, folder: Path, access: Access = Access.SHARED, pace: Pace | None = None
) -> Path:
    """Write a compact copy of the catalog, checked, in place of the backup before.

    Uses a connection of its own, so any thread may call it while the catalog is written.

    Args:
        catalog_file: what is copied.
        folder: where the backup lies.
        access: how the catalog's writer opened it, where there is one in this process.
        pace: how fast it may go, and whether it is to end.

    Raises:
        StoreUnavailableError: there is no room; the older backup stands.
        CatalogCorruptError: the catalog is damaged; the older backup stands.
        CheckStoppedError: the pace was told to end; the older backup stands.
    """
    pace = pace or Pace()
    target, fresh = folder / BACKUP, folder / (BACKUP + ".tmp")
    try:
        with translating(target):
            fresh.unlink(missing_ok=True)
        _vacuum_into(catalog_file, access, fresh, pace)
        with translating(target):
            put_in_place(fresh, target)
    finally:
        with contextlib.suppress(OSError):  # the error that led here is the one to tell
            fresh.unlink(missing_ok=True)
    return target


def backed_up_at(folder: Path) -> float | None:
    """Return when the backup was made, seconds since the epoch; None when there is none."""
    try:
        return (folder / BACKUP).stat().st_mtime
    except OSError:
        return None


def fresh_backup_at(folder: Path) -> float | None:
    """Return when the backup was made; None also when an older clipd made it.

    Such a backup serves when the catalog is lost, but has to be replaced soon: clipd 0.1 kept
    texts of queries in clear, and its backup could be read by others.
    """
    try:
        with open(folder / BACKUP, "rb") as stream:
            head = stream.read(_USER_VERSION.stop)
    except OSError:
        return None
    is_ours = int.from_bytes(head[_USER_VERSION], "big") == schema.SCHEMA
    return backed_up_at(folder) if is_ours else None


def _vacuum_into(catalog_file: Path, access: Access, fresh: Path, pace: Pace) -> None:
    with translating(catalog_file):
        # SQLite makes the file with the umask, but keeps the mode of one that is there and empty.
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        connection = connect(catalog_file, "ro", access)
        try:
            with pace.of_statements(connection):
                connection.execute("VACUUM INTO ?", (uri_of(fresh),))
        finally:
            connection.close()
        # Some damage is copied without an error; such a copy must not replace a good one.
        copy = connect(fresh, "ro")
        try:
            with pace.of_statements(copy):
                broken = check.broken_pages(copy)
        finally:
            copy.close()
    if broken:
        mark_suspect(catalog_file)
        raise CatalogCorruptError(f"the backup of {catalog_file} is not whole: {broken[0]}")


def _make_private(folder: Path) -> None:
    """Take from others what a careless umask or a copy may have given them."""
    for file in (*folder.glob(CATALOG + "*"), *folder.glob(BACKUP + "*")):
        with contextlib.suppress(OSError):  # on a disk that is read-only it stays as it is
            file.chmod(0o600)


def _is_lost(file: Path) -> bool:
    # A catalog has its first page from its first moment; SQLite would take an empty file for
    # a new one, and all that was known would be gone without a word.
    return _size(file) == 0


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _open_checked(file: Path) -> Catalog:
    """Open the catalog; check its pages when it was not closed well, all when under suspicion."""
    mark = suspect_mark(file)
    is_suspect = mark.exists()
    was_killed = _size(file.with_name(file.name + "-wal")) > 0
    catalog = Catalog.open(file)
    try:
        if is_suspect or was_killed:
            catalog.insist_on_whole(thoroughly=is_suspect)
    except BaseException:
        catalog.close()
        raise
    with contextlib.suppress(OSError):  # of a disk that is read-only; the next start checks again
        mark.unlink(missing_ok=True)
    return catalog


def _replace(file: Path, now: float, why: str) -> tuple[Catalog, str]:
    aside = _set_aside(file, now)
    kept = f" and is kept as {aside}" if aside else ""
    made_at = backed_up_at(file.parent)
    catalog = None if made_at is None else _restore(file)
    if catalog is not None and made_at is not None:
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(made_at))
        then = f"the backup of {day} took its place; a scan finds what has changed since"
        return catalog, f"{why}{kept}: {then}"
    then = "there is no usable backup, so it is built anew from the folders"
    return Catalog.open(file), f"{why}{kept}: {then}"


def _set_aside(file: Path, now: float) -> Path | None:
    """Rename the catalog and what belongs to it; None when there was no catalog."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    aside = file.with_name(file.name + _ASIDE + stamp)
    was_there = file.exists()
    with translating(file):
        for part in _PARTS:
            source = file.with_name(file.name + part)
            if source.exists():
                source.replace(aside.with_name(aside.name + part))
        sync_folder(file.parent)
    _forget_old(file)
    return aside if was_there else None


def _forget_old(file: Path) -> None:
    found = sorted(file.parent.glob(f"{file.name}{_ASIDE}*"))
    stamps = sorted({path.name.removeprefix(file.name + _ASIDE)[:15] for path in found})
    for stamp in stamps[:-_ASIDE_KEPT]:
        for path in found:
            if path.name.startswith(file.name + _ASIDE + stamp):
                path.unlink(missing_ok=True)


def _restore(file: Path) -> Catalog | None:
    """Put a copy of the backup in the catalog's place; None when the backup is no good."""
    source = file.with_name(BACKUP)
    try:
        with translating(file), replacing(file) as stream, open(source, "rb") as kept:
            shutil.copyfileobj(kept, stream)
        return _open_restored(file)
    except (CatalogCorruptError, CatalogNewerError) as error:
        _log.warning("the backup of the catalog is not used: %s", error)
        for part in _PARTS:
            file.with_name(file.name + part).unlink(missing_ok=True)
        return None


def _open_restored(file: Path) -> Catalog:
    catalog = Catalog.open(file)
    try:
        catalog.insist_on_whole(thoroughly=True)
        with catalog.writing():
            catalog.renew_lineage()
    except BaseException:
        catalog.close()
        raise
    return catalog
