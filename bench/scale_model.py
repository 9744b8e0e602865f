"""What a million to a billion photos want: `python -m bench.scale_model` prints the table.

It is that of docs/scale.md. Nothing is measured here. Each constant was, on the machine and by the
command that its line names (docs/performance.md has the runs); all else is multiplication, so that
whoever has other photos, disks or processors puts in other numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

SIZES = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
LARGEST = 10_000_000  # photos of one daemon: see "What breaks first" in docs/scale.md


@dataclass(frozen=True, slots=True)
class Rates:
    """What one photo costs.

    Two cores are of a virtual AMD EPYC (Zen 5); the GPU is an H200 beside 16 cores.
    """

    photo_bytes: float = 2.1e6  # a JPEG of 12 megapixels
    catalog_bytes: float = 1672  # bench.inputs: a row each of photo, path, metadata, vector
    fp16_bytes: float = 1040  # the file of a base with lists in fp16, bench.kinds
    byte_bytes: float = 528  # the same with 8 bits a number
    core_ms: float = 36  # of a core, int8, all processes counted, bench.cores
    two_cores: float = 53.6  # photos a second, int8, bench.cores
    gpu_machine: float = 240  # photos a second, 16 decoders, bench.gpu
    gigabit: float = 118e6  # bytes a second that a gigabit Ethernet carries
    scan_ms: float = 0.009  # a full scan, of a core, docs/performance.md, "Parts"
    verify_ms: float = 0.047  # bench.scale, a million
    backup_ms: float = 0.004  # docs/performance.md, "Parts"
    merge_ms: float = 0.022  # 5 % of the photos changed, lists taken over, bench.scale
    own_mib: float = 81  # memory of a daemon's own at a million, bench.scale
    own_bytes: float = 8  # and of each photo more: its place in the lists
    folder_photos: float = 300  # photos of a folder, which wants a watch


def table(rates: Rates) -> str:
    """Return the table in Markdown."""
    rows = [f"| | {' | '.join(_count(size) for size in SIZES)} |", "|---" * (1 + len(SIZES)) + "|"]
    rows += [
        f"| {name} | {' | '.join(tell(size) for size in SIZES)} |" for name, tell in _rows(rates)
    ]
    return "\n".join(rows)


def _rows(r: Rates) -> Iterator[tuple[str, Callable[[int], str]]]:
    def one(size: int) -> int:
        return min(size, LARGEST)

    yield "daemons, of ten million at most", lambda n: f"{-(-n // LARGEST)}"
    yield "the pictures", lambda n: _size(n * r.photo_bytes)
    yield "core-hours of decoding and encoding (int8)", lambda n: f"{n * r.core_ms / 3.6e6:,.0f}"
    yield "first pass: two cores", lambda n: _time(n / r.two_cores)
    yield "a GPU and 16 cores", lambda n: _time(n / r.gpu_machine)
    yield "ten of these", lambda n: _time(n / r.gpu_machine / 10)
    yield "the same bytes through one gigabit", lambda n: _time(n * r.photo_bytes / r.gigabit)
    yield "catalogs, all", lambda n: _size(n * r.catalog_bytes)
    yield "index, fp16, all", lambda n: _size(n * r.fp16_bytes)
    yield "index, 8 bits, all", lambda n: _size(n * r.byte_bytes)
    yield (
        "memory of its own, a daemon",
        lambda n: f"{r.own_mib + (one(n) - 1e6) * r.own_bytes / (1 << 20):,.0f} MiB",
    )
    yield "watches, a daemon", lambda n: f"{one(n) / r.folder_photos:,.0f}"
    yield "full scan, a daemon", lambda n: _time(one(n) * r.scan_ms / 1000)
    yield "`verify`, a daemon", lambda n: _time(one(n) * r.verify_ms / 1000)
    yield "backup, a daemon", lambda n: _time(one(n) * r.backup_ms / 1000)
    yield "merge of 5 %, a daemon", lambda n: _time(one(n) * r.merge_ms / 1000)


def _count(number: int) -> str:
    return f"{number // 10**9} billion" if number >= 10**9 else f"{number // 10**6} million"


def _size(count: float) -> str:
    for unit, scale in (("PB", 1e15), ("TB", 1e12)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1e9:.1f} GB"


def _time(seconds: float) -> str:
    for unit, scale in (("years", 3.156e7), ("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * scale:
            return f"{seconds / scale:,.0f} {unit}"
    return f"{seconds:,.0f} s"


if __name__ == "__main__":
    print(table(Rates()))
