"""`clipctl verify` against a daemon whose disk, catalog or index was tampered with."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clipd.watch.statx import stat_with_birth
from tests.daemon import album
from tests.daemon.commands import program
from tests.daemon.conftest import Daemons, FirstCrawl
from tests.daemon.harness import Daemon

pytestmark = pytest.mark.slow

EXPONENT_BIT = 0x40  # of the second byte of a number in half precision


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of the seed pictures."""
    return album.fill(tmp_path / "root")


@pytest.fixture
def daemon(daemons: Daemons, seed: FirstCrawl, root: Path) -> Daemon:
    """A daemon at rest that knows the seed pictures."""
    daemon = daemons.new([root], seed=seed).start()
    daemon.wait_found(root, album.SEED)
    daemon.wait_idle()
    return daemon


def found(daemon: Daemon, *options: str) -> dict[str, int]:
    """Return what a check finds, by kind; its exit code must say whether that is anything."""
    done = daemon.ctl("verify", *options, "--json", ok=False)
    verdict: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if verdict["ok"] else 1)
    assert verdict["ok"] is (verdict["differences"] == [])
    return {one["kind"]: one["count"] for one in verdict["differences"]}


@contextlib.contextmanager
def tampering(daemon: Daemon) -> Iterator[sqlite3.Connection]:
    """Write to the catalog behind the daemon's back, in one transaction."""
    with contextlib.closing(
        sqlite3.connect(daemon.state_folder() / "catalog.sqlite", timeout=30)
    ) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.commit()


def test_what_agrees_is_said_to_agree_to_the_last_byte(daemon: Daemon, root: Path) -> None:
    verdict = daemon.verify("--deep")
    assert verdict["files"] == len(album.SEED)
    assert verdict["bytes_read"] == sum(file.stat().st_size for file in root.iterdir())
    assert b"disk, catalog and index agree" in daemon.ctl("verify", "--disk").stderr


def test_a_path_that_exists_nowhere_is_found_and_taken_out(daemon: Daemon, root: Path) -> None:
    with tampering(daemon) as catalog:
        columns = "root_id, folder, photo_id, size_bytes, mtime_ns, ctime_ns, inode, device"
        catalog.execute(
            f"INSERT INTO paths (name, {columns}) SELECT ?, {columns} FROM paths WHERE name = ?",
            (b"ghost.jpg", b"cat.jpg"),
        )
    daemon.verify()  # catalog and index agree about it

    assert found(daemon, "--disk") == {"gone": 1}
    said = daemon.ctl("verify", "--disk", ok=False)
    assert os.fsencode(root / "ghost.jpg") in said.stdout
    assert b"clipctl verify --disk --repair" in said.stderr

    assert found(daemon, "--disk", "--repair") == {}
    daemon.wait_found(root, album.SEED)
    daemon.verify("--disk")


def test_a_file_that_is_not_known_is_found_and_taken_in(daemon: Daemon, root: Path) -> None:
    with tampering(daemon) as catalog:
        catalog.execute("DELETE FROM paths WHERE name = ?", (b"cat.jpg",))
    daemon.wait_found(root, album.SEED.keys() - {"cat.jpg"})

    assert found(daemon, "--disk") == {"unknown": 1}
    assert found(daemon, "--disk", "--repair") == {}
    daemon.wait_found(root, album.SEED)


def test_a_fingerprint_that_differs_is_found_and_read_again(daemon: Daemon) -> None:
    with tampering(daemon) as catalog:
        catalog.execute("UPDATE paths SET mtime_ns = 5 WHERE name = ?", (b"cat.jpg",))
    assert found(daemon, "--disk") == {"changed": 1}
    assert found(daemon, "--disk", "--repair") == {}
    daemon.verify("--disk")


def test_a_photo_that_was_silently_replaced_is_found_and_encoded_anew(
    daemon: Daemon, root: Path
) -> None:
    """The catalog says of the new file what it should say of the old one, and all looks well."""
    daemon.stop()
    cat = root / "cat.jpg"
    size = cat.stat().st_size
    cat.write_bytes(album.picture("beach", seed=7)[:size].ljust(size, b"\0"))
    seen = stat_with_birth(os.fsencode(cat)).fingerprint
    with tampering(daemon) as catalog:
        catalog.execute(
            "UPDATE paths SET mtime_ns = ?, ctime_ns = ?, born_ns = ? WHERE name = ?",
            (seen.mtime_ns, seen.ctime_ns, seen.born_ns, b"cat.jpg"),
        )
    daemon.start()
    daemon.wait_idle()
    before = daemon.search("a cat")[0]
    assert before["path"] == str(cat)  # the wrong answer
    daemon.verify("--disk")

    assert found(daemon, "--deep") == {"content": 1}
    assert found(daemon, "--deep", "--repair") == {}
    daemon.wait_idle()
    daemon.verify("--deep")
    shown = {hit["path"]: hit["photo"] for hit in daemon.search("a cat")}
    assert shown.get(str(cat)) != before["photo"]


