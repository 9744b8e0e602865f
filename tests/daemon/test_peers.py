"""Several daemons, one answer: ``clipctl --at`` and ``clipctl search --everywhere``."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clipd.ctl.everywhere import search_everywhere
from clipd.ctl.libraries import Library
from clipd.ctl.output import objects
from clipd.ctl.picture_files import picture_terms
from clipd.json_types import JsonObject
from clipd.pocket.scenes import SCENES
from tests.ctl.conftest import Ctl
from tests.ctl.drawing_terminal import DrawingTerminal
from tests.ctl.terminal import typed
from tests.daemon import album
from tests.daemon.conftest import Daemons
from tests.daemon.harness import Daemon
from tests.daemon.relay import closing, hanging, leave_dead_socket, relaying
from tests.daemon.test_browsing import browse, is_alive
from tests.daemon.wire import wait_until
from tests.encode.conftest import save_model, small_weights

pytestmark = pytest.mark.slow

COPY = "copy.jpg"  # one photo that lies in two libraries
_PHOTOS = 14  # of each library


@dataclass(frozen=True)
class House:
    """Three daemons with a library each, and a fourth that has all of their photos."""

    here: Daemon
    nas: Daemon
    attic: Daemon
    union: Daemon
    folders: Sequence[Path]

    def know(self, **sockets: Path) -> None:
        """Write the peers of clipctl."""
        file = self.here.home / "config" / "clipd" / "clipctl.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        tables = [
            f'[[peers]]\nname = "{name}"\nsocket = "{path}"\n' for name, path in sockets.items()
        ]
        file.write_text("\n".join(tables))

    def everywhere(self, *words: str, ok: bool = True) -> tuple[dict[str, Any], str]:
        """Search all; return the JSON, and what was said beside it."""
        done = self.here.ctl("search", "--everywhere", "--json", *words, ok=ok)
        return json.loads(done.stdout), done.stderr.decode()


@pytest.fixture(scope="module")
def house(module_daemons: Daemons) -> House:
    """Daemons that know all of their photos."""
    chance = random.Random(7)
    folders = [module_daemons.folder / name for name in ("here", "nas", "attic")]
    for folder in folders:
        for number in range(_PHOTOS):
            scene = chance.choice([*SCENES])
            name = f"{folder.name} {number} {scene}.jpg"
            file = album.save(folder / name, album.picture(scene, chance.randrange(1000)))
            os.utime(file, (1.5e9 + chance.randrange(10**8),) * 2)
    for folder in folders[:2]:
        album.save(folder / COPY, album.picture("sunset", 4711))
    daemons = [*(module_daemons.new([folder]) for folder in folders), module_daemons.new(folders)]
    for daemon in daemons:
        if daemon is not daemons[0]:  # the model is prepared for this processor once
            shutil.copytree(daemons[0].home / "cache", daemon.home / "cache")
        daemon.start().wait_idle()
        daemon.search("sunset")  # now it knows what scores mean
    here, nas, attic, union = daemons
    return House(here, nas, attic, union, folders)


@pytest.fixture
def known(house: House) -> House:
    """The same, with the peers at their sockets."""
    house.know(nas=house.nas.socket, attic=house.attic.socket)
    return house


def names(hits: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the files of hits; a copy is one photo, whatever it is called."""
    return [os.path.basename(hit["path"]) for hit in hits]


ORDERS = ["", " sort:date", " sort:-date", " sort:name", " sort:size"]


def test_the_merged_order_is_that_of_one_library_of_all_photos(house: House) -> None:
    libraries = [
        Library(daemon.home.name, daemon.socket) for daemon in (house.here, house.nas, house.attic)
    ]
    chance = random.Random(11)
    queries = [*SCENES][:50] + [f"{one} -{other}" for one, other in [chance.sample([*SCENES], 2)]]
    for number, query in enumerate(queries):
        asked: JsonObject = {
            "q": query + ORDERS[number % 5 if number % 2 else 0],
            "limit": 10,
            "anyway": True,
        }
        one = house.union.request("POST", "/v1/search", json.dumps(asked).encode())[1]
        merged = search_everywhere(libraries, asked, page=1, seconds=60)

        assert names(objects(merged["hits"])) == names(one["hits"]), asked
        assert merged["order"] == one["order"]
        assert merged["next"] == "page-2"


