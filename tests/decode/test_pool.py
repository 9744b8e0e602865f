"""Real children, killed, stopped and starved while they decode."""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from clipd.config.options import DecoderConfig
from clipd.decode.pool import DecodeJob, DecoderPool
from clipd.errors import ChildError
from clipd.photo import Decoded, Preprocess, Refused
from clipd.process.spawner import spawning
from tests.decode.conftest import SIDE, two_colours
from tests.faults.hung_mount import drive
from tests.hanging_disk import hanging_disk
from tests.processes import children

DEADLINE_SECONDS = 60.0


class Outcomes:
    """What a pool reported, and a way to wait for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.by_ticket: dict[int, Decoded | Refused] = {}
        self.order: list[int] = []

    def report(self, job: DecodeJob, outcome: Decoded | Refused) -> None:
        with self._changed:
            self.by_ticket[job.ticket] = outcome
            self.order.append(job.ticket)
            self._changed.notify_all()

    def wait_for(self, count: int, seconds: float = DEADLINE_SECONDS) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.order) >= count, seconds), self.order

    def refusal(self, ticket: int) -> Refused:
        outcome = self.by_ticket[ticket]
        assert isinstance(outcome, Refused), outcome
        return outcome


def pool_of(
    outcomes: Outcomes, known: Callable[[bytes], bool] = lambda _: False, **limits: float
) -> DecoderPool:
    config = DecoderConfig(**{"processes": 1, **limits})  # type: ignore[arg-type]
    return DecoderPool(config, Preprocess(SIDE), known, outcomes.report)


def decoders() -> list[int]:
    """The process ids of this process's decoders."""
    return [one.pid for one in children(os.getpid()) if "clipd.decode" in one.command]


def signal_decoders(number: signal.Signals) -> None:
    for pid in decoders():
        os.kill(pid, number)


@pytest.fixture
def photo(tmp_path: Path) -> bytes:
    path = tmp_path / "a.jpg"
    two_colours().save(path)
    return os.fsencode(path)


def test_children_give_way_by_as_many_levels_as_they_should(photo: bytes) -> None:
    nobody = Outcomes()
    for nice in (10, 14):
        with DecoderPool(
            DecoderConfig(processes=1), Preprocess(SIDE), lambda _: False, nobody.report, nice=nice
        ) as pool:
            pool.draw_now(photo, 0, 256)
            [child] = decoders()
            own, its = (os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, child))
        assert its - own == nice


def test_every_job_is_reported_once_with_its_ticket(tmp_path: Path) -> None:
    outcomes = Outcomes()
    with pool_of(outcomes, processes=2) as pool:
        for ticket in range(30):
            path = tmp_path / f"{ticket}.png"
            Image.new("RGB", (20 + ticket, 20), (ticket, 0, 0)).save(path)
            pool.submit(DecodeJob(ticket, os.fsencode(path)))
        outcomes.wait_for(30)
    assert sorted(outcomes.order) == list(range(30))
    for ticket, outcome in outcomes.by_ticket.items():
        assert isinstance(outcome, Decoded)
        assert outcome.width == 20 + ticket
        assert outcome.pixels is not None
        assert (outcome.pixels == (ticket, 0, 0)).all()


def test_a_known_content_is_hashed_but_not_decoded(photo: bytes) -> None:
    outcomes, asked = Outcomes(), []

    def known(content_hash: bytes) -> bool:
        asked.append(content_hash)
        return True

    with pool_of(outcomes, known) as pool:
        pool.submit(DecodeJob(1, photo))
        outcomes.wait_for(1)
        decoded = pool.decode_now(photo)  # a query wants its pixels, known or not
    outcome = outcomes.by_ticket[1]
    assert isinstance(outcome, Decoded)
    assert isinstance(decoded, Decoded)
    assert (outcome.pixels, outcome.width) == (None, 0)
    assert asked == [outcome.content_hash] == [decoded.content_hash]
    assert decoded.pixels is not None


def test_a_photo_that_kills_two_decoders_is_given_up_and_the_next_is_decoded(
    photo: bytes,
) -> None:
    outcomes, tries = Outcomes(), []

    def known(content_hash: bytes) -> bool:
        tries.append(content_hash)
        if len(tries) <= 2:
            signal_decoders(signal.SIGSEGV)
        return False

    with pool_of(outcomes, known) as pool:
        pool.submit(DecodeJob(1, photo))
        pool.submit(DecodeJob(2, photo))
        outcomes.wait_for(2)
    refused = outcomes.refusal(1)
    assert refused.kind == "crash"
    assert "segmentation fault" in refused.reason
    assert "tried twice" in refused.reason
    assert isinstance(outcomes.by_ticket[2], Decoded)


