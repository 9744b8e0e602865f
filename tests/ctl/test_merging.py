from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from clipd.ctl.merging import LibraryHits, folded, merge
from clipd.json_types import JsonObject


def library(
    *keys: float | str | None, order: str = "score", model: str = "one", name: str = "a"
) -> LibraryHits:
    """Make a library whose hits are called by its name and their place."""
    hits: list[JsonObject] = [
        {"path": f"{name}{place}", "key": key} for place, key in enumerate(keys)
    ]
    return LibraryHits(hits, order, model)


def paths(hits: Sequence[JsonObject]) -> str:
    return " ".join(str(hit["path"]) for hit in hits)


def test_hits_of_one_model_are_in_the_order_of_their_cosines() -> None:
    merged = merge([library(0.9, 0.5, 0.1), library(0.8, 0.5, 0.2, name="b")])
    assert (paths(merged.hits), merged.order) == ("a0 b0 a1 b1 b2 a2", "score")


@pytest.mark.parametrize("order", ["score", "date", "size", "-date", "name", "random"])
def test_the_parts_of_a_list_become_the_list_again(order: str) -> None:
    chance = random.Random(order)
    for _ in range(100):
        keys = [chance.randrange(20) for _ in range(30)]
        written = [f"{key:02}" if order in ("name", "-date", "random") else key for key in keys]
        whole = sorted(written, reverse=order in ("score", "date", "size"))
        parts: list[list[float | str]] = [[], [], []]
        for key in whole:
            chance.choice(parts).append(key)
        merged = merge([library(*part, order=order) for part in parts])
        assert [hit["key"] for hit in merged.hits] == whole
        assert merged.order == order


def test_the_own_order_of_a_library_is_never_changed() -> None:
    # The best of a burst stands in the place of its first, with a smaller key than the next.
    merged = merge([library(0.9, 0.3, 0.7), library(0.8, 0.2, name="b")])
    assert paths(merged.hits) == "a0 b0 a1 a2 b1"


def test_different_models_take_turns_as_often_as_there_are_libraries_of_each() -> None:
    merged = merge(
        [
            library(0.9, 0.1, 0.05),
            library(0.3, 0.2, model="two", name="x"),
            library(0.8, 0.7, name="b"),
        ]
    )
    assert (paths(merged.hits), merged.order) == ("a0 b0 x0 b1 a1 x1 a2", "rank")


@pytest.mark.parametrize(
    "strange",
    [
        library(None, 0.3, name="x"),
        library("0.4", 0.3, name="x"),
        library("0.4", "0.3", name="x"),
        library(float("nan"), 0.3, name="x"),
        library(True, 0.3, name="x"),
        library(0.4, 0.3, order="", name="x"),
        library(0.4, 0.3, order="colour", name="x"),
        library(0.4, 0.3, order="date", name="x"),
        library(0.4, 0.3, model="", name="x"),
    ],
)
def test_what_cannot_be_compared_takes_turns(strange: LibraryHits) -> None:
    merged = merge([library(0.9, 0.8), strange])
    assert (paths(merged.hits), merged.order) == ("a0 x0 a1 x1", "rank")


def test_a_library_without_hits_spoils_nothing() -> None:
    merged = merge([library(0.9), library(order="", model="two"), library(0.95, name="b")])
    assert (paths(merged.hits), merged.order) == ("b0 a0", "score")
    assert merge([]).hits == []


def test_a_photo_of_several_libraries_is_shown_once_where_its_file_is_here() -> None:
    def hit(name: str, content: str) -> JsonObject:
        return {"library": name, "socket": f"/{name}", "content_hash": content, "key": 1}

    hits = [hit("nas", "1"), hit("nas", "2"), hit("here", "1"), hit("attic", "1"), hit("x", "")]
    shown = folded([*hits, hit("y", "")], "/here")
    assert [one["library"] for one in shown] == ["here", "nas", "x", "y"]
    assert shown[0]["also_in"] == [
        {"library": "nas", "socket": "/nas"},
        {"library": "attic", "socket": "/attic"},
    ]
    assert "also_in" not in shown[1]
