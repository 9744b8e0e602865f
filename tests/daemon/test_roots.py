"""Roots that go away, come back, cannot be read, or make no sense."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import album
from tests.daemon.conftest import Daemons, FirstCrawl
from tests.daemon.harness import Daemon, NotReadyError
from tests.hanging_disk import hanging_disk

pytestmark = pytest.mark.slow

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


@contextmanager
def _mounted(folder: Path, options: str = "size=8m") -> Iterator[Path]:
    """Mount a small tmpfs; skip where that is not allowed."""
    folder.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", options, "clipd-test", str(folder)]
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def _offline(daemon: Daemon, root: Path) -> set[bool]:
    """Which offline marks the hits below a root carry."""
    return {hit["offline"] for hit in daemon.search() if hit["path"].startswith(f"{root}/")}


def _wait_state(daemon: Daemon, root: Path, state: str) -> None:
    daemon.wait_until(lambda: daemon.root_states()[str(root)] == state, what=f"{root} {state}")


IN_ROOT = sorted(album.SEED.keys() - {"beach.jpg"})


@pytest.fixture
def daemon(daemons: Daemons, seed: FirstCrawl, tmp_path: Path) -> Daemon:
    """A daemon that has found the seed pictures in `root`, but for one in `other`."""
    root, other = album.fill(tmp_path / "root"), tmp_path / "other"
    (root / "beach.jpg").rename(album.save(other / "beach.jpg", b""))  # no photo is in both
    made = daemons.new([root, other], seed=seed).start()
    made.wait_found(root, IN_ROOT)
    made.wait_found(other, ["beach.jpg"])
    return made


def test_a_root_that_was_renamed_away_is_offline_until_it_is_back(
    daemon: Daemon, tmp_path: Path
) -> None:
    root, away = tmp_path / "root", tmp_path / "away"

    root.rename(away)
    _wait_state(daemon, root, "offline")
    daemon.wait_found(root, IN_ROOT)
    assert _offline(daemon, root) == {True}
    assert _offline(daemon, tmp_path / "other") == {False}
    assert b"offline" in daemon.ctl("search", "-n", "1000", "sunset").stdout
    daemon.verify()
    away.rename(root)

    _wait_state(daemon, root, "online")
    daemon.wait_until(lambda: _offline(daemon, root) == {False}, what="the marks are gone")
    album.save(root / "late.jpg", album.picture("beach"))
    daemon.wait_found(root, ["late.jpg", *IN_ROOT])
    assert daemon.worked() == (0, 0)


def test_a_root_that_was_deleted_and_made_again_is_found_again(
    daemon: Daemon, tmp_path: Path
) -> None:
    root = tmp_path / "root"

    shutil.rmtree(root)
    _wait_state(daemon, root, "offline")
    for name in IN_ROOT:
        album.save(root / name, album.picture(album.SEED[name]))

    _wait_state(daemon, root, "online")
    daemon.wait_found(root, IN_ROOT)
    assert daemon.worked() == (0, 0)
    (root / "cat.jpg").rename(root / "tom.jpg")  # watched, too
    daemon.wait_found(root, ["tom.jpg", *(set(IN_ROOT) - {"cat.jpg"})])
    daemon.verify()


def test_a_photo_moved_from_one_root_to_another_is_not_encoded_again(
    daemon: Daemon, tmp_path: Path
) -> None:
    (tmp_path / "root/cat.jpg").rename(tmp_path / "other/tom.jpg")

    daemon.wait_found(tmp_path / "root", set(IN_ROOT) - {"cat.jpg"})
    daemon.wait_found(tmp_path / "other", ["beach.jpg", "tom.jpg"])
    assert daemon.worked() == (0, 0)


def test_a_root_that_is_configured_no_more_leaves_the_hits_and_the_others_stay(
    daemon: Daemon, tmp_path: Path
) -> None:
    daemon.stop()
    daemon.configure([tmp_path / "other"])

    daemon.start()

    daemon.wait_found(tmp_path / "root", [])
    daemon.wait_found(tmp_path / "other", ["beach.jpg"])
    daemon.wait_idle()
    daemon.verify()


def test_a_root_that_is_replaced_by_the_one_above_it_is_not_read_again(
    daemon: Daemon, tmp_path: Path
) -> None:
    daemon.stop()
    daemon.configure([tmp_path])

    daemon.start()

    daemon.wait_idle()
    assert daemon.found(tmp_path / "root") == {os.fsencode(name) for name in IN_ROOT}
    assert _offline(daemon, tmp_path / "root") == {False}
    assert daemon.worked() == (0, 0)
    (tmp_path / "root/cat.jpg").unlink()
    daemon.wait_found(tmp_path / "root", set(IN_ROOT) - {"cat.jpg"})
    daemon.verify()


def test_an_empty_folder_in_the_place_of_a_root_is_no_proof(daemon: Daemon, tmp_path: Path) -> None:
    root, away = tmp_path / "root", tmp_path / "away"
    daemon.stop()
    root.rename(away)
    root.mkdir()  # what a mount point looks like when its disk is not there

    daemon.start()
    _wait_state(daemon, root, "offline")
    daemon.wait_idle()
    assert daemon.found(root) == {os.fsencode(name) for name in IN_ROOT}
    root.rmdir()
    away.rename(root)

    _wait_state(daemon, root, "online")
    daemon.wait_found(root, IN_ROOT)
    assert daemon.wait_idle()["encoded"] == 0
    daemon.verify()


@needs_root
def test_an_unmounted_root_is_offline_and_nothing_is_encoded_twice(
    daemons: Daemons, seed: FirstCrawl, tmp_path: Path
) -> None:
    root = tmp_path / "disk"
    with ExitStack() as mounts:
        mounts.enter_context(_mounted(root))
        album.fill(root)
        daemon = daemons.new([root], seed=seed).start()
        daemon.wait_found(root, album.SEED)
        # moved, not unmounted, for a tmpfs that is unmounted is lost
        elsewhere = tmp_path / "drawer"
        elsewhere.mkdir()
        mounts.callback(subprocess.run, ["umount", "-l", str(elsewhere)], capture_output=True)
        subprocess.run(["mount", "--move", str(root), str(elsewhere)], check=True)

        _wait_state(daemon, root, "offline")
        daemon.wait_found(root, album.SEED)
        assert _offline(daemon, root) == {True}
        subprocess.run(["mount", "--move", str(elsewhere), str(root)], check=True)

        _wait_state(daemon, root, "online")
        daemon.wait_until(lambda: _offline(daemon, root) == {False}, what="the marks are gone")
        album.save(root / "late.jpg", album.picture("sunset"))
        daemon.wait_found(root, ["late.jpg", *album.SEED])
        assert daemon.worked() == (0, 0)
        daemon.verify()
        daemon.stop()


def _unprivileged() -> tuple[str, ...]:
    """Words that make root obey permissions like anyone else."""
    if os.geteuid() != 0:
        return ()
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")


def test_what_cannot_be_read_is_reported_and_recovered_when_it_can_be(
    daemons: Daemons, seed: FirstCrawl, tmp_path: Path
) -> None:
    root, other = album.fill(tmp_path / "root"), album.fill(tmp_path / "other")
    album.save(root / "folder/a.jpg", album.picture("beach"))
    closed = [root / "cat.jpg", root / "folder", other]
    for path in closed:
        path.chmod(0)
    try:
        daemon = daemons.new([root, other], seed=seed, prefix=_unprivileged()).start()
        rest = [name for name in album.SEED if name != "cat.jpg"]
        daemon.wait_found(root, rest)
        daemon.wait_until(lambda: len(_unreadable(daemon, root)) == 2, what="two are reported")
        _wait_state(daemon, other, "offline")
        assert _unreadable(daemon, root) == {b"cat.jpg", b"folder"}
    finally:
        for path in closed:
            path.chmod(0o755)
    daemon.ctl("rescan")

    daemon.wait_found(root, [*album.SEED, "folder/a.jpg"])
    daemon.wait_found(other, album.SEED)
    daemon.wait_until(lambda: not _unreadable(daemon, root), what="nothing is left behind")
    assert daemon.root_states() == {str(root): "online", str(other): "online"}


def test_a_folder_that_becomes_unreadable_loses_nothing(
    daemons: Daemons, seed: FirstCrawl, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    album.fill(root / "folder")
    daemon = daemons.new([root], seed=seed, prefix=_unprivileged()).start()
    names = [f"folder/{name}" for name in album.SEED]
    daemon.wait_found(root, names)

    (root / "folder").chmod(0)
    try:
        daemon.ctl("rescan")
        daemon.wait_until(lambda: _unreadable(daemon, root) == {b"folder"}, what="reported")
        daemon.wait_idle()
        assert daemon.found(root) == {os.fsencode(name) for name in names}
    finally:
        (root / "folder").chmod(0o755)


def _unreadable(daemon: Daemon, root: Path) -> set[bytes]:
    rows = daemon.errors().items()
    return {os.path.relpath(p, os.fsencode(root)) for p, row in rows if row["kind"] == "unreadable"}


def test_a_missing_root_is_offline_until_it_appears(
    daemons: Daemons, seed: FirstCrawl, tmp_path: Path
) -> None:
    root = tmp_path / "usb"
    daemon = daemons.new([root], seed=seed).start()
    _wait_state(daemon, root, "offline")
    (row,) = daemon.status()["roots"]
    assert row["reason"]

    album.fill(root)

    daemon.wait_found(root, album.SEED)
    assert daemon.root_states() == {str(root): "online"}


def _same_twice(folder: Path) -> list[Path]:
    return [folder / "a", folder / "a"]


def _same_by_symlink(folder: Path) -> list[Path]:
    (folder / "link").symlink_to(folder / "a")
    return [folder / "a", folder / "link"]


def _one_inside_the_other(folder: Path) -> list[Path]:
    return [folder / "a", folder / "a/b"]


def _a_file(folder: Path) -> list[Path]:
    return [folder / "a/b/sunset.jpg"]


@pytest.mark.parametrize("roots", [_same_twice, _same_by_symlink, _one_inside_the_other, _a_file])
def test_roots_that_make_no_sense_are_refused_by_name(
    daemons: Daemons, tmp_path: Path, roots: Any
) -> None:
    album.fill(tmp_path / "a/b")
    chosen = roots(tmp_path)
    daemon = daemons.new(chosen)

    with pytest.raises(NotReadyError) as refused:
        daemon.start()

    assert daemon.process.returncode == 2
    assert all(str(root) in str(refused.value) for root in chosen)
    assert "Traceback" not in str(refused.value)


def test_no_root_at_all_is_a_clear_message(daemons: Daemons) -> None:
    daemon = daemons.new([])

    with pytest.raises(NotReadyError, match="root"):
        daemon.start()

    assert daemon.process.returncode == 2


def test_no_photo_passes_for_offline_right_after_a_reload(daemon: Daemon) -> None:
    config = daemon.file.read_text()
    for seconds in range(10, 18):
        daemon.file.write_text(f'{config}[decoder]\ntimeout = "{seconds}s"\n')
        daemon.reload()
        assert {hit["offline"] for hit in daemon.search()} == {False}, seconds
    assert "not changed" not in daemon.log()


@needs_root
def test_a_root_that_hangs_harms_only_itself(
    daemons: Daemons, seed: FirstCrawl, tmp_path: Path
) -> None:
    root, nas = album.fill(tmp_path / "root"), tmp_path / "nas"
    (root / "beach.jpg").rename(album.save(nas / "beach.jpg", b""))
    daemon = daemons.new([root, nas], seed=seed).start()
    daemon.wait_found(nas, ["beach.jpg"])
    with hanging_disk(nas):
        _wait_state(daemon, nas, "stalled")
        assert any("did not answer for" in problem for problem in daemon.status()["problems"])
        assert _offline(daemon, nas) == {True}
        album.save(root / "new.jpg", album.new("beach"))
        daemon.wait_found(root, [*IN_ROOT, "new.jpg"])
        assert daemon.stop() < 10

        daemon.start()  # as after a boot without the network
        _wait_state(daemon, nas, "stalled")
        assert daemon.root_states()[str(root)] == "online"
        assert _offline(daemon, nas) == {True}
    _wait_state(daemon, nas, "online")
    assert _offline(daemon, nas) == {False}
