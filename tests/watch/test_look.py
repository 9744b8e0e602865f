from __future__ import annotations

import subprocess

from clipd.watch.look import Looker
from tests.watch.conftest import Mounting
from tests.watch.library import Library


def test_what_lies_on_a_volume_that_nobody_has_noted_is_not_told(
    library: Library, mounting: Mounting
) -> None:
    card, looker = library.photos / "card", Looker(library.roots, library.rules)
    mounting(card)
    path = library.save("card/IMG_1.jpg", b"the first card's")
    gone = library.save("card/IMG_2.jpg")
    library.index_all()
    device = looker.look(path).fingerprint
    assert device is not None

    subprocess.run(["umount", str(card)], check=True)
    mounting(card)
    library.save("card/IMG_1.jpg", b"the second card's")
    assert looker.look(path).kind == "unsure"
    assert looker.look(gone, device.device).kind == "unsure"
    assert looker.fingerprint(path) is None

    library.check()
    assert looker.look(path).kind == "file"
    assert looker.fingerprint(path) is not None


def test_mounts_elsewhere_keep_nobody_from_looking(library: Library, mounting: Mounting) -> None:
    looker = Looker(library.roots, library.rules)
    path = library.save("a.jpg")
    library.index_all()
    mounting(library.photos.parent / "elsewhere")
    assert looker.look(path).kind == "file"
