from pathlib import Path

from clipd.config.options import PowerConfig
from clipd.ingest.pause import Pause
from clipd.ingest.power import on_battery


def supply(folder: Path, name: str, **facts: str) -> None:
    place = folder / name
    place.mkdir(parents=True)
    for fact, value in facts.items():
        (place / fact).write_text(value + "\n")


def test_a_laptop_without_its_plug_is_on_battery(tmp_path: Path) -> None:
    supply(tmp_path, "AC", type="Mains", online="0")
    supply(tmp_path, "BAT0", type="Battery", status="Discharging")
    assert on_battery(tmp_path)


def test_a_laptop_on_mains_is_not_even_while_its_battery_drains(tmp_path: Path) -> None:
    supply(tmp_path, "AC", type="Mains", online="1")
    supply(tmp_path, "BAT0", type="Battery", status="Discharging")
    assert not on_battery(tmp_path)


def test_the_battery_of_a_mouse_does_not_count(tmp_path: Path) -> None:
    supply(tmp_path, "hidpp_battery_0", type="Battery", status="Discharging", scope="Device")
    assert not on_battery(tmp_path)


def test_a_machine_that_tells_nothing_is_not_on_battery(tmp_path: Path) -> None:
    assert not on_battery(tmp_path / "absent")


def test_work_rests_on_battery_unless_the_config_says_to_work() -> None:
    assert Pause(PowerConfig(on_battery="rest"), lambda: True).is_on
    assert not Pause(PowerConfig(on_battery="work"), lambda: True).is_on
    assert not Pause(PowerConfig(on_battery="rest"), lambda: False).is_on


def test_a_pause_holds_work_until_it_is_resumed() -> None:
    hold = Pause(PowerConfig(), lambda: False)
    hold.pause()
    assert hold.is_on
    assert hold.is_paused
    hold.resume()
    assert not hold.is_on