def test_what_looks_like_a_picture_is_ordered_as_one_library_of_all_photos_does(
    known: House, tmp_path: Path
) -> None:
    for number, scene in enumerate(("sunset", "a cat", "forest")):
        stranger = album.save(tmp_path / f"{number}.jpg", album.picture(scene, 99 + number))
        (term,) = picture_terms(os.fsencode(stranger))
        asked: JsonObject = {"terms": [term], "limit": 10}
        one = known.union.request("POST", "/v1/search", json.dumps(asked).encode())[1]
        words = ("similar", str(stranger), "--everywhere", "--json", "-n", "10")
        merged = json.loads(known.here.ctl(*words).stdout)

        assert names(merged["hits"]) == names(one["hits"])
        assert [hit["raw"] for hit in merged["hits"]] == [hit["raw"] for hit in one["hits"]]
        assert merged["order"] == "score"
        assert [each["name"] for each in merged["libraries"]] == ["here", "nas", "attic"]
    wrong = known.here.ctl("similar", "/nowhere.jpg", "--everywhere", ok=False)
    assert (wrong.returncode, b"cannot read /nowhere.jpg" in wrong.stderr) == (4, True)


def test_pages_go_on_where_the_page_before_ended(known: House) -> None:
    first, _ = known.everywhere("a tree", "--anyway", "-n", "12")
    second, _ = known.everywhere("a tree", "--anyway", "-n", "12", "--after", first["next"])
    whole, _ = known.everywhere("a tree", "--anyway", "-n", "24")
    last, _ = known.everywhere("a tree", "--anyway", "-n", "12", "--page", "4")

    assert names(first["hits"] + second["hits"]) == names(whole["hits"])
    assert len(last["hits"]) == 3 * _PHOTOS + 1 - 36  # the copy is shown once
    assert last["next"] is None
    assert (
        known.everywhere("a tree", "--anyway", "-n", "12", "--page", "5", ok=False)[0]["hits"] == []
    )


def test_every_hit_names_its_library_and_a_copy_all_of_them(known: House) -> None:
    answer, said = known.everywhere("sunset", "--anyway", "-n", "99")

    assert said == ""
    for hit in answer["hits"]:
        at = {"here": known.here, "nas": known.nas, "attic": known.attic}[hit["library"]]
        assert Path(hit["path"]).parent.name == hit["library"]
        assert hit["socket"] == str(at.socket)
    (copy,) = [hit for hit in answer["hits"] if hit["path"].endswith(COPY)]
    assert (copy["library"], [each["library"] for each in copy["also_in"]]) == ("here", ["nas"])
    assert [each["name"] for each in answer["libraries"]] == ["here", "nas", "attic"]
    assert all(each["answered"] and each["why"] is None for each in answer["libraries"])
    copies, _ = known.everywhere("sunset unique:off", "--anyway", "-n", "99")
    assert len(copies["hits"]) == len(answer["hits"]) + 1


def test_lines_name_the_library_and_exact_paths_of_others_cannot_be_taken_for_ours(
    known: House,
) -> None:
    lines = known.here.ctl("search", "--everywhere", "sunset", "--anyway", "-n", "99").stdout
    rows = [line.split("\t") for line in lines.decode().splitlines()]
    assert {row[2] for row in rows} == {"here", "nas", "attic", "here,nas"}
    paths = known.here.ctl("search", "--everywhere", "-0", "sunset", "--anyway", "-n", "99").stdout
    for path in paths.decode().split("\0")[:-1]:
        library = Path(path.rpartition(":")[2]).parent.name
        assert path.startswith("/" if library == "here" else f"{library}:/")


