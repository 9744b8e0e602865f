from __future__ import annotations

from pathlib import Path

import pytest

from clipd.config.peers import EXAMPLE, Peer, load_peers, parse_peers, peer_named, peers_file
from clipd.errors import ConfigError

FILE = Path("/somewhere/clipctl.toml")
NAS = Peer("nas", Path("/run/user/1000/nas.sock"))


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_peers(text, FILE)
    return str(caught.value)


def test_peers_have_a_name_and_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    text = f'{EXAMPLE}\n[[peers]]\nname = "At.tic-2"\nsocket = "~/a.sock"\n'
    assert parse_peers(text, FILE) == (NAS, Peer("At.tic-2", Path("/home/me/a.sock")))


def test_the_file_lies_beside_the_configuration_of_the_daemon() -> None:
    assert peers_file({"XDG_CONFIG_HOME": "/c"}) == Path("/c/clipd/clipctl.toml")
    assert peers_file({"HOME": "/home/me"}) == Path("/home/me/.config/clipd/clipctl.toml")


def test_without_a_file_there_are_no_peers(tmp_path: Path) -> None:
    assert load_peers(tmp_path / "clipctl.toml") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"{EXAMPLE}\nsokcet = 1",
            "line 4: sokcet is not a key in [[peers]]; did you mean socket?",
        ),
        (
            '[[peer]]\nname = "nas"',
            "line 1: peer is not a key at the top of the file; did you mean",
        ),
        ('[peers]\nname = "nas"', "line 1: peers must be tables, as in: [[peers]], name"),
        ("peers = 1", "line 1: peers must be tables"),
        ('[[peers]]\nname = "nas"', "line 1: socket is missing: write socket = ..."),
        (f'{EXAMPLE}\n[[peers]]\nsocket = "/a"', "line 4: name is missing"),
        ('[[peers]]\nname = "here"\nsocket = "/a"', 'line 2: name = "here" is the name of the'),
        ('[[peers]]\nname = "a b"\nsocket = "/a"', 'line 2: name = "a b" cannot be used: write up'),
        ('[[peers]]\nname = "n\\u001b"\nsocket = "/a"', "line 2: name must be a text in quotes"),
        ('[[peers]]\nname = 3\nsocket = "/a"', "line 2: name must be a text in quotes"),
        ('[[peers]]\nname = "a"\nsocket = ""', "line 3: socket must be a text in quotes"),
        ('[[peers]]\nname = "a"\nsocket = "a.sock"', 'line 3: socket = "a.sock" cannot be used'),
        (
            f'{EXAMPLE}\n[[peers]]\nname = "nas"\nsocket = "/a"',
            'line 5: name = "nas" is there twice',
        ),
        (
            f'{EXAMPLE}\n[[peers]]\nname = "b"\nsocket = "/run/user/1000/nas.sock"',
            'line 6: socket = "/run/user/1000/nas.sock" is that of nas, too',
        ),
        ("[[peers]]\nname = nas", "is not valid TOML"),
    ],
)
def test_what_cannot_be_is_told_with_its_line_and_what_would_be_right(text: str, said: str) -> None:
    assert said in refusal(text)
    assert str(FILE) in refusal(text)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"\xe9")
    for file, said in ((tmp_path, "cannot read"), (tmp_path / "latin", "is not UTF-8 (byte 0)")):
        with pytest.raises(ConfigError, match=f"{said}".replace("(", r"\(").replace(")", r"\)")):
            load_peers(file)


def test_a_peer_that_there_is_not_is_told_with_those_that_there_are() -> None:
    assert peer_named("nas", [NAS], FILE) == NAS
    for name, said in (("nsa", "did you mean nas?"), ("xyzzy", "there is nas")):
        with pytest.raises(ConfigError) as caught:
            peer_named(name, [NAS], FILE)
        assert str(caught.value) == f"{FILE} has no peer {name}; {said}"
    with pytest.raises(ConfigError, match=r"names none; a socket has a slash: \./nas"):
        peer_named("nas", [], FILE)
