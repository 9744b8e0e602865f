"""A corpus of pictures through the whole daemon: each is found, or listed with why."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import processes
from tests.corpus.folder import captioned, manifest
from tests.daemon import album
from tests.daemon.conftest import Daemons
from tests.daemon.harness import Daemon
from tests.daemon.wire import path_of, paths_of, wait_until

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 240.0
READ = {"JPEG", "MPO", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"}


@dataclass(frozen=True, slots=True)
class Crawled:
    """The corpus in folders of our own, and the daemon that has been through it."""

    daemon: Daemon
    root: Path
    manifest: dict[str, dict[str, Any]]

    def files(self, folder: str) -> set[str]:
        """Every file below a folder, as the manifest names it."""
        listed = (path for path in (self.root / folder).rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)) for path in listed}

    def found(self) -> set[str]:
        """Every file that a search by clipctl finds."""
        base = os.fsencode(self.root) + b"/"
        bare = self.daemon.ctl("search", "-0", "-n", "10000", "sunset").stdout.split(b"\0")
        paths = paths_of(self.daemon.search("sunset"))
        assert set(bare) - {b""} <= set(paths)
        return {os.fsdecode(path.removeprefix(base)) for path in paths}

    def listed(self) -> dict[str, dict[str, Any]]:
        """What `clipctl errors --json` says of each file."""
        base = os.fsencode(self.root) + b"/"
        rows = json.loads(self.daemon.ctl("errors", "--json").stdout)
        return {os.fsdecode(path_of(row).removeprefix(base)): row for row in rows}


@pytest.fixture(scope="module")
def crawled(
    module_daemons: Daemons, corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Crawled:
    """The daemon, after it has crawled all that claims to be good."""
    root = tmp_path_factory.mktemp("corpus") / "root"
    for folder in ("photos", "formats", "exif"):
        shutil.copytree(corpus / folder, root / folder, copy_function=shutil.copyfile)
    daemon = module_daemons.new([root], '[encoder]\nidle_unload = "5s"').start()
    daemon.wait_until(lambda: daemon.status()["encoded"] > 20, PATIENCE_SECONDS, "under way")
    daemon.wait_idle(PATIENCE_SECONDS)
    return Crawled(daemon, root, manifest(corpus))


@pytest.mark.parametrize("folder", ["photos", "formats", "exif"])
def test_each_file_is_either_found_or_listed(crawled: Crawled, folder: str) -> None:
    files, found, listed = crawled.files(folder), crawled.found(), crawled.listed()

    assert files - found - listed.keys() == set()
    assert found & listed.keys() == set()


def test_every_picture_of_a_format_that_is_read_is_found(crawled: Crawled) -> None:
    found, listed = crawled.found(), crawled.listed()
    readable = {
        path
        for path, row in crawled.manifest.items()
        if row.get("pillow13") == "ok"
        and row["fmt"] in READ
        and path.startswith(("photos/", "formats/", "exif/"))
    }

    assert {path: listed.get(path) for path in readable - found} == {}


def test_every_heif_that_its_library_reads_is_found(crawled: Crawled) -> None:
    rows = crawled.manifest.items()
    readable = {path for path, row in rows if str(row.get("pillow13_heif")).startswith("ok")}
    readable -= {path for path in readable if path.startswith("hostile/")}

    assert readable
    listed = crawled.listed()
    assert {path: listed.get(path) for path in readable - crawled.found()} == {}


def test_each_reason_is_a_sentence_for_people(crawled: Crawled) -> None:
    for path, row in crawled.listed().items():
        assert len(row["reason"]) > 5, path
        assert "Traceback" not in row["reason"], path
        assert "\n" not in row["reason"], path


@pytest.mark.parametrize("shape", ["Landscape", "Portrait"])
def test_every_orientation_gives_the_same_picture(crawled: Crawled, shape: str) -> None:
    upright = crawled.root / f"exif/orientation/{shape}_1.jpg"
    answer = crawled.daemon.ctl("similar", "--json", "-n", "1000", str(upright)).stdout
    alike = [hit for hit in json.loads(answer)["hits"] if hit["score"] > 0.85]

    names = {os.path.basename(path) for path in paths_of(alike)}
    assert names >= {b"%s_%d.jpg" % (shape.encode(), number) for number in range(9)}


def test_a_picture_from_outside_finds_its_copy_in_the_library_first(
    crawled: Crawled, corpus: Path
) -> None:
    for original in captioned(corpus)[:10]:
        answer = crawled.daemon.ctl("similar", "--json", "-n", "1", str(original)).stdout
        (hit,) = json.loads(answer)["hits"]

        assert os.path.basename(hit["path"]) == original.name
        assert hit["score"] > 0.99


def test_catalog_and_index_agree(crawled: Crawled) -> None:
    crawled.daemon.verify()


def test_hostile_files_go_through_with_the_same_daemon(crawled: Crawled, corpus: Path) -> None:
    daemon, pid = crawled.daemon, crawled.daemon.pid
    shutil.copytree(corpus / "hostile", crawled.root / "hostile", copy_function=shutil.copyfile)
    files = crawled.files("hostile")
    assert len(files) == sum(path.startswith("hostile/") for path in crawled.manifest)

    daemon.wait_until(
        lambda: files <= crawled.found() | crawled.listed().keys(), PATIENCE_SECONDS, "all seen"
    )
    daemon.wait_idle(PATIENCE_SECONDS)

    assert daemon.status()["pid"] == daemon.pid == pid
    assert crawled.found() & crawled.listed().keys() == set()
    daemon.verify()


def test_good_photos_are_still_found_after_the_hostile_ones(crawled: Crawled) -> None:
    album.save(crawled.root / "late/late.jpg", album.new())
    crawled.daemon.wait_found(crawled.root / "late", ["late.jpg"])


def test_the_resting_daemon_is_small(crawled: Crawled) -> None:
    daemon = crawled.daemon
    daemon.wait_until(lambda: daemon.status()["encoder"]["state"] == "asleep", what="asleep")
    wait_until(lambda: not daemon.family(), what="no child is left")

    resident = processes.resident_bytes(daemon.pid)

    print(f"resident: {resident / (1 << 20):.1f} MiB")
    assert resident < 120 << 20


def test_a_photo_keeps_its_story_through_kills_in_between(crawled: Crawled) -> None:
    daemon, folder = crawled.daemon, crawled.root / "late"
    names = {os.fsdecode(name) for name in daemon.found(folder)}
    daemon.kill()
    wait_until(lambda: not daemon.orphans(), what="its children are gone")
    before = crawled.files("photos") | crawled.files("formats")

    daemon.start()

    daemon.wait_idle(PATIENCE_SECONDS)
    assert before - crawled.found() - crawled.listed().keys() == set()
    status = daemon.status()
    assert (status["decoded"], status["encoded"]) == (0, 0)
    daemon.wait_found(folder, names)
    daemon.verify()
    daemon.stop()
