"""Opens a file, starts a child when told to, and tells whether it answered."""

from __future__ import annotations

import sys

from clipd.process.child import Child
from clipd.process.spawner import spawning


def main() -> None:
    with spawning(), open(sys.argv[1], "rb"):
        print("open", flush=True)
        sys.stdin.read(1)
        with Child("tests.process.idle_threads") as child:
            print("started" if child.lanes[0].receive(0) else "ended", flush=True)
        sys.stdin.read(1)


if __name__ == "__main__":
    main()
