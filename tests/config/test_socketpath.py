from __future__ import annotations

import os
from pathlib import Path

import pytest

from clipd.config.socketpath import is_too_long, socket_path


def test_the_environment_names_the_socket() -> None:
    assert socket_path({"CLIPD_SOCKET": "/a/b.sock"}) == Path("/a/b.sock")
    assert socket_path({"CLIPD_SOCKET": "b.sock"}) == Path.cwd() / "b.sock"


def test_the_runtime_folder_is_next() -> None:
    assert socket_path({"XDG_RUNTIME_DIR": "/run/x"}) == Path("/run/x/clipd/clipd.sock")


@pytest.mark.skipif(
    Path(f"/run/user/{os.getuid()}").is_dir(), reason="this user has a runtime folder"
)
def test_without_a_runtime_folder_the_socket_is_in_the_state_folder() -> None:
    assert socket_path({"XDG_STATE_HOME": "/state"}) == Path("/state/clipd/clipd.sock")
    relative = {"XDG_RUNTIME_DIR": "run", "XDG_STATE_HOME": "state"}
    assert socket_path(relative) == Path.home() / ".local/state/clipd/clipd.sock"


def test_a_path_of_107_bytes_is_the_longest() -> None:
    assert not is_too_long(Path("/" + "x" * 106))
    assert is_too_long(Path("/" + "é" * 54))
