from pathlib import Path

import pytest

from clipd.ctl.command import run
from clipd.ctl.service_advice import how_to_look, how_to_restart, how_to_start


@pytest.fixture
def user(tmp_path: Path) -> dict[str, str]:
    """The environment of a user for whom nothing was set up."""
    return {"HOME": str(tmp_path)}


def touch(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.touch()


def test_the_next_command_is_the_one_that_is_missing(user: dict[str, str], tmp_path: Path) -> None:
    assert how_to_start(user) == "set it up with: clipd setup ~/Pictures"

    touch(tmp_path / ".config/clipd/config.toml")
    assert how_to_start(user) == "start it with: clipd run"
    assert how_to_restart(user).endswith("clipd run")
    assert "journalctl" not in how_to_look(user)

    touch(tmp_path / ".config/systemd/user/clipd.service")
    assert how_to_start(user) == "start it with: systemctl --user start clipd"
    assert how_to_restart(user).endswith("systemctl --user restart clipd")
    assert "journalctl --user -u clipd" in how_to_look(user)


def test_a_socket_of_the_users_choice_is_no_matter_of_the_unit(user: dict[str, str]) -> None:
    assert "unset CLIPD_SOCKET" in how_to_start(user | {"CLIPD_SOCKET": "/tmp/demo/clipd.sock"})


def test_before_any_setup_clipctl_says_how_to_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("CLIPD_SOCKET", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    assert run(["status"]) == 3

    assert capsys.readouterr().err.endswith("set it up with: clipd setup ~/Pictures\n")
