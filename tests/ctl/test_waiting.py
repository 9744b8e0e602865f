from __future__ import annotations

import pytest

from clipd.ctl.waiting import Meter, clock, is_done
from clipd.json_types import JsonObject


def state(backlog: int, encoded: int = 0, word: str = "indexing") -> JsonObject:
    return {"state": word, "backlog": backlog, "encoded": encoded}


def metered(*states: JsonObject) -> Meter:
    """Return a meter that has seen the states, a second apart."""
    meter = Meter()
    for second, seen in enumerate(states):
        meter.take(seen, float(second))
    return meter


def test_what_was_encoded_counts_once_though_it_leaves_the_backlog_later() -> None:
    meter = metered(state(100), state(100, 10), state(90, 10), state(80, 20))
    assert (meter.done, meter.total) == (20, 100)


def test_renames_count_though_nothing_is_encoded() -> None:
    meter = metered(state(1000), state(600), state(200))
    assert (meter.done, meter.total, meter.rate, meter.seconds_left) == (800, 1000, 400, 0.5)


def test_a_backlog_that_grows_while_it_is_worked_on_does_not_hide_the_work() -> None:
    meter = metered(state(50, 1000), state(80, 1020), state(110, 1040))
    assert (meter.done, meter.total, meter.rate) == (40, 150, 20)


def test_a_daemon_that_starts_anew_does_not_turn_the_meter_back() -> None:
    meter = metered(state(100, 500), state(50, 550), state(50, 0), state(30, 20))
    assert (meter.done, meter.total) == (70, 100)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    slow = [state(10_000 - second) for second in range(100)]
    fast = [state(9_900 - 100 * second) for second in range(40)]
    assert metered(*slow, *fast).rate == pytest.approx(100)


def test_without_progress_there_is_no_time_left_to_tell() -> None:
    assert metered(state(5), state(5)).seconds_left is None
    assert str(metered(state(5), state(5))) == "indexing: 0 of 5"
    assert str(metered(state(0, word="scanning"))) == "scanning"


def test_a_hold_says_what_ends_it() -> None:
    assert "clipctl resume" in str(metered(state(5, word="paused")))
    assert "plugged in" in str(metered(state(5, word="resting")))
    assert "the model is missing" in str(metered(state(5, word="waiting")))


def test_a_next_model_is_told_of_where_nothing_else_waits() -> None:
    following: JsonObject = {"name": "large", "photos": 1200, "of": 5000, "seconds_left": 65}
    told = state(0) | {"model": {"name": "small", "next": following}}
    assert str(metered(told)) == "large: 1,200 of 5,000 photos, 1:05 left"
    assert not is_done(told)
    following["seconds_left"] = None
    assert str(metered(told)) == "large: 1,200 of 5,000 photos"
    assert str(metered(told | {"backlog": 5})) == "indexing: 0 of 5"


def test_only_rest_with_nothing_waiting_is_done() -> None:
    assert is_done(state(0, word="idle"))
    assert is_done(state(0, word="paused"))
    assert not is_done(state(1, word="paused"))
    assert not is_done(state(1, word="waiting"))
    assert not is_done(state(0, word="scanning"))
    assert not is_done({})


def test_a_clock_shows_hours_only_when_there_are_any() -> None:
    assert [clock(s) for s in (0.4, 65, 3600 + 125)] == ["0:00", "1:05", "1:02:05"]