def test_a_flipped_bit_of_a_stored_vector_is_found_dropped_and_encoded_again(
    daemon: Daemon, root: Path
) -> None:
    daemon.stop()
    file = daemon.state_folder() / "catalog.sqlite"
    with contextlib.closing(sqlite3.connect(file)) as catalog:
        (blob,) = catalog.execute("SELECT vector FROM vectors ORDER BY photo_id").fetchone()
    data = bytearray(file.read_bytes())
    assert data.count(blob) == 1
    data[data.find(blob) + 1] ^= EXPONENT_BIT
    file.write_bytes(data)
    daemon.start()
    daemon.wait_idle()

    assert found(daemon) == {"vector": 1}
    encoded = daemon.status()["encoded"]
    assert found(daemon, "--repair") == {}
    daemon.wait_until(lambda: daemon.status()["encoded"] == encoded + 1, what="encoded again")
    daemon.wait_found(root, album.SEED)
    assert max(hit["score"] for hit in daemon.search("sunset")) <= 1
    daemon.verify()


def test_an_index_that_holds_too_much_and_then_too_little_is_mended(
    daemon: Daemon, root: Path
) -> None:
    """The journal, from which the index learns of changes, is kept from noting them."""
    for gone_at, kind in ((5, "index-holds"), (None, "index-lacks")):
        with tampering(daemon) as catalog:
            sql = "SELECT sql FROM sqlite_master WHERE name = 'photo_came_or_left'"
            (trigger,) = catalog.execute(sql).fetchone()
            catalog.execute("DROP TRIGGER photo_came_or_left")
            catalog.execute("UPDATE paths SET gone_at = ? WHERE name = ?", (gone_at, b"cat.jpg"))
            catalog.execute(trigger)
        wrong = found(daemon)
        assert wrong[kind] == 1
        assert set(wrong) == {kind, "count"}
        assert found(daemon, "--repair") == {}
        daemon.verify()
    daemon.wait_found(root, album.SEED)
    daemon.verify("--deep")


def test_a_root_that_is_away_is_passed_over_and_named(
    daemons: Daemons, seed: FirstCrawl, root: Path, tmp_path: Path
) -> None:
    drive = album.fill(tmp_path / "drive")
    daemon = daemons.new([root, drive], seed=seed).start()
    daemon.wait_found(root, album.SEED)
    daemon.wait_found(drive, album.SEED)
    drive.rename(tmp_path / "unplugged")
    daemon.wait_until(lambda: daemon.root_states()[str(drive)] == "offline", what="offline")

    said = daemon.ctl("verify", "--deep", "--repair")
    assert f"passed over {drive}: the folder is missing".encode() in said.stderr
    assert f"({len(album.SEED)} files)".encode() in said.stderr
    daemon.wait_found(drive, album.SEED)  # offline, and kept


@contextlib.contextmanager
def checking(daemon: Daemon, root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have a check begin that lasts: it waits for what is on its way, and a file is written on."""
    with (root / "growing.jpg").open("wb", buffering=0) as growing:
        growing.write(b"\xff\xd8")
        daemon.wait_until(lambda: daemon.status()["backlog"], what="it is noticed")
        with tampering(daemon) as catalog:
            catalog.execute("UPDATE paths SET mtime_ns = 5 WHERE name = ?", (b"cat.jpg",))
        with subprocess.Popen(
            [*program("clipd.ctl.command"), "verify", "--disk"],
            env=daemon.environment_of(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as check:
            daemon.wait_until(lambda: "a check begins" in daemon.log())
            yield check


def test_a_check_under_way_does_not_hold_up_the_stop(daemon: Daemon, root: Path) -> None:
    with checking(daemon, root) as check:
        assert daemon.stop() < 8
        _, said = check.communicate(timeout=30)
    assert check.returncode == 4
    assert b"the check was ended before it was done" in said


def test_ctrl_c_ends_the_check_in_the_daemon_too(daemon: Daemon, root: Path) -> None:
    with checking(daemon, root) as check:
        check.send_signal(signal.SIGINT)
        assert check.wait(30) == 130
        daemon.wait_until(lambda: "a check ended early" in daemon.log())
