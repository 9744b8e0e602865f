"""The catalog and the index on disk: damaged, too new, or without room."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.daemon import album
from tests.daemon.conftest import Daemons, FirstCrawl
from tests.daemon.harness import Daemon, NotReadyError

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of the seed pictures."""
    return album.fill(tmp_path / "root")


@pytest.fixture
def stopped(daemons: Daemons, seed: FirstCrawl, root: Path) -> Daemon:
    """A daemon that has found the seed pictures and was stopped."""
    daemon = daemons.new([root], seed=seed).start()
    daemon.wait_found(root, album.SEED)
    daemon.stop()
    return daemon


def _catalog(daemon: Daemon) -> Path:
    (file,) = daemon.state_folder().rglob("catalog.sqlite")
    return file


def _damage(file: Path) -> None:
    """Overwrite every fourth page, as a dying disk might."""
    with file.open("r+b") as opened:
        for start in range(0, file.stat().st_size, 4 * 8192):
            opened.seek(start)
            opened.write(os.urandom(8192))


def test_a_corrupt_catalog_is_set_aside_and_everything_is_found_again(
    stopped: Daemon, root: Path
) -> None:
    catalog = _catalog(stopped)
    _damage(catalog)

    stopped.start()

    stopped.wait_found(root, album.SEED)
    assert "catalog" in stopped.log()
    aside = [file for file in catalog.parent.rglob("*") if "damaged" in file.name]
    assert aside, sorted(catalog.parent.rglob("*"))
    stopped.wait_idle()
    stopped.verify()


def test_damage_that_is_met_at_work_is_mended_without_a_restart(
    stopped: Daemon, root: Path
) -> None:
    catalog = _catalog(stopped)
    _damage_the_names(catalog)
    stopped.start()
    pid = stopped.pid

    stopped.ctl("verify", "--repair", ok=False)

    stopped.wait_until_logged("is kept as")
    stopped.wait_found(root, album.SEED)
    stopped.wait_idle()
    stopped.verify("--disk", "--deep")
    assert stopped.pid == pid
    assert "Traceback" not in stopped.log()


