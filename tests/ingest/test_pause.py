"""When work waits."""

from __future__ import annotations

from clipd.config.options import PowerConfig
from clipd.ingest.pause import Pause


def test_a_pause_holds_until_it_is_taken_back() -> None:
    hold = Pause(PowerConfig(), lambda: False)
    assert not hold.is_on
    hold.pause()
    hold.pause()
    assert hold.is_on
    hold.resume()
    assert not hold.is_on


def test_on_battery_work_rests_unless_it_is_told_to_go_on() -> None:
    assert Pause(PowerConfig(on_battery="rest"), lambda: True).is_on
    assert not Pause(PowerConfig(on_battery="work"), lambda: True).is_on


def test_a_pause_on_battery_is_a_pause_still_on_mains() -> None:
    hold = Pause(PowerConfig(), lambda: True)
    hold.pause()
    assert hold.is_paused
    assert hold.is_resting
    hold.resume()
    assert not hold.is_paused
    assert hold.is_on


def test_the_battery_is_not_asked_at_every_turn() -> None:
    asked: list[bool] = []

    def is_on_battery() -> bool:
        asked.append(True)
        return False

    hold = Pause(PowerConfig(), is_on_battery)
    for _ in range(100):
        assert not hold.is_on
    assert len(asked) == 1