def test_a_decoder_that_dies_once_costs_nothing(photo: bytes) -> None:
    outcomes, tries = Outcomes(), []

    def known(content_hash: bytes) -> bool:
        tries.append(content_hash)
        if len(tries) == 1:
            signal_decoders(signal.SIGKILL)
        return False

    with pool_of(outcomes, known) as pool:
        pool.submit(DecodeJob(1, photo))
        outcomes.wait_for(1)
    assert isinstance(outcomes.by_ticket[1], Decoded)
    assert len(tries) == 2


@pytest.mark.slow
def test_a_decoder_that_hangs_is_killed_at_its_deadline(photo: bytes) -> None:
    outcomes, tries = Outcomes(), []

    def known(content_hash: bytes) -> bool:
        tries.append(content_hash)
        if len(tries) <= 2:
            signal_decoders(signal.SIGSTOP)
        return False

    with pool_of(outcomes, known, timeout=0.3) as pool:
        pool.submit(DecodeJob(1, photo))
        outcomes.wait_for(1)
        assert decoders() == []
    assert outcomes.refusal(1).kind == "timeout"
    assert "0.3 s (decoder.timeout)" in outcomes.refusal(1).reason


@pytest.mark.slow
def test_a_picture_that_does_not_fit_in_memory_is_refused_and_the_next_is_decoded(
    tmp_path: Path, photo: bytes
) -> None:
    large = tmp_path / "large.png"
    Image.new("L", (12_000, 12_000)).save(large, compress_level=1)
    outcomes = Outcomes()
    with pool_of(outcomes, memory=256 << 20) as pool:
        pool.submit(DecodeJob(1, photo))  # so that the decoder is not fresh for the next
        pool.submit(DecodeJob(2, os.fsencode(large)))
        pool.submit(DecodeJob(3, photo))
        outcomes.wait_for(3)
    assert outcomes.refusal(2).kind == "memory"
    assert "decoder.memory" in outcomes.refusal(2).reason
    assert isinstance(outcomes.by_ticket[3], Decoded)


def test_a_file_that_changes_while_it_is_read_is_not_taken_for_what_it_was(
    photo: bytes,
) -> None:
    outcomes = Outcomes()

    def known(_: bytes) -> bool:
        with open(photo, "ab") as file:
            file.write(b"more")
        return False

    with pool_of(outcomes, known) as pool:
        pool.submit(DecodeJob(1, photo))
        outcomes.wait_for(1)
    assert outcomes.refusal(1).kind == "missing"
    assert "changed" in outcomes.refusal(1).reason


def test_the_picture_of_a_query_overtakes_the_queue(tmp_path: Path, photo: bytes) -> None:
    outcomes = Outcomes()
    busy, go_on, answered = threading.Event(), threading.Event(), threading.Event()

    def known(_: bytes) -> bool:
        busy.set()
        assert go_on.wait(DEADLINE_SECONDS)
        answered.wait(0.2)  # 4 s in all, in which the query is asked on a busy machine, too
        return False

    reported_before: list[int] = []

    def ask() -> None:
        waiting_is_queued.set()
        assert isinstance(pool.decode_now(photo), Decoded)
        reported_before.extend(outcomes.order)
        answered.set()

    waiting_is_queued = threading.Event()
    with pool_of(outcomes, known) as pool:
        for ticket in range(20):
            pool.submit(DecodeJob(ticket, photo))
        assert busy.wait(DEADLINE_SECONDS)
        asking = threading.Thread(target=ask)
        asking.start()
        assert waiting_is_queued.wait(DEADLINE_SECONDS)
        go_on.set()
        asking.join(DEADLINE_SECONDS)
        outcomes.wait_for(20)
    assert len(reported_before) < 20


