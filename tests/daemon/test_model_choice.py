"""A daemon without the weights of its model: what it answers, and how it gets going."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipd.encode.presets import IN_THE_BOX
from tests.daemon import album
from tests.daemon.conftest import Daemons, FirstCrawl
from tests.daemon.harness import Daemon
from tests.encode.conftest import SMALL, save_model, small_weights
from tests.encode.hub import Hub, serving_hub

pytestmark = pytest.mark.slow
REPOSITORY = "someone/small"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving_hub() as hub:
        yield hub


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of the seed pictures."""
    return album.fill(tmp_path / "root")


def use(daemon: Daemon, root: Path, model: str) -> None:
    """Write a configuration with this ``[model]`` table."""
    daemon.file.write_text(f'[model]\n{model}\n[[roots]]\npath = "{root}"\n')


def wait_until_waiting(daemon: Daemon, backlog: int) -> None:
    """Wait until it has looked at everything, and only the model is missing."""
    daemon.wait_until(
        lambda: (daemon.status()["state"], daemon.status()["backlog"]) == ("waiting", backlog),
        what=f"waiting, with {backlog} to do",
    )


def test_it_starts_says_what_to_do_and_goes_on_once_the_model_is_fetched(
    daemons: Daemons, hub: Hub, root: Path, tmp_path: Path
) -> None:
    daemon = daemons.new([root], environment={"HF_ENDPOINT": hub.address})
    use(daemon, root, f'name = "hf-hub:{REPOSITORY}"')
    daemon.start()
    wait_until_waiting(daemon, len(album.SEED))
    status = daemon.status()
    assert status["encoder"]["state"] == "absent"
    (problem,) = status["problems"]
    for command in ("clipd model fetch", f"clipd model use {IN_THE_BOX}"):
        assert command in problem
    code, refusal = daemon.request("GET", "/v1/search?q=sunset")
    assert (code, refusal["error"]["code"]) == (503, "model_missing")
    daemon.verify()

    checkpoint = save_model(tmp_path / "own", small_weights())
    hub.put(REPOSITORY, "open_clip_config.json", json.dumps({"model_cfg": SMALL}).encode())
    hub.put(REPOSITORY, "open_clip_model.safetensors", checkpoint.read_bytes())
    fetched = daemon.clipd("model", "fetch", f"--config={daemon.file}")

    assert fetched.returncode == 0, fetched.stderr
    assert f"clipd (pid {daemon.pid}) uses it".encode() in fetched.stdout
    daemon.wait_found(root, album.SEED)
    assert daemon.wait_idle()["problems"] == []
    daemon.verify()


def test_a_checkpoint_that_is_put_in_its_place_is_noticed(
    daemons: Daemons, root: Path, tmp_path: Path
) -> None:
    checkpoint = save_model(tmp_path / "own", small_weights())
    place = tmp_path / "place"
    daemon = daemons.new([root])
    use(daemon, root, f'name = "own"\ncheckpoint = "{place}/{checkpoint.name}"')
    daemon.start()
    wait_until_waiting(daemon, len(album.SEED))

    shutil.copytree(checkpoint.parent, place)

    daemon.wait_until(lambda: daemon.status()["photos"] == len(album.SEED), what="all encoded")
    daemon.wait_found(root, album.SEED)


def test_until_then_it_answers_from_the_vectors_that_it_has(
    daemons: Daemons, seed: FirstCrawl, root: Path
) -> None:
    daemon = daemons.new([root], seed=seed).start()
    daemon.wait_found(root, album.SEED)
    cosines = {hit["path"]: hit["raw"] for hit in daemon.search("sunset")}
    daemon.stop()
    use(daemon, root, 'name = "ViT-B-32-256"')
    (root / "cat.jpg").unlink()
    (root / "night.jpg").rename(root / "moon.jpg")
    album.save(root / "new.jpg", album.new())

    daemon.start()

    for name in ("cat.jpg", "night.jpg"):
        del cosines[f"{root}/{name}"]
    daemon.wait_until(
        lambda: {hit["path"]: hit["raw"] for hit in daemon.search("sunset")} == cosines,
        what="what was searched before",
    )
    wait_until_waiting(daemon, backlog=2)
    similar = daemon.ctl("similar", str(root / "beach.jpg"), "-n", "1")
    assert similar.stdout == f"1.000\t{root}/beach.jpg\n".encode()
    unknown = daemon.ctl("search", "something else", ok=False)
    assert unknown.returncode == 4
    assert b"clipd model fetch" in unknown.stderr
    forgotten = daemon.clipd("model", "forget", "--others", f"--config={daemon.file}")
    assert forgotten.stdout == b"there are no vectors of another model\n"
    daemon.verify()

    changed = daemon.clipd("model", "use", IN_THE_BOX, f"--config={daemon.file}")

    assert changed.returncode == 0, changed.stderr
    daemon.wait_found(
        root, [*(album.SEED.keys() - {"cat.jpg", "night.jpg"}), "moon.jpg", "new.jpg"]
    )
    assert daemon.wait_idle()["encoded"] == 1


def test_a_reload_does_not_take_away_a_model_that_works(
    daemons: Daemons, seed: FirstCrawl, root: Path
) -> None:
    daemon = daemons.new([root], seed=seed).start()
    daemon.wait_found(root, album.SEED)
    before = daemon.status()["model"]
    use(daemon, root, 'name = "ViT-B-32-256"')

    daemon.reload()

    status = daemon.wait_idle()
    assert status["model"] == before
    assert ["the configuration was not changed" in each for each in status["problems"]] == [True]
    album.save(root / "new.jpg", album.new())
    daemon.wait_found(root, [*album.SEED, "new.jpg"])
