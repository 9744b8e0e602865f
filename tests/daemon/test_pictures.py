"""Files that are slow, half, bad or huge; and those that must stay as they are."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest
from PIL import Image

from tests.daemon import album
from tests.daemon.harness import Daemon
from tests.decode.desktop import Made

pytestmark = pytest.mark.slow


def test_a_slow_write_is_taken_up_when_it_is_done_and_leaves_no_error(
    shared: Daemon, folder: Path
) -> None:
    content = album.new("snowy mountains")
    file = folder / "slow.jpg"
    with file.open("wb", buffering=0) as writing:
        for start in range(0, len(content), len(content) // 12 + 1):
            writing.write(content[start : start + len(content) // 12 + 1])
            threading.Event().wait(0.15)  # a camera's cable: slower than the settling time
            assert os.fsencode(file) not in shared.errors()

    shared.wait_found(folder, ["slow.jpg"])
    assert os.fsencode(file) not in shared.errors()


def test_a_half_copied_file_is_listed_until_the_copy_is_finished(
    shared: Daemon, folder: Path
) -> None:
    content = album.new("beach")
    file = folder / "half.jpg"
    album.save(file, content[: len(content) // 2])
    shared.wait_until(lambda: os.fsencode(file) in shared.errors(), what="it is listed")

    with file.open("ab") as writing:
        writing.write(content[len(content) // 2 :])

    shared.wait_found(folder, ["half.jpg"])
    assert os.fsencode(file) not in shared.errors()


def test_a_bad_picture_among_good_ones_leaves_vectors_and_paths_aligned(
    shared: Daemon, folder: Path, tmp_path: Path
) -> None:
    scenes = ["sunset", "beach", "forest", "snowy mountains", "night sky", "rainbow"]
    for number, scene in enumerate(scenes):
        album.save(folder / f"{number} good.jpg", album.picture(scene, seed=103))
        album.save(folder / f"{number} bad.jpg", album.picture(scene, seed=104)[:700])
    shared.wait_found(folder, [f"{number} good.jpg" for number in range(len(scenes))])

    for number, scene in enumerate(scenes):
        # the same pixels from outside the library: what comes first shows which vector it has
        asked = album.save(tmp_path / "asked.jpg", album.picture(scene, 103))
        best = shared.ctl("similar", "-n", "1", str(asked)).stdout.decode()
        assert best.rstrip("\n").split("\t")[1] == str(folder / f"{number} good.jpg")
    bad = {os.fsencode(folder / f"{number} bad.jpg") for number in range(len(scenes))}
    shared.wait_until(lambda: bad <= shared.errors().keys(), what="the bad ones are listed")


def test_a_picture_over_the_pixel_limit_is_refused_with_the_key_that_raises_it(
    shared: Daemon, folder: Path
) -> None:
    big = album.save(folder / "big.png", album.bomb(20_000))
    shared.wait_until(lambda: os.fsencode(big) in shared.errors(), what="it is listed")

    row = shared.errors()[os.fsencode(big)]

    assert row["kind"] == "too-large"
    assert "max_pixels" in row["reason"]
    assert "200" in row["reason"]


def test_the_originals_are_never_touched(shared: Daemon, folder: Path) -> None:
    file = album.save(folder / "a.jpg", album.new())
    os.utime(file, ns=(1_000_000_000, 2_000_000_000))
    shared.wait_found(folder, ["a.jpg"])

    stat = file.stat()

    assert (stat.st_atime_ns, stat.st_mtime_ns) == (1_000_000_000, 2_000_000_000)


def test_a_found_photo_can_be_looked_at_in_small(shared: Daemon, folder: Path) -> None:
    album.save(folder / "a.jpg", album.new("beach"))
    shared.wait_found(folder, ["a.jpg"])
    [photo] = [hit["photo"] for hit in shared.search("beach") if hit["path"] == f"{folder}/a.jpg"]
    cache = shared.home / "cache" / "clipd" / "thumbnails"
    before = set(cache.glob("*/*-256.jpg"))
    jpeg = shared.fetch(f"/v1/photos/{photo}/thumbnail?side=256")
    picture = Image.open(io.BytesIO(jpeg))
    assert (picture.format, picture.size) == ("JPEG", (256, 192))

    kept = set(cache.glob("*/*-256.jpg")) - before
    assert [file.read_bytes() for file in kept] == [jpeg]
    assert {file.stat().st_mode & 0o077 for file in (*kept, *{f.parent for f in kept})} == {0}

    status, refusal = shared.request("GET", "/v1/photos/999999/thumbnail")
    assert (status, refusal["error"]["code"]) == (404, "no_such_photo")
    status, refusal = shared.request("GET", f"/v1/photos/{photo}/thumbnail?side=17")
    assert (status, refusal["error"]["code"]) == (400, "bad_value")


def test_a_thumbnail_of_the_desktop_is_shown_where_it_is_of_this_photo(
    shared: Daemon, folder: Path
) -> None:
    file = album.save(folder / "a.jpg", album.new("a red car"))
    shared.wait_found(folder, ["a.jpg"])
    Made(file, shared.home / "cache" / "thumbnails").save()
    [photo] = [hit["photo"] for hit in shared.search("car") if hit["path"] == str(file)]
    jpeg = shared.fetch(f"/v1/photos/{photo}/thumbnail?side=256")
    red, _, blue = Image.open(io.BytesIO(jpeg)).resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
    assert blue > red + 100
