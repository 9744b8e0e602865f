"""Random operations on files: the catalog always comes to say what the disk says.

A plain dictionary of path -> bytes is the truth. The operations are those that fooled earlier
versions: inodes that are used again at once, files of one size and one time, edits that keep
size and time, hard links, and paths that are looked at in any order while all this goes on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from clipd.ingest.settling import ToRead
from tests.writepath import write_path

NAMES = [f"{folder}{name}.jpg" for folder in ("", "x/", "y/") for name in "abc"]
FOLDERS = ["x", "y", "z"]
MTIME = 1_600_000_000  # of every file: only the size of one file differs from that of another
name = st.sampled_from(NAMES)
content = st.sampled_from([b"1111", b"2222", b"3333", b"55555"])


class Truth(RuleBasedStateMachine):
    """A folder, a catalog that follows it, and a dictionary of what is in the folder."""

    def __init__(self) -> None:
        super().__init__()
        self.running = ExitStack()
        folder = Path(tempfile.mkdtemp(prefix="truth-"))
        self.running.callback(shutil.rmtree, folder)
        self.house = self.running.enter_context(write_path(folder))
        self.truth: dict[str, bytes] = {}
        self.keep("keep.jpg", b"the root is never empty")

    def teardown(self) -> None:
        self.running.close()

    # What a user does.

    @rule(name=name, content=content)
    def save(self, name: str, content: bytes) -> None:
        """Write a new file in place of whatever was there, as converters and cameras do."""
        if name in self.truth:
            os.unlink(self.house.path(name))
        self.keep(name, content)

    @rule(name=name, content=content)
    def edit_in_place(self, name: str, content: bytes) -> None:
        """Write other bytes into a file, and give it back its time."""
        if len(self.truth.get(name, b"")) != len(content):
            return
        inode = os.stat(self.house.path(name)).st_ino
        with open(self.house.path(name), "r+b") as file:
            file.write(content)
        os.utime(self.house.path(name), (MTIME, MTIME))
        for other in self.truth:
            if os.stat(self.house.path(other)).st_ino == inode:
                self.truth[other] = content

    @rule(name=name)
    def delete(self, name: str) -> None:
        if self.may_lose(name):
            os.unlink(self.house.path(name))
            del self.truth[name]

    @rule(old=name, new=name)
    def rename(self, old: str, new: str) -> None:
        if old != new and self.may_lose(old) and not self.is_same_inode(old, new):
            os.makedirs(os.path.dirname(self.house.path(new)), exist_ok=True)
            os.rename(self.house.path(old), self.house.path(new))
            self.truth[new] = self.truth.pop(old)

    @rule(old=name, new=name)
    def link(self, old: str, new: str) -> None:
        if self.may_lose(old) and new not in self.truth:
            os.makedirs(os.path.dirname(self.house.path(new)), exist_ok=True)
            os.link(self.house.path(old), self.house.path(new))
            self.truth[new] = self.truth[old]

    @rule(old=st.sampled_from(FOLDERS), new=st.sampled_from(FOLDERS))
    def rename_folder(self, old: str, new: str) -> None:
        inside = [each for each in self.truth if each.startswith(f"{old}/")]
        taken = any(each.startswith(f"{new}/") for each in self.truth)
        if old == new or taken or not inside or not all(map(self.may_lose, inside)):
            return
        shutil.rmtree(self.house.path(new), ignore_errors=True)
        os.rename(self.house.path(old), self.house.path(new))
        for each in inside:
            self.truth[new + each[len(old) :]] = self.truth.pop(each)

    # What clipd does meanwhile.

    @rule(name=name)
    def an_event_comes(self, name: str) -> None:
        self.settle(self.house.path(name))

    @rule()
    def a_scan_is_over(self) -> None:
        for _ in range(20):
            paths = self.house.differing()
            if not paths:
                break
            for path in paths:
                self.settle(path)
        assert self.known() == self.truth

    # The means.

    def keep(self, name: str, content: bytes) -> None:
        path = self.house.save(name, content)
        os.utime(path, (MTIME, MTIME))
        self.truth[name] = content

    def may_lose(self, name: str) -> bool:
        return name in self.truth and name != "keep.jpg"

    def is_same_inode(self, old: str, new: str) -> bool:
        # rename(2) of one hard link onto another of the same file does nothing at all.
        paths = self.house.path(old), self.house.path(new)
        return os.path.exists(paths[1]) and os.path.samefile(*paths)

    def settle(self, path: bytes) -> None:
        catalog = self.house.catalog
        with catalog.writing():
            found = self.house.settler.settle(path)
            if isinstance(found, ToRead):
                self.record(path)
                return
        for below in found or ():
            self.settle(below)

    def record(self, path: bytes) -> None:
        content_hash = hashlib.blake2b(Path(os.fsdecode(path)).read_bytes(), digest_size=16)
        photo = self.house.catalog.add_photo(content_hash.digest(), 1, 1, "JPEG", "", 1)
        seen = self.house.looker.fingerprint(path)
        assert seen is not None
        self.house.catalog.put_path(self.house.root.id, path, seen, photo)

    def known(self) -> dict[str, bytes]:
        """Return what the catalog says of the folder, by the bytes that each hash stands for."""
        contents = {
            hashlib.blake2b(content, digest_size=16).digest(): content
            for content in (b"1111", b"2222", b"3333", b"55555", b"the root is never empty")
        }
        catalog = sqlite3.connect(self.house.reader.file)
        with closing(catalog):
            rows = catalog.execute(
                "SELECT folder, name, content_hash FROM paths"
                " JOIN photos ON photos.id = photo_id WHERE gone_at IS NULL"
            ).fetchall()
        start = len(self.house.root.path) + 1
        return {
            os.fsdecode(os.path.join(folder, name)[start:]): contents[digest]
            for folder, name, digest in rows
        }


pytestmark = pytest.mark.slow

TestTruth = Truth.TestCase
TestTruth.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
