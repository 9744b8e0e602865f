from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipd.config.options import IndexConfig
from clipd.store.backup import open_catalog
from clipd.store.follow import IndexFollower
from clipd.store.index_protocol import Follower
from clipd.store.reader import CatalogReader
from tests.store.stock import Stock, a_model, a_vector

# Where there is one, a disk in memory: each example makes a catalog of its own.
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None

PATHS = st.sampled_from([b"/photos/%s/%d" % (folder, n) for folder in (b"a", b"b") for n in (1, 2)])
CONTENTS = st.integers(0, 3)
CHANGES = st.one_of(
    st.tuples(st.just("put"), PATHS, CONTENTS),
    st.tuples(st.just("put without vector"), PATHS, CONTENTS),
    st.tuples(st.just("vector"), PATHS, CONTENTS),
    st.tuples(st.just("forget"), PATHS, CONTENTS),
    st.tuples(st.just("fail"), PATHS, CONTENTS),
    st.tuples(
        st.sampled_from(["purge", "revive", "retire", "catch up", "save", "restart"]),
        PATHS,
        CONTENTS,
    ),
)


class Expected:
    """What must be in the index, by the simplest means."""

    def __init__(self, stock: Stock) -> None:
        self.stock = stock
        self.live: dict[bytes, int] = {}  # path -> content
        self.dead: dict[bytes, int] = {}
        self.vectors: set[int] = set()  # contents

    def apply(self, change: tuple[str, bytes, int]) -> None:
        what, path, content = change
        catalog = self.stock.catalog
        if what == "retire":
            list(catalog.retire_roots([], now=50))
            self.dead |= self.live
            self.live = {}
        with catalog.writing():
            if what.startswith("put"):
                self.live[path] = content
                self.dead.pop(path, None)
                self.vectors |= set() if what != "put" else {content}
                self.stock.put(path, content, vector=what == "put")
            elif what == "vector" and path in self.live:
                photo = self.stock.put(path, self.live[path], vector=False)
                catalog.put_vector(self.stock.model, photo, a_vector(content))
                self.vectors.add(self.live[path])
            elif what in ("forget", "fail"):
                if path in self.live:
                    self.dead[path] = self.live.pop(path)
                self.lose(path, fail=what == "fail")
            elif what == "revive":
                catalog.revive(self.stock.root, since=0)
                for dead in [path for path in self.dead if catalog.failure(path) is None]:
                    self.live[dead] = self.dead.pop(dead)
            elif what == "retire":
                catalog.root(b"/photos")
            elif what == "purge":
                catalog.purge(before=10**11)
                self.dead = {}
                self.vectors &= set(self.live.values())

    def lose(self, path: bytes, fail: bool) -> None:
        catalog = self.stock.catalog
        if fail:
            catalog.put_failure(self.stock.root, path, None, "corrupt", "no picture", 50)
        else:
            catalog.forget_path(path, 50)

    def ids(self) -> list[int]:
        contents = set(self.live.values()) & self.vectors
        found = [self.stock.put_id(content) for content in contents]
        return sorted(found)


@settings(max_examples=60, deadline=None)
@given(changes=st.lists(CHANGES, max_size=40))
def test_after_any_changes_the_index_holds_what_belongs_in_it(
    changes: list[tuple[str, bytes, int]],
) -> None:
    change_and_compare(changes, "")


@settings(max_examples=6, deadline=None)
@given(changes=st.lists(CHANGES, max_size=40))
def test_after_any_changes_a_milvus_holds_what_belongs_in_it(
    milvus: str, changes: list[tuple[str, bytes, int]]
) -> None:
    change_and_compare(changes, milvus)


def change_and_compare(changes: list[tuple[str, bytes, int]], engine: str) -> None:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder, Stock(Path(folder)) as stock:
        follower, expected = stock.following(engine), Expected(stock)
        follower.start()
        for change in changes:
            expected.apply(change)
            if change[0] == "catch up":
                follower.catch_up()
            elif change[0] == "save":
                follower.catch_up()
                save_and_trim(stock, follower)
            elif change[0] == "restart":
                follower.close()
                follower = stock.following(engine)
                follower.start()
        follower.catch_up()

        assert sorted(follower.index.ids()) == expected.ids()
        assert follower.differences() == ([], [])
        assert stock.reader.damage().sentences == []
        for photo in follower.index.ids():
            vector = stock.reader.vectors.of_photo(stock.model, int(photo))
            assert vector is not None
            products = follower.index.search(vector, 10)
            assert photo in products[0][np.isclose(products[1], vector @ vector, atol=1e-3)]


def save_and_trim(stock: Stock, follower: Follower) -> None:
    upto = follower.save()
    with stock.catalog.writing():
        stock.catalog.trim_journal(upto)


