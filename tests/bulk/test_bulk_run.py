"""A bulk run on this machine: what it makes, what it goes on with, and what follows of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from clipd.bulk.part_folder import REFUSED, refused_in
from clipd.bulk.part_source import reading_parts
from tests import processes
from tests.bulk.bulk_home import SECONDS, BulkHome, bulk_home, descendants, kill_all_at_once
from tests.daemon import album
from tests.daemon.harness import Daemon
from tests.daemon.wire import wait_until

pytestmark = pytest.mark.slow
# as /proc/net writes 127.0.0.1, the same in an IPv6 socket, and ::1
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
PASSED_OVER = ("skipped", "sidecar")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BulkHome]:
    with bulk_home(tmp_path_factory.mktemp("bulk")) as made:
        yield made


@pytest.fixture
def fresh(home: BulkHome) -> BulkHome:
    """The home without photos and parts, but with the model prepared."""
    for folder in (home.photos, home.out):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    return home


def test_what_a_run_has_made_is_neither_decoded_nor_encoded_again(
    fresh: BulkHome, corpus: Path
) -> None:
    shutil.copytree(corpus, fresh.photos / "corpus")
    fresh.paint(12)
    done = fresh.run("local")
    daemon = Daemon(fresh.folder / "daemon", fresh.runtime, [fresh.photos])
    try:
        taken = daemon.clipd("vectors", "import", f"--config={daemon.file}", str(fresh.out))
        assert taken.returncode == 0, taken.stderr
        daemon.start()
        status = daemon.wait_idle()
        listed = daemon.errors(skipped=True)
        with reading_parts(fresh.out) as source:
            contents = {photo.content_hash for page in source.pages(99, with_files=False)
                        for photo in page}  # fmt: skip
        assert (status["decoded"], status["encoded"]) == (0, 0)
        assert status["photos"] == len(contents)
        assert status["paths"] == done["encoded"] == len(fresh.paths_done())
        refused = {one.file.path: one.kind for one in refused_in(fresh.out / REFUSED)}
        assert done["refused"] == len(refused)
        assert refused == {path: listed[path]["kind"] for path in refused}
        assert {path for path, row in listed.items() if row["kind"] not in PASSED_OVER} <= set(
            refused
        )
        daemon.verify()
        assert daemon.search("sunset")
    finally:
        daemon.close()
        shutil.rmtree(daemon.home)


def test_a_second_run_does_what_is_new_and_nothing_else(fresh: BulkHome) -> None:
    fresh.paint(20)
    album.save(fresh.photos / "bad.jpg", b"\xff\xd8\xff\xe0 and no more")
    first = fresh.run("local")
    again = fresh.run("local")
    album.save(fresh.photos / "new.jpg", album.new("beach"))
    album.save(fresh.photos / "0" / "00000.jpg", album.new("a cat"))  # changed
    third = fresh.run("local")

    assert [first[key] for key in ("encoded", "refused", "known")] == [20, 1, 0]
    assert [again[key] for key in ("encoded", "refused", "known")] == [0, 0, 21]
    assert again["devices"] == []  # nothing was started for it
    assert [third[key] for key in ("encoded", "refused", "known")] == [2, 0, 20]
    assert sorted(set(fresh.paths_done())) == sorted(set(fresh.paths()) - {
        os.fsencode(fresh.photos / "bad.jpg")})  # fmt: skip


def test_a_driver_that_is_killed_leaves_nothing_running_and_is_gone_on_with(
    fresh: BulkHome,
) -> None:
    fresh.paint(600)
    driver = fresh.start("local", "--part-photos=64")
    try:
        wait_until(lambda: fresh.has_parts(2) or driver.poll() is not None, SECONDS)
    finally:
        kill_all_at_once(driver)
    before = len(fresh.paths_done())
    assert list(fresh.runtime.glob("clipd-ray-*"))
    second = fresh.run("local")

    assert list(fresh.runtime.glob("clipd-ray-*")) == []
    assert 128 <= before < 600, "it was killed midway"
    assert (second["known"], second["encoded"]) == (before, 600 - before)
    assert fresh.paths_done() == fresh.paths()


def test_nobody_else_in_the_network_can_speak_to_a_run_on_this_machine(fresh: BulkHome) -> None:
    fresh.paint(600)  # to look at all of its sockets takes a second, and it must not be over
    driver = fresh.start("local", "--part-photos=16")
    with stopping(driver):
        wait_until(lambda: fresh.has_parts(1) or driver.poll() is not None, SECONDS)
        found: set[str] = set()
        for one in (driver.pid, *(each.pid for each in descendants(driver.pid))):
            with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                found.update(processes.network_sockets(one))

    assert len(found) > 4  # of the driver, the actor, and several processes of Ray
    assert {address.partition(":")[0] for address in found} <= LOOPBACK


@contextmanager
def stopping(driver: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        driver.terminate()
        driver.communicate(timeout=SECONDS)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_all_that_was_encoded(
    fresh: BulkHome, number: signal.Signals
) -> None:
    fresh.paint(600)
    driver = fresh.start("local", "--part-photos=32")
    wait_until(lambda: fresh.has_parts(1) or driver.poll() is not None, SECONDS)
    driver.send_signal(number)
    _, err = driver.communicate(timeout=SECONDS)

    assert driver.returncode == 130
    assert b"the same command goes on there" in err
    assert 32 <= len(fresh.paths_done()) < 600


def test_a_second_signal_ends_a_run_without_another_word(fresh: BulkHome) -> None:
    fresh.paint(600)
    driver = fresh.start("local")
    wait_until(
        lambda: (
            driver.poll() is not None
            or any(one.command.startswith("ray::_Actor") for one in descendants(driver.pid))
        ),
        SECONDS,
    )
    family = descendants(driver.pid)
    driver.send_signal(signal.SIGINT)
    driver.send_signal(signal.SIGTERM)
    _, err = driver.communicate(timeout=SECONDS)

    assert driver.returncode == 130
    assert b"the same command goes on there" not in err
    wait_until(lambda: not [one for one in family if one.is_alive], SECONDS)


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("gcs_server", signal.SIGINT),
        ("raylet/raylet", signal.SIGTERM),
        ("raylet/raylet", signal.SIGINT),
        ("ray::_Actor", signal.SIGTERM),
    ],
)
def test_a_run_that_is_interrupted_while_ray_starts_ends_as_at_any_other_time(
    fresh: BulkHome, moment: str, number: signal.Signals
) -> None:
    fresh.paint(600)
    driver = fresh.start("local")
    wait_until(
        lambda: (
            driver.poll() is not None
            or any(moment in one.command for one in descendants(driver.pid))
        ),
        SECONDS,
    )
    family = descendants(driver.pid)
    driver.send_signal(number)
    _, err = driver.communicate(timeout=SECONDS)

    assert driver.returncode == 130, err.decode()
    assert err.endswith(b"the same command goes on there\n")
    assert b"Traceback" not in err
    assert list(fresh.runtime.glob("clipd-ray-*")) == []
    wait_until(lambda: not [one for one in family if one.is_alive], SECONDS)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["head.lan", "/nowhere", "--model=nosuch"], "is no cluster"),
        (["ray://127.0.0.1:9", "/nowhere", "--model=nosuch"], "is no folder here"),
        (["ray://127.0.0.1:9", "--model=nosuch"], "without a token"),
        (["ray://127.0.0.1:9", "--model=nosuch", "--trust-network"], "nothing answers"),
        (["local", "--model=nosuch"], "there is no model 'nosuch'"),
    ],
)
def test_what_is_wrong_is_told_before_what_takes_longer_to_find_out(
    fresh: BulkHome, words: list[str], complaint: str
) -> None:
    fresh.paint(1)
    process = fresh.start(*words)
    wait_until(
        lambda: (
            process.poll() is not None
            or any("gcs_server" in one.command for one in descendants(process.pid))
        ),
        SECONDS,
    )
    is_over = process.poll() is not None  # before Ray, however long libraries take to load
    _, err = process.communicate(timeout=SECONDS)

    assert process.returncode in (2, 4)
    assert complaint in err.decode()
    assert err.count(b"\n") == 1
    assert is_over
    assert list(fresh.out.iterdir()) == []


def test_no_pictures_at_all_is_told_by_the_exit_status(fresh: BulkHome) -> None:
    (fresh.photos / "notes.txt").write_text("no picture")

    assert fresh.run("local", code=1)["encoded"] == 0


def test_without_ray_it_says_what_to_install(fresh: BulkHome) -> None:
    fresh.paint(1)
    script = (
        "import sys; sys.modules['ray'] = None\n"
        "from clipd.cli.command import main; sys.exit(main())"
    )
    words = ["bulk", "encode", "local", str(fresh.photos), "--out", str(fresh.out)]
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, *words, "--model", "pocket", "--json"],
        env=fresh.environment_of(),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 4
    assert b"pip install 'clipd[ray]'" in done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "bulk"


def test_neither_program_loads_ray_or_pyarrow_without_being_asked(fresh: BulkHome) -> None:
    script = (
        "import sys, clipd.daemon.run, clipd.ctl.command, clipd.cli.command\n"
        "from clipd.cli import bulk_command, vector_import\n"
        "print([name for name in ('ray', 'pyarrow', 'clipd.bulk') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"
