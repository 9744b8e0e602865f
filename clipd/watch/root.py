"""One watched folder, and what can be said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clipd.config.options import RootConfig


@dataclass(frozen=True, slots=True)
class Root:
    """A watched folder: its id in the catalog, its absolute path, its part of the config."""

    id: int
    path: bytes
    config: RootConfig

    def holds(self, path: bytes) -> bool:
        """Whether a path is this folder or lies below it."""
        return is_within(path, self.path)


@dataclass(frozen=True, slots=True)
class RootState:
    """Whether a root can be trusted.

    ``online``: what is there is there, and what is not was deleted. ``degraded``: the same,
    but changes are noticed late. ``offline``: its photos are kept as they are. ``stalled``: the
    same, because its disk does not answer. ``reason`` is one sentence, "" when all is well.
    """

    state: Literal["online", "degraded", "offline", "stalled"]
    reason: str = ""

    @property
    def is_away(self) -> bool:
        """Whether its photos cannot be opened now, and nothing about them can be proved."""
        return self.state in ("offline", "stalled")


@dataclass(frozen=True, slots=True)
class SeenVolume:
    """A file system as it lies at a folder: the root, or a mount point below it."""

    folder: bytes
    uuid: str  # "" when it is not known
    device: int
    inode: int  # of the folder


@dataclass(frozen=True, slots=True)
class VolumeChange:
    """A volume that the catalog has to note.

    ``before`` is the id of the one that was known there, None for none; ``now`` of the one that is
    there, None for a new one. Where they differ, the paths of the first are set aside, and those
    of the second come back.
    """

    seen: SeenVolume
    before: int | None
    now: int | None

    @property
    def moves_paths(self) -> bool:
        """Whether paths in the catalog change their places with it."""
        return self.before != self.now and (self.before is not None or self.now is not None)


@dataclass(frozen=True, slots=True)
class RootChange:
    """A root changed its state, or shows its identity or its volumes for the first time.

    ``identity`` is the (device, inode) that the catalog should remember for it; None when what
    it remembers stays true.
    """

    root: Root
    before: RootState | None
    now: RootState
    identity: tuple[int, int] | None = None
    volumes: tuple[VolumeChange, ...] = ()


def is_within(path: bytes, folder: bytes) -> bool:
    """Whether a path is a folder or lies below it, by name alone."""
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")