def test_a_start_takes_the_snapshot_and_only_what_changed_since(stock: Stock) -> None:
    stock.fill(50)
    first = stock.follower()
    assert first.start() == "index: 50 photos, built from the catalog"
    save_and_trim(stock, first)
    with stock.catalog.writing():
        stock.catalog.forget_path(b"/photos/000003.jpg", 50)

    again = stock.follower()

    assert again.start() == "index: 49 photos, 1 changes after the snapshot"
    assert again.differences() == ([], [])


def test_a_rename_or_a_copy_leaves_the_index_untouched(stock: Stock, engine: str) -> None:
    (photo,) = stock.fill(1)
    follower = stock.following(engine)
    follower.start()
    with stock.catalog.writing():
        assert stock.put(b"/photos/copy.jpg", 0, vector=False) == photo
        stock.catalog.forget_path(b"/photos/000000.jpg", 50)

    assert follower.catch_up() == 0
    assert follower.differences() == ([], [])


def test_models_never_mix_in_one_index(stock: Stock, engine: str) -> None:
    one, two = stock.fill(2)
    other = a_model("two", dim=8)
    follower = stock.following(engine, spec=other)
    assert follower.start().startswith("index: 0 photos")
    with stock.catalog.writing():
        stock.catalog.put_vector(stock.catalog.model(other), two, a_vector(5, dim=8))
        stock.catalog.put_vector(stock.model, one, a_vector(6))

    follower.catch_up()

    assert follower.index.ids().tolist() == [two]


def test_a_journal_that_was_cut_too_far_means_a_rebuild(stock: Stock, engine: str) -> None:
    stock.fill(5)
    follower = stock.following(engine)
    follower.start()
    with stock.catalog.writing():
        stock.put(b"/photos/new.jpg", 9)
        stock.catalog.trim_journal(stock.reader.journal.span()[1])

    follower.catch_up()

    assert follower.differences() == ([], [])
    assert len(follower.index) == 6


def test_counts_that_are_wrong_are_named_and_repaired(stock: Stock) -> None:
    stock.fill(3)
    with contextlib.closing(sqlite3.connect(stock.file)) as connection, connection:
        connection.execute("UPDATE tallies SET value = 77 WHERE what = 'photos'")
        connection.execute("UPDATE photos SET live = 5 WHERE id = 1")
    assert len(stock.reader.damage().sentences) == 3

    with stock.catalog.writing():
        stock.catalog.repair(stock.reader.damage())

    assert stock.reader.damage().sentences == []


def test_a_snapshot_is_stale_after_many_changes_only(stock: Stock) -> None:
    follower = stock.follower()
    follower.start()
    stock.fill(4999)
    follower.catch_up()
    assert not follower.is_stale()
    with stock.catalog.writing():
        stock.put(b"/photos/new.jpg", 10**6)
    follower.catch_up()
    assert follower.is_stale()

    follower.save()

    assert not follower.is_stale()


_WRITE_UNTIL_KILLED = """
import sys
from pathlib import Path
from random import Random
from tests.store.stock import Stock
random = Random(int(sys.argv[2]))
stock = Stock(Path(sys.argv[1]))
follower = stock.follower()
follower.start()
first = stock.reader.counts(stock.model).photos
for step in range(first, 10**6):
    with stock.catalog.writing():
        stock.put(b"/photos/%d" % step, step)
        if step % 3 == 0:
            stock.put(b"/photos/copy-%d" % step, random.randrange(step + 1))
    print(step + 1, flush=True)
    follower.catch_up()
    if step % 7 == 0:
        upto = follower.save()
        with stock.catalog.writing():
            stock.catalog.trim_journal(upto)
"""


@pytest.mark.slow
def test_killed_at_any_moment_nothing_acknowledged_is_lost_and_the_index_agrees(
    tmp_path: Path,
) -> None:
    random = Random(11)
    for life in range(8):
        acknowledged = _live_and_die(tmp_path, life, random)

        catalog, note = open_catalog(tmp_path, now=0)
        reader = CatalogReader(tmp_path / "catalog.sqlite")
        with catalog.writing():
            model = catalog.model(a_model())
        follower = IndexFollower(reader, model, a_model(), IndexConfig(), tmp_path / "index")
        follower.start()
        assert note is None
        assert reader.counts(model).photos >= acknowledged > 0
        assert reader.damage().sentences == []
        assert follower.differences() == ([], [])
        reader.close()
        catalog.close()


def _live_and_die(folder: Path, seed: int, random: Random) -> int:
    """Let a child write until a random moment; return the last photo it told of."""
    command = [sys.executable, "-c", _WRITE_UNTIL_KILLED, str(folder), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(random.randrange(5, 40))]
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(random.random() * 0.01)  # anywhere within a transaction or a snapshot
        child.kill()
        lines += child.stdout.readlines()
    # The last line may be cut; the number in it is then too small, which is no less true.
    return int(next(line for line in reversed(lines) if line.strip()))
