from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from clipd.ctl import client
from clipd.ctl.last_list import ListedPhoto
from clipd.errors import RequestError, StoppingError, StorageFullError
from clipd.photo import Hit
from clipd.search.query import Query, Term
from tests.ctl.conftest import Ctl
from tests.serve.answering import HITS, UGLY, GivenService


def test_a_search_prints_a_score_and_a_path_a_line(ctl: Ctl, service: GivenService) -> None:
    said = ctl.process("search", "sunset", "over", "water", "-n", "3", "--min-score", "0.1")
    assert said.code == 0
    assert said.lines == [
        "0.312\t/photos/sunset.jpg",
        "0.250\t/photos/caf\\xe9\\n\\x1b[31mred\\t.jpg",
        "0.200\t/usb/beach.jpg\toffline",
    ]
    assert said.err == ""
    assert service.asked == [Query((Term(text="sunset over water"),), 3, 0.1)]


def test_json_has_the_keys_that_scripts_rely_on(ctl: Ctl) -> None:
    said = ctl("search", "sunset", "--json")
    answer = json.loads(said.out)
    assert {"query", "model", "hits", "took_ms"} <= set(answer)
    assert {"photo", "path", "score", "offline"} <= set(answer["hits"][0])
    assert "path_b64" in answer["hits"][1]
    assert said.out.count(b"\n") == 1


def test_null_prints_exact_paths_for_xargs(ctl: Ctl) -> None:
    assert ctl("search", "-0", "sunset").out == b"".join(hit.path + b"\0" for hit in HITS)


def test_nothing_found_ends_with_1(ctl: Ctl) -> None:
    said = ctl("search", "sunset", "--min-score", "0.9")
    assert (said.code, said.out) == (1, b"")
    assert "clipctl status" in said.err
    as_json = ctl("search", "sunset", "--min-score", "0.9", "--json")
    assert as_json.code == 1
    assert json.loads(as_json.out)["hits"] == []


def test_plus_and_minus_weigh_their_terms(ctl: Ctl, service: GivenService) -> None:
    said = ctl("search", "beach", "--plus", "dog:0.5", "--minus", "people", "--minus", "16:9 crop")
    assert said.code == 0
    assert service.asked == [
        Query(
            (
                Term(text="beach"),
                Term(0.5, text="dog"),
                Term(-1.0, text="people"),
                Term(-1.0, text="16:9 crop"),
            )
        )
    ]


def test_a_photo_of_the_catalog_is_asked_for_by_its_path(ctl: Ctl, service: GivenService) -> None:
    said = ctl("similar", UGLY, "-n", "1", "--json")
    assert json.loads(said.out)["hits"][0]["path"] == "/photos/sunset.jpg"
    assert service.asked == [Query((Term(path=UGLY),), 1, anyway=True)]


def test_a_picture_from_elsewhere_is_uploaded(
    ctl: Ctl, service: GivenService, tmp_path: Path
) -> None:
    picture = os.urandom(1_000_000)
    (tmp_path / "odd \udcff.jpg").write_bytes(picture)
    said = ctl.process("similar", os.fsencode(tmp_path / "odd \udcff.jpg"), "--min-score", "0.3")
    assert said.lines == ["0.312\t/photos/sunset.jpg"]
    assert service.asked[-1] == Query((Term(picture=picture),), None, 0.3)


def stopping_at(service: GivenService, *times: int) -> None:
    """Have these searches refused, as by a daemon that stops and starts within its process."""

    def stop() -> None:
        if len(service.asked) in times:
            raise StoppingError

    service.before_search = stop


def test_what_a_stop_cuts_off_is_asked_again(
    ctl: Ctl, service: GivenService, tmp_path: Path
) -> None:
    stopping_at(service, 1, 2)
    assert ctl("search", "sunset").code == 0
    assert len(service.asked) == 3

    service.asked.clear()
    picture = os.urandom(1_000_000)
    (tmp_path / "elsewhere.jpg").write_bytes(picture)
    stopping_at(service, 1, 3)  # of its path, then of its bytes
    assert ctl("similar", str(tmp_path / "elsewhere.jpg")).code == 0
    assert service.asked[-2:] == [Query((Term(picture=picture),))] * 2


