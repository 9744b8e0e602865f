"""After a change of the model: the former one answers until the next one has all vectors."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from clipd.encode.presets import IN_THE_BOX
from tests.daemon import album
from tests.daemon.conftest import Daemons, FirstCrawl
from tests.daemon.harness import Daemon
from tests.encode.conftest import DIM, save_model, small_weights

pytestmark = pytest.mark.slow
FORMER = f'name = "{IN_THE_BOX}"'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of the seed pictures."""
    return album.fill(tmp_path / "root")


@pytest.fixture
def following(tmp_path: Path) -> str:
    """The ``[model]`` table of another model, whose weights are here."""
    return f'name = "own"\ncheckpoint = "{save_model(tmp_path / "own", small_weights())}"'


@pytest.fixture
def daemon(daemons: Daemons, seed: FirstCrawl, root: Path) -> Daemon:
    """A daemon that has vectors of all photos."""
    daemon = daemons.new([root], seed=seed).start()
    daemon.wait_found(root, album.SEED)
    daemon.wait_idle()
    return daemon


def write(daemon: Daemon, table: str, *roots: Path) -> None:
    """Write a configuration with another ``[model]`` table."""
    folders = "".join(f'[[roots]]\npath = "{root}"\n' for root in roots)
    daemon.file.write_text(f"[encoder]\nbatch = 4\n[model]\n{table}\n{folders}")


def use(daemon: Daemon, table: str, *roots: Path) -> None:
    """Have a daemon that runs take up another ``[model]`` table."""
    write(daemon, table, *roots)
    daemon.reload()


def cosines(daemon: Daemon) -> dict[str, float]:
    """Return what a search finds, and how near: what that means may be learnt meanwhile."""
    return {Path(hit["path"]).name: hit["raw"] for hit in daemon.search("sunset")}


def test_searches_go_on_with_the_former_model_and_find_new_photos_meanwhile(
    daemon: Daemon, root: Path, following: str
) -> None:
    before = cosines(daemon)
    daemon.ctl("pause")
    use(daemon, following, root)

    assert cosines(daemon) == before
    status = daemon.status()
    assert (status["state"], status["model"]["name"]) == ("paused", IN_THE_BOX)
    assert status["model"]["next"] | {"fingerprint": ""} == {
        **{"name": "own", "dim": 48, "fingerprint": "", "photos": 0, "of": len(album.SEED)},
        **{"seconds_left": None, "reason": ""},
    }
    told = daemon.ctl("status").stdout.decode()
    assert f"next     own: 0 of {len(album.SEED)} photos have its vectors" in told
    forgotten = daemon.clipd("model", "forget", "--others", f"--config={daemon.file}")
    assert forgotten.stdout == b"there are no vectors of another model\n"

    album.save(root / "new.jpg", album.new())
    daemon.wait_until(lambda: daemon.status()["backlog"], what="the new photo is noticed")
    daemon.ctl("resume")
    daemon.wait_found(root, [*album.SEED, "new.jpg"])
    status = daemon.wait_idle()

    assert (status["model"]["name"], status["model"]["next"]) == ("own", None)
    assert status["model"]["photos"] == len(album.SEED) + 1
    assert status["encoded"] == 0  # by the daemon that started anew: all was there
    assert "built from the catalog" not in daemon.log().rpartition("all photos have")[2]
    daemon.verify()
    use(daemon, FORMER, root)
    assert daemon.wait_idle()["model"]["name"] == IN_THE_BOX
    after = cosines(daemon)
    assert after.pop("new.jpg")
    assert after == before
    assert daemon.status()["encoded"] == 0


def test_one_can_go_over_before_all_is_done(daemon: Daemon, root: Path, following: str) -> None:
    nothing = daemon.ctl("model", "switch", "--now", ok=False)
    assert nothing.returncode != 0
    assert b"clipd model use" in nothing.stderr
    daemon.ctl("pause")
    use(daemon, following, root)
    assert f"own: 0 of {len(album.SEED)}" in daemon.ctl("model", "switch").stdout.decode()

    daemon.ctl("model", "switch", "--now")

    daemon.wait_until(lambda: daemon.status()["model"]["name"] == "own", what="own is used")
    assert daemon.status()["model"]["photos"] == 0
    assert daemon.search("sunset") == []
    assert daemon.status()["state"] == "paused"
    daemon.ctl("resume")
    daemon.wait_found(root, album.SEED)
    daemon.verify()


def test_killed_in_the_middle_it_goes_on_where_it_was(
    daemons: Daemons, tmp_path: Path, following: str
) -> None:
    root = tmp_path / "many"
    for number in range(150):
        album.save(root / f"{number}.jpg", album.picture("beach", number))
    daemon = daemons.new([root]).start()
    daemon.wait_idle()
    use(daemon, following, root)
    made: list[int] = []
    for _ in range(4):
        wanted = min(130, (made[-1] if made else 0) + 20)

        def has_made(wanted: int = wanted) -> bool:
            model = daemon.status()["model"]
            return model["next"] is None or model["next"]["photos"] >= wanted

        daemon.wait_until(has_made, what=f"{wanted} vectors of the next model")
        assert len(daemon.search("beach")) == 150
        daemon.kill()
        daemon.start()
        status = daemon.status()["model"]
        made.append(status["next"]["photos"] if status["next"] else 150)
    assert made == sorted(made)
    assert made[0] >= 20
    status = daemon.wait_idle()
    assert (status["model"]["name"], status["model"]["photos"]) == ("own", 150)
    daemon.verify()


