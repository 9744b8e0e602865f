import os
import subprocess
import sys

from clipd.process.memory import available_bytes

SCRIPT = """
from clipd.process.memory import give_back
def resident():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])
kept = []
for number in range(200_000):  # small pieces, of which one in a hundred stays: holes in the heap
    piece = bytearray(600)
    if number % 100 == 0:
        kept.append(piece)
    kept.append(piece)
before = resident()
kept = kept[::1000]
freed = resident()
give_back()
print(before, freed, resident())
"""


def test_what_was_freed_between_pieces_that_stay_goes_back_to_the_system() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    before, freed, after = map(int, done.stdout.split())
    assert after < before / 2
    assert after <= freed


def test_no_more_is_available_than_there_is() -> None:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

    assert 0 < available_bytes() <= total
