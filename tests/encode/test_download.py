from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from clipd.encode.download import NotThereError, OtherBytesError, UnreachableError, download
from clipd.errors import FetchError
from tests.encode.hub import Hub, serving_hub

CONTENT = os.urandom(1_000_003)
download_now = partial(download, pause_seconds=0.0)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving_hub() as hub:
        hub.put("org/model", "weights", CONTENT)
        yield hub


def ignore(here: int, total: int) -> None:
    pass


def url(hub: Hub, file: str = "weights") -> str:
    return f"{hub.address}/org/model/resolve/main/{file}"


def test_a_file_arrives_whole_with_its_hash_revision_and_progress(hub: Hub, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    fetched = download(url(hub), tmp_path / "w", lambda here, total: seen.append((here, total)))

    assert (tmp_path / "w").read_bytes() == CONTENT
    assert fetched.sha256 == sha256(CONTENT).hexdigest()
    assert (fetched.size_bytes, fetched.revision) == (len(CONTENT), "c0ffee")
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [here for here, _ in seen] == sorted({here for here, _ in seen})
    assert os.listdir(tmp_path) == ["w"]


def test_a_broken_connection_is_taken_up_where_it_broke(hub: Hub, tmp_path: Path) -> None:
    hub.cut_after = 300_000

    download_now(url(hub), tmp_path / "w", ignore)

    assert (tmp_path / "w").read_bytes() == CONTENT
    ranges = [asked[1] for asked in hub.asked if asked[0].startswith("/cdn")]
    assert ranges == ["", "bytes=300000-", "bytes=600000-", "bytes=900000-"]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(hub: Hub, tmp_path: Path) -> None:
    def stop(here: int, total: int) -> None:
        if here > 400_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(url(hub), tmp_path / "w", stop)
    have = (tmp_path / "w.part").stat().st_size
    hub.asked.clear()

    download(url(hub), tmp_path / "w", ignore)

    assert have > 400_000
    assert hub.asked[0][1] == f"bytes={have}-"
    assert (tmp_path / "w").read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_fetched_from_its_beginning(
    hub: Hub, tmp_path: Path
) -> None:
    (tmp_path / "w.part").write_bytes(b"old" * 1000)
    (tmp_path / "w.part.json").write_text('{"tag": "older", "size_bytes": 9000, "revision": ""}')

    download_now(url(hub), tmp_path / "w", ignore)

    assert (tmp_path / "w").read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "w.part").write_bytes(b"x" * (len(CONTENT) + 5))

    download_now(url(hub), tmp_path / "w", ignore)

    assert (tmp_path / "w").read_bytes() == CONTENT


def test_a_damaged_file_is_refused_and_not_kept(hub: Hub, tmp_path: Path) -> None:
    hub.tags["/org/model/resolve/main/weights"] = "0" * 64

    with pytest.raises(FetchError, match="damaged"):
        download(url(hub), tmp_path / "w", ignore)

    assert os.listdir(tmp_path) == []


def test_a_file_that_the_server_vouches_for_but_nobody_wanted_is_not_kept(
    hub: Hub, tmp_path: Path
) -> None:
    with pytest.raises(OtherBytesError, match=f"its SHA-256 is {sha256(CONTENT).hexdigest()}"):
        download(url(hub), tmp_path / "w", ignore, sha256="0" * 64)

    assert os.listdir(tmp_path) == []
    download(url(hub), tmp_path / "w", ignore, sha256=sha256(CONTENT).hexdigest())


def test_a_file_that_is_not_there_and_a_server_that_is_not_there_differ(
    hub: Hub, tmp_path: Path
) -> None:
    with pytest.raises(NotThereError, match="404"):
        download(url(hub, "nothing"), tmp_path / "w", ignore)
    with pytest.raises(UnreachableError, match="refused"):
        download("http://127.0.0.1:9/x", tmp_path / "w", ignore)


def test_the_token_goes_to_the_hub_and_not_to_where_it_redirects(hub: Hub, tmp_path: Path) -> None:
    download(url(hub), tmp_path / "w", ignore, token="secret")

    assert [asked[2] for asked in hub.asked] == ["Bearer secret", ""]


def test_two_processes_do_not_fetch_the_same_file_at_once(hub: Hub, tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        with pytest.raises(FetchError, match="another process"):
            download(url(hub), tmp_path / "w", ignore)
    finally:
        os.close(folder)
