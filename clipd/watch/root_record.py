"""What is known of one root, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from clipd.watch.disk_thread import DiskPulse, DiskThread, has_stalled
from clipd.watch.root import Root, RootState
from clipd.watch.volumes import Volumes

_GRACE_SECONDS = 3.0
_NOT_LOOKED_AT = "not looked at yet"
_NEVER = float("-inf")

Identity = tuple[int, int]  # device, inode


@dataclass(slots=True)
class RootRecord:
    """What is known of one root; guarded by the lock of ``Roots``. Times are monotonic."""

    root: Root
    identity: Identity | None  # of the folder whose files the catalog knows
    disk: DiskThread  # asks on behalf of threads that must not hang
    volumes: Volumes
    pulse: DiskPulse = field(default_factory=DiskPulse)  # of the root's own thread
    offline: str = _NOT_LOOKED_AT  # why, "" when it is not
    degraded: str = ""  # why, "" when it is not
    deleted_at: float = _NEVER  # when an event last told of a deletion below
    removed_at: float = _NEVER  # when an event last told that the root itself was deleted
    filled_at: float = _NEVER  # before the last look that found something in it
    trusted_at: float = _NEVER  # before the last look that left no doubt
    doubted_at: float | None = None  # since when there is doubt, None when there is none
    accepted: bool = False  # the user said that what is there now is meant
    former_devices: set[int] = field(default_factory=set)
    reported: RootState | None = None

    @property
    def was_removed(self) -> bool:
        """Whether the root itself was deleted since it was last trusted."""
        return self.removed_at > self.trusted_at

    @property
    def was_emptied(self) -> bool:
        """Whether events told of deletions since the root was last seen not empty."""
        return self.deleted_at > self.filled_at and not self.was_removed

    @property
    def was_looked_at(self) -> bool:
        """Whether its state is more than a guess."""
        return self.offline != _NOT_LOOKED_AT

    def silent_seconds(self) -> float:
        """Return for how long its disk has owed an answer; 0 when it owes none."""
        return max(self.disk.silent_seconds(), self.pulse.silent_seconds())

    def state(self) -> RootState:
        """Return the state that follows from all this."""
        silent = self.silent_seconds()
        if has_stalled(silent):
            return RootState("stalled", f"its disk did not answer for {silent:.0f} s")
        if self.offline:
            return RootState("offline", self.offline)
        if self.degraded:
            return RootState("degraded", self.degraded)
        return RootState("online")

    def trust(self, identity: Identity | None, is_empty: bool, looked_at: float) -> Identity | None:
        """Take a folder as the root; return its identity when the catalog has another."""
        fresh = None
        self.trusted_at = looked_at
        self.doubted_at = None
        if identity != self.identity:
            if self.identity is not None:
                self.former_devices.add(self.identity[0])
            self.identity = fresh = identity
        if not is_empty:
            self.filled_at = looked_at
            self.accepted = False
        return fresh

    def is_in_grace(self, looked_at: float) -> bool:
        """Whether a doubt about a root that was online is too young to act on.

        The event that explains it may be on its way: watchdog holds back half of a move.
        """
        if self.doubted_at is None:
            self.doubted_at = looked_at
        return not self.offline and looked_at - self.doubted_at < _GRACE_SECONDS


def is_known(before: RootState | None, now: RootState) -> bool:
    """Whether a state was told of already; how long a disk is silent is no news."""
    return before == now or (
        before is not None and before.state == now.state and now.state == "stalled"
    )
