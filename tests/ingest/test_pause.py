"""When work waits."""

from __future__ import annotations

from clipd.config.options import PowerConfig
from clipd.ingest.pause import Hold


def test_a_pause_holds_until_it_is_taken_back() -> None:
    hold = Hold(PowerConfig(), lambda: False)
    assert not hold()
    hold.pause()
    hold.pause()
    assert hold()
    hold.resume()
    assert not hold()


def test_on_battery_work_rests_unless_it_is_told_to_go_on() -> None:
    assert Hold(PowerConfig(on_battery="rest"), lambda: True)()
    assert not Hold(PowerConfig(on_battery="work"), lambda: True)()


def test_a_pause_on_battery_is_a_pause_still_on_mains() -> None:
    hold = Hold(PowerConfig(), lambda: True)
    hold.pause()
    assert hold.is_paused
    assert hold.is_resting
    hold.resume()
    assert not hold.is_paused
    assert hold()


def test_the_battery_is_not_asked_at_every_turn() -> None:
    asked: list[bool] = []

    def is_on_battery() -> bool:
        asked.append(True)
        return False

    hold = Hold(PowerConfig(), is_on_battery)
    for _ in range(100):
        hold()
    assert len(asked) == 1
