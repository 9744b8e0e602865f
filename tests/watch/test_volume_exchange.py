"""Until the catalog has noted a volume it is told of it, and not told twice at once."""

from __future__ import annotations

import subprocess

from clipd.watch.root import RootChange, VolumeChange
from clipd.watch.volume_exchange import VolumeExchange
from tests.watch.conftest import Mounting
from tests.watch.library import Library


class Noting:
    """An exchange of a library's volumes; what it tells is noted when the test says so."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.told: list[tuple[VolumeChange, ...]] = []
        self.exchange = VolumeExchange(library.roots.volumes(library.root), self.told.append)

    def note(self) -> None:
        library = self._library
        state = library.roots.state(library.root.id)
        change = RootChange(library.root, None, state, volumes=self.told[-1])
        library.keeper.root_changed(change)
        library.inbox.run_calls()


def test_a_new_volume_is_told_of_once_and_looked_for_until_it_is_noted(library: Library) -> None:
    noting = Noting(library)
    exchange = noting.exchange

    assert not exchange.check()
    assert not exchange.check()
    assert len(noting.told) == 1
    assert exchange.is_soon_over
    assert not exchange.is_under_way  # no path of another volume is in the catalog

    noting.note()
    assert not exchange.check()
    assert not exchange.is_soon_over


def test_an_exchange_is_under_way_until_the_catalog_has_moved_the_paths(
    library: Library, mounting: Mounting
) -> None:
    card = library.photos / "card"
    for text in ("first", "the second"):
        mounting(card)
        library.save("card/a.jpg", text.encode())
        if text == "first":
            library.index_all()
            subprocess.run(["umount", str(card)], check=True)
    noting = Noting(library)

    assert not noting.exchange.check()
    assert noting.exchange.is_under_way
    assert library.known() == {b"card/a.jpg"}

    noting.note()
    assert noting.exchange.check()
    assert not noting.exchange.is_under_way
    assert library.known() == set()
    assert not noting.exchange.check()


def test_a_root_that_is_not_there_has_nothing_to_exchange(library: Library) -> None:
    library.photos.rmdir()
    noting = Noting(library)

    assert not noting.exchange.check()

    assert noting.told == []
    assert not noting.exchange.is_under_way
