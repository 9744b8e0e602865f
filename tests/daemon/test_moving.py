"""`clipd vectors`: what one clipd has encoded, another one takes in and does not encode again."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from clipd.store.backup import CATALOG
from tests.daemon import album
from tests.daemon.commands import program
from tests.daemon.conftest import QUERIES, Daemons, FirstCrawl
from tests.daemon.harness import Daemon
from tests.daemon.wire import paths_of, wait_until
from tests.store.moving import Arrays, rewrite

pytestmark = pytest.mark.slow
UGLY = b"\xff not utf-8.jpg"


@pytest.fixture
def exported(daemons: Daemons, seed: FirstCrawl, tmp_path: Path) -> Path:
    """The vectors of the seed pictures, exported while nothing runs."""
    file = tmp_path / "photos.npz"
    there = daemons.new([seed.folder], seed=seed)
    done = there.clipd("vectors", "export", f"--config={there.file}", str(file))
    assert done.returncode == 0, done.stderr
    return file


def elsewhere(tmp_path: Path) -> Path:
    """Lay the seed pictures into another folder, under other names, one of them no text."""
    folder = tmp_path / "elsewhere"
    album.fill(folder / "deep" / "er")
    (folder / "deep" / "er" / "cat.jpg").rename(folder / "pet.jpg")
    os.rename(folder / "deep" / "er" / "sunset.jpg", os.fsencode(folder) + b"/" + UGLY)
    return folder


def take_in(daemon: Daemon, file: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return daemon.clipd("vectors", "import", f"--config={daemon.file}", str(file), *words)


def scores(daemon: Daemon, query: str) -> list[float]:
    return sorted(hit["raw"] for hit in daemon.search(query))


@pytest.mark.parametrize("runs", [True, False])
def test_photos_that_were_encoded_elsewhere_are_not_encoded_here(
    daemons: Daemons, seed: FirstCrawl, exported: Path, tmp_path: Path, runs: bool
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    here = daemons.new([folder])
    if runs:
        here.start().wait_idle()

    done, again = take_in(here, exported), take_in(here, exported)
    elsewhere(tmp_path)
    if not runs:
        here.start()
    here.wait_until(lambda: here.status()["photos"] == len(album.SEED), what="all found")

    assert done.stdout == b"%d taken in, 0 known already\n" % len(album.SEED)
    assert again.stdout == b"0 taken in, %d known already\n" % len(album.SEED)
    assert here.worked() == (0, 0)
    for query in QUERIES:
        assert scores(here, query) == sorted(hit["raw"] for hit in seed.hits[query])
    assert os.fsencode(folder) + b"/" + UGLY in paths_of(here.search("sunset"))
    here.verify("--disk")


def test_photos_that_wait_for_the_encoder_get_their_vectors(
    daemons: Daemons, exported: Path, tmp_path: Path
) -> None:
    here = daemons.new([elsewhere(tmp_path)]).start()
    here.ctl("pause")
    file = tmp_path / "again.npz"

    take_in(here, exported)
    here.ctl("resume")
    here.wait_until(lambda: here.status()["photos"] == len(album.SEED), what="all found")
    done = here.clipd("vectors", "export", f"--config={here.file}", str(file))

    assert done.returncode == 0
    with np.load(file, allow_pickle=False) as there, np.load(exported) as before:
        assert sorted(map(bytes, there["hashes"])) == sorted(map(bytes, before["hashes"]))
        assert UGLY in there["path_bytes"].tobytes()
        assert not np.isnan(there["sharpness"]).any()


def test_with_trust_a_file_that_looks_the_same_is_not_even_read(
    daemons: Daemons, seed: FirstCrawl, exported: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    here = daemons.new([folder]).start()
    here.ctl("pause")
    shutil.copytree(seed.folder, folder / "moved")
    lying, touched = folder / "moved" / "cat.jpg", folder / "moved" / "beach.jpg"
    before = lying.stat()
    lying.write_bytes(bytes(before.st_size))
    os.utime(lying, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.utime(touched)

    done = take_in(here, exported, "--trust", f"--from={seed.folder}={folder}/moved/")
    here.ctl("resume")
    here.wait_until(lambda: here.status()["photos"] == len(album.SEED), what="all found")

    count = len(album.SEED)
    assert done.stdout == b"%d taken in, 0 known already, %d files taken unread\n" % (
        count,
        count - 1,
    )
    assert here.worked() == (0, 0)
    assert here.errors() == {}  # it is no picture at all, which nobody has looked at
    here.verify("--disk")
    deep = json.loads(here.ctl("verify", "--deep", "--json", ok=False).stdout)
    assert [each["kind"] for each in deep["differences"]] == ["content"]
    assert here.ctl("info", str(folder / "moved" / "car.jpg"), "--json").returncode == 0


def test_trust_takes_a_daemon_and_folders_that_are_whole(
    daemons: Daemons, exported: Path, tmp_path: Path
) -> None:
    here = daemons.new([tmp_path])

    alone = take_in(here, exported, "--trust")
    assert alone.returncode == 3
    assert b"--trust takes a clipd that runs" in alone.stderr
    for words in (("--from=/a=/b",), ("--trust", "--from=/a"), ("--trust", "--from=a=/b")):
        assert take_in(here, exported, *words).returncode == 2


def grow(file: Path, count: int) -> None:
    """Put photos that lie nowhere into a file, instead of those that are in it."""
    dice = np.random.default_rng(1)

    def change(arrays: Arrays) -> None:
        made = dice.normal(size=(count, arrays["vectors"].shape[1]))
        arrays["vectors"] = (made / np.linalg.norm(made, axis=1)[:, None]).astype("<f2")
        arrays["hashes"] = dice.integers(0, 256, (count, 16), np.uint8)
        for name in ("widths", "heights", "formats", "taken", "sharpness"):
            arrays[name] = np.repeat(arrays[name][:1], count)
        for name in ("file_photos", "file_sizes", "file_mtimes_ns", "path_ends", "path_bytes"):
            arrays[name] = arrays[name][:0]

    rewrite(file, change, photos=count, files=0)


def vectors_in(daemon: Daemon) -> int:
    file = daemon.state_folder() / CATALOG
    if not file.exists():
        return 0
    with closing(sqlite3.connect(file)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM vectors").fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # it is being made


@pytest.mark.parametrize("killed", ["import into a daemon", "import", "daemon"])
def test_an_import_that_is_killed_goes_on_when_it_is_run_again(
    daemons: Daemons, exported: Path, tmp_path: Path, killed: str
) -> None:
    count = 20_000
    grow(exported, count)
    folder = tmp_path / "empty"
    folder.mkdir()
    here = daemons.new([folder])
    if killed != "import":
        here.start().wait_idle()
    words = ["vectors", "import", f"--config={here.file}", str(exported)]
    with subprocess.Popen(
        [*program("clipd.cli.command"), *words],
        env=here.environment_of(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as importing:
        wait_until(lambda: vectors_in(here) > 1000, what="some are taken in")
        if killed == "daemon":
            here.kill()
        else:
            importing.kill()
        _, complaint = importing.communicate(timeout=60)
    until = vectors_in(here)

    if killed == "daemon":
        assert importing.returncode == 3, complaint
        assert "clipd" in complaint
        here.start()
    done = json.loads(take_in(here, exported, "--json").stdout)

    assert 1000 < until < count
    assert (done["taken"] + done["known"], done["refused"]) == (count, 0)
    assert done["known"] >= until
    assert vectors_in(here) == count
    if killed == "import":
        here.start()
    here.wait_idle()
    here.verify()


def test_vectors_of_another_model_are_refused_and_nothing_changes(
    daemons: Daemons, exported: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    here = daemons.new([folder])
    with np.load(exported) as archive:
        about = json.loads(archive["clipd.json"])
    about["model"] |= {"name": "other", "fingerprint": "of another"}
    rewrite(exported, lambda arrays: None, **about)

    offline = take_in(here, exported)
    here.start().wait_idle()
    online = take_in(here, exported, "--json")

    for refused in (offline, online):
        assert refused.returncode == 4
        assert b"made with the model other, and pocket is in use here" in refused.stderr
    assert json.loads(online.stdout)["error"]["code"] == "wrong_model"
    assert vectors_in(here) == 0


def test_vectors_that_are_no_good_are_named_and_the_others_taken_in(
    daemons: Daemons, exported: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    here = daemons.new([folder])

    def spoil(arrays: Arrays) -> None:
        spoilt = arrays["vectors"].copy()
        spoilt[0], spoilt[1:6], spoilt[6] = np.nan, 0, 3 * spoilt[6]
        arrays["vectors"] = spoilt

    rewrite(exported, spoil)
    done = take_in(here, exported)

    assert done.returncode == 4
    assert done.stdout == b"%d taken in, 0 known already\n" % (len(album.SEED) - 7)
    assert done.stderr.count(b"clipd: refused: /") == 5
    assert done.stderr.endswith(b"clipd: refused: 2 more\n")
    assert b"length is not 1" in take_in(here, exported, "--json").stdout


def test_a_file_that_is_there_is_not_overwritten_by_chance(
    daemons: Daemons, seed: FirstCrawl, exported: Path
) -> None:
    there = daemons.new([seed.folder], seed=seed)
    exported.write_text("precious")
    export = ("vectors", "export", f"--config={there.file}", str(exported))

    refused = there.clipd(*export)
    kept = exported.read_text()
    forced = there.clipd(*export, "--force", "--json")

    assert refused.returncode == 4
    assert b"is there already; name another file, or add --force" in refused.stderr
    assert kept == "precious"
    assert json.loads(forced.stdout) == {
        "ok": True,
        "file": str(exported),
        "model": "pocket",
        "photos": len(album.SEED),
        "damaged": 0,
    }
