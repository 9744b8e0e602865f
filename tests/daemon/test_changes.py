"""Files come, go, move and change; the hits follow."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import album
from tests.daemon.conftest import Daemons, FirstCrawl
from tests.daemon.harness import PATIENCE_SECONDS, Daemon, wait_until

pytestmark = pytest.mark.slow


def _work(daemon: Daemon) -> tuple[Any, Any]:
    """How many pictures were decoded and encoded since the start."""
    status = daemon.wait_idle()
    return status["decoded"], status["encoded"]


def _top(daemon: Daemon, query: str, folder: Path) -> str:
    """The best hit of a query among those below a folder, by the real clipctl."""
    for line in daemon.ctl("search", "-n", "1000", query).stdout.decode().splitlines():
        path = line.split("\t")[1]
        if path.startswith(f"{folder}/"):
            return os.path.basename(path)
    return ""


def test_a_saved_photo_is_found_within_seconds(
    shared: Daemon, folder: Path, record_property: Callable[[str, object], None]
) -> None:
    album.save(folder / "warm.jpg", album.new())
    shared.wait_found(folder, ["warm.jpg"])  # the encoder is awake now

    album.save(folder / "new.jpg", album.new("rainbow"))
    seconds = shared.wait_found(folder, ["warm.jpg", "new.jpg"])

    record_property("saved_to_found_seconds", round(seconds, 2))
    assert seconds < 20  # 2 s on a machine with nothing else to do
    assert _top(shared, "rainbow", folder) == "new.jpg"


def test_a_renamed_photo_is_found_without_encoding_it_again(shared: Daemon, folder: Path) -> None:
    album.save(folder / "a.jpg", album.new())
    shared.wait_found(folder, ["a.jpg"])
    before = _work(shared)

    (folder / "a.jpg").rename(folder / "b.jpg")

    shared.wait_found(folder, ["b.jpg"])
    assert _work(shared) == before


def test_a_deleted_photo_is_gone_and_its_return_costs_nothing(shared: Daemon, folder: Path) -> None:
    content = album.new()
    album.save(folder / "a.jpg", content)
    shared.wait_found(folder, ["a.jpg"])
    before = _work(shared)

    (folder / "a.jpg").unlink()
    shared.wait_found(folder, [])
    shared.verify()
    album.save(folder / "a.jpg", content)

    shared.wait_found(folder, ["a.jpg"])
    assert _work(shared) == before


def test_a_copy_is_a_second_path_of_the_same_photo(shared: Daemon, folder: Path) -> None:
    album.save(folder / "a.jpg", album.new())
    shared.wait_found(folder, ["a.jpg"])
    photos, before = shared.status()["photos"], _work(shared)

    shutil.copy(folder / "a.jpg", folder / "copy.jpg")

    shared.wait_found(folder, ["a.jpg", "copy.jpg"])
    assert shared.status()["photos"] == photos
    assert _work(shared) == before


def test_a_hard_link_is_a_second_path_of_the_same_photo(shared: Daemon, folder: Path) -> None:
    album.save(folder / "a.jpg", album.new())
    shared.wait_found(folder, ["a.jpg"])
    photos, before = shared.status()["photos"], _work(shared)

    os.link(folder / "a.jpg", folder / "link.jpg")
    shared.wait_found(folder, ["a.jpg", "link.jpg"])
    (folder / "a.jpg").unlink()

    shared.wait_found(folder, ["link.jpg"])
    assert shared.status()["photos"] == photos
    assert _work(shared) == before


def test_a_copy_to_outside_every_root_changes_nothing(
    shared: Daemon, folder: Path, tmp_path: Path
) -> None:
    album.save(folder / "a.jpg", album.new())
    shared.wait_found(folder, ["a.jpg"])

    shutil.copy(folder / "a.jpg", tmp_path / "outside.jpg")
    album.save(folder / "later.jpg", album.picture("beach"))

    shared.wait_found(folder, ["a.jpg", "later.jpg"])
    assert shared.found(tmp_path) == set()


def test_a_photo_moved_in_is_added_and_moved_out_is_gone(
    shared: Daemon, folder: Path, tmp_path: Path
) -> None:
    outside = album.save(tmp_path / "a.jpg", album.new())

    outside.rename(folder / "a.jpg")
    shared.wait_found(folder, ["a.jpg"])
    (folder / "a.jpg").rename(outside)

    shared.wait_found(folder, [])


def test_a_folder_moved_in_within_and_out_takes_its_photos_along(
    shared: Daemon, folder: Path, tmp_path: Path
) -> None:
    album.fill(tmp_path / "trip/day 1")
    names = [f"day 1/{name}" for name in album.SEED]

    (tmp_path / "trip").rename(folder / "trip")
    shared.wait_found(folder, [f"trip/{name}" for name in names])
    before = _work(shared)
    (folder / "trip").rename(folder / "holiday")
    shared.wait_found(folder, [f"holiday/{name}" for name in names])
    (folder / "holiday/day 1/cat.jpg").rename(folder / "cat.jpg")  # watched under its new name
    shared.wait_until(lambda: b"cat.jpg" in shared.found(folder), what="cat.jpg")
    (folder / "holiday").rename(tmp_path / "gone")

    shared.wait_found(folder, ["cat.jpg"])
    assert _work(shared) == before
    shared.verify()


def test_a_deleted_folder_takes_its_photos_along(shared: Daemon, folder: Path) -> None:
    album.fill(folder / "a/b")
    album.save(folder / "stays.jpg", album.picture("beach"))
    shared.wait_found(folder, ["stays.jpg", *(f"a/b/{name}" for name in album.SEED)])

    shutil.rmtree(folder / "a")

    shared.wait_found(folder, ["stays.jpg"])
    shared.verify()


def test_a_save_by_rename_over_replaces_the_content(shared: Daemon, folder: Path) -> None:
    old = album.save(folder / "a.jpg", album.picture("a cat", seed=101))
    album.save(folder / "other.jpg", album.picture("forest", seed=101))
    shared.wait_found(folder, ["a.jpg", "other.jpg"])
    assert _top(shared, "a cat", folder) == "a.jpg"
    paths = shared.wait_idle()["paths"]

    album.save(folder / ".a.jpg.tmp", album.picture("snowy mountains", seed=101)).replace(old)

    shared.wait_until(
        lambda: _top(shared, "snowy mountains", folder) == "a.jpg", what="the new content"
    )
    shared.wait_found(folder, ["a.jpg", "other.jpg"])
    assert shared.wait_idle()["paths"] == paths
    shared.verify()


def test_a_photo_written_over_in_place_is_encoded_anew(shared: Daemon, folder: Path) -> None:
    file = album.save(folder / "a.jpg", album.picture("beach", seed=102))
    shared.wait_found(folder, ["a.jpg"])
    encoded = _work(shared)[1]

    file.write_bytes(album.picture("rainbow", seed=102))

    shared.wait_until(lambda: shared.status()["encoded"] == encoded + 1, what="encoded anew")
    shared.wait_found(folder, ["a.jpg"])
    shared.verify()


def test_photos_saved_into_folders_that_are_being_made_are_not_missed(
    shared: Daemon, folder: Path
) -> None:
    names = [f"{a}/{b}/{c}/{c}.jpg" for a in "abc" for b in "abc" for c in "abc"]

    for name in names:
        album.save(folder / name, album.picture("beach"))

    shared.wait_found(folder, names)


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


def test_hidden_files_are_ignored_until_they_are_shown(shared: Daemon, folder: Path) -> None:
    album.save(folder / ".hidden.jpg", album.picture("beach"))
    album.save(folder / ".folder/a.jpg", album.picture("beach"))
    album.save(folder / "seen.jpg", album.picture("beach"))
    shared.wait_found(folder, ["seen.jpg"])

    (folder / ".hidden.jpg").rename(folder / "shown.jpg")
    (folder / ".folder").rename(folder / "folder")
    shared.wait_found(folder, ["seen.jpg", "shown.jpg", "folder/a.jpg"])
    (folder / "shown.jpg").rename(folder / ".hidden.jpg")
    (folder / "folder").rename(folder / ".folder")

    shared.wait_found(folder, ["seen.jpg"])


def test_symlinks_make_no_loop_and_show_nothing_twice(
    shared: Daemon, folder: Path, tmp_path: Path
) -> None:
    album.save(folder / "real/a.jpg", album.picture("beach"))
    album.save(tmp_path / "elsewhere.jpg", album.picture("forest"))
    (folder / "alias").symlink_to(folder / "real")
    (folder / "real/cycle").symlink_to(folder)
    (folder / "dangling.jpg").symlink_to(folder / "none.jpg")
    (folder / "alias.jpg").symlink_to(folder / "real/a.jpg")
    (folder / "away.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    shared.ctl("rescan")

    shared.wait_found(folder, ["real/a.jpg"])
    shared.wait_idle()
    assert shared.found(folder) == {b"real/a.jpg"}
    base = os.fsencode(folder)
    assert not [path for path in shared.errors() if path.startswith(base)]


def test_things_that_are_no_files_are_left_alone(shared: Daemon, folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")  # to open it would wait for ever
    (folder / "folder.jpg").mkdir()
    album.save(folder / "folder.jpg/a.jpg", album.picture("beach"))
    album.save(folder / "b.jpg", album.picture("beach"))

    shared.wait_found(folder, ["folder.jpg/a.jpg", "b.jpg"])
    shared.wait_idle()


def test_nothing_is_lost_when_the_event_queue_overflows(shared: Daemon, folder: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 200_000:
        pytest.skip(f"fs.inotify.max_queued_events is {limit}: too many to fill")
    said = shared.log().lower().count("overflow")
    shared.process.send_signal(signal.SIGSTOP)
    try:
        one, other = folder / ".one", folder / ".other"
        one.touch()
        for _ in range(limit // 4 + 100):  # two events each
            one.rename(other)
            other.rename(one)
        album.fill(folder / "late")
    finally:
        shared.process.send_signal(signal.SIGCONT)

    shared.wait_found(folder, [f"late/{name}" for name in album.SEED])
    shared.wait_until(lambda: shared.log().lower().count("overflow") > said, what="it is said")
    shared.wait_idle()
    assert shared.log().lower().count("overflow") == said + 1
    album.save(folder / "after.jpg", album.picture("beach"))  # and events still come
    shared.wait_found(folder, ["after.jpg", *(f"late/{name}" for name in album.SEED)])


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
    shared: Daemon, folder: Path
) -> None:
    scenes = ["sunset", "beach", "forest", "snowy mountains", "night sky", "rainbow"]
    for number, scene in enumerate(scenes):
        album.save(folder / f"{number} good.jpg", album.picture(scene, seed=103))
        album.save(folder / f"{number} bad.jpg", album.picture(scene, seed=104)[:700])
    shared.wait_found(folder, [f"{number} good.jpg" for number in range(len(scenes))])

    for number, scene in enumerate(scenes):
        # the same pixels from outside the library: what comes first shows which vector it has
        asked = album.save(folder.parent.parent / "asked.png", album.picture(scene, 103))
        best = shared.ctl("similar", "-n", "1", str(asked)).stdout.decode()
        assert best.rstrip("\n").split("\t")[1] == str(folder / f"{number} good.jpg")
    assert {os.path.basename(path) for path in shared.errors()} >= {
        b"%d bad.jpg" % number for number in range(len(scenes))
    }


def test_a_picture_over_the_pixel_limit_is_refused_with_the_key_that_raises_it(
    shared: Daemon, folder: Path
) -> None:
    big = album.save(folder / "big.png", album.bomb(20_000))
    shared.wait_until(lambda: os.fsencode(big) in shared.errors(), what="it is listed")

    row = shared.errors()[os.fsencode(big)]

    assert row["kind"] == "too-large"
    assert "max_pixels" in row["reason"]
    assert "200" in row["reason"]


NAMES = (
    b"\xff\xfe not utf-8 \xe9.jpg",
    b"two\nlines\r.jpg",
    b"tab\tbell\a escape \x1b[31m.jpg",
    "composed é.jpg".encode(),
    "decomposed e\u0301.jpg".encode(),
    "right to left \u202e gpj.jpg".encode(),
    b'quote " and \\ backslash.jpg',
    b"-n 5.jpg",
    b" .jpg",
    "\U0001f305 日の出.jpg".encode(),
    b"l" * 251 + b".jpg",
)


def test_every_name_that_a_file_can_have_is_carried_whole(shared: Daemon, folder: Path) -> None:
    base = os.fsencode(folder)
    for name in NAMES:
        with open(base + b"/" + name, "wb") as file:
            file.write(album.picture("sunset", seed=NAMES.index(name)))

    shared.wait_found(folder, NAMES)

    bare = shared.ctl("search", "-0", "-n", "1000", "sunset").stdout.split(b"\0")
    assert {base + b"/" + name for name in NAMES} <= set(bare)
    plain = shared.ctl("search", "-n", "1000", "sunset").stdout
    assert b"\x1b" not in plain
    assert all(line.count(b"\t") >= 1 for line in plain.splitlines())
    assert shared.ctl("search", "--json", "-n", "1000", "sunset").stdout.decode().isascii()
    for name in NAMES:
        best = shared.ctl("similar", "-0", "-n", "1", base + b"/" + name).stdout
        assert best == base + b"/" + name + b"\0"
    os.rename(base + b"/" + NAMES[0], base + b"/\xfe renamed.jpg")
    shared.wait_found(folder, [b"\xfe renamed.jpg", *NAMES[1:]])
    shared.verify()


def test_the_originals_are_never_touched(shared: Daemon, folder: Path) -> None:
    file = album.save(folder / "a.jpg", album.new())
    os.utime(file, ns=(1_000_000_000, 2_000_000_000))
    shared.wait_found(folder, ["a.jpg"])

    stat = file.stat()

    assert (stat.st_atime_ns, stat.st_mtime_ns) == (1_000_000_000, 2_000_000_000)


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
    assert daemon.log().count("max_user_watches") == 1


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
