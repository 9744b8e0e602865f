"""A child with some threads that says that it is ready, and waits for its end."""

from __future__ import annotations

import socket
import sys
import threading

from clipd.process.channel import Channel

THREADS = 3


def main() -> None:
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    done = threading.Event()
    for _ in range(THREADS):
        threading.Thread(target=done.wait).start()
    channel.send({"ready": True})
    channel.receive(0)
    done.set()


if __name__ == "__main__":
    main()