def _damage_the_names(file: Path) -> None:
    """Spoil the page of the index of paths by name, which a start need not look at."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sql = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_paths_1'"
        ((page,),) = connection.execute(sql).fetchall()
    with file.open("r+b") as opened:
        opened.seek((page - 1) * 8192 + 8)
        opened.write(b"\xff" * 64)


def test_a_catalog_that_is_no_database_is_set_aside(stopped: Daemon, root: Path) -> None:
    _catalog(stopped).write_bytes(b"not a database at all" * 1000)

    stopped.start()

    stopped.wait_found(root, album.SEED)
    stopped.wait_idle()
    stopped.verify()


def test_a_catalog_of_a_newer_clipd_is_refused_and_left_as_it_is(stopped: Daemon) -> None:
    with sqlite3.connect(_catalog(stopped)) as connection:
        names = [row[0] for row in connection.execute("select name from _sqlite_migrations")]
        connection.execute(
            "insert into _sqlite_migrations select max(id) + 1, migration_set, 'of_the_future',"
            " applied_at from _sqlite_migrations"
        )
        connection.execute("pragma user_version = 9999")
    connection.close()
    before = _catalog(stopped).read_bytes()

    with pytest.raises(NotReadyError, match="newer"):
        stopped.start()

    assert names
    assert stopped.process.returncode == 4
    assert _catalog(stopped).read_bytes() == before


def _snapshots(daemon: Daemon) -> list[Path]:
    """Every file of the state that is not the catalog or its backup: the saved index."""
    kept = (".sqlite", ".sqlite-wal", ".sqlite-shm", ".lock")
    files = [file for file in daemon.state_folder().rglob("*") if file.is_file()]
    cache = daemon.home / "cache"
    files += [file for file in cache.rglob("*.faiss*") if file.is_file()]
    return [file for file in files if not file.name.endswith(kept) and file.stat().st_size]


def _flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0x40]) + content[middle + 1 :]


@pytest.mark.parametrize("spoil", [_flip, lambda content: content[: len(content) // 2]])
def test_a_corrupt_snapshot_is_not_trusted_and_nothing_is_encoded_again(
    stopped: Daemon, root: Path, spoil: object
) -> None:
    assert callable(spoil)
    snapshots = _snapshots(stopped)
    assert snapshots
    for file in snapshots:
        file.write_bytes(spoil(file.read_bytes()))

    stopped.start()

    stopped.wait_found(root, album.SEED)
    assert stopped.worked() == (0, 0)
    stopped.verify()


@pytest.mark.parametrize("is_added", [True, False])
def test_a_snapshot_older_than_the_catalog_is_brought_up_to_date(
    stopped: Daemon, root: Path, is_added: bool
) -> None:
    with_cat, without = album.SEED.keys(), album.SEED.keys() - {"cat.jpg"}
    if is_added:
        _change(stopped, (root / "cat.jpg").unlink, without)
    old = {file: file.read_bytes() for file in _snapshots(stopped)}
    if is_added:
        _change(stopped, lambda: album.save(root / "cat.jpg", album.picture("a cat")), with_cat)
    else:
        _change(stopped, (root / "cat.jpg").unlink, without)
    for file in _snapshots(stopped):
        file.unlink()
    for file, content in old.items():
        file.write_bytes(content)

    stopped.start()

    stopped.wait_found(root, with_cat if is_added else without)
    assert stopped.worked() == (0, 0)
    stopped.verify()


def _change(daemon: Daemon, change: Callable[[], object], names: Iterable[str]) -> None:
    """Start it, change its root, wait until it knows, stop it."""
    daemon.start()
    change()
    daemon.wait_found(Path(daemon.status()["roots"][0]["path"]), names)
    daemon.stop()


def test_verify_repairs_nothing_when_nothing_is_wrong(stopped: Daemon, root: Path) -> None:
    stopped.start()
    stopped.wait_found(root, album.SEED)

    assert stopped.ctl("verify", "--repair").returncode == 0

    stopped.wait_found(root, album.SEED)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with little room, yet enough for a write-ahead log of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=40m", "clipd-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("a full disk needs a small file system, and mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill_up(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return filler


def test_a_full_disk_stops_no_search_and_is_recovered_from(
    small_disk: Path, daemons: Daemons, seed: FirstCrawl, root: Path
) -> None:
    daemon = _moved_to(small_disk, daemons.new([root], seed=seed))
    daemon.start()
    daemon.wait_found(root, album.SEED)
    daemon.wait_idle()
    pid = daemon.pid

    filler = _fill_up(small_disk)
    names = [f"{number}.jpg" for number in range(200)]
    for name in names:
        album.save(root / name, album.picture("beach"))
    daemon.wait_until(lambda: "no room" in str(daemon.status()["problems"]), what="it is said")
    assert daemon.found(root) >= {os.fsencode(name) for name in album.SEED}
    assert b"no room" in daemon.ctl("status").stdout
    filler.unlink()

    daemon.wait_found(root, [*names, *album.SEED])
    daemon.wait_idle()
    assert daemon.status()["problems"] == []
    assert daemon.pid == pid
    assert "corrupt" not in daemon.log()
    daemon.verify()
    daemon.stop()


def _moved_to(disk: Path, daemon: Daemon) -> Daemon:
    """Have a daemon keep its state on another disk."""
    state = daemon.home / "state"
    subprocess.run(["cp", "-a", f"{state}/.", str(disk)], check=True)
    daemon.environment["XDG_STATE_HOME"] = str(disk)
    return daemon


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_start_on_a_full_disk_answers_and_recovers_by_itself(
    small_disk: Path, daemons: Daemons, seed: FirstCrawl, root: Path, is_killed: bool
) -> None:
    daemon = _moved_to(small_disk, daemons.new([root], seed=seed)).start()
    daemon.wait_found(root, album.SEED)
    daemon.wait_idle()
    daemon.kill() if is_killed else daemon.stop()
    filler = _fill_up(small_disk)

    daemon.start()
    daemon.wait_found(root, album.SEED)
    pid = daemon.pid
    album.save(root / "new.jpg", album.picture("beach"))
    if not is_killed:  # what a kill leaves has room for a photo
        (problem,) = daemon.status()["problems"]
        assert "no room" in problem
        daemon.wait_until(lambda: daemon.status()["backlog"], what="the new photo waits")
    filler.unlink()

    daemon.wait_found(root, [*album.SEED, "new.jpg"])
    daemon.wait_idle()
    assert (daemon.status()["problems"], daemon.pid) == ([], pid)
    daemon.verify()
    daemon.stop()


def test_a_start_on_a_read_only_disk_answers_and_recovers_by_itself(
    small_disk: Path, daemons: Daemons, seed: FirstCrawl, root: Path
) -> None:
    daemon = _moved_to(small_disk, daemons.new([root], seed=seed)).start()
    daemon.wait_found(root, album.SEED)
    daemon.stop()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    daemon.start()
    daemon.wait_found(root, album.SEED)
    assert "cannot be written" in str(daemon.status()["problems"])
    pid = daemon.pid
    album.save(root / "new.jpg", album.picture("beach"))
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)

    daemon.wait_found(root, [*album.SEED, "new.jpg"])
    daemon.wait_idle()
    assert (daemon.status()["problems"], daemon.pid) == ([], pid)
    daemon.verify()
    daemon.stop()


def test_a_catalog_that_another_program_writes_stops_no_start_and_no_search(
    stopped: Daemon, root: Path
) -> None:
    with contextlib.closing(sqlite3.connect(_catalog(stopped), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        stopped.start()
        stopped.wait_found(root, album.SEED)
        album.save(root / "new.jpg", album.picture("beach"))
        stopped.wait_until(
            lambda: "another program" in str(stopped.status()["problems"]), what="it is said"
        )
        other.execute("ROLLBACK")

    stopped.wait_found(root, [*album.SEED, "new.jpg"])
    stopped.wait_idle()
    assert stopped.status()["problems"] == []
    stopped.verify()
