from __future__ import annotations

import os
import threading
from random import Random

from clipd.store.rows import KnownFile
from tests.store.stock import Stock, a_print


def test_a_folder_shows_photos_and_failures_by_name_but_nothing_below_it(stock: Stock) -> None:
    with stock.catalog.writing():
        for number, name in enumerate((b"d", b"b", b"\xff", b"gone", b"a/deep")):
            stock.put(b"/photos/" + name, number)
        stock.catalog.forget_path(b"/photos/gone", 50)
        stock.catalog.put_failure(stock.root, b"/photos/c", a_print(9), "corrupt", "no", 50)
        stock.catalog.put_failure(stock.root, b"/photos/e.txt", None, "skipped", "no", 50)

    pages = [stock.reader.folder_rows(b"/photos", after, 3) for after in (b"", b"d", b"\xff")]

    assert pages == [
        [
            KnownFile(b"b", a_print(1), None),
            KnownFile(b"c", a_print(9), "corrupt"),
            KnownFile(b"d", a_print(0), None),
        ],
        [KnownFile(b"e.txt", None, "skipped"), KnownFile(b"\xff", a_print(2), None)],
        [],
    ]


def test_the_folders_of_a_root_are_paged_in_order(stock: Stock) -> None:
    random = Random(3)
    folders = sorted({b"/photos" + b"/x" * random.randrange(4) + b"/%d" % n for n in range(20)})
    with stock.catalog.writing():
        other = stock.catalog.root(b"/photos2")
        for number, folder in enumerate([b"/photos", *folders, b"/photos/dead"]):
            for name in (b"/1", b"/2"):
                stock.put(folder + name, number)
        for name in (b"/1", b"/2"):
            stock.catalog.forget_path(b"/photos/dead" + name, 50)
        stock.catalog.put_path(other, b"/photos2/a", a_print(1), 1)
        stock.catalog.put_failure(stock.root, b"/photos/only/fails", None, "empty", "no bytes", 50)
        stock.catalog.put_failure(other, b"/photos2/b/f", None, "empty", "no bytes", 50)

    found: list[bytes] = []
    while page := stock.reader.folders(stock.root, found[-1] if found else b"", 3):
        found += page

    assert found == sorted([b"/photos", b"/photos/only", *folders])
    assert stock.reader.folders(other, b"", 10) == [b"/photos2", b"/photos2/b"]
    assert stock.reader.folders(99, b"", 10) == []


def test_errors_are_paged_with_or_without_the_skipped(stock: Stock) -> None:
    with stock.catalog.writing():
        for n in range(6):
            kind = "skipped" if n % 2 else "corrupt"
            path = b"/photos/%d/f" % n
            stock.catalog.put_failure(stock.root, path, None, kind, "no", 50)  # type: ignore[arg-type]

    every = [row.path for row in stock.reader.failures(b"", 10, skipped=True)]
    errors = [row.path for row in stock.reader.failures(b"/photos/0/f", 1, skipped=False)]

    assert every == [b"/photos/%d/f" % n for n in range(6)]
    assert errors == [b"/photos/2/f"]
    counts = stock.reader.counts(stock.model)
    assert (counts.errors, counts.skipped) == (3, 3)


def test_a_photo_is_located_at_all_its_live_paths_in_order(stock: Stock) -> None:
    with stock.catalog.writing():
        photo = stock.put(b"/photos/b", 1)
        stock.put(b"/photos/a", 1)
        stock.put(b"/photos/gone", 1)
        stock.catalog.forget_path(b"/photos/gone", 50)

    assert [where.path for where in stock.reader.locate([photo, 99])[photo]] == [
        b"/photos/a",
        b"/photos/b",
    ]
    assert stock.reader.locate([]) == {}


def test_readers_in_many_threads_see_only_what_was_committed_whole(stock: Stock) -> None:
    """Each transaction adds a pair, so an odd count would be half of one."""
    odd: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            ids = stock.reader.vectors.indexable_ids(stock.model, 0, 1000)
            if len(ids) % 2 or stock.reader.counts(stock.model).photos % 2:
                odd.append(len(ids))

    threads = [threading.Thread(target=read) for _ in range(12)]
    for thread in threads:
        thread.start()
    for pair in range(50):
        with stock.catalog.writing():
            stock.put(b"/photos/%d/a" % pair, 2 * pair)
            stock.put(b"/photos/%d/b" % pair, 2 * pair + 1)
    done.set()
    for thread in threads:
        thread.join()

    assert odd == []
    assert stock.reader.counts(stock.model).photos == 100


def test_a_reader_never_keeps_the_wal_from_being_cut(stock: Stock) -> None:
    stock.fill(50)
    stock.reader.folder_rows(b"/photos", b"", 3)
    stock.reader.vectors.indexable(stock.model, 0, 3)
    stock.reader.damage()

    stock.catalog.checkpoint()

    assert stock.file.with_name("catalog.sqlite-wal").stat().st_size == 0


def test_connections_are_used_again_and_none_is_left_open(stock: Stock) -> None:
    def held() -> int:
        links = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
        return sum(os.path.realpath(link) == os.path.realpath(stock.file) for link in links)

    threads = [threading.Thread(target=stock.reader.counts, args=(stock.model,)) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # SQLite itself keeps some descriptors until the last connection of the process is closed
    # (closing one would drop the locks of the others), and takes them up again.
    assert held() <= 1 + len(threads)
    once = held()
    for _ in range(100):
        stock.reader.counts(stock.model)
    assert held() == once
    stock.reader.close()
    stock.catalog.close()
    assert held() == 0
