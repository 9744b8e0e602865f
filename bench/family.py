"""What a process and all below it cost, by what each of them is: processor time and memory."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

_SECONDS = 0.5  # between looks; what a process does after the last one is not counted
_LOOKS_A_WEIGHING = 4  # memory takes longer to read
_TICKS = os.sysconf("SC_CLK_TCK")


class Family:
    """Looks at a process and its descendants twice a second, on a thread, until it is closed.

    Args:
        pid: of the first of them.
        kind_of: says by its command what a process is.
    """

    def __init__(self, pid: int, kind_of: Callable[[str], str]) -> None:
        self._pid = pid
        self._kind_of = kind_of
        self._kinds: dict[int, str] = {}
        self._cpu: dict[int, float] = {}  # of those that have ended, too
        self._peaks: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_again_and_again)

    @property
    def cpu_seconds(self) -> dict[str, float]:
        """Processor time by kind."""
        total: Counter[str] = Counter()
        for pid, seconds in self._cpu.items():
            total[self._kinds[pid]] += seconds  # type: ignore[assignment]
        return dict(total)

    @property
    def peak_mib(self) -> dict[str, float]:
        """The most memory of all of a kind together; what they share is divided among them."""
        return dict(self._peaks)

    def __enter__(self) -> Family:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look_again_and_again(self) -> None:
        looks = 0
        while not self._stop.wait(_SECONDS):
            members = list(self._members())
            if looks % _LOOKS_A_WEIGHING == 0:
                self._weigh(members)
            looks += 1

    def _members(self) -> Iterator[int]:
        """Yield the family's processes of now, and note their processor time."""
        parents = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS)
        for pid in parents:
            above = pid
            while above != self._pid and above in parents:
                above = parents[above][0]
            if above == self._pid:
                self._note(pid, parents[pid][1])
                yield pid

    def _note(self, pid: int, seconds: float) -> None:
        self._cpu[pid] = seconds
        try:  # it may have become another program, or given itself a name
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            command = ""
        if command or pid not in self._kinds:
            self._kinds[pid] = self._kind_of(command)

    def _weigh(self, members: list[int]) -> None:
        now: Counter[str] = Counter()
        for pid in members:
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            kib = sum(int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:")
            now[self._kinds[pid]] += kib / 1024  # type: ignore[assignment]
        self._peaks |= now
