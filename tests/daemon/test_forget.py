"""`clipd model forget`, beside a daemon that works and where none runs."""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from clipd.photo import ModelSpec, Preprocess
from clipd.store.backup import CATALOG
from clipd.store.catalog import Catalog
from tests.daemon import album
from tests.daemon.conftest import Daemons, FirstCrawl
from tests.store.stock import a_vector

pytestmark = pytest.mark.slow
OLD = ModelSpec("old", "arch", "", "", 16, Preprocess(32), "fingerprint of old")


def give_vectors_of_another_model(state: Path) -> None:
    """Put the catalog as it is after its user has changed the model."""
    with closing(Catalog.open(state / CATALOG)) as catalog, catalog.writing():
        model = catalog.prepare_model(OLD, int(time.time()))
        for photo in range(1, len(album.SEED) + 1):
            catalog.put_vector(model, photo, a_vector(photo))


@pytest.mark.parametrize("runs", [True, False])
def test_the_vectors_of_a_former_model_go_and_nothing_else(
    daemons: Daemons, seed: FirstCrawl, runs: bool
) -> None:
    daemon = daemons.new([seed.folder], seed=seed)
    give_vectors_of_another_model(daemon.state_folder())
    if runs:
        daemon.start().wait_idle()
    forget = partial(daemon.clipd, "model", "forget", f"--config={daemon.file}")

    in_use, unknown = forget("pocket"), forget("odl")
    done, again = forget("--others"), forget("--others")

    assert in_use.returncode == unknown.returncode == 4
    assert b"pocket is the model in use" in in_use.stderr
    assert b"did you mean old?" in unknown.stderr
    assert done.stdout == b"old: forgotten, with its vectors of %d photos\n" % len(album.SEED)
    assert again.stdout == b"there are no vectors of another model\n"
    assert (done.returncode, again.returncode) == (0, 0)
    if not runs:
        daemon.start().wait_idle()
    daemon.verify()
    assert daemon.status()["encoded"] == 0
    # Not their scores: what these mean may have been learnt since.
    found, before = daemon.search("sunset"), seed.hits["sunset"]
    assert [(hit["photo"], hit["raw"]) for hit in found] == [
        (hit["photo"], hit["raw"]) for hit in before
    ]


def test_it_has_to_be_told_which_model(tmp_path: Path, daemons: Daemons) -> None:
    daemon = daemons.new([tmp_path])

    for words in ((), ("old", "--others")):
        refused = daemon.clipd("model", "forget", f"--config={daemon.file}", *words)
        assert refused.returncode == 2
        assert b"name a model, or use --others" in refused.stderr
