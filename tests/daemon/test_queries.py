"""Queries that make sense, and those that do not: each gets an answer in a sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import album
from tests.daemon.harness import Daemon
from tests.daemon.wire import path_of

pytestmark = pytest.mark.slow


@pytest.fixture
def photos(shared: Daemon, folder: Path) -> Path:
    """The seed pictures, copied into the shared library and found."""
    shared.wait_found(album.fill(folder), album.SEED)
    return folder


def _refusal(daemon: Daemon, *arguments: str | bytes, status: int = 4) -> str:
    """What clipctl says when it is refused; it must be for people."""
    done = daemon.ctl(*arguments, ok=False)
    assert done.returncode == status, done
    assert done.stdout == b""
    said = done.stderr.decode()
    assert len(said) > 10
    return said


def test_an_empty_query_is_refused(shared: Daemon) -> None:
    done = shared.ctl("search", "", ok=False)

    assert done.returncode == 2
    assert b"empty" in done.stderr


def test_a_query_that_is_too_long_is_refused_with_the_limit(shared: Daemon) -> None:
    assert "1,000" in _refusal(shared, "search", "sunset " * 1000, status=2)


def test_a_query_that_is_not_text_is_refused(shared: Daemon) -> None:
    _refusal(shared, "search", b"\xff\xfe\xfd", status=2)


def test_a_query_in_any_script_is_answered(shared: Daemon, photos: Path) -> None:
    for query in ("日の出 sunset", "закат, sunset", "sunset \U0001f305", "sunset " * 100):
        assert shared.ctl("search", "-n", "3", query).stdout.count(b"\n") == 3
    for query in ("日の出", "закат", "\U0001f305", "'; zorblax; --"):
        done = shared.ctl("search", query, ok=False)
        assert (done.returncode, done.stdout) == (1, b""), query
        assert b"clipd model use" in done.stderr


def test_a_query_picture_that_is_missing_is_refused_by_name(shared: Daemon, photos: Path) -> None:
    assert "none.jpg" in _refusal(shared, "similar", str(photos / "none.jpg"))


def test_a_query_picture_that_is_no_picture_is_refused(shared: Daemon, tmp_path: Path) -> None:
    _refusal(shared, "similar", str(album.save(tmp_path / "no.jpg", b"no picture")))
    _refusal(shared, "similar", str(album.save(tmp_path / "empty.jpg", b"")), status=2)
    _refusal(shared, "similar", str(tmp_path))


def test_a_query_picture_over_the_pixel_limit_is_refused(shared: Daemon, tmp_path: Path) -> None:
    big = album.save(tmp_path / "big.png", album.bomb(20_000))

    assert "max_pixels" in _refusal(shared, "similar", str(big))


def test_a_query_picture_outside_every_root_is_answered(
    shared: Daemon, photos: Path, tmp_path: Path
) -> None:
    asked = album.save(tmp_path / "asked.png", album.picture("a cat", format="PNG"))

    answer = json.loads(shared.ctl("similar", "--json", "-n", "1", str(asked)).stdout)

    assert os.path.basename(answer["hits"][0]["path"]) == "cat.jpg"
    assert shared.found(tmp_path) == set()  # asked about, not taken in


def test_more_hits_than_photos_are_fewer_hits(shared: Daemon, photos: Path) -> None:
    hits = shared.search("sunset", n=10_000)

    assert len(hits) == shared.status()["photos"]
    assert all(hit["photo"] > 0 for hit in hits)


def test_two_terms_are_weighed_together_and_a_minus_pushes_away(
    shared: Daemon, photos: Path
) -> None:
    def ranks(*terms: dict[str, Any]) -> list[bytes]:
        body = json.dumps({"terms": terms, "limit": 10_000}).encode()
        code, answer = shared.request("POST", "/v1/search", body)
        assert code == 200, answer
        return [os.path.basename(path_of(hit)) for hit in answer["hits"]]

    plus = ranks({"text": "sunset"}, {"text": "a cat", "weight": 2})
    minus = ranks({"text": "sunset"}, {"text": "a cat", "weight": -2})

    assert plus.index(b"cat.jpg") < minus.index(b"cat.jpg")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/", None),
        ("GET", "/v1/nothing", None),
        ("DELETE", "/v1/search", None),
        ("GET", "/v1/search", None),
        ("GET", "/v1/search?q=", None),
        ("GET", "/v1/search?q=a&limit=-1", None),
        ("GET", "/v1/search?q=a&limit=many", None),
        ("GET", "/v1/search?q=%00", None),
        ("GET", "/v1/search?q=%ff", None),
        ("GET", "/v1/search?path=relative.jpg", None),
        ("GET", "/v1/search?path=/none/at/all.jpg", None),
        ("GET", "/v1/search?path=/etc/passwd", None),
        ("POST", "/v1/search", b"{"),
        ("POST", "/v1/search", b"[]"),
        ("POST", "/v1/search", b"[" * 100_000),
        ("POST", "/v1/search", b'{"terms": []}'),
        ("POST", "/v1/search", b'{"terms": [{"text": 5}]}'),
        ("POST", "/v1/search", b'{"query": "a", "limit": 1e99}'),
        ("POST", "/v1/rescan", b'{"path": "/not/in/a/root"}'),
        ("POST", "/v1/verify", b'{"repair": "yes"}'),
    ],
)
def test_a_bad_request_is_answered_with_a_code_and_a_sentence(
    shared: Daemon, method: str, path: str, body: bytes | None
) -> None:
    status, answer = shared.request(method, path, body)

    assert 400 <= status < 500
    assert answer["error"].keys() == {"code", "message"}
    assert len(answer["error"]["message"]) > 10
    assert "Traceback" not in shared.log()


def test_the_log_of_a_search_does_not_hold_its_words(shared: Daemon) -> None:
    shared.search("a secret garden")

    assert "secret garden" not in shared.log()
