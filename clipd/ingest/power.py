"""Whether the machine runs on its battery (Linux: /sys/class/power_supply)."""

from __future__ import annotations

from pathlib import Path

_SUPPLIES = Path("/sys/class/power_supply")


def on_battery(supplies: Path = _SUPPLIES) -> bool:
    """Return True when a battery of the machine discharges and no mains supply is online.

    Batteries of mice and headsets carry ``scope`` "Device" and do not count
    (kernel, Documentation/ABI/testing/sysfs-class-power). A machine without supplies
    answers False.
    """
    try:
        found = list(supplies.iterdir())
    except OSError:
        return False
    if any(_read(s / "type") in {"Mains", "USB"} and _read(s / "online") == "1" for s in found):
        return False
    return any(
        _read(s / "type") == "Battery"
        and _read(s / "scope") != "Device"
        and _read(s / "status") == "Discharging"
        for s in found
    )


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