def test_who_does_not_answer_is_left_out_with_the_reason(house: House, tmp_path: Path) -> None:
    runtime = house.here.runtime
    sockets = {name: runtime / f"{name}.sock" for name in ("gone", "dead", "mute", "shut")}
    leave_dead_socket(sockets["dead"])
    with hanging(sockets["mute"]), closing(sockets["shut"]):
        house.know(nas=house.nas.socket, **sockets)
        answer, said = house.everywhere("sunset", "--within", "10")
    sockets["dead"].unlink()

    assert {hit["library"] for hit in answer["hits"]} <= {"here", "nas"}
    why = {each["name"]: each["why"] for each in answer["libraries"]}
    assert why == {
        "here": None,
        "nas": None,
        "gone": f"there is no socket {sockets['gone']}",
        "dead": f"nothing listens on {sockets['dead']}",
        "mute": f"what listens on {sockets['mute']} does not answer",
        "shut": f"what listens on {sockets['shut']} closed without an answer",
    }
    for name in sockets:
        assert f"clipctl: {name}: {why[name]}; left out\n" in said
    assert answer["took_ms"] < 9000


def test_where_nobody_answers_the_command_ends_as_without_a_daemon(
    house: House, daemons: Daemons, tmp_path: Path
) -> None:
    alone = daemons.new([tmp_path])
    folder = alone.home / "config" / "clipd"
    folder.mkdir(parents=True)
    (folder / "clipctl.toml").write_text(
        f'[[peers]]\nname = "nas"\nsocket = "{tmp_path / "none.sock"}"\n'
    )

    done = alone.ctl("search", "--everywhere", "sunset", ok=False)
    assert done.returncode == 3
    assert b"no library answers: nas: there is no socket" in done.stderr
    wrong = alone.ctl("--at", "nsa", "status", ok=False)
    assert wrong.returncode == 2
    assert b"did you mean nas?" in wrong.stderr


def test_a_wrong_query_is_pointed_at_once(known: House) -> None:
    done = known.here.ctl("search", "--everywhere", "cat on:yestreday", ok=False)

    assert done.returncode == 2
    assert done.stderr.decode().splitlines()[:2] == ["  cat on:yestreday", "      ^^^^^^^^^^^^"]
    empty = known.here.ctl("search", "--everywhere", "", ok=False)
    assert empty.returncode == 2
    assert empty.stderr.count(b"is empty") == 1


def test_a_daemon_of_another_version_is_understood(known: House) -> None:
    def newer(answer: bytes) -> bytes:
        head, _, body = answer.partition(b"\r\n\r\n")
        value = json.loads(body) | {"colour": {"of": "the year"}}
        for hit in value.get("hits", []):
            hit["smell"] = [1, 2, None]
        return answered(head, value)

    def older(answer: bytes) -> bytes:
        head, _, body = answer.partition(b"\r\n\r\n")
        value = json.loads(body)
        for key in ("fingerprint", "order"):
            value.pop(key, None)
        for hit in value.get("hits", []):
            del hit["key"], hit["content_hash"]
        return answered(head, value)

    runtime = known.here.runtime
    plain, _ = known.everywhere("sunset", "--anyway", "-n", "99")
    with (
        relaying(runtime / "n.sock", known.nas.socket, newer),
        relaying(runtime / "a.sock", known.attic.socket),
    ):
        known.know(nas=runtime / "n.sock", attic=runtime / "a.sock")
        forwarded, _ = known.everywhere("sunset", "--anyway", "-n", "99")
    with relaying(runtime / "o.sock", known.nas.socket, older):
        known.know(old=runtime / "o.sock")
        turns, said = known.everywhere("sunset", "--anyway", "-n", "6")

    assert names(forwarded["hits"]) == names(plain["hits"])
    assert [hit["library"] for hit in turns["hits"]] == ["here", "old"] * 3
    assert turns["order"] == "rank"
    assert "the clipd of old is too old to say what hits are ordered by" in said
    assert "take turns" in said


def answered(head: bytes, value: object) -> bytes:
    """Return an answer with another body."""
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    body = json.dumps(value).encode()
    return b"\r\n".join([*lines, b"content-length: %d" % len(body), b"", body])


