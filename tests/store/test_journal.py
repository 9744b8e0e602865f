"""The journal tells which photos have changed, for as long as it has not been trimmed."""

from __future__ import annotations

from tests.store.stock import Stock


def test_a_photo_that_changed_often_is_told_of_once_a_page(stock: Stock) -> None:
    with stock.catalog.writing():
        first, second = stock.put(b"/photos/a", 1), stock.put(b"/photos/b", 2)
    _, known = stock.reader.journal.span()

    with stock.catalog.writing():
        for path in (b"/photos/b", b"/photos/a"):
            stock.catalog.forget_path(path, 50)
        stock.put(b"/photos/b", 2)

    last, photos = stock.reader.journal.after(known, 100)
    assert photos == [second, first]
    assert stock.reader.journal.span() == (0, last)
    assert stock.reader.journal.after(last, 100) == (last, [])
    # A page ends where it is full; the next begins behind it.
    seq, page = stock.reader.journal.after(known, 1)
    assert (seq, page) == (known + 1, [second])
    assert stock.reader.journal.after(seq, 1) == (seq + 1, [first])


def test_the_span_stays_when_all_is_trimmed_and_grows_from_there(stock: Stock) -> None:
    journal = stock.reader.journal
    assert journal.span() == (0, 0)
    stock.fill(3)
    _, head = journal.span()

    with stock.catalog.writing():
        stock.catalog.trim_journal(head)
    assert journal.span() == (head, head)

    with stock.catalog.writing():
        stock.put(b"/photos/late", 9)
    floor, later = journal.span()
    assert (floor, journal.after(floor, 100)[0]) == (head, later)
    assert later > head


def test_another_line_of_history_has_another_token(stock: Stock) -> None:
    before = stock.reader.journal.lineage()
    assert before == stock.reader.journal.lineage() != ""

    with stock.catalog.writing():
        stock.catalog.renew_lineage()

    assert stock.reader.journal.lineage() != before
