"""Where the socket is: one rule for the daemon and its clients. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

MAX_SOCKET_PATH_BYTES = 107  # unix(7): sun_path holds 108, the last one for the NUL


def socket_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Find the socket: ``CLIPD_SOCKET``, else the runtime folder, else the state folder.

    The runtime folder is looked for even where ``XDG_RUNTIME_DIR`` is not set, as in cron,
    so that a job meets the daemon of the desktop session.
    """
    if chosen := environment.get("CLIPD_SOCKET"):
        return Path(os.path.abspath(os.path.expanduser(chosen)))
    return runtime_folder(environment) / "clipd" / "clipd.sock"


def is_too_long(path: Path) -> bool:
    """Whether the kernel would refuse this path as a socket's address."""
    return len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES


def runtime_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for what lasts as long as the session, else that for what stays."""
    if runtime := _absolute(environment.get("XDG_RUNTIME_DIR")):
        return runtime
    of_user = Path("/run/user") / str(os.getuid())
    if of_user.is_dir():
        return of_user
    return _absolute(environment.get("XDG_STATE_HOME")) or Path.home() / ".local" / "state"


def _absolute(value: str | None) -> Path | None:
    # The XDG base directory specification: a relative path is invalid and to be ignored.
    return Path(value) if value and os.path.isabs(value) else None
