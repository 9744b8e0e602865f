"""What /proc says of processes: who started whom, what they run, what they hold."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told from a later one of the same id by the time it started at."""

    pid: int
    parent: int
    started: int  # clock ticks since boot
    is_zombie: bool
    is_stopped: bool  # by a signal
    command: str

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        now = look(self.pid)
        return now is not None and now.started == self.started and not now.is_zombie


def look(pid: int) -> Process | None:
    """Read one process; None when there is none."""
    folder = Path(f"/proc/{pid}")
    try:
        # the second field is the program's name in brackets and may hold spaces
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return None
    state = fields[0]
    return Process(
        pid, int(fields[1]), int(fields[19]), state == "Z", state == "T", command.strip()
    )


def children(pid: int) -> list[Process]:
    """List the processes that `pid` started, zombies too."""
    found = (look(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [process for process in found if process is not None and process.parent == pid]


def resident_bytes(pid: int) -> int:
    """Return how much memory of a process is resident now (VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"process {pid} has no VmRSS")


def network_sockets(pid: int) -> list[str]:
    """Return the local addresses of the sockets that a process has outside of this machine."""
    own = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            own.add(os.readlink(link))
    found = []
    for kind in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]:
            columns = line.split()
            if f"socket:[{columns[9]}]" in own:
                found.append(columns[1])
    return found
