from __future__ import annotations

from pathlib import Path

import pytest

from clipd.ctl.libraries import Library, known_libraries, library_name, socket_named
from clipd.errors import ConfigError
from tests.ctl.conftest import Ctl


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a clipd of its own, with a peer."""
    monkeypatch.delenv("CLIPD_SOCKET", raising=False)
    for name in ("CONFIG_HOME", "STATE_HOME", "DATA_HOME", "RUNTIME_DIR"):
        monkeypatch.setenv(f"XDG_{name}", str(tmp_path))
    (tmp_path / "clipd").mkdir()
    (tmp_path / "clipd" / "clipctl.toml").write_text(
        '[[peers]]\nname = "nas"\nsocket = "/run/nas.sock"\n'
    )
    return tmp_path


NAS = Library("nas", Path("/run/nas.sock"))


def test_ones_own_clipd_is_asked_where_it_was_ever_set_up(home: Path) -> None:
    assert known_libraries() == [NAS]
    (home / "clipd" / "config.toml").touch()
    assert known_libraries() == [Library("here", home / "clipd" / "clipd.sock"), NAS]


def test_a_peer_at_ones_own_socket_is_asked_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPD_SOCKET", "/run/nas.sock")
    assert known_libraries() == [NAS]


def test_without_peers_it_says_what_to_write_where(home: Path) -> None:
    (home / "clipd" / "clipctl.toml").unlink()
    with pytest.raises(ConfigError) as caught:
        known_libraries()
    assert f"write into {home}/clipd/clipctl.toml:\n[[peers]]\nname" in str(caught.value)


def test_a_word_with_a_slash_is_a_socket_and_any_other_a_name(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    assert socket_named("./a.sock") == home / "a.sock"
    assert socket_named("nas") == NAS.socket
    assert socket_named("here") == home / "clipd" / "clipd.sock"
    with pytest.raises(ConfigError, match=r"did you mean here\?"):
        socket_named("hree")


def test_a_socket_is_called_by_its_name_where_it_has_one(home: Path) -> None:
    assert library_name(NAS.socket) == "nas"
    assert library_name(home / "clipd" / "clipd.sock") == "here"
    assert library_name(Path("/other.sock")) == "/other.sock"
    (home / "clipd" / "clipctl.toml").write_text("broken")
    assert library_name(NAS.socket) == "/run/nas.sock"


def test_at_takes_a_value_wherever_it_stands_but_behind_two_dashes(
    ctl: Ctl, tmp_path: Path
) -> None:
    for words in (["--at", str(ctl.socket), "ping"], ["ping", f"--at={ctl.socket}"]):
        assert ctl(*words).code == 0
    assert ctl("status", "--at").code == 2
    assert ctl("--at", str(tmp_path / "none.sock"), "ping").code == 3
    assert ctl("search", "--", "--at").code == 0
