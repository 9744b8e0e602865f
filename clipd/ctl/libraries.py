"""The libraries that clipctl knows: that of the user's own daemon, and those of its peers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from clipd.config.socketpath import socket_path
from clipd.ctl.destination import is_own
from clipd.ctl.service_advice import has_unit
from clipd.errors import ConfigError


class Library(NamedTuple):
    """A library: what it is called, and where its daemon answers."""

    name: str
    socket: Path


def known_libraries() -> list[Library]:
    """Return all libraries, the user's own first.

    Raises:
        ConfigError: there are no peers, or their file cannot be used.
    """
    from clipd.config.peers import EXAMPLE, HERE, load_peers, peers_file

    file = peers_file()
    peers = load_peers(file)
    if not peers:
        raise ConfigError(f"no other clipd is known; write into {file}:\n{EXAMPLE}")
    libraries = [Library(peer.name, peer.socket) for peer in peers]
    own = Library(HERE, socket_path())
    if own.socket in [each.socket for each in libraries] or not _has_own():
        return libraries
    return [own, *libraries]


def _has_own() -> bool:
    """Whether clipd was ever set up here. A machine may have peers alone."""
    from clipd.config.folders import Paths

    paths = Paths.of()
    return "CLIPD_SOCKET" in os.environ or any(
        (paths.socket.exists(), paths.config.exists(), has_unit())
    )


def socket_named(word: str) -> Path:
    """Return the socket that somebody means: a path where there is a slash, else a peer's name.

    Raises:
        ConfigError: there is no such peer, or their file cannot be used.
    """
    if "/" in word:
        return Path(os.path.abspath(os.path.expanduser(word)))
    from clipd.config.peers import HERE, load_peers, peer_named, peers_file

    if word == HERE:
        return socket_path()
    file = peers_file()
    return peer_named(word, load_peers(file), file).socket


def library_name(socket: Path) -> str:
    """Return what the library behind a socket is called; the socket where it has no name."""
    from clipd.config.peers import HERE, load_peers, peers_file

    if is_own(socket):
        return HERE
    try:
        names = [peer.name for peer in load_peers(peers_file()) if peer.socket == socket]
    except ConfigError:
        names = []
    return names[0] if names else str(socket)
