from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

from clipd.daemon.reopening import Reopening
from clipd.store.faults import mark_suspect
from tests.daemon import album
from tests.daemon.conftest import Daemons, FirstCrawl
from tests.daemon.harness import Daemon


def test_a_catalog_that_stays_damaged_is_opened_anew_less_and_less_often() -> None:
    reopening = Reopening()
    opened = [second for second in range(4000) if reopening.is_due(float(second))]
    waits = [later - earlier for earlier, later in pairwise(opened)]
    assert waits[:8] == [10, 20, 40, 80, 160, 320, 600, 600]
    assert opened[0] == 0


def test_after_a_long_peace_a_catalog_is_opened_anew_soon() -> None:
    reopening = Reopening()
    for second in range(4000):
        reopening.is_due(float(second))
    assert reopening.is_due(10_000.0)
    assert reopening.is_due(10_010.0)


@pytest.mark.slow
def test_the_daemon_opens_it_anew_a_second_time_only_after_a_while(
    daemons: Daemons, seed: FirstCrawl, tmp_path: Path
) -> None:
    root = album.fill(tmp_path / "root")
    daemon = daemons.new([root], seed=seed).start()
    daemon.wait_found(root, album.SEED)
    (catalog,) = daemon.state_folder().rglob("catalog.sqlite")
    # From before the first: how long its start took is not known here.
    begun = time.monotonic()
    for starts in (2, 3):
        _have_opened_anew(daemon, catalog, starts)
    assert time.monotonic() - begun >= 10.0


def _have_opened_anew(daemon: Daemon, catalog: Path, starts: int) -> None:
    """Suspect the catalog; wait until the daemon has started so many times in its process."""
    mark_suspect(catalog)
    daemon.wait_until(
        lambda: daemon.log().count("clipd answers on") >= starts, what=f"{starts} starts"
    )
