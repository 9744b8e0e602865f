"""Where clipd keeps its files, by the XDG Base Directory Specification."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clipd.config.socketpath import socket_path
from clipd.errors import ClipdError

# Each variable, and what stands for it below the home folder.
BASE_FOLDERS = {
    "XDG_CONFIG_HOME": ".config",
    "XDG_STATE_HOME": ".local/state",
    "XDG_CACHE_HOME": ".cache",
    "XDG_DATA_HOME": ".local/share",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The files and folders of one user's clipd. Nothing is made until ``make``."""

    config: Path  # the file
    state: Path  # the catalog, its backup, the saved index, the lock
    cache: Path  # what may be deleted at any time
    models: Path  # fetched weights
    socket: Path  # the file

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Paths:
        """Work out the paths from the environment's XDG variables and ``CLIPD_SOCKET``."""
        return cls(
            config=base_folder("XDG_CONFIG_HOME", environment) / "clipd/config.toml",
            state=base_folder("XDG_STATE_HOME", environment) / "clipd",
            cache=base_folder("XDG_CACHE_HOME", environment) / "clipd",
            models=base_folder("XDG_DATA_HOME", environment) / "clipd/models",
            socket=socket_path(environment),
        )

    def make(self) -> None:
        """Make the state, cache and models folders, for the user alone (0700).

        Raises:
            ClipdError: a folder cannot be made.
        """
        for folder in (self.state, self.cache, self.models):
            make_private(folder)


def base_folder(variable: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that an XDG variable stands for, set or not.

    A relative value is ignored, as the specification asks.
    """
    chosen = environment.get(variable, "")
    if os.path.isabs(chosen):
        return Path(chosen)
    return Path(environment.get("HOME") or Path.home()) / BASE_FOLDERS[variable]


def make_private(folder: Path) -> None:
    """Make a folder and those above it, 0700 each; one that is there is left as it is.

    Raises:
        ClipdError: it cannot be made.
    """
    try:
        for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)
        if not folder.is_dir():
            raise NotADirectoryError(20, "it is a file")
    except OSError as error:
        raise ClipdError(
            f"cannot make the folder {folder}: {error.strerror}; make it, or point clipd "
            "elsewhere with the XDG variables"
        ) from error
