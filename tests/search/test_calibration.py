from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipd.pocket.photo_exam import area_under_curve
from clipd.search.calibration import LEAST_PHOTOS, Calibration, calibrate

NEAREST = np.linspace(0.1, 0.3, 64).astype(np.float32)
PAIRS = np.linspace(-0.2, 0.2, 100).astype(np.float32)
MADE = calibrate(1000, NEAREST, PAIRS)


@given(st.lists(st.floats(-1, 1, width=32), min_size=2))
def test_confidence_keeps_the_order_of_cosines_and_lies_between_0_and_1(found: list[float]) -> None:
    cosines = np.sort(np.array(found, np.float32))
    for curve in (MADE.words, MADE.pictures):
        confidence = curve.confidence(cosines)
        assert (np.diff(confidence) >= 0).all()
        assert 0 <= confidence.min() <= confidence.max() <= 1


def test_confidence_tells_present_from_absent_as_well_as_the_cosine_does() -> None:
    random = np.random.default_rng(1)
    present = random.normal(0.3, 0.05, 200).astype(np.float32)
    absent = random.normal(0.2, 0.05, 200).astype(np.float32)
    curve = MADE.words
    assert area_under_curve(curve.confidence(present), curve.confidence(absent)) == pytest.approx(
        area_under_curve(present, absent), abs=1e-4
    )


def test_half_of_the_texts_that_no_photo_shows_are_below_the_bar() -> None:
    assert MADE.bar == pytest.approx(0.2, abs=1e-3)
    at_bar = MADE.words.confidence(np.array([MADE.bar], np.float32))
    assert at_bar == pytest.approx(0.15, abs=0.01)


def test_a_reference_text_that_a_photo_does_show_moves_nothing() -> None:
    spoilt = NEAREST.copy()
    spoilt[spoilt > 0.28] = 0.95
    assert calibrate(1000, spoilt, PAIRS) == MADE


def test_the_same_picture_is_sure_and_a_stranger_is_not() -> None:
    same, stranger = MADE.pictures.confidence(np.array([1.0, 0.0], np.float32))
    assert same > 0.99
    assert stranger < 0.01


def test_few_photos_have_no_bar() -> None:
    assert calibrate(LEAST_PHOTOS - 1, NEAREST, PAIRS[:0]).bar is None


def test_it_is_stale_when_the_library_has_grown_or_shrunk_by_half() -> None:
    assert not any(MADE.is_stale(photos) for photos in (700, 1000, 1400))
    assert MADE.is_stale(1600)
    assert MADE.is_stale(600)


def test_it_is_read_as_it_was_written_and_anything_else_is_none() -> None:
    assert Calibration.from_json(MADE.to_json()) == MADE
    few = calibrate(3, NEAREST, PAIRS)
    assert Calibration.from_json(few.to_json()) == few
    whole = MADE.to_json()
    for text in ("", "{", "[]", "{}", whole.replace('"version": 1', '"version": 0'), "[" * 9999):
        assert Calibration.from_json(text) is None
    assert Calibration.from_json(whole.replace(str(MADE.bar), "NaN")) is None
    assert Calibration.from_json(whole.replace(str(MADE.words.scale), "0")) is None
