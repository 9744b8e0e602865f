"""What a person does with hits on a terminal, against the real daemon."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ctl.conftest import Ctl
from tests.ctl.terminal import typed
from tests.daemon import album
from tests.daemon.harness import Daemon

pytestmark = pytest.mark.slow


@pytest.fixture
def photos(shared: Daemon, folder: Path) -> Path:
    """The seed pictures, copied into the shared library and found."""
    shared.wait_found(album.fill(folder), album.SEED)
    return folder


def test_hits_are_copied_described_and_looked_like_by_number(
    shared: Daemon, photos: Path, tmp_path: Path
) -> None:
    copies = tmp_path / "copies"
    drawn = typed(
        Ctl(shared.socket),
        f"cd '{photos}'; clipctl sunset in:. -n 2; clipctl copy @1 {copies}; clipctl info @1;"
        "clipctl search like:@1 in:. -n 1 --explain",
    )

    assert (copies / "sunset.jpg").read_bytes() == (photos / "sunset.jpg").read_bytes()
    assert "1 copied" in drawn
    assert drawn.count("sunset.jpg") >= 4
    assert "@1 stands for nothing" not in drawn


def test_a_renamed_photo_keeps_its_number(shared: Daemon, folder: Path) -> None:
    album.save(folder / "dusk.jpg", album.new("sunset"))  # a photo that lies nowhere else
    shared.wait_found(folder, {"dusk.jpg"})
    drawn = typed(
        Ctl(shared.socket),
        f"cd '{folder}'; clipctl sunset in:. -n 1; mv dusk.jpg evening.jpg;"
        "for n in $(seq 100); do clipctl info @1 | grep evening && break; sleep 0.1; done;"
        "clipctl copy @1 copies",
    )

    assert "/copies/evening.jpg" in drawn


def test_copies_are_found_and_what_could_go_is_named(shared: Daemon, photos: Path) -> None:
    (photos / "again").mkdir()
    (photos / "again/sunset.jpg").write_bytes((photos / "sunset.jpg").read_bytes())
    shared.wait_found(photos / "again", {"sunset.jpg"})

    groups = json.loads(shared.ctl("dupes", "--json").stdout)["groups"]
    rest = shared.ctl("dupes", "-0").stdout.split(b"\0")

    assert any(len(group["photos"][0]["also"]) for group in groups)
    assert [path for path in rest if path.startswith(bytes(photos))]


def test_filters_of_the_library_are_completed(shared: Daemon, photos: Path) -> None:
    code, answer = shared.request("GET", f"/v1/complete?q=in:{photos.parent}&folder=/&home=/")

    assert code == 200
    assert answer["options"]
