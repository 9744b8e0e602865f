"""Take away what a child does not need: files, network, other processes, memory without end.

A child reads what anybody may have made, with C libraries that have had holes. So it gives up
its rights before the first byte: Landlock (which paths can be opened), seccomp (which calls can
be made), resource limits. Each works without the others, and `Seals` says which ones hold.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass, replace
from types import ModuleType

from clipd.json_types import JsonObject
from clipd.process.call_filter import (
    CallFilter,
    asks,
    filter_calls,
    load_libseccomp,
    without_questions,
)
from clipd.process.landlock import restrict_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What a child may still do once it is sealed."""

    calls: CallFilter
    readable: tuple[str, ...] = ()  # files and folders, with all below them
    writable: tuple[str, ...] = ()  # the same; devices too
    limits: tuple[tuple[int, int], ...] = ()  # RLIMIT_* of resource, and the most of it


@dataclass(frozen=True, slots=True)
class Seals:
    """What holds a sealed child, as it said itself when it started."""

    landlock: bool  # only the paths that it needs can be opened
    seccomp: bool  # only the calls that it needs can be made
    signals: bool  # Landlock also keeps signals and abstract sockets inside (Linux 6.12)
    threads: bool  # how many threads it may start is bounded, where its calls ask for that
    reason: str  # why one of them is missing; "" when all hold

    def to_json(self) -> JsonObject:
        """Return the seals as the first message of a child carries them."""
        return {
            "landlock": self.landlock,
            "seccomp": self.seccomp,
            "signals": self.signals,
            "threads": self.threads,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, values: JsonObject) -> Seals:
        """Read what `to_json` wrote; a missing word means a missing seal."""
        return cls(
            landlock=values.get("landlock") is True,
            seccomp=values.get("seccomp") is True,
            signals=values.get("signals") is True,
            threads=values.get("threads") is True,
            reason=str(values.get("reason", ""))[:400],
        )

    def warning(self, who: str) -> str:
        """Say in one sentence what is missing that matters; "" when nothing is.

        An old Landlock without its scopes is no warning while seccomp holds, which refuses
        every call that could send a signal. `reason` names it all the same.

        Args:
            who: the children, such as "the decoders".
        """
        if self.landlock and self.seccomp:
            return ""
        lacking = [("files are not closed", self.landlock)]
        lacking += [("all system calls are open", self.seccomp)]
        what = " and ".join(words for words, holds in lacking if not holds)
        return f"not all seals of {who} hold: {what} ({self.reason})"


@dataclass(frozen=True, slots=True)
class Sealed:
    """The outcome of `seal`."""

    seals: Seals
    listener: int  # for the parent, who answers the calls of `ASK` rules; -1: there is none


@dataclass(frozen=True, slots=True)
class _FilterState:
    """What seccomp does for this process."""

    is_loaded: bool
    listener: int
    problem: str


def seal(rights: Rights) -> Sealed:
    """Give up every right but those given. For a process with one thread; cannot be undone.

    What the kernel or libseccomp lack is left out, and said in `Seals.reason`; the rest holds.
    """
    libseccomp = load_libseccomp()  # opens files and starts a program: before the rest
    for which, most in rights.limits:
        _bound_resource(which, most)
    files = restrict_files(rights.readable, rights.writable)
    old = "" if files.has_scopes else "Landlock cannot hold signals back before Linux 6.12"
    calls = _filter(libseccomp, rights.calls)
    is_bounded = calls.is_loaded and (calls.listener >= 0 or not asks(rights.calls))
    reason = "; ".join(filter(None, (files.problem or old, calls.problem)))
    seals = Seals(files.version > 0, calls.is_loaded, files.has_scopes, is_bounded, reason)
    return Sealed(seals, calls.listener)


def _filter(libseccomp: ModuleType | None, wanted: CallFilter) -> _FilterState:
    if libseccomp is None:
        return _FilterState(False, -1, "libseccomp is not installed")
    try:
        return _FilterState(True, filter_calls(libseccomp, wanted), "")
    except OSError as error:
        problem = error.strerror
        if not asks(wanted):
            return _FilterState(False, -1, f"seccomp cannot be used: {problem}")
    # No listener: the kernel is older than 5.5, or a manager of containers listens already.
    plain = _filter(libseccomp, without_questions(wanted))
    return replace(plain, problem=plain.problem or f"threads are not bounded: {problem}")


def _bound_resource(which: int, most: int) -> None:
    """Set a limit of this process (setrlimit(2)) for good, or leave it where it is lower."""
    _, hard = resource.getrlimit(which)
    bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (bound, bound))