def test_a_daemon_that_goes_on_stopping_is_told_after_a_while(
    ctl: Ctl, service: GivenService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RESTART_SECONDS", 0.5)
    stopping_at(service, *range(1000))
    said = ctl("search", "sunset")
    assert said.code == 4
    assert "ask again" in said.err


def test_what_must_not_be_done_twice_is_asked_once(ctl: Ctl, service: GivenService) -> None:
    stopping_at(service, 1)
    with pytest.raises(RequestError, match="clipd is stopping"):
        client.Client(ctl.socket).post("/v1/search", {"query": "x"}, is_repeatable=False)
    assert len(service.asked) == 1


def test_what_cannot_be_uploaded_is_refused_in_a_sentence(ctl: Ctl, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(65 << 20)
    for name, reason in [
        ("absent.jpg", "No such file"),
        ("pipe", "is not a file"),
        ("", "Is a directory"),
        ("huge", "serve.max_body"),
    ]:
        said = ctl("similar", str(tmp_path / name))
        assert (said.code, said.out) == (4, b"")
        assert reason in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (["search"], 2, "Missing argument"),
        (["search", "x", "-n", "0"], 2, "range"),
        (["search", "x", "-n", "some"], 2, "integer"),
        (["search", "x", "--min-score", "7"], 2, "range"),
        (["serach", "x"], 2, "serach"),
        (["search", ""], 2, "clipctl search"),
        (["search", "x" * 1001], 2, "1,000"),
        (["search", b"caf\xe9"], 2, "not text"),
        (["search", "x", "--plus", ":"], 0, ""),
        (["search", "x", "--minus", "y:0"], 2, "above 0"),
        (["search", "x", "--minus", "y:nan"], 0, ""),
        (["search", "x", "type:jpgg"], 2, "did you mean jpg"),
        (["search", "x", "rating:"], 2, "a shell takes > and < for itself: write rating:4.."),
        (["search", "x", "--page", "0"], 2, "range"),
        (["search", "x", "--no-such"], 2, "--no-such"),
    ],
)
def test_a_wrong_request_is_told_apart_from_a_wrong_command(
    ctl: Ctl, arguments: list[str | bytes], code: int, hint: str
) -> None:
    said = ctl(*arguments)
    assert said.code == code
    assert hint in said.err


def test_a_refusal_ends_with_the_next_command(ctl: Ctl, service: GivenService) -> None:
    def fail() -> None:
        raise StorageFullError("there is no room for the query")

    service.before_search = fail
    said = ctl("search", "sunset")
    assert said.code == 4
    assert said.err.endswith("next: df -h\n")


def test_a_reader_that_has_enough_ends_the_command_quietly(ctl: Ctl, service: GivenService) -> None:
    service.hits = tuple(Hit(n, b"/photos/%d.jpg" % n, 0.5, False) for n in range(9000))
    reading, writing = os.pipe()
    process = subprocess.Popen(
        ctl.command("search", "x"), env=ctl.environment(), stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert os.read(reading, 5) == b"0.500"
    os.close(reading)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        (["sunset", "over", "water"], "sunset over water"),
        (["search", "cat", "-people"], "cat -people"),
        (["-people", "cat"], "-people cat"),
        (["snow", "in:/photos"], "snow in:/photos"),
        (["-n", "3", "cat"], "cat"),
        (["cat", "type:png", "-n3"], "cat type:png"),
        (["search", "--", "-people", "cat"], "-people cat"),
        (["--", "status"], "status"),
        (["search", "beach", "red car"], 'beach "red car"'),
    ],
)
def test_words_are_a_query_with_or_without_the_command(
    ctl: Ctl, service: GivenService, arguments: list[str], query: str
) -> None:
    assert ctl(*arguments).code == 0
    (asked,) = service.asked
    assert isinstance(asked, Query)
    assert asked.text == query


@pytest.mark.parametrize("arguments", [["stauts"], ["serach", "cat"], ["erors"], ["simlar", "/a"]])
def test_a_slip_in_a_command_is_no_search(
    ctl: Ctl, service: GivenService, arguments: list[str]
) -> None:
    said = ctl(*arguments)
    assert said.code == 2
    assert f"clipctl search {arguments[0]}" in said.err
    assert not service.asked