def test_closing_kills_what_hangs_drops_what_waits_and_leaves_nothing(photo: bytes) -> None:
    outcomes = Outcomes()
    hangs = threading.Event()

    def known(_: bytes) -> bool:
        signal_decoders(signal.SIGSTOP)
        hangs.set()
        return False

    pool = pool_of(outcomes, known, timeout=10 * DEADLINE_SECONDS)
    for ticket in range(5):
        pool.submit(DecodeJob(ticket, photo))
    assert hangs.wait(DEADLINE_SECONDS)
    pool.close()
    assert outcomes.order == []
    assert decoders() == []
    assert not [thread for thread in threading.enumerate() if "decode" in thread.name]
    with pytest.raises(ChildError, match="closed"):
        pool.decode_now(photo)
    with pytest.raises(ChildError, match="closed"):
        pool.submit(DecodeJob(9, photo))


def test_a_photo_may_have_any_name_and_an_unreadable_one_says_so(tmp_path: Path) -> None:
    strange = os.path.join(os.fsencode(tmp_path), b"caf\xe9\n\xff.jpg")
    with open(strange, "wb") as file:
        two_colours().save(file, "JPEG")
    outcomes = Outcomes()
    with pool_of(outcomes) as pool:
        assert isinstance(pool.decode_now(strange), Decoded)
        gone = pool.decode_now(strange + b"-not-there")
    assert isinstance(gone, Refused)
    assert gone == Refused("missing", "the file is gone", None)


@pytest.mark.slow
def test_a_decoder_without_work_ends_and_the_next_photo_starts_another(photo: bytes) -> None:
    with pool_of(Outcomes()) as pool:
        pool.decode_now(photo)
        (pid,) = decoders()
        ended = os.pidfd_open(pid)
        try:
            poll = select.poll()
            poll.register(ended, select.POLLIN)
            assert poll.poll(10 * DEADLINE_SECONDS * 1000)
        finally:
            os.close(ended)
        assert isinstance(pool.decode_now(photo), Decoded)


def test_a_decoder_that_the_system_kills_is_told_from_one_that_crashes(photo: bytes) -> None:
    outcomes = Outcomes()

    def known(_: bytes) -> bool:
        signal_decoders(signal.SIGKILL)
        return False

    with pool_of(outcomes, known) as pool:
        pool.submit(DecodeJob(1, photo))
        outcomes.wait_for(1)
    refused = outcomes.refusal(1)
    assert refused.kind == "memory"
    assert "want of memory on this machine; tried twice" in refused.reason


