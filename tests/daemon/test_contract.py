"""What scripts rely on: commands, keys, exit codes, and how the daemon talks to systemd."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests import processes
from tests.daemon import album
from tests.daemon.commands import program
from tests.daemon.conftest import FirstCrawl
from tests.daemon.harness import Daemon
from tests.daemon.wire import path_of, wait_until

pytestmark = pytest.mark.slow

STATUS = {
    "pid",
    "state",
    "photos",
    "paths",
    "errors",
    "backlog",
    "decoded",
    "encoded",
    "encoder",
    "roots",
}


@pytest.fixture
def photos(shared: Daemon, folder: Path) -> Path:
    """The seed pictures, copied into the shared library and found."""
    shared.wait_found(album.fill(folder), album.SEED)
    return folder


def test_the_first_crawl_finds_every_photo_once(seed: FirstCrawl) -> None:
    expected = sorted(os.fsencode(seed.folder / name) for name in album.SEED)

    for query, hits in seed.hits.items():
        assert sorted(path_of(hit) for hit in hits) == expected, query
    assert [seed.status[key] for key in ("photos", "paths", "errors")] == [len(expected)] * 2 + [0]
    assert seed.status["decoded"] == seed.status["encoded"] == len(expected)


@pytest.mark.parametrize(
    ("query", "name"),
    [("sunset", "sunset.jpg"), ("a cat", "cat.jpg"), ("snowy mountains", "mountains.jpg")],
)
def test_a_search_ranks_the_photo_that_shows_it_first(
    seed: FirstCrawl, query: str, name: str
) -> None:
    hits = seed.hits[query]

    assert os.path.basename(hits[0]["path"]) == name
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)


def test_ready_is_said_once_and_the_status_line_follows(seed: FirstCrawl) -> None:
    assert seed.notes.count("READY=1") == 1
    assert [note for note in seed.notes if note.startswith("STATUS=")]


def test_the_watchdog_of_the_unit_is_fed(shared: Daemon) -> None:
    fed = shared.notes.drain().count("WATCHDOG=1")
    wait_until(lambda: shared.notes.drain().count("WATCHDOG=1") > fed + 1, what="WATCHDOG=1")


def test_search_prints_a_score_and_a_path_on_each_line(shared: Daemon, photos: Path) -> None:
    lines = shared.ctl("search", "sunset", "-n", "3").stdout.decode().splitlines()

    assert len(lines) == 3
    score, _, path = lines[0].partition("\t")
    assert -1 <= float(score) <= 1
    assert path.startswith(str(photos.parent))


def test_search_json_has_the_keys_of_the_contract(shared: Daemon, photos: Path) -> None:
    answer = json.loads(shared.ctl("search", "--json", "-n", "2", "sunset").stdout)

    assert answer.keys() >= {"query", "model", "hits", "took_ms"}
    assert answer["query"] == "sunset"
    assert answer["model"] == "pocket"
    assert len(answer["hits"]) == 2
    assert answer["hits"][0].keys() >= {"photo", "path", "score", "offline"}
    assert answer["hits"][0]["offline"] is False


def test_zero_separated_output_holds_the_bare_paths(shared: Daemon, photos: Path) -> None:
    bare = shared.ctl("search", "-0", "-n", "2", "sunset").stdout.split(b"\0")

    assert len(bare) == 3
    assert bare[-1] == b""
    assert all(os.path.exists(path) for path in bare[:2])


def test_similar_finds_the_picture_itself_first(shared: Daemon, photos: Path) -> None:
    answer = json.loads(shared.ctl("similar", "--json", str(photos / "cat.jpg")).stdout)

    assert answer.keys() >= {"query", "model", "hits", "took_ms"}
    assert answer["hits"][0]["score"] > 0.99


def test_status_json_has_the_keys_of_the_contract(shared: Daemon, photos: Path) -> None:
    status = json.loads(shared.ctl("status", "--json").stdout)

    assert status.keys() >= STATUS
    assert status["pid"] == shared.pid
    assert status["state"] in {"starting", "scanning", "indexing", "idle", "paused", "resting"}
    assert status["encoder"].keys() >= {"state", "device", "precision", "model"}
    assert status["encoder"]["state"] in {"asleep", "starting", "ready"}
    assert {(root["path"], root["state"]) for root in status["roots"]} == {
        (str(photos.parent), "online")
    }


def test_status_wait_returns_when_all_is_done(shared: Daemon, folder: Path) -> None:
    for number in range(20):
        album.save(folder / f"{number}.jpg", album.new())
    shared.ctl("rescan")

    shared.ctl("status", "--wait")

    assert shared.found(folder) == {b"%d.jpg" % number for number in range(20)}


def test_errors_json_says_what_is_wrong_with_which_file_since_when(
    shared: Daemon, folder: Path
) -> None:
    bad = album.save(folder / "bad.jpg", b"\xff\xd8\xff\xe0 no picture")
    shared.wait_until(lambda: os.fsencode(bad) in shared.errors(), what="bad.jpg in errors")

    row = shared.errors()[os.fsencode(bad)]

    assert row.keys() >= {"path", "reason", "kind", "since"}
    assert row["kind"] == "corrupt"
    assert row["reason"]


def test_verify_agrees(shared: Daemon, photos: Path) -> None:
    shared.verify()


def test_ping_answers(shared: Daemon) -> None:
    shared.ctl("ping")


def test_pausing_holds_new_photos_back_until_resumed(shared: Daemon, folder: Path) -> None:
    shared.ctl("pause")
    try:
        shared.wait_until(lambda: shared.status()["state"] == "paused", what="paused")
        album.save(folder / "a.jpg", album.picture("sunset"))
        shared.wait_until(lambda: shared.status()["backlog"], what="the change is noticed")
        assert shared.found(folder) == set()
    finally:
        shared.ctl("resume")

    shared.wait_found(folder, ["a.jpg"])


def test_nothing_found_is_exit_status_1(shared: Daemon, photos: Path) -> None:
    done = shared.ctl("search", "sunset", "--min-score", "1.0", ok=False)

    assert (done.returncode, done.stdout) == (1, b"")


def test_wrong_usage_is_exit_status_2(shared: Daemon) -> None:
    assert shared.ctl("search", "--no-such-option", ok=False).returncode == 2


def test_no_daemon_is_exit_status_3_with_the_next_command_to_type(
    shared: Daemon, tmp_path: Path
) -> None:
    shared.environment["CLIPD_SOCKET"] = str(tmp_path / "none.sock")
    try:
        done = shared.ctl("search", "sunset", ok=False)
    finally:
        del shared.environment["CLIPD_SOCKET"]

    assert done.returncode == 3
    assert b"clipd" in done.stderr


def test_clipd_socket_points_clipctl_elsewhere(shared: Daemon, tmp_path: Path) -> None:
    link = tmp_path / "s"
    link.symlink_to(shared.socket)
    shared.environment |= {"CLIPD_SOCKET": str(link), "XDG_RUNTIME_DIR": str(tmp_path)}
    try:
        shared.ctl("ping")
    finally:
        del shared.environment["CLIPD_SOCKET"], shared.environment["XDG_RUNTIME_DIR"]


def test_the_socket_is_for_its_owner_only(shared: Daemon) -> None:
    assert shared.socket.stat().st_mode & 0o777 == 0o600
    assert shared.socket.parent.stat().st_mode & 0o777 == 0o700


def test_the_daemon_itself_never_loads_torch_or_pillow(shared: Daemon, photos: Path) -> None:
    maps = Path(f"/proc/{shared.pid}/maps").read_text()

    assert "/faiss" in maps
    assert "/torch/" not in maps
    assert "/PIL/" not in maps
    assert processes.resident_bytes(shared.pid) < 120 << 20


def test_a_query_can_be_piped_into_head(shared: Daemon, photos: Path) -> None:
    pipe = '"$@" search sunset | head -1'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", pipe, "-", *program("clipd.ctl.command")],
        env={**os.environ, "CLIPD_SOCKET": str(shared.socket)},
        capture_output=True,
        check=False,
        timeout=60,
    )

    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""
