"""What a check can be asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

SHOWN = 10  # paths that are named of each kind of difference

# What can be wrong. The words are stable: scripts see them in `clipctl verify --json`.
DifferenceKind: TypeAlias = Literal[
    "damaged",  # the catalog's file is not whole
    "dangling",  # rows of the catalog that refer to missing ones
    "count",  # a count of the catalog that is not what it counts
    "vector",  # a stored vector that cannot be one
    "index-damaged",  # the file of the index is not as it was written
    "index-lacks",  # photos that the catalog has and the index has not
    "index-holds",  # photos that the index has and should not have
    "gone",  # known paths where the disk has nothing
    "ignored",  # known paths that are to be left alone
    "unknown",  # files that the catalog does not know
    "changed",  # files that are not what the catalog knows, by size, times, inode, and bytes
    "content",  # files whose bytes are not those that were read, though all else is the same
    "unreadable",  # files that the disk does not give out
]


_SENTENCES: dict[DifferenceKind, tuple[str, str]] = {
    "damaged": ("the catalog is damaged", "the catalog is damaged in {} places"),
    "dangling": (
        "1 row of the catalog refers to one that is missing",
        "{} rows of the catalog refer to ones that are missing",
    ),
    "count": ("1 photo has a wrong count of paths", "{} photos have a wrong count of paths"),
    "vector": ("1 photo has an unusable vector", "{} photos have unusable vectors"),
    "index-damaged": ("the index is damaged", "the index is damaged in {} places"),
    "index-lacks": (
        "the index lacks 1 photo that the catalog has",
        "the index lacks {} photos that the catalog has",
    ),
    "index-holds": (
        "the index holds 1 photo that it should not hold",
        "the index holds {} photos that it should not hold",
    ),
    "gone": ("1 known path is gone from the disk", "{} known paths are gone from the disk"),
    "ignored": (
        "1 known path is to be left alone",
        "{} known paths are to be left alone",
    ),
    "unknown": ("1 file on the disk is not known", "{} files on the disk are not known"),
    "changed": (
        "1 file has changed since it was read",
        "{} files have changed since they were read",
    ),
    "content": (
        "1 file has other bytes than when it was read",
        "{} files have other bytes than when they were read",
    ),
    "unreadable": ("1 file cannot be read", "{} files cannot be read"),
}


@dataclass(frozen=True, slots=True)
class CheckScope:
    """What is to be checked, and whether it is to be mended."""

    disk: bool = False  # the roots too
    deep: bool = False  # and the bytes of every file
    repair: bool = False

    def __str__(self) -> str:
        """Return it in words."""
        disk = ", every file" if self.deep else ", the disk" if self.disk else ""
        return f"catalog, index{disk}{'; to be repaired' if self.repair else ''}"

    @property
    def walks_disk(self) -> bool:
        """Whether the roots are walked: reading every file is no use without it."""
        return self.disk or self.deep


@dataclass(frozen=True, slots=True)
class Difference:
    """One kind of thing that is wrong."""

    kind: DifferenceKind
    count: int
    sentence: str
    paths: tuple[bytes, ...] = ()  # the first few that are concerned


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A root that could not be checked, and why."""

    path: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found; after a repair, what is still wrong."""

    differences: tuple[Difference, ...] = ()
    mended: tuple[Difference, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    notes: tuple[str, ...] = ()  # sentences that explain what else there is to know
    photos: int = 0  # how much was checked
    files: int = 0
    bytes_read: int = 0

    @property
    def ok(self) -> bool:
        """Whether all that was checked agrees."""
        return not self.differences


def sentence_of(kind: DifferenceKind, count: int) -> str:
    """Say how many of a kind were found."""
    one, many = _SENTENCES[kind]
    return one if count == 1 else many.format(f"{count:,}")