def test_libraries_of_different_models_take_turns_and_a_date_is_a_date(
    known: House, daemons: Daemons, tmp_path: Path
) -> None:
    other = daemons.new([known.folders[2]])
    checkpoint = save_model(tmp_path / "own", small_weights())
    other.file.write_text(
        f'[model]\nname = "own"\ncheckpoint = "{checkpoint}"\n'
        f'[[roots]]\npath = "{known.folders[2]}"\n'
    )
    other.start().wait_idle()
    known.know(nas=known.nas.socket, other=other.socket)

    turns, said = known.everywhere("a cat", "--anyway", "-n", "9")
    dated, quiet = known.everywhere("sunset sort:date", "--anyway", "-n", "99")

    assert [hit["library"] == "other" for hit in turns["hits"]] == [False, False, True] * 3
    assert (
        "scores of different models cannot be compared (here pocket, nas pocket, other own)" in said
    )
    assert turns["model"] is None
    assert quiet == ""
    dates = [hit["taken"] for hit in dated["hits"]]
    assert dates == sorted(dates, reverse=True)


def test_any_command_asks_another_daemon_at_its_socket_or_by_its_name(known: House) -> None:
    for at in (["--at", "nas"], [f"--at={known.nas.socket}"]):
        status = json.loads(known.here.ctl(*at, "status", "--json").stdout)
        behind = json.loads(known.here.ctl("ping", "--json", *at).stdout)
        assert status["pid"] == behind["pid"] == known.nas.pid
    found = known.here.ctl("--at", "nas", "sunset", "-n", "1").stdout.decode()
    assert f"{known.folders[1]}/" in found
    assert (
        json.loads(known.here.ctl("ping", "--at", "here", "--json").stdout)["pid"] == known.here.pid
    )
    assert known.here.ctl("search", "--", "--at", ok=False).returncode in (0, 1)


@dataclass(frozen=True)
class FarHouse:
    """The same house, but what it knows of the NAS comes from a machine with other folders.

    Attributes:
        folder: where the photos of the NAS lie there; here it holds others of the same names.
    """

    house: House
    folder: Path

    def typed(self, lines: str) -> str:
        """Run commands on a terminal; return what was drawn."""
        return typed(Ctl(self.house.here.socket), lines, **self.environment())

    def environment(self) -> dict[str, str]:
        """Return what leads to the peers and to the folder of the lists."""
        return {
            "XDG_CONFIG_HOME": str(self.house.here.home / "config"),
            "XDG_RUNTIME_DIR": str(self.house.here.runtime),
        }

    def number_of(self, path: Path) -> int:
        """Return which hit of a search for anything a photo is."""
        hits = self.house.everywhere(*EVERYTHING)[0]["hits"]
        return 1 + [hit["path"] for hit in hits].index(str(path))


EVERYTHING = ("a cat", "--anyway", "-n", "99")
SEARCH = f"clipctl search --everywhere '{EVERYTHING[0]}' --anyway -n 99 >/dev/tty"


@pytest.fixture
def far(house: House, tmp_path: Path) -> Iterator[FarHouse]:
    """A NAS whose photos lie where this machine has others, but for one that both have."""
    folder = tmp_path / "photos"
    photos = sorted(house.folders[1].glob("nas *.jpg"))
    for number, photo in enumerate(photos):
        same = photo.read_bytes() if number == 0 else album.picture("pizza", number)
        album.save(folder / photo.name, same)

    def moved(answer: bytes) -> bytes:
        head, _, body = answer.partition(b"\r\n\r\n")
        if b"application/json" not in head:
            return answer
        text = body.decode().replace(str(house.folders[1]), str(folder))
        return answered(head, json.loads(text))

    relay = house.here.runtime / "nas.sock"
    with relaying(relay, house.nas.socket, moved):
        house.know(nas=relay)
        yield FarHouse(house, folder)


