from __future__ import annotations

from pathlib import Path

import pytest

from clipd.errors import IndexAwayError
from clipd.store.milvus_link import MilvusLink
from clipd.store.milvus_lite import LiteServer

SECONDS = 60.0


@pytest.mark.slow
def test_a_folder_that_cannot_be_is_named_also_while_it_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    server = LiteServer(tmp_path / "file")
    sentence = f"Milvus Lite in {tmp_path}/file cannot run: File exists"
    with pytest.raises(IndexAwayError, match=sentence):
        server.start(SECONDS)
    with pytest.raises(IndexAwayError, match=sentence):
        server.start(0)
    server.stop()


@pytest.mark.slow
def test_two_cannot_have_one_folder(tmp_path: Path) -> None:
    one, other = LiteServer(tmp_path / "lite"), LiteServer(tmp_path / "lite")
    one.start(SECONDS)
    with pytest.raises(IndexAwayError, match=f"{tmp_path}/lite cannot run: .*lock"):
        other.start(SECONDS)
    other.stop()
    assert one.socket.exists()
    one.stop()
    assert not one.socket.exists()


def test_a_path_that_is_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexAwayError, match="too long for a socket beside it"):
        LiteServer(tmp_path / ("long" * 30)).start(SECONDS)


@pytest.mark.slow
def test_a_token_that_cannot_be_read_is_named(milvus_lite: str, tmp_path: Path) -> None:
    link = MilvusLink(milvus_lite, tmp_path / "token")
    with pytest.raises(IndexAwayError, match="token cannot be read: No such file or directory"):
        link.connect()
    assert link.reason.endswith("No such file or directory")
    link.close()