def test_photos_on_a_drive_that_is_away_are_waited_for(
    daemons: Daemons, tmp_path: Path, following: str
) -> None:
    root, drive, elsewhere = tmp_path / "root", tmp_path / "drive", tmp_path / "elsewhere"
    album.save(root / "sunset.jpg", album.picture("sunset"))
    album.save(drive / "beach.jpg", album.picture("beach"))
    daemon = daemons.new([root, drive]).start()
    daemon.wait_idle()
    os.rename(drive, elsewhere)
    daemon.wait_until(lambda: "offline" in daemon.root_states().values(), what="a drive is away")

    use(daemon, following, root, drive)

    def waits() -> bool:
        following = daemon.status()["model"]["next"]
        return "1 photos without" in following["reason"] and following["photos"] == 1

    daemon.wait_until(waits, what="the next model waits for the drive")
    assert daemon.wait_idle()["model"]["name"] == IN_THE_BOX
    assert {Path(hit["path"]).name for hit in daemon.search("beach")} == {"sunset.jpg", "beach.jpg"}
    os.rename(elsewhere, drive)
    daemon.wait_until(lambda: daemon.status()["model"]["name"] == "own", what="own is used")
    assert daemon.wait_idle()["model"]["photos"] == 2


def test_a_photo_that_cannot_be_read_any_more_holds_nothing_up(
    daemon: Daemon, root: Path, following: str
) -> None:
    daemon.stop()
    file = root / "cat.jpg"
    seen = file.stat()
    file.write_bytes(bytes(seen.st_size))
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    write(daemon, following, root)

    status = daemon.start().wait_idle()

    assert status["model"]["name"] == "own"
    assert status["model"]["photos"] == len(album.SEED) - 1


def test_an_encoder_that_fails_says_why_and_harms_no_search(
    daemon: Daemon, root: Path, tmp_path: Path, following: str
) -> None:
    before = cosines(daemon)
    daemon.ctl("pause")
    use(daemon, following, root)
    os.rename(tmp_path / "own", tmp_path / "away")
    daemon.ctl("resume")

    daemon.wait_until(lambda: daemon.status()["model"]["next"]["reason"], what="it says why")

    assert daemon.status()["state"] == "idle"  # nothing is done until it is tried again
    assert cosines(daemon) == before
    assert "own" in daemon.ctl("status").stdout.decode()
    os.rename(tmp_path / "away", tmp_path / "own")
    daemon.wait_until(lambda: daemon.status()["model"]["name"] == "own", what="own is used")
    assert daemon.wait_idle()["model"]["photos"] == len(album.SEED)


def test_vectors_of_the_next_model_can_be_imported(
    daemons: Daemons, daemon: Daemon, root: Path, tmp_path: Path, following: str
) -> None:
    big = daemons.new([root])
    write(big, following, root)
    big.start().wait_idle()
    big.stop()
    file = tmp_path / "photos.npz"
    assert big.clipd("vectors", "export", str(file), f"--config={big.file}").returncode == 0
    daemon.ctl("pause")
    use(daemon, following, root)

    done = daemon.clipd("vectors", "import", str(file), f"--config={daemon.file}")

    assert done.returncode == 0, done.stderr
    assert daemon.status()["model"]["next"]["photos"] == len(album.SEED)
    daemon.ctl("resume")
    daemon.wait_until(lambda: daemon.status()["model"]["name"] == "own", what="own is used")
    assert daemon.wait_idle()["model"]["photos"] == len(album.SEED)
    assert (
        "encoder ready"
        not in daemon.log().rpartition("clipd answers")[0].rpartition("clipd answers")[2]
    )


def test_vectors_of_both_models_can_be_exported_during_the_change(
    daemon: Daemon, root: Path, tmp_path: Path, following: str
) -> None:
    before = daemon.status()["model"]
    former = before["name"]
    use(daemon, following, root)
    daemon.wait_until(
        lambda: (now := daemon.status()["model"])["next"] is None or now["next"]["photos"],
        what="a vector of the next model",
    )
    made = {}
    for model in ("next", "own", former):
        file = tmp_path / f"{model}.npz"
        words = ["vectors", "export", f"--model={model}", str(file), f"--config={daemon.file}"]
        done = daemon.clipd(*words)
        assert done.returncode == 0, done.stderr
        with np.load(file) as arrays:
            made[model] = arrays["vectors"].shape[1]

    assert made["next"] == made["own"] == DIM
    assert made[former] == before["dim"] != DIM


def test_without_the_weights_of_the_former_model_the_next_is_used_at_once(
    daemons: Daemons, tmp_path: Path, root: Path, following: str
) -> None:
    daemon = daemons.new([root])
    write(daemon, following, root)
    daemon.start().wait_idle()
    daemon.stop()
    shutil.rmtree(tmp_path / "own")
    write(daemon, FORMER, root)

    daemon.start()

    assert daemon.status()["model"] | {"photos": 0, "fingerprint": ""} == {
        **{"name": IN_THE_BOX, "dim": 384, "fingerprint": "", "photos": 0},
        **{"of": len(album.SEED), "next": None},
    }
    daemon.wait_found(root, album.SEED)
