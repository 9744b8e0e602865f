"""What photos say of themselves, through the real daemon: new, old, moved, and from beside them."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from PIL import ExifTags, Image

from tests.daemon import album
from tests.daemon.conftest import Daemons, FirstCrawl
from tests.daemon.harness import Daemon
from tests.decode.test_xmp import bag, packet

pytestmark = pytest.mark.slow


def photograph(scene: str, taken: str, words: tuple[str, ...] = ()) -> bytes:
    """Return a drawn scene as a file that says when and with what it was taken."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Canon", "Canon EOS 80D"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    written = io.BytesIO()
    with Image.open(io.BytesIO(album.picture(scene))) as image:
        xmp = packet(bag("dc:subject", *words))
        image.save(written, "JPEG", exif=exif, xmp=xmp, quality=95)
    return written.getvalue() + album.new()[-20:]


def info(daemon: Daemon, path: Path) -> dict[str, Any]:
    code, answer = daemon.request("GET", "/v1/info?" + urlencode({"path": str(path)}))
    assert code in (200, 404), answer
    return answer if code == 200 else {}


def wait_said(daemon: Daemon, path: Path, **said: object) -> None:
    daemon.wait_until(
        lambda: said.items() <= info(daemon, path).items(), what=lambda: info(daemon, path)
    )


def test_a_new_photo_brings_what_it_says_along(shared: Daemon, folder: Path) -> None:
    photo = album.save(folder / "a.jpg", photograph("beach", "2019:07:12 14:03:22", ("sea",)))
    wait_said(
        shared,
        photo,
        taken="2019-07-12T14:03:22",
        taken_from="exif",
        camera="Canon EOS 80D",
        tags=["sea"],
        is_read=True,
    )
    known = info(shared, photo)
    assert known["sharpness"] > 0
    assert known["models"] == ["pocket"]
    assert shared.request("GET", f"/v1/photos/{known['photo']}") == (200, known)
    assert shared.status()["metadata"] is None
    told = shared.ctl("info", str(photo)).stdout.decode()
    assert "taken     2019-07-12 14:03:22 (from Exif)" in told


def test_a_photo_without_a_date_takes_that_of_its_name_and_of_its_next_name(
    shared: Daemon, folder: Path
) -> None:
    photo = album.save(folder / "IMG-20190712-WA0003.jpg", album.new("forest"))
    wait_said(shared, photo, taken="2019-07-12T00:00:00", taken_from="name")
    before = shared.worked()
    moved = photo.rename(folder / "IMG_20200203_040506.jpg")
    wait_said(shared, moved, taken="2020-02-03T04:05:06", taken_from="name")
    assert shared.worked() == before


def test_a_file_beside_a_photo_counts_without_decoding_the_photo_again(
    shared: Daemon, folder: Path
) -> None:
    photo = album.save(folder / "a.jpg", photograph("beach", "2019:07:12 14:03:22", ("sea",)))
    wait_said(shared, photo, tags=["sea"])
    before, skipped = shared.worked(), shared.status()["skipped"]

    sidecar = album.save(folder / "a.jpg.xmp", packet(bag("dc:subject", "lake"), 'xmp:Rating="5"'))
    wait_said(shared, photo, tags=["lake"], rating=5, taken="2019-07-12T14:03:22")
    shared.wait_idle()
    shared.ctl("verify", "--disk")
    album.save(folder / "a.jpg.xmp", packet(bag("dc:subject", "pond", "duck")))
    wait_said(shared, photo, tags=["duck", "pond"], rating=None)
    sidecar.unlink()
    wait_said(shared, photo, tags=["sea"], rating=None)

    assert shared.worked() == before
    assert shared.status()["skipped"] == skipped
    shared.verify()


def test_a_photo_that_cannot_be_read_is_told_with_the_reason(shared: Daemon, folder: Path) -> None:
    photo = album.save(folder / "cut.jpg", album.new()[:500])
    shared.wait_until(lambda: info(shared, photo))
    known = info(shared, photo)
    assert known["photo"] is None
    assert known["failure"]["kind"] == "corrupt"
    assert shared.request("GET", "/v1/info?path=/nowhere.jpg")[0] == 404
    assert shared.request("GET", f"/v1/photos/{1 << 70}")[0] == 404


def test_a_deleted_photo_is_known_for_a_while(shared: Daemon, folder: Path) -> None:
    photo = album.save(folder / "a.jpg", album.new("rainbow"))
    shared.wait_until(lambda: info(shared, photo))
    photo.unlink()
    shared.wait_until(lambda: info(shared, photo)["paths"][0]["gone_since"] is not None)


def make_older(state: Path) -> None:
    """Take from a catalog what clipd 0.1 did not know."""
    connection = sqlite3.connect(state / "clipd" / "catalog.sqlite")
    with connection:
        connection.execute("DELETE FROM meta")
        connection.execute("DELETE FROM tags")
    connection.close()


def test_old_photos_are_asked_beside_other_work_and_go_on_after_a_kill(
    daemons: Daemons, seed: FirstCrawl, tmp_path: Path
) -> None:
    root = tmp_path / "photos"
    daemon = daemons.new([root], seed=seed)
    count = 200
    for number in range(count):
        album.save(root / f"{number:03}.jpg", photograph("beach", "2019:07:12 14:03:22", ("sea",)))
    daemon.start()
    daemon.wait_until(lambda: daemon.status()["encoded"] >= count, 240)
    daemon.stop()
    make_older(daemon.state_folder().parent)

    def read() -> int:
        file = f"file:{daemon.state_folder() / 'catalog.sqlite'}?mode=ro"
        connection = sqlite3.connect(file, uri=True)
        try:
            return int(connection.execute("SELECT count(*) FROM meta").fetchone()[0])
        finally:
            connection.close()

    daemon.start()
    daemon.wait_until(lambda: read() > 0)
    daemon.kill()
    before = read()
    daemon.start()
    daemon.wait_until(lambda: read() >= count, what=read)
    assert daemon.status()["decoded"] == 0  # headers are all that was read
    assert before > 0
    wait_said(daemon, root / "007.jpg", camera="Canon EOS 80D", tags=["sea"])
    daemon.wait_until(lambda: daemon.status()["metadata"] is None)
    daemon.verify()
    assert json.loads(daemon.ctl("info", str(root / "007.jpg"), "--json").stdout)[0]["is_read"]


def test_of_a_path_that_is_not_known_it_says_what_can_be_pasted(
    shared: Daemon, folder: Path
) -> None:
    told = shared.ctl("info", str(folder / "my cat.jpg"), ok=False).stderr.decode()
    assert told.endswith(f"clipctl rescan '{folder}/my cat.jpg'\n")
