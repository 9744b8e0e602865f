"""Where the socket is: one rule for ``clipd`` and ``clipctl``.

Imports next to nothing, because every run of ``clipctl`` pays for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping


def xdg_folder(variable: str, below_home: str, environment: Mapping[str, str]) -> str:
    """Return clipd's folder in an XDG base folder: the variable's, else the one below home.

    A relative value is ignored, as the XDG Base Directory Specification asks.
    """
    base = environment.get(variable, "")
    if not os.path.isabs(base):
        home = environment.get("HOME") or os.path.expanduser("~")
        base = os.path.join(home, below_home)
    return os.path.join(base, "clipd")


def socket_path(environment: Mapping[str, str] = os.environ) -> str:
    """Return the path of the socket: first found of four places.

    ``CLIPD_SOCKET``; the user's runtime folder by ``XDG_RUNTIME_DIR``; the same by its usual
    place, for shells that lost the variable (``su``, ``cron``); the state folder, where there is
    no runtime folder at all (containers).
    """
    chosen = environment.get("CLIPD_SOCKET", "")
    if chosen:
        return os.path.abspath(chosen)
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    if not os.path.isabs(runtime):
        runtime = f"/run/user/{os.getuid()}"
        if not os.path.isdir(runtime):
            folder = xdg_folder("XDG_STATE_HOME", ".local/state", environment)
            return os.path.join(folder, "clipd.sock")
    return os.path.join(runtime, "clipd", "clipd.sock")