def test_a_search_says_where_it_stands(
    ctl: Ctl, service: GivenService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    ctl.lists(ListedPhoto(b"/a.jpg", 11), ListedPhoto(b"/b.jpg", 12))
    assert ctl("search", "in:.", "in:~/x", "like:@2", "like:c.jpg").code == 0
    (asked,) = service.asked
    assert isinstance(asked, Query)
    assert asked.terms == (Term(photo=12), Term(path=os.fsencode(tmp_path / "c.jpg")))
    (condition,) = asked.conditions
    assert {os.fsencode(tmp_path), b"/home/me/x"} == {
        getattr(criterion, "folder", None) for criterion in condition.criteria
    }


def test_a_wrong_query_is_underlined_where_it_is_wrong(ctl: Ctl) -> None:
    said = ctl("search", "cat", "tyep:png")
    assert said.code == 2
    assert "  cat tyep:png\n      ^^^^^\nclipctl: " in said.err
    error = json.loads(ctl("search", "cat", "tyep:png", "--json").out)["error"]
    assert error["span"] == [4, 9]


def test_a_query_and_a_picture_may_come_on_standard_input(ctl: Ctl, service: GivenService) -> None:
    picture = os.urandom(100_000)
    for words, data in ((["search", "-"], b"sunset\nin:/photos\n"), (["similar", "-"], picture)):
        done = subprocess.run(
            ctl.command(*words), env=ctl.environment(), input=data, check=True, stdout=-1
        )
        assert b"sunset.jpg" in done.stdout
    typed, shown = service.asked
    assert isinstance(typed, Query)
    assert typed.text == "sunset in:/photos"
    assert shown == Query((Term(picture=picture),))
    for words in (["similar", "-"], ["search", "-"]):
        ended = subprocess.run(
            ctl.command(*words), env=ctl.environment(), input=b"", capture_output=True, check=False
        )
        assert ended.returncode == 2


def test_several_pictures_are_looked_for_at_once(
    ctl: Ctl, service: GivenService, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(name.encode())
    assert ctl("similar", str(tmp_path / "one"), str(tmp_path / "two")).code == 0
    assert service.asked[-1] == Query((Term(picture=b"one"), Term(picture=b"two")), anyway=True)


def test_what_the_daemon_remarks_is_said_beside_the_results(
    ctl: Ctl, service: GivenService
) -> None:
    service.remarks = {
        "reading": 'words "sunset" · in 2019 (3 of 9)',
        "tips": ("on:2019 would narrow it",),
        "note": "2 photos still wait",
    }
    said = ctl("search", "sunset", "--explain")
    assert len(said.lines) == 3
    assert said.err.splitlines() == [
        "clipctl: 2 photos still wait",
        'clipctl: words "sunset" · in 2019 (3 of 9)',
        "clipctl: tip: on:2019 would narrow it",
    ]
    assert "in 2019" not in ctl("search", "sunset").err


def test_nothing_is_said_in_the_words_of_the_daemon(ctl: Ctl, service: GivenService) -> None:
    service.hits = ()
    service.remarks = {"nothing": 'nothing here looks like "x"'}
    said = ctl("search", "x")
    assert (said.code, said.out) == (1, b"")
    assert said.err == 'clipctl: nothing here looks like "x"\n'


def test_the_others_of_a_burst_stand_below_its_best(ctl: Ctl, service: GivenService) -> None:
    others = tuple(Hit(20 + n, b"/photos/burst %d.jpg" % n, 0.3, False) for n in range(2))
    best = Hit(7, b"/photos/burst.jpg", 0.4, False, stands_for=3, members=others)
    service.hits = (best, Hit(9, b"/photos/other.jpg", 0.2, False))
    said = ctl("search", "x", "--members")
    names = [line.split("\t")[1].removeprefix("/photos/") for line in said.lines]
    assert names == ["burst.jpg", "burst 0.jpg", "burst 1.jpg", "other.jpg"]
    assert ctl("search", "x", "--members", "-0").out.count(b"\0") == 4
    told = json.loads(ctl("search", "x", "--members", "--json").out)["hits"]
    assert [member["photo"] for member in told[0]["members"]] == [20, 21]
    assert "members" not in told[1]
    assert [each.members for each in service.asked if isinstance(each, Query)] == [True] * 3


def test_what_shows_the_nearest_is_said_where_something_was_left_out(
    ctl: Ctl, service: GivenService
) -> None:
    service.hits = ()
    service.remarks = {"nothing": 'nothing here looks like "x"', "left_out": True}
    said = ctl("search", "x")
    assert said.err == 'clipctl: nothing here looks like "x" (the nearest: --anyway)\n'


def test_anyway_and_after_and_pages_are_asked_for(ctl: Ctl, service: GivenService) -> None:
    service.remarks = {"following": "MORE"}
    assert ctl("search", "x", "--anyway", "--explain", "--after", "THAT").code == 0
    assert ctl("search", "x", "--page", "3", "-n", "1").code == 0
    asked = [each for each in service.asked if isinstance(each, Query)]
    assert (asked[0].anyway, asked[0].explain, asked[0].after) == (True, True, "THAT")
    assert [each.after for each in asked[1:]] == ["", "MORE", "MORE"]
    service.remarks = {}
    assert "no more pages" in ctl("search", "x", "--page", "2").err
