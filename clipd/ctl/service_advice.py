"""What to type when clipd does not run: that depends on how far it was set up.

What it takes is imported when it is needed: clipctl mostly finds its daemon.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# Of a daemon that is not the user's own, we know no more than its socket.
FAR_ADVICE = "start the clipd behind it, or the ssh that leads there"
_UNIT = "clipd.service"
_UNITS_OF_SYSTEM = ("/etc/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user")


def how_to_start(environment: Mapping[str, str] = os.environ) -> str:
    """Return the words that say how to get a clipd that answers."""
    from clipd.config.folders import Paths

    if environment.get("CLIPD_SOCKET"):
        return (
            "start the clipd that CLIPD_SOCKET belongs to, or ask your own with: unset CLIPD_SOCKET"
        )
    if has_unit(environment):
        return "start it with: systemctl --user start clipd"
    if Paths.of(environment).config.exists():
        return "start it with: clipd run"
    return "set it up with: clipd setup ~/Pictures"


def how_to_restart(environment: Mapping[str, str] = os.environ) -> str:
    """Return the words that say how to start a clipd anew that does not answer."""
    if has_unit(environment):
        return "start it anew with: systemctl --user restart clipd"
    return "end it, and start it anew with: clipd run"


def how_to_look(environment: Mapping[str, str] = os.environ) -> str:
    """Return the words that say where to read what clipd says of itself."""
    if has_unit(environment):
        return "see what it says with: journalctl --user -u clipd -e"
    return "see what it says where it was started"


def has_unit(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the user unit is installed, so that systemctl can be told to start it."""
    from clipd.config.folders import base_folder

    of_user = [base_folder(name, environment) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME")]
    folders = [*(folder / "systemd/user" for folder in of_user), *map(Path, _UNITS_OF_SYSTEM)]
    return any((folder / _UNIT).exists() for folder in folders)
