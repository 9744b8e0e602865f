"""Learning what scores mean: from vectors that the catalog remembers, beside the answers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from clipd.search.query_vectors import text_key
from clipd.search.reference_texts import REFERENCE_TEXTS
from tests.search.test_search import Desk
from tests.store.stock import a_vector
from tests.writepath import write_path


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with write_path(tmp_path) as house, ExitStack() as running:
        desk = Desk(house, running)
        for number in range(24):
            desk.photo(f"{number}.jpg", number % 16, content=number)
        for number, text in enumerate(REFERENCE_TEXTS):
            desk.word(text_key(text), a_vector(number))
        yield desk


def test_what_was_learnt_is_found_again_and_garbage_is_not(desk: Desk) -> None:
    assert desk.calibrator().known is None
    made = desk.calibrator().learn()
    assert made is not None
    assert made.photos == 24
    nearest = [desk.follower.index.search(a_vector(n), 1)[1][0] for n in range(64)]
    assert made.bar == pytest.approx(float(np.median(nearest)), abs=1e-5)
    assert desk.calibrator().known == made
    (file,) = (desk.house.state / "calibration").iterdir()
    file.write_bytes(b"\xff{")
    assert desk.calibrator().known is None


def test_it_learns_when_it_is_woken_and_again_only_when_the_library_has_changed(desk: Desk) -> None:
    calibrator = desk.calibrator()
    with calibrator.running():
        calibrator.wake_and_wait(0, 20)  # an empty library teaches nothing
        assert calibrator.known is None
        calibrator.wake_and_wait(24, 20)
        deadline = time.monotonic() + 20
        while calibrator.known is None:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
        learnt = calibrator.known
        calibrator.wake_and_wait(25, 20)
        assert calibrator.known is learnt
        for number in range(24, 48):
            desk.photo(f"{number}.jpg", number % 16, content=number)
        calibrator.wake_and_wait(48, 20)
        deadline = time.monotonic() + 20
        while calibrator.known is learnt:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
        assert calibrator.known is not None
        assert calibrator.known.photos == 48
    assert not [each for each in threading.enumerate() if each.name == "clipd-calibrate"]


def test_without_the_model_it_learns_another_time(desk: Desk) -> None:
    with desk.house.catalog.writing():
        desk.house.catalog.writer.write("DELETE FROM text_vectors")
    calibrator = desk.calibrator()
    with calibrator.running():  # the encoder of the desk is closed
        calibrator.wake_and_wait(24, 20)
    assert calibrator.known is None


def test_the_first_answer_waits_for_what_scores_mean_and_no_later_one(desk: Desk) -> None:
    calibrator = desk.calibrator()
    started = time.monotonic()
    calibrator.wake_and_wait(24, 0.2)  # nobody learns
    assert time.monotonic() - started >= 0.2
    with calibrator.running():
        calibrator.wake_and_wait(24, 60)
        assert calibrator.known is not None


def test_an_encoder_that_sleeps_is_not_woken_for_the_texts_of_photos_that_were_found(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "clipd.search.calibrator")
    monkeypatch.setattr("clipd.search.calibrator._FIRST_PHOTOS_SECONDS", 0.0)
    with desk.house.catalog.writing():
        desk.house.catalog.writer.write("DELETE FROM text_vectors")
    calibrator = desk.calibrator()
    with calibrator.running():  # the encoder of the desk is closed
        for _ in range(3):
            calibrator.photos_found()
            threading.Event().wait(0.1)
        assert "another time" not in caplog.text
        calibrator.wake_and_wait(24, 60)  # a query, for which it had to be awake
        assert "another time" in caplog.text