def test_a_photo_of_another_machine_is_never_taken_for_one_of_ours(
    far: FarHouse, tmp_path: Path
) -> None:
    same, other, *_ = sorted(far.folder.glob("nas *.jpg"))
    own = next(far.house.folders[0].glob("here *.jpg"))
    numbers = [far.number_of(path) for path in (same, other, own)]
    copies = tmp_path / "copies"

    drawn = far.typed(
        f"{SEARCH}; for n in {numbers[0]} {numbers[1]} {numbers[2]}; "
        f"do clipctl copy @$n {copies}; echo ended $?; clipctl open @{numbers[1]}; done"
    )

    assert sorted(file.name for file in copies.iterdir()) == sorted([same.name, own.name])
    assert (copies / same.name).read_bytes() == same.read_bytes()
    assert [line for line in drawn.splitlines() if line.startswith("ended")] == [
        *("ended 0", "ended 4", "ended 0")
    ]
    assert f"{other.name} of nas is not on this machine" in drawn.replace("\n", "")


def test_what_is_asked_of_a_number_is_asked_of_its_own_daemon(far: FarHouse) -> None:
    other = sorted(far.folder.glob("nas *.jpg"))[1]
    number = far.number_of(other)
    theirs = json.loads(far.house.nas.ctl("info", "--json", house_path(far, other)).stdout)

    drawn = far.typed(
        f"{SEARCH}; echo; clipctl info @{number} --json 2>/dev/null;"
        f"clipctl similar @{number} --json 2>/dev/null;"
        f"clipctl search like:@{number}; clipctl --at nas similar @{number} -n 1 2>/dev/null"
    )

    info, similar, *rest = [line for line in drawn.splitlines() if line.startswith(("[", "{"))]
    assert json.loads(info)[0]["content_hash"] == theirs[0]["content_hash"]
    assert {Path(hit["path"]).parent for hit in json.loads(similar)["hits"]} == {
        far.house.folders[0]
    }
    assert not rest
    assert f"@{number} is a photo of nas" in drawn
    assert any(line.startswith("1 ") and other.name in line for line in drawn.splitlines()[-3:])


def test_a_listed_photo_of_another_machine_is_looked_for_in_all_libraries(far: FarHouse) -> None:
    other = sorted(far.folder.glob("nas *.jpg"))[1]
    number = far.number_of(other)

    drawn = far.typed(
        f"{SEARCH}; echo; clipctl similar @{number} --everywhere -n 99 --json 2>/dev/null"
    )

    (answer,) = [json.loads(line) for line in drawn.splitlines() if line.startswith("{")]
    assert answer["hits"][0]["path"] == str(other)
    assert answer["hits"][0]["library"] == "nas"
    assert {hit["library"] for hit in answer["hits"]} == {"here", "nas"}


def test_photos_of_several_machines_are_drawn_side_by_side_and_large(far: FarHouse) -> None:
    number = far.number_of(sorted(far.folder.glob("nas *.jpg"))[1])
    terminal = DrawingTerminal(rows=200)
    screen = terminal.run(
        Ctl(far.house.here.socket),
        f"clipctl search --everywhere '{EVERYTHING[0]}' --anyway -n 6 --preview on;"
        f"{SEARCH} --preview off; clipctl view @{number}",
        **far.environment(),
    )

    assert len(screen.pictures) == 7
    assert terminal.exit_code == 0


def test_a_page_of_another_machine_shows_its_photos_and_no_file_of_this_one(
    far: FarHouse,
) -> None:
    same, other, *_ = sorted(far.folder.glob("nas *.jpg"))
    ids = {hit["path"]: hit["photo"] for hit in far.house.everywhere(*EVERYTHING)[0]["hits"]}
    place = browse(far.house.here, "--at", "nas")
    try:
        headers = place.fetch(place.entry.removeprefix(place.address))[2]
        cookie = headers["set-cookie"].partition(";")[0]
        shown = [
            place.fetch(f"/originals/{ids[str(path)]}", {"cookie": cookie})[1]
            for path in (same, other)
        ]
    finally:
        os.kill(place.pid, signal.SIGTERM)
        wait_until(lambda: not is_alive(place.pid), 30, what="the page ends")

    assert shown[0] == same.read_bytes()
    assert shown[1] not in (b"", other.read_bytes())
    assert shown[1].startswith(b"\xff\xd8")  # the thumbnail that the NAS has made


def house_path(far: FarHouse, path: Path) -> str:
    """Return where a photo of the NAS lies there."""
    return str(far.house.folders[1] / path.name)
