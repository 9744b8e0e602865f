"""Too much at once: trees that change while they are copied, queues and limits that overflow."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.daemon import album
from tests.daemon.conftest import Daemons, FirstCrawl
from tests.daemon.harness import Daemon
from tests.daemon.wire import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.slow


def test_trees_renamed_while_they_are_copied_are_not_missed(shared: Daemon, folder: Path) -> None:
    tree = folder.parent.parent / "tree"  # outside the library
    for number in range(6):
        album.fill(tree / f"{number}/{number}")

    rounds = range(12)
    for number in rounds:
        shutil.copytree(tree, folder / f"{number}.tmp")
        (folder / f"{number}.tmp").rename(folder / f"{number}")

    names = [f"{i}/{n}/{n}/{name}" for i in rounds for n in range(6) for name in album.SEED]
    shared.wait_found(folder, names)
    # every folder is watched, under its new name: a change deep inside is seen without a scan
    album.save(folder / "7/3/3/late.jpg", album.new())
    shared.wait_found(folder, [*names, "7/3/3/late.jpg"])


def test_a_storm_of_new_photos_ends_with_each_of_them_found(shared: Daemon, folder: Path) -> None:
    before = shared.wait_idle()["paths"]
    for number in range(1500):
        album.save(folder / f"{number % 3}/{number}.jpg", album.picture("beach"))

    shared.wait_until(
        lambda: shared.status()["paths"] == before + 1500, 2 * PATIENCE_SECONDS, what="all paths"
    )
    shutil.rmtree(folder)

    shared.wait_until(lambda: shared.status()["paths"] == before, what="none is left")
    wait_until(lambda: shared.wait_idle()["state"] == "idle")
    shared.verify()


def test_nothing_is_lost_when_the_event_queue_overflows_and_it_is_said_once(
    daemons: Daemons, seed: FirstCrawl, tmp_path: Path
) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 200_000:
        pytest.skip(f"fs.inotify.max_queued_events is {limit}: too many to fill")
    root = tmp_path / "root"
    root.mkdir()
    daemon = daemons.new([root], seed=seed).start()
    expected: list[str] = []
    for burst in ("one", "two"):
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            _make_events(root, limit + limit // 4)
            album.fill(root / burst)
        finally:
            daemon.process.send_signal(signal.SIGCONT)
        expected += [f"{burst}/{name}" for name in album.SEED]
        daemon.wait_found(root, expected)

    daemon.wait_until(lambda: "queue overflows" in daemon.log(), what="it is said")
    album.save(root / "after.jpg", album.picture("beach"))  # and events still come
    daemon.wait_found(root, ["after.jpg", *expected])
    assert daemon.log().count("queue overflows") == 1


def _make_events(folder: Path, count: int) -> None:
    one, other = folder / ".one", folder / ".other"
    one.touch()
    for _ in range(count // 4):  # two events for each rename
        one.rename(other)
        other.rename(one)


def test_watching_survives_the_limit_of_watches_and_says_so(
    daemons: Daemons, seed: FirstCrawl, tmp_path: Path
) -> None:
    if subprocess.run(["unshare", "--user", "--map-root-user", "true"], check=False).returncode:
        pytest.skip("this machine allows no user namespace")
    root = tmp_path / "root"
    for number in range(40):
        (root / f"{number}").mkdir(parents=True)
    limited = 'echo 20 > /proc/sys/user/max_inotify_watches && exec "$@"'
    daemon = daemons.new(
        [root],
        '[watch]\npoll_every = "1s"',
        seed=seed,
        prefix=("unshare", "--user", "--map-root-user", "sh", "-c", limited, "sh"),
    ).start()

    album.save(root / "39/a.jpg", album.picture("beach"))
    album.save(root / "0/b.jpg", album.picture("beach"))

    daemon.wait_found(root, ["39/a.jpg", "0/b.jpg"])
    daemon.wait_until(lambda: "max_user_watches" in daemon.log(), what="the sysctl to raise")
    scanned_at = daemon.status()["watch"]["scanned_at"]
    daemon.wait_until(
        lambda: daemon.status()["watch"]["scanned_at"] > scanned_at, what="one more scan"
    )
    assert daemon.log().count("max_user_watches") == 1