@pytest.fixture
def python_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have every child die while it starts, until the file that is returned is removed."""
    trouble, python = tmp_path / "trouble", tmp_path / "python"
    trouble.touch()
    python.write_text(f"#!/bin/sh\n[ -e '{trouble}' ] && exit 3\nexec '{sys.executable}' \"$@\"\n")
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    return trouble


def wait_until(claim: Callable[[], object], seconds: float = DEADLINE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


@pytest.mark.slow
def test_decoders_that_die_while_starting_are_waited_for_and_no_photo_is_lost(
    photo: bytes, python_that_fails: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = Outcomes()
    with pool_of(outcomes, processes=2) as pool:
        for ticket in range(5):
            pool.submit(DecodeJob(ticket, photo))
        wait_until(pool.problem)
        assert "a decoder did not start (exit status 3)" in pool.problem()
        assert "clipd tries again by itself" in pool.problem()
        with pytest.raises(ChildError, match="did not start"):
            pool.decode_now(photo)  # a query is not kept waiting
        assert outcomes.order == []
        python_that_fails.unlink()
        outcomes.wait_for(5)
        wait_until(lambda: not pool.problem())
        assert isinstance(pool.decode_now(photo), Decoded)
    assert all(isinstance(outcome, Decoded) for outcome in outcomes.by_ticket.values())
    assert len(caplog.records) == 1  # once for all tries


@pytest.mark.slow
def test_a_pool_whose_decoders_do_not_start_can_be_closed(
    photo: bytes, python_that_fails: Path
) -> None:
    with pool_of(Outcomes(), processes=2) as pool:
        pool.submit(DecodeJob(1, photo))
        wait_until(pool.problem)
        started = time.monotonic()
    assert python_that_fails.exists()
    assert time.monotonic() - started < 10.0


@pytest.mark.slow
def test_photos_wait_while_there_are_no_descriptors(photo: bytes) -> None:
    outcomes = Outcomes()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with pool_of(outcomes) as pool:
        assert isinstance(pool.decode_now(photo), Decoded)  # so that only files are to be opened
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            pool.submit(DecodeJob(1, photo))
            wait_until(pool.problem)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert "Too many open files" in pool.problem()
        outcomes.wait_for(1)
        wait_until(lambda: not pool.problem())
    assert isinstance(outcomes.by_ticket[1], Decoded)


@pytest.mark.slow
def test_a_disk_that_does_not_answer_holds_up_no_other(tmp_path: Path, photo: bytes) -> None:
    (folder := tmp_path / "drive").mkdir()
    two_colours().save(folder / "a.jpg")
    there = os.fsencode(folder / "a.jpg")
    outcomes = Outcomes()
    config = DecoderConfig(processes=1)
    with DecoderPool(
        config, Preprocess(SIDE), lambda _: False, outcomes.report, disk_seconds=1.0
    ) as pool:
        with hanging_disk(folder) as disk:
            started = time.monotonic()
            for ticket in range(30):
                pool.submit(DecodeJob(ticket, there, root=1))
            pool.submit(DecodeJob(30, photo, root=2))
            outcomes.wait_for(31)
            assert time.monotonic() - started < 30 * 1.0  # only the first was waited for
            assert "did not answer for 1 s" in outcomes.refusal(0).reason
            assert {outcomes.refusal(ticket).kind for ticket in range(30)} == {"unreadable"}
            assert isinstance(outcomes.by_ticket[30], Decoded)
            disk.leave()
        wait_until(lambda: "clipd-read" not in {each.name for each in threading.enumerate()})
        pool.submit(DecodeJob(31, there, root=1))
        outcomes.wait_for(32)
    assert isinstance(outcomes.by_ticket[31], Decoded)


@pytest.mark.slow
def test_a_disk_that_cannot_read_one_file_is_asked_for_the_next(tmp_path: Path) -> None:
    (backing := tmp_path / "backing").mkdir()
    Image.new("RGB", (900, 900)).save(backing / "large.bmp")  # over 2 MB
    Image.new("RGB", (30, 30)).save(backing / "small.bmp")
    outcomes = Outcomes()
    with drive(tmp_path / "drive", backing, fail_at=1 << 20) as disk, pool_of(outcomes) as pool:
        large, small = (
            os.fsencode(disk.mount_point / f"{name}.bmp") for name in ("large", "small")
        )
        for ticket in range(0, 60, 2):
            pool.submit(DecodeJob(ticket, large, root=1))
            pool.submit(DecodeJob(ticket + 1, small, root=1))
        outcomes.wait_for(60)
    assert {outcomes.refusal(ticket).reason for ticket in range(0, 60, 2)} == {
        "reading failed: Input/output error"
    }
    assert {type(outcomes.by_ticket[ticket]) for ticket in range(1, 60, 2)} == {Decoded}


@pytest.mark.slow
def test_a_disk_that_stops_answering_in_the_middle_of_a_photo_is_waited_for_once(
    tmp_path: Path, photo: bytes
) -> None:
    (backing := tmp_path / "backing").mkdir()
    Image.new("RGB", (1200, 1200)).save(backing / "large.bmp")  # over 4 MB
    outcomes = Outcomes()
    config = DecoderConfig(processes=1, timeout=3.0)
    with (
        drive(tmp_path / "drive", backing, hang_at=2 << 20) as nas,
        spawning(),
        DecoderPool(
            config, Preprocess(SIDE), lambda _: False, outcomes.report, disk_seconds=1.0
        ) as pool,
    ):
        there = os.fsencode(nas.mount_point / "large.bmp")
        try:
            pool.submit(DecodeJob(1, there, root=1))
            pool.submit(DecodeJob(2, there, root=1))
            pool.submit(DecodeJob(3, photo, root=2))
            outcomes.wait_for(3)
        finally:
            nas.answer()
        assert "did not answer" in outcomes.refusal(1).reason
        assert "does not answer" in outcomes.refusal(2).reason
        assert isinstance(outcomes.by_ticket[3], Decoded)
    wait_until(lambda: "clipd-read" not in {each.name for each in threading.enumerate()})


@pytest.mark.slow
def test_a_disk_that_does_not_answer_does_not_hold_up_the_end(tmp_path: Path) -> None:
    (folder := tmp_path / "drive").mkdir()
    with hanging_disk(folder), pool_of(Outcomes()) as pool:
        pool.submit(DecodeJob(1, os.fsencode(folder / "a.jpg"), root=1))
        wait_until(lambda: "clipd-read" in {each.name for each in threading.enumerate()})
        started = time.monotonic()
        pool.close()
        assert time.monotonic() - started < 10.0
