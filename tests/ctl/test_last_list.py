from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from clipd.ctl.last_list import ListedPhoto, chosen_photos, keep_list, lists_folder
from clipd.errors import RequestError
from clipd.search.query import Query, Term
from tests.ctl.conftest import Ctl
from tests.ctl.terminal import typed
from tests.serve.answering import HITS, GivenService

PHOTOS = [ListedPhoto(b"/p/%d\xff.jpg" % number, number) for number in range(1, 13)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("word", "numbers"),
    [
        (b"@3", [3]),
        (b"@12", [12]),
        (b"@1-4", [1, 2, 3, 4]),
        (b"@1,4", [1, 4]),
        (b"@4,1-2,11-", [4, 1, 2, 11, 12]),
        (b"@all", list(range(1, 13))),
    ],
)
def test_numbers_stand_for_photos_of_the_last_list(
    here: Path, word: bytes, numbers: list[int]
) -> None:
    keep_list(PHOTOS)
    assert [photo.photo for photo in chosen_photos([word])] == numbers
    assert chosen_photos([word])[0].path == PHOTOS[numbers[0] - 1].path


@pytest.mark.parametrize("word", [b"@0", b"@13", b"@5-2", b"@1-13", b"@1,99", b"@" + b"9" * 400])
def test_a_number_that_there_is_not_is_refused_with_those_that_there_are(
    here: Path, word: bytes
) -> None:
    keep_list(PHOTOS)
    with pytest.raises(RequestError, match="the last list has @1 to @12"):
        chosen_photos([word])


def test_without_a_list_a_number_says_how_to_get_one(here: Path) -> None:
    with pytest.raises(RequestError, match="clipctl search"):
        chosen_photos([b"@1"])


@pytest.mark.parametrize("word", [b"@", b"@home", b"./@3", b"@3.jpg", b"@-3", b"@1,", b"a@3"])
def test_anything_else_is_a_path(here: Path, word: bytes) -> None:
    assert chosen_photos([word]) == [ListedPhoto(os.path.abspath(word))]


def test_a_list_is_for_its_user_alone_and_leaves_nothing_beside_it(here: Path) -> None:
    keep_list(PHOTOS)
    keep_list(PHOTOS[:1])
    (file,) = lists_folder().iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(chosen_photos([b"@all"])) == 1


def test_a_damaged_list_is_none(here: Path) -> None:
    keep_list(PHOTOS)
    (file,) = lists_folder().iterdir()
    for content in (b"", b"{", b"\xff", b'{"a": 1}', b"[1, 2]"):
        file.write_bytes(content)
        with pytest.raises(RequestError, match="has none yet"):
            chosen_photos([b"@1"])


def test_lists_of_terminals_that_are_closed_go(here: Path) -> None:
    keep_list(PHOTOS)
    gone = [lists_folder() / "4194305-34816-1", lists_folder() / f"{os.getpid()}-34816-1"]
    for file in gone:
        file.write_bytes(b"[]")
    keep_list(PHOTOS)
    assert not any(file.exists() for file in gone)
    assert chosen_photos([b"@2"])


def test_without_a_runtime_folder_lists_lie_in_the_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if Path(f"/run/user/{os.getuid()}").is_dir():
        pytest.skip("this system has a runtime folder for everybody")
    assert lists_folder({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "clipd/lists"


def test_what_a_search_on_a_terminal_numbered_can_be_named_by_number(
    ctl: Ctl, service: GivenService
) -> None:
    drawn = typed(ctl, "clipctl search sunset; clipctl similar @2; clipctl rescan @3")
    assert "1 " in drawn
    assert service.asked[1:] == [
        Query((Term(photo=9),), anyway=True),
        ("rescan", HITS[2].path),
    ]


def test_a_pipe_a_script_and_another_terminal_leave_the_list_alone(
    ctl: Ctl, service: GivenService
) -> None:
    others = "clipctl search dogs -n 1 | cat; clipctl search dogs -n 1 --json; clipctl search -0 x"
    assert "the last list has @1 to @3" in typed(
        ctl, f"clipctl search sunset; {others}; clipctl similar @4"
    )
    assert "this terminal has none yet" in typed(ctl, "clipctl similar @1")


def test_a_list_that_cannot_be_kept_is_printed_all_the_same(ctl: Ctl, tmp_path: Path) -> None:
    (tmp_path / "clipd").write_bytes(b"a file where the folder should be")
    drawn = typed(ctl, "clipctl search sunset", XDG_RUNTIME_DIR=str(tmp_path))
    assert "sunset.jpg" in drawn
    assert "cannot be kept" in drawn
