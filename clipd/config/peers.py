"""The other daemons that clipctl may ask: ``clipctl.toml``, beside the daemon's configuration.

A file of its own: the daemon has no part in this, and where only peers are asked there is none.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipd.config.folders import base_folder
from clipd.config.lines import line_of
from clipd.errors import ConfigError
from clipd.suggest import nearest

HERE = "here"  # the name of the user's own daemon
EXAMPLE = '[[peers]]\nname = "nas"\nsocket = "/run/user/1000/nas.sock"'
_KEYS = ("name", "socket")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True)
class Peer:
    """Another daemon: what people call it, and the socket behind which it answers."""

    name: str
    socket: Path


def peers_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the peers are written."""
    return base_folder("XDG_CONFIG_HOME", environment) / "clipd/clipctl.toml"


def load_peers(file: Path) -> tuple[Peer, ...]:
    """Read the peers; none where there is no such file.

    Raises:
        ConfigError: it cannot be read, or says something that cannot be.
    """
    try:
        return parse_peers(file.read_bytes().decode(), file)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{file} is not UTF-8 (byte {error.start}), which TOML must be; save it as UTF-8"
        ) from error


def parse_peers(text: str, file: Path) -> tuple[Peer, ...]:
    """Read the peers from the text of their file, which is named in errors.

    Raises:
        ConfigError: it says something that cannot be.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error
    return _PeersText(file, text).read(document)


def peer_named(name: str, peers: Sequence[Peer], file: Path) -> Peer:
    """Return the peer of a name.

    Raises:
        ConfigError: there is none.
    """
    for peer in peers:
        if peer.name == name:
            return peer
    if not peers:
        raise ConfigError(
            f"there is no peer {name}: {file} names none; a socket has a slash: ./{name}"
        )
    near = nearest(name, [HERE, *(peer.name for peer in peers)])
    advice = f"did you mean {near[0]}?" if near else "there is " + _listed(peers)
    raise ConfigError(f"{file} has no peer {name}; {advice}")


@dataclass(frozen=True, slots=True)
class _PeersText:
    """The file and its text, for messages."""

    file: Path
    text: str

    def read(self, document: Mapping[str, object]) -> tuple[Peer, ...]:
        self._refuse_unknown(document, ("peers",), "", 0)
        tables = document.get("peers", [])
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            complaint = f"peers must be tables, as in: {_on_one_line(EXAMPLE)}"
            raise self._wrong("", "peers", 0, complaint)
        read: list[Peer] = []
        for nth, table in enumerate(tables):
            read.append(self._peer(table, nth, read))
        return tuple(read)

    def _peer(self, table: Mapping[str, object], nth: int, before: Sequence[Peer]) -> Peer:
        self._refuse_unknown(table, _KEYS, "peers", nth)
        name = self._text_of(table, "name", nth)
        socket = Path(os.path.expanduser(self._text_of(table, "socket", nth)))
        if name == HERE:
            complaint = "is the name of the clipd of this machine; choose another one"
            raise self._wrong("peers", "name", nth, f'name = "{HERE}" {complaint}')
        if not _NAME.fullmatch(name):
            form = "up to 40 letters, digits, dots, dashes and underscores"
            raise self._wrong("peers", "name", nth, f'name = "{name}" cannot be used: write {form}')
        if not socket.is_absolute():
            form = "an absolute path, or one that starts with ~/"
            raise self._wrong(
                "peers", "socket", nth, f'socket = "{socket}" cannot be used: write {form}'
            )
        for earlier in before:
            if earlier.name == name:
                raise self._wrong("peers", "name", nth, f'name = "{name}" is there twice')
            if earlier.socket == socket:
                complaint = f'socket = "{socket}" is that of {earlier.name}, too'
                raise self._wrong("peers", "socket", nth, complaint)
        return Peer(name, socket)

    def _text_of(self, table: Mapping[str, object], key: str, nth: int) -> str:
        value = table.get(key)
        if value is None:
            raise self._wrong("peers", "", nth, f"{key} is missing: write {key} = ...")
        if not isinstance(value, str) or not value or not value.isprintable():
            raise self._wrong("peers", key, nth, f'{key} must be a text in quotes, such as "..."')
        return value

    def _refuse_unknown(
        self, table: Mapping[str, object], known: Sequence[str], name: str, nth: int
    ) -> None:
        for key in table:
            if key not in known:
                near = nearest(key, known)
                guess = f"; did you mean {near[0]}?" if near else ""
                where = f"in [[{name}]]" if name else "at the top of the file"
                complaint = f"{key} is not a key {where}{guess}; valid: {', '.join(known)}"
                raise self._wrong(name, key, nth, complaint)

    def _wrong(self, table: str, key: str, nth: int, complaint: str) -> ConfigError:
        line = line_of(self.text, table, key, nth)
        if line is None and not table:
            line = line_of(self.text, key, "")  # written as the header of a table
        where = f"{self.file}, line {line}" if line else f"{self.file}"
        return ConfigError(f"{where}: {complaint}")


def _listed(peers: Sequence[Peer]) -> str:
    return ", ".join(peer.name for peer in peers)


def _on_one_line(text: str) -> str:
    return ", ".join(text.splitlines())
