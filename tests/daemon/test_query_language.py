"""The query language through the real daemon, on painted pictures."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.daemon import album
from tests.daemon.conftest import Daemons, FirstCrawl
from tests.daemon.harness import Daemon
from tests.daemon.wire import path_of

pytestmark = pytest.mark.slow


@pytest.fixture
def photos(shared: Daemon, folder: Path) -> Path:
    """The seed pictures, of the years 2010 to 2017 by their names' order; in a folder's `old`."""
    for year, (name, scene) in enumerate(sorted(album.SEED.items()), 2010):
        file = album.save(folder / "old" / name, album.picture(scene) + str(folder).encode())
        moment = datetime(year, 7, 1).timestamp()
        os.utime(file, (moment, moment))
    shared.wait_found(folder, [f"old/{name}" for name in album.SEED])
    return folder


def ask(daemon: Daemon, folder: Path, query: str, **more: str | int) -> dict[str, Any]:
    words = {"q": query, "folder": str(folder), "limit": 100, "anyway": "true", **more}
    status, answer = daemon.request("GET", f"/v1/search?{urlencode(words)}")
    assert status == 200, answer
    assert isinstance(answer, dict)
    return answer


def names(answer: dict[str, Any]) -> list[str]:
    return [os.fsdecode(os.path.basename(path_of(hit))) for hit in answer["hits"]]


def test_words_and_filters_find_the_best_of_what_passes(shared: Daemon, photos: Path) -> None:
    answer = ask(shared, photos, "a cat in:.")
    assert names(answer)[0] == "cat.jpg"
    assert sorted(names(answer)) == sorted(album.SEED)
    assert answer["matching"] == len(album.SEED)
    # Sorted by name, these are beach car cat forest mountains night rainbow sunset.
    assert names(ask(shared, photos, "a cat in:. after:2013"))[0] != "cat.jpg"
    assert sorted(names(ask(shared, photos, "a cat in:. after:2011 before:2013"))) == [
        "car.jpg",
        "cat.jpg",
    ]


def test_without_words_the_newest_come_first(shared: Daemon, photos: Path) -> None:
    answer = ask(shared, photos, "in:./old", limit=3)
    assert names(answer) == ["sunset.jpg", "rainbow.jpg", "night.jpg"]
    assert {hit["score"] for hit in answer["hits"]} == {None}
    assert answer["hits"][0]["taken"] == "2017-07-01T00:00:00"
    assert answer["hits"][0]["taken_from"] == "file"
    more = ask(shared, photos, "in:./old", limit=3, after=answer["next"])
    assert names(more) == ["mountains.jpg", "forest.jpg", "cat.jpg"]
    last = ask(shared, photos, "in:./old", limit=3, after=more["next"])
    assert names(last) == ["car.jpg", "beach.jpg"]
    assert last["next"] is None


def test_a_query_is_explained_with_how_many_pass(shared: Daemon, photos: Path) -> None:
    answer = ask(shared, photos, "sunset in:./old on:2017 name:sun", explain="true")
    assert 'words "sunset" · in ./old (8 of ' in answer["reading"]
    assert "from 2017 (" in answer["reading"]
    assert names(answer) == ["sunset.jpg"]


def test_a_picture_of_the_last_list_can_be_asked_for_by_its_number(
    shared: Daemon, photos: Path
) -> None:
    listed = [hit["photo"] for hit in ask(shared, photos, "in:. sort:name")["hits"]]
    words = ",".join(map(str, listed))
    answer = ask(shared, photos, "like:@3 in:.", list=words)
    assert names(answer)[0] == "cat.jpg"
    assert answer["hits"][0]["raw"] > 0.999
    assert names(ask(shared, photos, "unlike:@3 in:.", list=words))[-1] == "cat.jpg"


def test_a_wrong_query_is_refused_with_its_place(shared: Daemon) -> None:
    body = json.dumps({"q": "cat type:jpgg"}).encode()
    status, answer = shared.request("POST", "/v1/search", body)
    assert status == 400
    assert answer["error"]["code"] == "query"
    assert answer["error"]["span"] == [4, 13]


def test_once_scores_are_understood_nothing_is_found_where_nothing_fits(
    daemons: Daemons, seed: FirstCrawl, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    for number in range(4):
        for name, scene in album.SEED.items():
            album.save(folder / f"{number} {name}", album.picture(scene, seed=number + 1))
    daemon = daemons.new([folder], seed=seed).start()
    daemon.wait_until(lambda: daemon.status()["photos"] == 4 * len(album.SEED))
    daemon.wait_idle()  # so that the index has them, too
    daemon.search("a toaster")
    daemon.wait_until_logged("what scores mean was learnt from 32 photos")

    answer = ask(daemon, folder, "a toaster", anyway="false")
    assert answer["hits"] == []
    assert answer["nothing"] == 'nothing here looks like "a toaster"'
    assert answer["left_out"] is True
    assert len(ask(daemon, folder, "a toaster")["hits"]) == 32
    found = ask(daemon, folder, "a cat", anyway="false")["hits"]
    assert {os.path.basename(hit["path"])[2:] for hit in found[:4]} == {"cat.jpg"}
    assert len(found) < 32
    assert found[0]["score"] > 0.4
    assert found == sorted(found, key=lambda hit: -hit["score"])

    daemon.stop()
    assert ask(daemon.start(), folder, "a toaster", anyway="false")["hits"] == []


def test_a_year_among_words_is_a_tip_and_no_filter(shared: Daemon, photos: Path) -> None:
    answer = ask(shared, photos, "sunset 2019 in:.")
    assert len(answer["hits"]) == len(album.SEED)
    assert answer["tips"] == ["on:2019 would narrow it"]
    file = str(photos / "old" / "cat.jpg")
    assert ask(shared, photos, file)["tips"][0].startswith("that is a file: like:")


def test_folders_and_values_are_completed(shared: Daemon, photos: Path) -> None:
    words = urlencode({"q": "cat in:./", "folder": str(photos)})
    status, answer = shared.request("GET", f"/v1/complete?{words}")
    assert status == 200
    assert answer == {"from": 4, "to": 9, "options": ["in:./old/"]}


def test_copies_of_the_library_are_listed(shared: Daemon, photos: Path) -> None:
    album.save(photos / "copy.jpg", (photos / "old" / "cat.jpg").read_bytes())
    shared.wait_until(lambda: b"copy.jpg" in shared.found(photos))
    status, answer = shared.request("GET", "/v1/dupes?by=copy&limit=10000")
    assert status == 200
    groups = [
        sorted(os.path.basename(row["path"]) for row in (photo, *photo["also"]))
        for group in answer["groups"]
        for photo in group["photos"]
        if photo["path"].startswith(str(photos))
    ]
    assert groups == [["cat.jpg", "copy.jpg"]]
    status, answer = shared.request("GET", "/v1/dupes?by=look&limit=10000")
    assert status == 200
    assert answer["total"] >= len(album.SEED)  # every test has its own file of each scene
